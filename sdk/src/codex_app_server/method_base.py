"""How the generated methods make a call: all that they need to know, and nothing of how it is done.

A generated method names its protocol method, its options by their wire names, and the model of the result; whoever
inherits the methods sends the one, and decodes the other.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TypeVar

from codex_app_server.suggesting import Suggesting

__all__ = ["AsyncCalls", "Calls"]

_Result = TypeVar("_Result")


class Calls(Suggesting, ABC):
    """What the synchronous methods stand on."""

    # The name of the result's model stands for its type: to import the model for its type's sake would load pydantic
    # before a byte is sent. The type is that which the generated method around this call declares.
    @abstractmethod
    def _call(self, method: str, options: object, result: str) -> _Result:  # type: ignore[type-var]  # see above
        """Make a call, and wait for its result.

        Args:
            method: the protocol's name, e.g. ``thread/start``.
            options: the parameters by their wire names, or a model that is all of them, both for
                `encoding.encode_options`; None if the method takes no parameters.
            result: the name of the result's model.
        """


class AsyncCalls(Suggesting, ABC):
    """What the asynchronous methods stand on; as `Calls`."""

    @abstractmethod
    async def _call(self, method: str, options: object, result: str) -> _Result:
        """Make a call, and wait for its result; as in `Calls`."""
