"""The pages of ``model/list``, gathered without a runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from codex_app_server import AppServerError
from codex_app_server.handles.models import ModelPages

if TYPE_CHECKING:
    from codex_app_server.protocol.messages import JsonValue


def test_each_page_asks_for_the_next_one_and_the_last_says_all() -> None:
    none = ModelPages(include_hidden=True)
    assert (none.params, none.is_whole) == ({"includeHidden": True}, False)
    one = none.with_page({"data": ["a"], "nextCursor": "1"})
    assert (one.params, one.is_whole) == ({"includeHidden": True, "cursor": "1"}, False)
    both = one.with_page({"data": ["b"], "etag": 7})
    assert both.is_whole
    assert both.answer == {"data": ["a", "b"], "etag": 7}


def test_a_single_page_is_the_answer_as_it_came() -> None:
    answers: list[JsonValue] = [
        {"data": ["a"], "nextCursor": None},
        {"data": ["a"], "nextCursor": ""},
        {"data": "?"},
        None,
    ]
    for answer in answers:
        pages = ModelPages(include_hidden=False).with_page(answer)
        assert pages.is_whole
        assert pages.answer is answer


def test_pages_that_do_not_end_are_an_error() -> None:
    pages = ModelPages(include_hidden=False)
    for number in range(99):
        pages = pages.with_page({"data": [], "nextCursor": str(number)})
    assert pages.with_page({"data": []}).is_whole
    with pytest.raises(AppServerError, match="the answer to model/list has more than 100 pages"):
        pages.with_page({"data": [], "nextCursor": "99"})
