"""What a handle knows of its thread: what the answer that named it said, and nothing is asked for it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Protocol, TypeAlias

    from codex_app_server.protocol.messages import JsonValue

    Known: TypeAlias = Mapping[str, JsonValue]

    class HasId(Protocol):
        """A turn, of whichever kind: a handle, a result or a model."""

        @property
        def id(self) -> str:
            """Its id."""


__all__ = [
    "MOST_PAGES",
    "NOTHING_KNOWN",
    "PAGE",
    "has_no_turns_yet",
    "id_of",
    "known_from",
    "list_params",
    "page_of",
    "state_of",
    "text_of",
    "with_all",
]

NOTHING_KNOWN: Known = {}

PAGE = 50
"""How many threads or turns are asked for at a time."""

MOST_PAGES = 100
"""How many pages of models are gathered; more is taken for a runtime that repeats itself."""

_SETTINGS = ("cwd", "model", "reasoningEffort", "approvalPolicy", "sandbox")
"""What the answers that open a thread say beside it, of the settings that it has."""

_NOT_YET = "not materialized yet"
"""What the runtime says of the turns of a thread in which nothing was said (0.171.0)."""


def known_from(answer: JsonValue) -> Known:
    """What an answer says of the thread that it is about, but for its turns."""
    thread = answer.get("thread") if isinstance(answer, dict) else None
    if not isinstance(answer, dict) or not isinstance(thread, dict):
        return NOTHING_KNOWN
    said = {name: answer[name] for name in _SETTINGS if answer.get(name) is not None}
    return {**thread, "turns": [], **said}


def text_of(known: Known, name: str) -> str | None:
    """One of its members, if it is a string."""
    found = known.get(name)
    return found if isinstance(found, str) else None


def state_of(known: Known) -> str | None:
    """Whether it is loaded, and busy."""
    status = known.get("status")
    return text_of(status, "type") if isinstance(status, dict) else None


def list_params(
    cwd: str | os.PathLike[str] | None, *, archived: bool = False, search: str | None = None
) -> dict[str, JsonValue]:
    """The parameters of ``thread/list`` for the threads that were worked with last, first."""
    params: dict[str, JsonValue] = {"sortKey": "updated_at", "sortDirection": "desc", "archived": archived}
    if cwd is not None:
        params["cwd"] = os.path.abspath(cwd)  # noqa: PTH100 - as the runtime does; what is a link stays one
    if search is not None:
        params["searchTerm"] = search
    return params


def page_of(answer: JsonValue, pages: set[str] | None = None) -> tuple[Sequence[JsonValue], str | None]:
    """What a page of a list has, and the cursor of the next one.

    Args:
        answer: the page.
        pages: the cursors of the list so far, to which this adds one; a page that leads back to one is the last.
    """
    if not isinstance(answer, dict) or not isinstance(data := answer.get("data"), list):
        return [], None
    following = text_of(answer, "nextCursor") or None  # an empty one would ask for the first page again
    if following is not None and pages is not None:
        if following in pages:
            return data, None
        pages.add(following)
    return data, following


def with_all(answer: JsonValue, found: list[JsonValue]) -> JsonValue:
    """The last page of a list, with what all its pages have; one that has nothing as it came."""
    return {**answer, "data": found} if found and isinstance(answer, dict) else answer


def has_no_turns_yet(refusal: str) -> bool:
    """Whether the turns of a thread were refused because it has none."""
    return _NOT_YET in refusal


def id_of(turn: str | HasId) -> str:
    """The id of a turn that is given by it, or by what has it."""
    return turn if isinstance(turn, str) else turn.id
