"""Messages count one thing as one: no text that a program shows puts a bare number before a plural."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from codex_release.base.words import counted

ROOT = Path(__file__).resolve().parent.parent
TOOLKIT = sorted((ROOT / "release" / "src" / "codex_release").rglob("*.py"))
_NOT_THINGS = {"is", "has", "was", "does", "of", "as", "this", "its", "seconds", "minutes", "bytes", "characters"}


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [(0, "file", "0 files"), (1, "file", "1 file"), (2, "entry", "2 entries"), (1, "entry", "1 entry")],
)
def test_a_number_of_things(count: int, noun: str, text: str) -> None:
    assert counted(count, noun) == text


def bare_counts(tree: ast.AST) -> Iterator[str]:
    """The plurals that stand right behind ``{len(...)}`` in a text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            for value, text in zip(node.values, node.values[1:], strict=False):
                if isinstance(value, ast.FormattedValue) and isinstance(text, ast.Constant):
                    call = value.value
                    is_length = isinstance(call, ast.Call) and getattr(call.func, "id", "") == "len"
                    found = re.match(r" (?:\w+ )?(\w+s)\b", str(text.value))
                    if is_length and found and found[1] not in _NOT_THINGS:
                        yield found[0]


def test_the_toolkit_counts_with_words() -> None:
    found = {path.name: list(bare_counts(ast.parse(path.read_text(encoding="utf-8")))) for path in TOOLKIT}
    # What a check says of a number that is not one.
    found["release.py"] = [each for each in found["release.py"] if "pinned" not in each]
    found["runtime.py"] = [each for each in found["runtime.py"] if "bills" not in each]
    assert {name: plurals for name, plurals in found.items() if plurals} == {}


def test_a_bare_plural_would_be_found() -> None:
    assert list(bare_counts(ast.parse('f"{len(x)} runtime wheels"'))) == [" runtime wheels"]
