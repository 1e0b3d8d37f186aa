"""Attributes that are made when they are first asked for: once, whichever threads ask."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

__all__ = ["made_once"]

_T = TypeVar("_T")


class made_once(Generic[_T]):  # noqa: N801 - it is used as `cached_property` is
    """A property whose value is kept in its object from the first time on.

    `functools.cached_property` is that too, but has had no lock since Python 3.12: threads that ask at the same time
    are given things of their own then. Here the others wait; making one may ask for others of the same object.

    Args:
        make: gives the value of an object.
    """

    def __init__(self, make: Callable[[Any], _T]) -> None:
        self._make = make
        self._lock = threading.RLock()
        self._name = make.__name__
        self.__doc__ = make.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> _T: ...
    def __get__(self, instance: object | None, owner: type) -> Self | _T:
        """The value; Python itself finds it in the object from the second time on."""
        if instance is None:
            return self
        with self._lock:
            made = instance.__dict__
            if self._name not in made:
                made[self._name] = self._make(instance)
            value: _T = made[self._name]
            return value
