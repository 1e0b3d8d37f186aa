"""A review from its beginning to its end; and how it is stopped, for which it has another id."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from codex_app_server.errors import AppServerError
from codex_app_server.handles.reviews import STOPPING_S, inner_turn, review_of, target_of
from codex_app_server.models.encoding import encode_options
from codex_app_server.protocol.log import Topic
from codex_app_server.protocol.request import Request
from codex_app_server.sync.turn import Turn
from codex_app_server.timeouts import end_after, left_until

if TYPE_CHECKING:
    from codex_app_server.generated import ReviewTarget
    from codex_app_server.handles.reviews import ReviewResult
    from codex_app_server.protocol.log import Cursor
    from codex_app_server.sync.driver import Driver

__all__ = ["review"]


def review(driver: Driver, thread_id: str, target: ReviewTarget | str | None, timeout: float | None) -> ReviewResult:
    """Have something reviewed; see `Thread.review`."""
    end = end_after(timeout)
    whole = {"threadId": thread_id, "target": target_of(target), "delivery": "inline"}
    request = Request("review/start", encode_options(whole), announces_turn=True)
    told = driver.listen(Topic("thread", thread_id))
    turn_id: str | None = None
    try:
        _, cursor = driver.begin(request, timeout)
        turn_id = cursor.log.topic.id
        return review_of(Turn(driver, thread_id, cursor).run(timeout=left_until(end)))
    except BaseException:
        driver.give_up(request)
        with suppress(AppServerError, TimeoutError):
            _stop(driver, thread_id, told, turn_id)
        raise
    finally:
        driver.drop(told)


def _stop(driver: Driver, thread_id: str, told: Cursor, turn_id: str | None) -> None:
    """Interrupt the reviewer's own turn, as soon as it has one."""
    end = time.monotonic() + STOPPING_S
    while batch := driver.take(told, left_until(end)):
        for event in batch:
            if (found := inner_turn(event, turn_id)) is not None:
                driver.post(Request("turn/interrupt", {"threadId": thread_id, "turnId": found}))
                return
            if event.method == "turn/completed":
                return
