"""Options that are misspelt, or of a wrong type: said at once, with the name that was meant."""

from __future__ import annotations

import inspect
import pickle
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from awaited import awaited
from pydantic import BaseModel

from codex_app_server import AppServerConfig, AsyncCodex, Codex, Handlers, MethodNotFoundError
from codex_app_server.models.encoding import encode_options
from codex_app_server.refusals import rpc_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from codex_app_server.testing import ModelServer


@pytest.mark.parametrize(
    ("call", "meant"),
    [
        (lambda: AppServerConfig(codex_bni="x"), "codex_bin"),  # type: ignore[call-arg]
        (lambda: Handlers(comand_approval=None), "command_approval"),  # type: ignore[call-arg]
        (lambda: replace(AppServerConfig(), clientname="x"), "client_name"),  # type: ignore[call-arg]
    ],
)
def test_a_misspelt_option_is_told_the_nearest(call: Callable[[], object], meant: str) -> None:
    with pytest.raises(TypeError, match=f"Did you mean '{meant}'"):
        call()


def test_so_it_is_in_typed_calls(play: Callable[..., None]) -> None:
    async def scene(codex: Any, _: ModelServer) -> None:
        with pytest.raises(TypeError, match="Did you mean 'model'"):
            await codex.thread_start(modle="x")
        thread = await codex.thread_start()
        with pytest.raises(TypeError, match="Did you mean 'output_schema'"):
            await thread.run("x", outputschema={})
        with pytest.raises(TypeError, match="Did you mean 'effort'"):
            await thread.turn("x", efort="low")
        with pytest.raises(TypeError, match=r"unexpected keyword argument 'zzz'$"):
            await thread.turn("x", zzz="low")

    play(scene)


def test_signatures_stay_what_they_are() -> None:
    assert "codex_bin" in inspect.signature(AppServerConfig).parameters
    assert "approval_policy" in inspect.signature(Codex.thread_start).parameters
    assert inspect.iscoroutinefunction(AsyncCodex.thread_start)
    assert pickle.loads(pickle.dumps(AppServerConfig(cwd="/x"))).cwd == "/x"


@pytest.mark.parametrize(
    "options",
    [
        {"handlers": {}},
        {"handlers": Handlers},
        {"cwd": 5},
        {"codex_bin": b"x"},
        {"env": {"A": 1}},
        {"env": ["A=1"]},
        {"config_overrides": [1]},
        {"launch_args_override": 5},
        {"client_name": None},
        {"experimental_api": "yes"},
        {"max_buffered_events": "5"},
        {"max_line_bytes": 1.5},
    ],
)
def test_an_option_of_a_wrong_type_is_refused_when_the_config_is_made(options: Any) -> None:
    (name,) = options
    with pytest.raises(TypeError, match=name):
        AppServerConfig(**options)


@pytest.mark.parametrize("handler", ["accept", True, {}, lambda: "accept", lambda one, two: "accept"])
def test_what_is_no_handler_is_refused_when_it_is_given(handler: Any) -> None:
    with pytest.raises(TypeError, match=r"Handlers\.command_approval"):
        Handlers(command_approval=handler)


def test_other_than_handlers_cannot_be_set(play: Callable[..., None]) -> None:
    async def scene(codex: Any, _: ModelServer) -> None:
        with pytest.raises(TypeError, match="must be Handlers"):
            codex.handlers = {"command_approval": print}

    play(scene)


class Person(BaseModel):
    """Somebody."""

    name: str


@dataclass
class Plain:
    """Something."""

    name: str


@pytest.mark.parametrize(
    ("schema", "written"),
    [
        (Person, r"Person\.model_json_schema\(\), made strict"),
        (Plain, r"pydantic\.TypeAdapter\(Plain\)\.json_schema\(\), made strict"),
    ],
)
def test_a_class_for_a_schema_is_told_what_to_write(schema: type, written: str) -> None:
    with pytest.raises(TypeError, match=written):
        encode_options({"outputSchema": schema})


def test_an_unknown_method_is_one_line_with_the_nearest_known(play: Callable[..., None]) -> None:
    async def scene(codex: Any, _: ModelServer) -> None:
        client = awaited(codex.client)
        with pytest.raises(MethodNotFoundError) as caught:
            await client.request("thread/strat", {})
        method = "thread/strat failed: this runtime does not know the method"
        assert str(caught.value) == f"{method}; did you mean thread/start? (code -32600)"
        assert "thread/read" in caught.value.message

    play(scene)
    assert str(rpc_error(-32601, "no", None, method="a/b")) == (
        "a/b failed: this runtime does not know the method (code -32601)"
    )
    assert "x is not supported yet" in str(rpc_error(-32601, "x is not supported yet", None, method="a/b"))
