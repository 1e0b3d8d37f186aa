from __future__ import annotations

import pickle

import pytest

from codex_app_server import (
    AppServerError,
    JsonRpcError,
    RequestTimeoutError,
    RuntimeNotFoundError,
    RuntimeStartError,
    StartupTimeoutError,
    TransportClosedError,
)

ERRORS = [
    JsonRpcError(-32600, "no", {"a": 1}, method="thread/read"),
    RequestTimeoutError("late"),
    RuntimeNotFoundError("none"),
    RuntimeStartError("not started"),
    StartupTimeoutError("late", stderr_tail=["a", "b"]),
    TransportClosedError("gone", exit_code=3, stderr_tail=["a", "b"]),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_every_error_is_in_the_tree_and_survives_pickling(error: AppServerError) -> None:
    copy = pickle.loads(pickle.dumps(error))

    assert isinstance(copy, AppServerError)
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_timeouts_are_timeouts_to_those_who_do_not_know_us() -> None:
    assert issubclass(StartupTimeoutError, TimeoutError)
    assert issubclass(RequestTimeoutError, TimeoutError)


def test_an_answered_error_names_its_method() -> None:
    error = JsonRpcError(-32600, "thread not loaded", method="thread/read")

    assert str(error) == "thread/read failed: thread not loaded (code -32600)"
    assert (error.code, error.message, error.data) == (-32600, "thread not loaded", None)


def test_the_last_words_of_the_runtime_are_quoted() -> None:
    assert str(TransportClosedError("gone", stderr_tail=["a", "b"])) == "gone; the last lines of its stderr:\n  a\n  b"
    assert str(TransportClosedError("gone")) == "gone"
