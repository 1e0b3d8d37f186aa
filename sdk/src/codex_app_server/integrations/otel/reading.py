"""What is read off the protocol and the program for a span, and what keeps both from harm."""

from __future__ import annotations

import contextlib
import sys
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import Span

    from codex_app_server.integrations.otel.spans import Spans

__all__ = ["handled", "keep", "quietly", "text_of", "w3c", "word_of"]

F = TypeVar("F", bound="Callable[..., None]")
V = TypeVar("V")

_MOST_KEPT = 1024
"""How many things `keep` knows."""


def quietly(method: F) -> F:
    """Log what it raises."""

    @wraps(method)
    def call(self: Spans, *args: Any) -> None:
        try:
            method(self, *args)
        except Exception as error:
            self.complain(error)

    return cast("F", call)


def w3c(span: Span) -> dict[str, str] | None:
    """The trace context of a span, as the runtime reads it; None if it has none.

    Of the flags it knows the first alone, whether it is sampled: it ignores a context that has another, as the second
    level of the standard allows, and newer SDKs set it.
    """
    context = span.get_span_context()
    if not context.is_valid:
        return None
    head = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags & 1:02x}"
    return {"traceparent": head, **({"tracestate": context.trace_state.to_header()} if context.trace_state else {})}


def handled() -> str:
    """The type of the exception that is being handled; empty if none is."""
    kind = sys.exc_info()[0]
    return "" if kind is None else kind.__qualname__


def text_of(value: object) -> str | None:
    """The same, if it is a text."""
    return value if isinstance(value, str) else None


def word_of(value: object) -> str:
    """A word of the protocol, or the one that names an object."""
    return value if isinstance(value, str) else next(iter(value), "") if isinstance(value, dict) else ""


def keep(known: dict[str, V], key: str, value: V) -> None:
    """Know one thing more, and forget the oldest if these are too many."""
    known[key] = value
    if len(known) > _MOST_KEPT:
        with contextlib.suppress(KeyError, StopIteration, RuntimeError):  # others do it too
            del known[next(iter(known))]
