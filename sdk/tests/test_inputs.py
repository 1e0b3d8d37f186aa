"""What a turn can be asked: one thing or several, strings among them, in any sequence, and nothing else."""

from __future__ import annotations

from collections import UserString, deque
from enum import Enum
from typing import Any

import pytest

from codex_app_server import ImageInput, TextInput
from codex_app_server.inputs import input_items

A, B = ({"type": "text", "text": text} for text in "ab")
IMAGE = {"type": "image", "url": "data:"}


class Word(str, Enum):
    a = "a"


@pytest.mark.parametrize(
    ("said", "items"),
    [
        ("a", [A]),
        (Word.a, [A]),
        ("", [{"type": "text", "text": ""}]),
        (TextInput("a"), [A]),
        ([], []),
        (["a", TextInput("b")], [A, B]),
        (("a", ImageInput("data:"), "b"), [A, IMAGE, B]),
        (deque(["a"]), [A]),
    ],
)
def test_one_thing_or_several_are_taken(said: Any, items: list[object]) -> None:
    assert input_items(said) == items


@pytest.mark.parametrize(
    "wrong",
    [
        b"a",
        bytearray(b"a"),
        memoryview(b"a"),
        [b"a"],
        None,
        5,
        {"a"},
        {"type": "text"},
        iter("a"),
        [["a"]],
        [UserString("a")],
    ],
)
def test_what_is_no_input_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="an input is made of strings, TextInput"):
        input_items(wrong)


def test_bytes_are_told_to_be_decoded() -> None:
    with pytest.raises(TypeError, match="decode it first"):
        input_items(b"a")  # type: ignore[arg-type]  # the mistake is the test
