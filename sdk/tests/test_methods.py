"""The generated methods: twins of each other, complete, and understood by the real runtime."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from codex_app_server import AppServerClient, AppServerConfig, AsyncAppServerClient
from codex_app_server.generated import (
    ApiKeyLoginAccountParams,
    ConfigReadResponse,
    GetAccountResponse,
    ModelListResponse,
    ReadOnlySandboxPolicy,
    SandboxMode,
    SandboxPolicy,
    ThreadListResponse,
    ThreadStartResponse,
    UserInput,
)
from codex_app_server.generated.afront import AsyncCodexOptions, AsyncThreadOptions
from codex_app_server.generated.amethods import AsyncMethods
from codex_app_server.generated.front import CodexOptions, ThreadOptions
from codex_app_server.generated.methods import Methods
from codex_app_server.generated.registry import CLIENT_REQUESTS, NOTIFICATIONS, ROOMS, SERVER_REQUESTS
from codex_app_server.models.encoding import encode_options
from codex_app_server.models.model import Model, decode, load
from codex_app_server.options import ClientOptions


class Recorded(Methods):
    """Keeps what would be called."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, object, str]] = []

    def _call(self, method: str, options: object, result: str) -> Any:
        self.calls.append((method, options, result))


class AsyncRecorded(AsyncMethods):
    """The same."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, object, str]] = []

    async def _call(self, method: str, options: object, result: str) -> Any:
        self.calls.append((method, options, result))


class Live(Methods):
    """Calls a real runtime."""

    def __init__(self, client: AppServerClient) -> None:
        self._client = client

    def _call(self, method: str, options: object, result: str) -> Any:
        return decode(result, self._client.request(method, None if options is None else encode_options(options)))


class AsyncLive(AsyncMethods):
    """The same."""

    def __init__(self, client: AsyncAppServerClient) -> None:
        self._client = client

    async def _call(self, method: str, options: object, result: str) -> Any:
        params = None if options is None else encode_options(options)
        return decode(result, await self._client.request(method, params))


def methods(cls: type) -> dict[str, Any]:
    """The methods of a class that are for callers."""
    return {name: each for name, each in inspect.getmembers(cls, inspect.isfunction) if not name.startswith("_")}


def options(method: Any) -> dict[str, inspect.Parameter]:
    """Its keyword-only options."""
    parameters = inspect.signature(method).parameters
    return {name: each for name, each in parameters.items() if each.kind is each.KEYWORD_ONLY}


@pytest.fixture(params=sorted(methods(Methods)))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_method_but_the_handshake_is_there_once() -> None:
    assert len(methods(Methods)) == len(CLIENT_REQUESTS) - 1
    assert list(methods(Methods)) == list(methods(AsyncMethods))
    assert {each[0] for each in calls()} == set(CLIENT_REQUESTS) - {"initialize"}


def calls() -> Iterator[tuple[str, object, str]]:
    """What every method calls, with each of its options given."""
    recorded = Recorded()
    for name, method in methods(Methods).items():
        getattr(recorded, name)(**dict.fromkeys(options(method), "x"))
    yield from recorded.calls


def test_the_twins_differ_in_nothing_but_waiting(name: str) -> None:
    ours, theirs = getattr(Methods, name), getattr(AsyncMethods, name)
    assert inspect.signature(ours) == inspect.signature(theirs)
    assert ours.__doc__ == theirs.__doc__
    assert inspect.iscoroutinefunction(theirs)
    assert not inspect.iscoroutinefunction(ours)
    given = {option: object() for option in options(ours)}
    recorded, recorded_too = Recorded(), AsyncRecorded()
    getattr(recorded, name)(**given)
    asyncio.run(getattr(recorded_too, name)(**given))
    assert recorded.calls == recorded_too.calls


def test_a_method_sends_its_models_fields(name: str) -> None:
    recorded = Recorded()
    given = {option: object() for option in options(getattr(Methods, name))}
    getattr(recorded, name)(**given)
    ((method, sent, result),) = recorded.calls
    params, response, is_experimental, experimental_fields = CLIENT_REQUESTS[method]
    assert result == response
    documentation = getattr(Methods, name).__doc__
    assert f"``{method}``" in documentation
    assert is_experimental == ("Experimental: needs" in documentation)
    if params is None:
        assert sent is None
        return
    model = load(params)
    if not (isinstance(model, type) and issubclass(model, Model)):
        assert list(given.values()) == [sent]
        return
    assert isinstance(sent, Mapping)
    wires = {field.alias or attribute: attribute for attribute, field in model.model_fields.items()}
    assert sent == {wire: given[attribute] for wire, attribute in wires.items()}
    assert experimental_fields <= set(wires)
    for attribute, parameter in options(getattr(Methods, name)).items():
        is_required = parameter.default is parameter.empty
        assert is_required == model.model_fields[attribute].is_required()


@pytest.mark.parametrize(("ours", "theirs"), [(CodexOptions, AsyncCodexOptions), (ThreadOptions, AsyncThreadOptions)])
def test_the_front_has_twins_too(ours: type, theirs: type) -> None:
    assert set(methods(ours)) == set(methods(theirs))
    assert vars(ours)["__abstractmethods__"] == vars(theirs)["__abstractmethods__"]
    for name, method in methods(ours).items():
        twin = methods(theirs)[name]
        assert list(inspect.signature(method).parameters.items()) == list(inspect.signature(twin).parameters.items())
        assert inspect.iscoroutinefunction(twin) == (name != "stream")  # that begins nothing before its block
        assert method.__doc__ == twin.__doc__


def test_the_front_has_the_options_of_the_methods_behind_it() -> None:
    own = {each.name for each in fields(ClientOptions)}
    behind = {"thread_start": set(), "thread_list": set(), "thread_resume": {"thread_id"}, "thread_fork": {"thread_id"}}
    for name, given in behind.items():
        assert set(options(getattr(CodexOptions, name))) - own == set(options(getattr(Methods, name))) - given
    turn = set(options(Methods.turn_start)) - {"thread_id", "input"}
    for method in (ThreadOptions.turn, ThreadOptions.run, ThreadOptions.stream):
        assert set(options(method)) - own == turn
    assert set(options(ThreadOptions.run)) - turn == own - {"tools"}


def test_the_registry_knows_the_room_of_every_model_it_names() -> None:
    named = {name for pair in SERVER_REQUESTS.values() for name in pair} | set(NOTIFICATIONS.values())
    named |= {name for params, result, *_ in CLIENT_REQUESTS.values() for name in (params, result) if name}
    assert named <= set(ROOMS)


# --- the real runtime


def test_the_real_runtime_understands(codex_binary: Path, home: dict[str, str], tmp_path: Path) -> None:
    with AppServerClient(AppServerConfig(codex_bin=codex_binary, env=home)) as client:
        live = Live(client)
        started = live.thread_start(cwd=tmp_path, sandbox="read-only", approval_policy="never", config={"model": "x"})
        assert isinstance(started, ThreadStartResponse)
        assert Path(started.cwd) == tmp_path
        assert started.approval_policy == "never"
        assert isinstance(started.sandbox, SandboxPolicy)
        assert isinstance(started.sandbox, ReadOnlySandboxPolicy)

        again = live.thread_start(sandbox=SandboxMode.danger_full_access)
        assert again.sandbox.type == "dangerFullAccess"
        assert again.thread.id != started.thread.id
        assert isinstance(
            live.thread_list(limit=5, sort_key="created_at", source_kinds=["appServer"]), ThreadListResponse
        )
        assert isinstance(live.config_read(include_layers=True), ConfigReadResponse)
        assert isinstance(live.model_list(), ModelListResponse)
        live.account_login_start(params=ApiKeyLoginAccountParams(api_key="sk-none"))
        account = live.account_read()
        assert isinstance(account, GetAccountResponse)
        assert account.account is not None
        assert account.account.type == "apiKey"
        live.account_logout()
        assert live.account_read().account is None


def test_the_real_runtime_understands_the_other_twin(codex_binary: Path, home: dict[str, str]) -> None:
    async def ask() -> ModelListResponse:
        async with AsyncAppServerClient(AppServerConfig(codex_bin=codex_binary, env=home)) as client:
            return await AsyncLive(client).model_list(include_hidden=True)

    models = asyncio.run(ask())
    assert isinstance(models, ModelListResponse)
    assert models.data[0].input_modalities


def test_user_input_is_a_union() -> None:
    assert UserInput is load("UserInput")
