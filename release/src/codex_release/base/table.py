"""Reading what others wrote as TOML or JSON: every value is asked for by its key and its kind, never trusted.

What is missing or of another kind is an error that names where it was read, the dotted key, and what to do about it; it
is of the kind that suits who reads.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from codex_release.base.errors import ReleaseError, WorkspaceError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from pathlib import Path


__all__ = ["TOO_LARGE", "Table", "parse_toml", "read_json", "read_toml"]

T = TypeVar("T")
_SHOWN = 60
"""How much of a wrong value a message holds, in characters."""
TOO_LARGE = 1 << 63
"""No file has so many bytes; JSON has no bound, and what is beyond a float can be neither timed nor shown."""
_MEND = "mend it there; git diff shows what was changed"
_KINDS = {dict: "a table", list: "an array", str: "a text", bool: "a truth value", int: "a number", float: "a fraction"}


@dataclass(frozen=True)
class Table:
    """A table, or what is in the place of one.

    Attributes:
        values: what was parsed.
        name: where it was read, e.g. a file's path or ``GitHub's answer about rust-v0.169.0``.
        error: what is raised.
        remedy: what to do if something is not as it should be.
        path: the keys that lead here.
    """

    values: Any = field(repr=False)
    name: str
    error: type[ReleaseError]
    remedy: str | None = None
    path: tuple[str, ...] = ()

    def refuse(self, key: str, found: str) -> NoReturn:
        """Raise the error about one key.

        Args:
            key: in this table; the table itself if it is empty.
            found: what is wrong, with the key as its subject, e.g. ``is no size``.
        """
        where = ".".join(map(_quoted, (*self.path, key) if key else self.path)) or "the whole of it"
        raise self.error(f"{self.name}: {where} {found}", remedy=self.remedy)

    def __iter__(self) -> Iterator[str]:
        """The keys of the table, in its order."""
        return iter(self._table())

    def get(self, key: str) -> Any:
        """A value of any kind; `None` if there is none."""
        return self._table().get(key)

    def text(self, key: str) -> str:
        """A text."""
        return self._of(key, str)

    def number(self, key: str) -> int:
        """A whole number that is not negative."""
        value = self._of(key, int)
        if value < 0:
            self.refuse(key, f"is {value}, which is negative")
        if value >= TOO_LARGE:
            self.refuse(key, "is larger than any size or count")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """An array of texts."""
        values: list[Any] = self._of(key, list)
        for number, value in enumerate(values):
            if not isinstance(value, str):
                self.refuse(f"{key}[{number}]", f"is {_shown(value)}, not a text")
        return tuple(values)

    def mapping(self, key: str) -> dict[str, str]:
        """A table of texts."""
        table = self.table(key)
        return {each: table.text(each) for each in table}

    def table(self, key: str) -> Table:
        """A table in this one."""
        return self._at(key, self._of(key, dict))

    def tables(self, key: str) -> list[Table]:
        """An array of tables."""
        values: list[Any] = self._of(key, list)
        found = [self._at(f"{key}[{number}]", value) for number, value in enumerate(values)]
        for number, each in enumerate(found):
            if not isinstance(each.values, dict):
                self.refuse(f"{key}[{number}]", f"is {_shown(each.values)}, not a table")
        return found

    def each(self, key: str) -> list[tuple[str, Table]]:
        """The tables in a table, with their keys."""
        table = self.table(key)
        return [(name, table.table(name)) for name in table]

    def filled(self, kind: type[T], *, is_open: bool = False, **more: object) -> T:
        """All of the table as a dataclass whose fields have the names of its keys.

        Args:
            kind: the class; its fields are texts, numbers, truth values, tables of texts, other such classes, `None`
                beside one of these, or arrays of texts or classes. Those with a default may be missing.
            is_open: whether other keys may be in it, as whoever writes may know more than this.
            more: fields that are not read.
        """
        hashable: Any = kind  # as every class is; the type checker doubts it of a type variable
        facts, hints = dict(more), _hints(hashable)
        wanted = {each.name: each for each in fields(kind) if each.name not in more}  # type: ignore[arg-type]
        for key in self._table():
            if key not in wanted and not is_open:
                self.refuse(key, "is not known; its name may be misspelled")
        for name, each in wanted.items():
            if name in self._table() or (each.default is MISSING and each.default_factory is MISSING):
                facts[name] = self._value(name, hints[name], is_open=is_open)
        return kind(**facts)

    def _value(self, key: str, hint: Any, *, is_open: bool) -> object:
        """The value of a field with an annotation."""
        origin, arguments = get_origin(hint), get_args(hint)
        if origin in {Union, UnionType}:
            (inner,) = (each for each in arguments if each is not NoneType)
            is_null = key in self and self.get(key) is None
            return None if is_null else self._value(key, inner, is_open=is_open)
        if origin is tuple and arguments[0] is not str:
            return tuple(each.filled(arguments[0], is_open=is_open) for each in self.tables(key))
        if is_dataclass(hint):
            return self.table(key).filled(cast("type", hint), is_open=is_open)
        if hint is float and type(self.get(key)) is int:
            return float(self.number(key))
        readers: dict[Any, Callable[[str], object]] = {tuple: self.texts, Mapping: self.mapping, int: self.number}
        read = readers.get(origin or hint)
        return read(key) if read else self._of(key, hint)

    def _table(self) -> Mapping[str, Any]:
        if not isinstance(self.values, dict):
            self.refuse("", f"is {_shown(self.values)}, not a table")
        return self.values

    def _of(self, key: str, kind: type[T]) -> T:
        table = self._table()
        if key not in table:
            self.refuse(key, "is missing")
        value = table[key]
        if type(value) is not kind:  # True is an int, and not meant
            self.refuse(key, f"is {_shown(value)}, not {_KINDS[kind]}")
        return value

    def _at(self, key: str, values: object) -> Table:
        return Table(values, self.name, self.error, self.remedy, (*self.path, key))


def parse_toml(text: str, name: str, error: type[ReleaseError], remedy: str) -> Table:
    """What a TOML text holds; the arguments beside it are the attributes of a `Table`.

    Raises:
        ReleaseError: of the kind `error`, if it is no TOML.
    """
    try:
        return Table(tomllib.loads(text), name, error, remedy)
    except (ValueError, RecursionError) as problem:  # TOMLDecodeError is a ValueError; so is a number of absurd length
        raise error(f"{name} is not valid TOML: {problem}", remedy=remedy) from problem


def read_toml(path: Path) -> Table:
    """The tables of a TOML file of the checkout.

    Raises:
        WorkspaceError: if it cannot be read or is no TOML, here and by the tables.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise WorkspaceError(f"{path} cannot be read: {problem}", remedy=_MEND) from problem
    return parse_toml(text, str(path), WorkspaceError, _MEND)


def read_json(text: str | bytes, name: str, error: type[ReleaseError], remedy: str | None = None) -> Table:
    """What a JSON text holds; the arguments beside it are the attributes of a `Table`.

    Raises:
        ReleaseError: of the kind `error`, if it is no JSON.
    """
    try:
        return Table(json.loads(text, parse_float=_finite, parse_constant=_finite), name, error, remedy)
    except (ValueError, RecursionError) as problem:
        raise error(f"{name} is no JSON: {problem}", remedy=remedy) from problem


def _finite(text: str) -> float:
    """A number that can be reckoned with; Python would read ``NaN``, and take ``1e999`` for infinity."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:_SHOWN]} is no number")
    return number


@cache
def _hints(kind: Any) -> dict[str, Any]:
    # Annotations are texts, and `Mapping` is imported for the type checker alone where they stand.
    return get_type_hints(kind, localns={"Mapping": Mapping})


def _quoted(key: str) -> str:
    """A key as it stands in TOML, as far as it matters to find it."""
    return f'"{key}"' if "." in key or "/" in key else key


def _shown(value: object) -> str:
    if value is None:
        return "null"
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{_KINDS.get(type(value), 'a value')} that begins {text[:_SHOWN]}…"
