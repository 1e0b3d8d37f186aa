"""What `release/targets.toml` may say beside being whole: one table of rules for its texts, and what they are held to.

A name or a path that leads elsewhere would be written there, a word that code does not know would match nothing, and
braces that nothing fills in would stay in a name.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from codex_release.base.paths import unsafe_name, whats_unsafe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from codex_release.base.table import Table

__all__ = ["require_rules"]


def require_rules(data: Table) -> None:
    """Refuse what breaks a rule.

    Args:
        data: the whole file; whatever it has is of the right kind.

    Raises:
        WorkspaceError: naming the key and the text.
    """
    for tables in ("targets", "works"):
        for name in data.table(tables):
            if problem := unsafe_name(name):
                data.table(tables).refuse(name, problem)
    for place, keys, whats_wrong in _RULES:
        for table in _tables(data, place.split(".")):
            for key in (key for key in table if not keys or key in keys):
                for text in _texts(table.get(key)):
                    if problem := whats_wrong(key, text):
                        table.refuse(key, problem)
    distribution, limits = data.table("runtime").text("distribution"), list(data.table("size_limits"))
    if distribution not in limits or len(limits) != 2:
        found = ", ".join(limits) or "no project"
        data.refuse("size_limits", f"has {found}, not runtime.distribution ({distribution}) and the client")


def _tables(data: Table, place: list[str]) -> Iterator[Table]:
    """The tables at a place; a star stands for any name."""
    if not place:
        yield data
        return
    for name in data if place[0] == "*" else place[:1]:
        yield from _tables(data.table(name), place[1:])


def _texts(value: Any) -> list[str]:
    """The texts in a value, and the keys where it is a table; a number has none."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, int):
        return []
    return [text for each in value for text in _texts(each)] + (list(value.values()) if isinstance(value, dict) else [])


def _unsafe(whats_wrong: Callable[[str], str], _: str, text: str) -> str:
    problem = whats_wrong(text.replace("*", "x"))  # which patterns have
    return f"has {text!r}, which {problem}" if problem else ""


def _empty(key: str, text: str) -> str:
    return "" if text or key == "exe" else "is empty, or has an empty text"


def _no_repository(_: str, text: str) -> str:
    is_one = re.fullmatch(r"[\w.-]+/[\w.-]+", text)
    return "" if is_one else f"is {text!r}, not an owner and a name as in openai/codex"


def _none_of(words: tuple[str, ...], _: str, text: str) -> str:
    return "" if text in words else f"has {text!r}, which is none of {', '.join(map(repr, words))}"


def _unfilled(filled: Mapping[str, tuple[str, ...]], key: str, text: str) -> str:
    fields, rest = filled.get(key, ()), text
    for each in fields:
        rest = rest.replace(each, "")
    is_whole = "{" not in rest and "}" not in rest
    return "" if is_whole else f"has {text!r}; filled in are {', '.join(fields) or 'no braces'} alone"


_OWN = ("{triple}", "{exe}", "{npm}")
"""What `Target.fill` puts into a pattern."""
_ASKS = partial(_none_of, ("--version", "initialize"))
_NAME = partial(_unsafe, unsafe_name)

_RULES: tuple[tuple[str, tuple[str, ...], Callable[[str, str], str]], ...] = (
    ("layout", (), partial(_unsafe, whats_unsafe)),
    ("runtime", ("distribution", "module"), _NAME),
    ("sources.github", ("checksums", "archives", "bundle"), _NAME),
    ("sources.npm", ("archive",), _NAME),
    ("runtime", (), _empty),
    ("sources.*", (), _empty),
    ("layout", (), _empty),
    ("targets.*", (), _empty),
    ("sources.github", ("repository",), _no_repository),
    ("targets.*", ("format",), partial(_none_of, ("elf", "mach-o", "pe"))),
    ("targets.*", ("exe",), partial(_none_of, ("", ".exe"))),
    ("targets.*", ("system",), partial(_none_of, ("linux", "darwin", "win32"))),
    ("targets.*", ("cibuildwheel_platform",), partial(_none_of, ("linux", "macos", "windows"))),
    ("runtime", ("asks",), _ASKS),
    ("emulators.*", ("asks",), _ASKS),
    ("layout", (), partial(_unfilled, dict.fromkeys(("entrypoint", "prefixes", "renames"), _OWN))),
    ("sources.github", (), partial(_unfilled, {"archives": _OWN, "bundle": _OWN, "signer": ("{tag}",)})),
    ("sources.npm", (), partial(_unfilled, dict.fromkeys(("version", "archive"), (*_OWN, "{version}")))),
    ("emulators.*", (), partial(_unfilled, {"environ": ("{scratch}",)})),
)
"""Of a table, the keys that are meant, all of them if none is named, and what is wrong with a text under one."""
