"""What tests need beyond this checkout, as the marks that ``pyproject.toml`` explains.

A fixture says once what it needs, below its ``@pytest.fixture``, and every test that uses it, through whatever other
fixtures, gets the mark; a test that needs something by itself carries the mark.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

__all__ = ["OUTSIDE", "needs", "needs_of"]

OUTSIDE = frozenset({"runtime", "index", "emulator", "network"})
"""The marks of tests that may find something outside of the checkout."""

_Function = TypeVar("_Function", bound="Callable[..., Any]")


def needs(*marks: str) -> Callable[[_Function], _Function]:
    """Says of a fixture what tests that use it need, by the names of marks."""

    def note(function: _Function) -> _Function:
        function.needs = marks  # type: ignore[attr-defined]  # read by `needs_of`
        return function

    return note


def needs_of(item: pytest.Item) -> set[str]:
    """The marks that a test gets from its fixtures."""
    marks: set[str] = set()
    info = getattr(item, "_fixtureinfo", None)  # none on what is no function
    for name, definitions in info.name2fixturedefs.items() if info else ():
        for definition in reversed(definitions):
            marks.update(getattr(definition.func, "needs", ()))
            if name not in definition.argnames:
                break  # it stands in the place of those before it, and does not use them
    return marks
