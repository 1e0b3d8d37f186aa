"""Why a turn failed, and whether it is worth another try."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from codex_app_server import Codex, TurnFailedError, is_retryable_error, retry_on_overload
from codex_app_server.failures import http_status, is_retryable, kind
from codex_app_server.testing import Failure, ModelServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from codex_app_server.protocol.messages import JsonValue

REAL = [
    (Failure(429), "responseTooManyFailedAttempts", 429, True),
    (Failure(503), "httpConnectionFailed", 503, True),
    (Failure(500), "internalServerError", None, True),
    (Failure(503, code="server_is_overloaded"), "serverOverloaded", None, True),
    (Failure(401), "httpConnectionFailed", 401, False),
    (Failure(400), "other", None, False),
]


@pytest.mark.parametrize(
    ("failure", "word", "status", "again"), REAL, ids=lambda each: str(getattr(each, "status", each))
)
def test_a_failed_turn_says_of_what_kind_it_is(
    play: Callable[..., None], failure: Failure, word: str, status: int | None, again: bool
) -> None:
    async def scene(codex: Any, _: ModelServer) -> None:
        thread = await codex.thread_start()
        with pytest.raises(TurnFailedError) as caught:
            await thread.run("x")
        error = caught.value
        assert (error.kind, error.http_status, error.is_retryable) == (word, status, again)
        assert error.result.failure_kind == word
        assert is_retryable_error(error) is again

    play(scene, default=failure)


def test_a_turn_is_tried_again_when_the_model_was_busy(codex_binary: Path) -> None:
    with ModelServer(Failure(503), Failure(429)) as model, Codex(model.config(codex_bin=codex_binary)) as codex:
        thread = codex.thread_start()
        assert retry_on_overload(lambda: thread.run("x"), initial_delay_s=0.01).text == "Done."


@pytest.mark.parametrize(
    "error", [None, "odd", {}, {"codexErrorInfo": None}, {"codexErrorInfo": 5}, {"codexErrorInfo": {}}]
)
def test_what_says_nothing_is_not_worth_another_try(error: JsonValue) -> None:
    assert (kind(error), http_status(error), is_retryable(error)) == (None, None, False)


def test_a_network_that_fails_may_come_back() -> None:
    assert is_retryable({"codexErrorInfo": {"responseStreamDisconnected": {"httpStatusCode": None}}})
    assert is_retryable({"codexErrorInfo": {"httpConnectionFailed": {}}})
    assert not is_retryable({"codexErrorInfo": "contextWindowExceeded"})
