"""The pages of ``model/list``, gathered to one answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from codex_app_server.errors import AppServerError
from codex_app_server.handles.threads import page_of

if TYPE_CHECKING:
    from codex_app_server.protocol.messages import JsonValue

__all__ = ["ModelPages"]

_MOST_PAGES = 100
"""How many pages are gathered; more is taken for a runtime that repeats itself."""


@dataclass(frozen=True)
class ModelPages:
    """What the runtime has listed so far; a new one after each page.

    Attributes:
        include_hidden: whether also those models are asked for that pickers do not show.
        answer: the last page, with the models of all before it as well.
        models: of all pages.
        count: of the pages.
        cursor: of the next page; `None` before the first, and after the last.
    """

    include_hidden: bool
    answer: JsonValue = None
    models: tuple[JsonValue, ...] = ()
    count: int = 0
    cursor: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether there is no page after these."""
        return self.count > 0 and self.cursor is None

    @property
    def params(self) -> dict[str, JsonValue]:
        """What asks for the next page."""
        params: dict[str, JsonValue] = {"includeHidden": self.include_hidden}
        return params if self.cursor is None else {**params, "cursor": self.cursor}

    def with_page(self, answer: JsonValue) -> ModelPages:
        """These and one more.

        Raises:
            AppServerError: if they do not end.
        """
        found, cursor = page_of(answer)
        models, count = (*self.models, *found), self.count + 1
        if cursor is not None and count == _MOST_PAGES:
            raise AppServerError(f"the answer to model/list has more than {_MOST_PAGES} pages")
        if self.models and isinstance(answer, dict):
            answer = {**answer, "data": list(models)}
        return replace(self, answer=answer, models=models, count=count, cursor=cursor)
