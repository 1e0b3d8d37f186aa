"""Options that are misspelt, with the name that was meant; and those of another type than their own."""

from __future__ import annotations

import sys
from functools import wraps
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Suggesting", "checked", "nearest", "suggesting"]

_Function = TypeVar("_Function", bound="Callable[..., Any]")
_Kind = TypeVar("_Kind")
_UNEXPECTED = "unexpected keyword argument '"


def checked(kind: type[_Kind], given: _Kind) -> _Kind:
    """An option that is called like its class; `TypeError` if it is something else."""
    if not isinstance(given, kind):
        raise TypeError(f"{kind.__name__.lower()} must be {kind.__name__}, not {given!r}")
    return given


def nearest(name: str, known: Iterable[str], least: float = 0.6) -> str | None:
    """The name that was probably meant; None if no known one is near, which is as like as `least`, of 1."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, list(known), 1, least)), None)


def suggesting(function: _Function) -> _Function:
    """A function whose `TypeError` for an unknown option names the nearest known one, as Python does from 3.13 on."""
    if sys.version_info >= (3, 13) or not function.__code__.co_kwonlyargcount:
        return function
    known = function.__code__.co_varnames[: function.__code__.co_argcount + function.__code__.co_kwonlyargcount]

    def suggestion(error: TypeError) -> TypeError | None:
        """The better error, if it was this very call that failed, and nothing further inside."""
        before, found, name = str(error).partition(_UNEXPECTED)
        is_ours = error.__traceback__ is not None and error.__traceback__.tb_next is None
        meant = nearest(name.rstrip("'"), known) if found and is_ours else None
        return None if meant is None else TypeError(f"{before}{found}{name}. Did you mean '{meant}'?")

    @wraps(function)
    def call(*values: Any, **options: Any) -> Any:
        try:
            return function(*values, **options)
        except TypeError as error:
            if (better := suggestion(error)) is None:
                raise
            raise better from None

    @wraps(function)
    async def call_later(*values: Any, **options: Any) -> Any:
        return await call(*values, **options)

    return cast("_Function", call_later if iscoroutinefunction(function) else call)


class Suggesting:
    """The base of classes whose methods with options are `suggesting`."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if sys.version_info >= (3, 13):
            return
        for name, member in list(vars(cls).items()):
            if hasattr(member, "__code__") and member.__code__.co_kwonlyargcount:
                setattr(cls, name, suggesting(member))
