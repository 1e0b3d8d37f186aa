"""What a docstring says of a function, in whichever of the usual styles: Google, NumPy, Sphinx, Epydoc."""

from __future__ import annotations

import inspect
from typing import NamedTuple

__all__ = ["Said", "read"]


class Said(NamedTuple):
    """What a docstring says.

    Attributes:
        about: what the function does, and what it returns.
        parameters: what each parameter is, by its name.
    """

    about: str
    parameters: dict[str, str]


def read(docstring: str | None) -> Said:
    """What a docstring says; one that no style fits is all about what the function does."""
    text = inspect.cleandoc(docstring or "")
    if "\n" not in text:
        return Said(text, {})
    # Not at the top: a program without tools, or without such docstrings, does not need it.
    from docstring_parser import ParseError, parse

    try:
        parsed = parse(text)
    except ParseError:
        return Said(text, {})
    returns = parsed.returns
    parts = [parsed.short_description, parsed.long_description]
    if returns is not None and returns.description:
        parts.append(f"Returns: {_joined(returns.description)}")
    parameters = {each.arg_name: _joined(each.description) for each in parsed.params if each.description}
    return Said("\n\n".join(filter(None, parts)), parameters)


def _joined(text: str) -> str:
    """In one line: where it was broken says nothing."""
    return " ".join(text.split())
