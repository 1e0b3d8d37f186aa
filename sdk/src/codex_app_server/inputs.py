"""The input of a turn: texts, images, skills and mentions, plain values without a model behind them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TypeAlias

    from codex_app_server.protocol.messages import JsonValue

__all__ = [
    "ImageInput",
    "Input",
    "InputItem",
    "LocalImageInput",
    "MentionInput",
    "RunInput",
    "SkillInput",
    "TextInput",
    "input_items",
]


@dataclass(frozen=True, slots=True)
class TextInput:
    """A text.

    Attributes:
        text: the whole text.
    """

    text: str

    def to_wire(self) -> JsonValue:
        """As the protocol's ``UserInput``."""
        return {"type": "text", "text": self.text}


@dataclass(frozen=True, slots=True)
class ImageInput:
    """An image that the model fetches.

    Attributes:
        url: the address of the image; a ``data:`` URL has the image itself in it.
    """

    url: str

    def to_wire(self) -> JsonValue:
        """As the protocol's ``UserInput``."""
        return {"type": "image", "url": self.url}


@dataclass(frozen=True, slots=True)
class LocalImageInput:
    """An image in a file, which the runtime reads.

    Attributes:
        path: the path of the file; a relative one is taken from the working directory of this program, not of the
            runtime.
    """

    path: str | os.PathLike[str]

    def to_wire(self) -> JsonValue:
        """As the protocol's ``UserInput``."""
        return {"type": "localImage", "path": os.path.abspath(self.path)}  # noqa: PTH100 - pathlib costs 4 ms to import


@dataclass(frozen=True, slots=True)
class SkillInput:
    """A skill to use.

    Attributes:
        name: the name of the skill.
        path: the path of its ``SKILL.md``.
    """

    name: str
    path: str | os.PathLike[str]

    def to_wire(self) -> JsonValue:
        """As the protocol's ``UserInput``."""
        return {"type": "skill", "name": self.name, "path": os.fspath(self.path)}


@dataclass(frozen=True, slots=True)
class MentionInput:
    """A mention of something, e.g. of an app.

    Attributes:
        name: the name of what is mentioned.
        path: the path that identifies it, e.g. ``app://<id>``.
    """

    name: str
    path: str

    def to_wire(self) -> JsonValue:
        """As the protocol's ``UserInput``."""
        return {"type": "mention", "name": self.name, "path": self.path}


InputItem: TypeAlias = TextInput | ImageInput | LocalImageInput | SkillInput | MentionInput
"""One part of an input."""

Input: TypeAlias = InputItem | str | Sequence[InputItem | str]
"""One part or a sequence of them; a string is short for a `TextInput`."""

RunInput: TypeAlias = Input
"""Another name of `Input`, used where a turn is run at once."""

_ITEMS = (TextInput, ImageInput, LocalImageInput, SkillInput, MentionInput)
_BYTES = (bytes, bytearray, memoryview)


def input_items(given: Input) -> list[JsonValue]:
    """An input as the protocol's list of ``UserInput``.

    Raises:
        TypeError: if it is something else. Bytes are refused too, though they are a sequence.
    """
    if isinstance(given, Sequence) and not isinstance(given, (str, *_BYTES)):
        return [_wire(item) for item in given]
    return [_wire(given)]


def _wire(item: object) -> JsonValue:
    if isinstance(item, str):
        return TextInput(str.__str__(item)).to_wire()
    if isinstance(item, _ITEMS):
        return item.to_wire()
    hint = "; decode it first" if isinstance(item, _BYTES) else ""
    raise TypeError(f"an input is made of strings, {', '.join(kind.__name__ for kind in _ITEMS)}, not {item!r}{hint}")
