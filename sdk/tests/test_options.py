"""The client's own options: those of a call, over those of the thread it is made on."""

from __future__ import annotations

import dataclasses

import pytest

from codex_app_server.options import NOTHING, ClientOptions


def test_what_a_call_does_not_say_the_thread_says() -> None:
    of_thread = ClientOptions(timeout=5.0)
    assert ClientOptions(retries=2).over(of_thread) == ClientOptions(retries=2, timeout=5.0)
    assert ClientOptions(timeout=1.0).over(of_thread).timeout == 1.0
    assert ClientOptions(timeout=0.0).over(of_thread).timeout == 0.0


def test_where_nobody_said_anything_they_stay_as_they_are() -> None:
    own = ClientOptions(output_type=int)
    assert own.over(NOTHING) is own
    with pytest.raises(dataclasses.FrozenInstanceError):
        own.timeout = 1.0  # type: ignore[misc]
