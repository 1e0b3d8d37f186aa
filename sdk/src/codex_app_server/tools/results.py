"""What a tool gives back, as the runtime takes it: texts and images, within a bound."""

from __future__ import annotations

import base64
import json
import mimetypes
from typing import TYPE_CHECKING, Any

from codex_app_server.inputs import ImageInput, LocalImageInput
from codex_app_server.tools.context import ToolError

if TYPE_CHECKING:
    from collections.abc import Callable

    from codex_app_server.protocol.messages import JsonValue

__all__ = ["cut", "failure", "success"]

_ROOM_FOR_WORDS = 64
"""How many bytes what is said of a cut may take."""


def success(given: object, most_bytes: int | None) -> dict[str, JsonValue]:
    """The answer to a call, of what the function returned.

    Args:
        given: a text, an image, a list with images in it, None, or what JSON can say.
        most_bytes: how much text there may be, in bytes; None is without limit.

    Raises:
        TypeError: if it can be none of these.
        OSError: if an image cannot be read.
    """
    parts = given if isinstance(given, (list, tuple)) and any(map(_is_image, given)) else [given]
    items: list[JsonValue] = []
    left = most_bytes
    for part in parts:
        if part is None:
            continue
        if _is_image(part):
            items.append({"type": "inputImage", "imageUrl": _url(part)})
            continue
        text = _sendable(_text(part))
        if left is not None:
            text = cut(text, left)
            left = max(0, left - len(text.encode()))
        items.append({"type": "inputText", "text": text})
    return {"success": True, "contentItems": items}


def failure(error: BaseException | str, most_bytes: int | None = None) -> dict[str, JsonValue]:
    """The answer to a call that came to nothing."""
    if isinstance(error, BaseException) and not isinstance(error, ToolError):
        text = f"{type(error).__name__}: {_words(error)}".removesuffix(": ")
    else:
        text = _words(error)
    text = _sendable(text)
    text = text if most_bytes is None else cut(text, most_bytes)
    return {"success": False, "contentItems": [{"type": "inputText", "text": text}]}


def cut(text: str, most_bytes: int) -> str:
    """A text of so many bytes at most: what is too much is left out of its middle, and a sentence there says so."""
    data = text.encode(errors="replace")
    if len(data) <= most_bytes:
        return text
    half = max(0, most_bytes - _ROOM_FOR_WORDS) // 2
    head = data[:half].decode(errors="ignore")
    tail = data[len(data) - half :].decode(errors="ignore")
    return f"{head}\n[{len(text) - len(head) - len(tail):,} characters are left out here]\n{tail}"


def _sendable(text: str) -> str:
    """A text without halves of surrogate pairs, of which file names that are no Unicode are made: no bytes say them."""
    return text.encode(errors="backslashreplace").decode()


def _words(error: BaseException | str) -> str:
    try:
        return str(error)
    except Exception:  # its author's
        return "no words for it"


def _text(value: object) -> str:
    if isinstance(value, str):
        return str.__str__(value)
    from pydantic_core import to_json, to_jsonable_python

    try:
        return to_json(value).decode()
    except ValueError:  # perhaps only for a text in it that is no Unicode
        try:
            return json.dumps(to_jsonable_python(value), ensure_ascii=False, separators=(",", ":"))
        except ValueError as error:
            raise TypeError(f"the tool returned what JSON cannot say: {error}") from error


def _is_image(value: object) -> bool:
    return isinstance(value, (ImageInput, LocalImageInput)) or callable(getattr(type(value), "_repr_png_", None))


def _url(image: Any) -> str:
    if isinstance(image, ImageInput):
        return image.url
    if isinstance(image, LocalImageInput):
        with open(image.path, "rb") as file:  # noqa: PTH123 - as in `inputs`
            data = file.read()
        kind = mimetypes.guess_type(str(image.path))[0] or "image/png"
    else:
        draw: Callable[[], bytes | None] = image._repr_png_  # what notebooks call too
        data, kind = draw() or b"", "image/png"
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
