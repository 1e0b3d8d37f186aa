"""Python names for the wire's names. Pure text: same name in, same name out."""

from __future__ import annotations

import keyword
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["attribute", "member", "pascal", "room_name", "snake"]

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_ONE_WORD = (("OAuth", "Oauth"),)
"""What has a hump and is one word all the same."""
_OTHER_MODULES = frozenset({"afront", "amethods", "events", "front", "methods", "prose", "registry"})
"""What the generated package has beside its rooms."""
_SEPARATORS = re.compile(r"[^A-Za-z0-9]+")


def snake(wire: str) -> str:
    """A wire name in lower case with underscores: ``threadId``, ``thread/id`` and ``$thread-id`` are ``thread_id``."""
    for humped, word in _ONE_WORD:
        wire = wire.replace(humped, word)
    return _HUMP.sub("_", _SEPARATORS.sub("_", wire)).strip("_").lower()


def pascal(wire: str) -> str:
    """A wire name as the beginning of a class name: ``openai/userVerification`` is ``OpenaiUserVerification``."""
    return "".join(word[:1].upper() + word[1:] for word in _SEPARATORS.split(wire))


def attribute(wire: str, reserved: Collection[str] = ()) -> str:
    """The attribute of a field, or the method for a protocol method; what is reserved or a keyword ends in _."""
    return _free(snake(wire), reserved)


def member(value: str) -> str:
    """The member of an enum for a string; one that is a keyword or a method of `str` ends in an underscore."""
    name = snake(value)
    return _free(f"_{name}" if name[:1].isdigit() else name, dir(str))


def room_name(word: str) -> str:
    """The module that is called after a word of the protocol."""
    return _free(snake(word), _OTHER_MODULES)


def _free(name: str, reserved: Collection[str]) -> str:
    return f"{name}_" if keyword.iskeyword(name) or name in reserved else name
