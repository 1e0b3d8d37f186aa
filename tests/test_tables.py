"""What a person reads when a file or an answer is not as it should be: where, which key, and what to do about it.

Every value of the real files is taken away or replaced by one of every other kind, one after another.
"""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from programs import ROOT

from codex_release.base import table
from codex_release.base.errors import LockError, ReleaseError, SourceError
from codex_release.base.table import Table, read_json, read_toml
from codex_release.facts.lock import Lock
from codex_release.facts.targets import Catalog
from codex_release.index.listing import parse_json
from codex_release.protocol.prose import Prose
from codex_release.protocol.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ODD: list[object] = [-1, 1.5, True, "", "x", "../x", [], [1], {}, {"a": 1}]
BARE = re.compile(r"KeyError|TypeError|AttributeError|ValueError|IndexError|Traceback|object at 0x|struct\.error")
EXAMPLE = "x86_64-unknown-linux-musl"
ENOUGH, KEYS = 1, 12
"""Of an array, and of the tables that are alike, so many are tried: the others are read by the same code."""


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value, those of large tables by example."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for number, (key, each) in enumerate(items):
        if number < (ENOUGH if isinstance(value, list) else KEYS):
            yield (*path, key)
            yield from places(each, (*path, key))


def changed(document: Any, path: tuple[Any, ...], *value: object) -> Any:
    """A document with another value in one place, or with none there; it shares the rest with the first."""
    key, *rest = path
    other = copy.copy(document)
    if rest:
        other[key] = changed(document[key], tuple(rest), *value)
    elif value:
        other[key] = value[0]
    else:
        del other[key]
    return other


def spoiled(document: Any) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every document that differs in one place."""
    for path in places(document):
        if path[:1] == ("targets",) and path[1:2] not in ((), (EXAMPLE,)):
            continue
        yield path, changed(document, path)
        for value in ODD:
            yield path, changed(document, path, value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "read", "remedy"),
    [
        ("targets.toml", Catalog.load, "mend it there; git diff shows what was changed"),
        (
            "runtime.lock.toml",
            Lock.read,
            "restore it from version control, or delete it and write it anew with: codex-release lock VERSION",
        ),
        ("protocol.prose.toml", Prose.load, "mend it there; git diff shows what was changed"),
        ("protocol.toml", Rules.load, "mend it there; git diff shows what was changed"),
    ],
)
def test_a_spoiled_file_is_read_or_refused_by_file_key_and_remedy(
    name: str, read: Callable[[Path], object], remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    document = read_toml(ROOT / "release" / name).values
    if name == "runtime.lock.toml":
        document["targets"] = {EXAMPLE: document["targets"][EXAMPLE]}
    if name == "protocol.toml":
        prose = Prose.load(ROOT / "release" / "protocol.prose.toml")
        monkeypatch.setattr(Prose, "load", lambda _: prose)
    # TOML takes a hundred times as long to write and to parse, and what was parsed is what this is about.
    monkeypatch.setattr(table, "tomllib", json)
    refusals = 0
    for place, other in spoiled(document):
        path.write_text(json.dumps(other), encoding="utf-8")
        try:
            read(path)
        except ReleaseError as error:
            refusals += 1
            said = str(error)
            told = said.startswith(f"{path}: ") and said.endswith(f"; {remedy}") and not BARE.search(said)
            assert told, f"{place}: {said}"
            keys = [each for each in place if isinstance(each, str)][-2:]
            assert any(key in said for key in keys), f"{place}: {said}"
    assert refusals > 100


def test_a_spoiled_listing_is_read_or_refused_by_index_key_and_remedy() -> None:
    file = {
        "filename": "x-1.0.tar.gz",
        "url": "x-1.0.tar.gz",
        "hashes": {"sha256": "ab" * 32},
        "requires-python": ">=3.10",
        "provenance": "https://files.example/p",
        "yanked": False,
        "size": 3,
    }
    for place, other in spoiled({"meta": {"api-version": "1.1"}, "files": [file]}):
        try:
            parse_json(json.dumps(other).encode(), "x", "https://index.example/simple/x/")
        except ReleaseError as error:
            assert not BARE.search(str(error)), f"{place}: {error}"  # noqa: PT017 - some do no harm


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"a": ' + "9" * 5_000 + "}", "\ufeff{}", "nul"])
def test_what_is_no_json_says_so_without_a_traceback(text: str) -> None:
    with pytest.raises(SourceError, match=r"^the answer(?:: the whole of it| is no JSON|: name is missing)"):
        read_json(text, "the answer", SourceError, "ask another").text("name")


def test_a_number_that_is_no_size_of_anything_is_refused() -> None:
    """JSON has no bound, and what is beyond a float ended the display of a download with a traceback."""
    table = Table({"size": 1 << 63, "most": (1 << 63) - 1, "less": -1}, "the answer", LockError)
    assert table.number("most") == (1 << 63) - 1
    with pytest.raises(LockError, match=r"^the answer: size is larger than any size or count$"):
        table.number("size")
    with pytest.raises(LockError, match=r"^the answer: less is -1, which is negative$"):
        table.number("less")
