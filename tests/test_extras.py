"""Each extra of the released client, alone in a fresh environment, does what it is for; without it, a line says how."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import tomlkit
from needs import needs
from programs import ROOT, environment_with, finished

from codex_app_server.testing import ModelServer

ACP = """
import asyncio
from codex_app_server.integrations.acp import CodexAgent

async def main():
    async with CodexAgent() as agent:
        opened = await agent.new_session(cwd=CWD)
        print(opened.modes.current_mode_id)

asyncio.run(main())
"""

OTEL = """
from codex_app_server import AppServerConfig, Codex
from codex_app_server.integrations.otel import OpenTelemetry

with Codex(AppServerConfig(telemetry=OpenTelemetry(), cwd=CWD)) as codex:
    print(codex.thread_start().run("go").status.value)
"""

PYDANTIC_AI = """
import asyncio
from codex_app_server import AppServerConfig, AsyncCodex
from codex_app_server.integrations.pydantic_ai import CodexAgentModel
from pydantic_ai import Agent

async def main():
    async with AsyncCodex(AppServerConfig(experimental_api=True)) as codex:
        print((await Agent(CodexAgentModel(codex, thread={"cwd": CWD})).run("go")).output)

asyncio.run(main())
"""

AGENTS = """
import asyncio
from codex_app_server import AsyncCodex
from codex_app_server.integrations.agents import codex_tool

async def main():
    async with AsyncCodex() as codex:
        print(await codex_tool(codex, thread={"cwd": CWD}).on_invoke_tool(None, '{"task": "go"}'))

asyncio.run(main())
"""

# Without a cluster, which takes half a minute to start: `sdk/tests/test_ray.py` has one.
RAY = """
from pathlib import Path
from codex_app_server.integrations.ray import AsyncRayPool, RayPool
from codex_app_server import AppServerConfig, Codex

with Codex(AppServerConfig(cwd=CWD)) as codex:
    for _ in range(2):
        outcomes = list(codex.map(["go"], journal=Path(CWD, "done.jsonl").as_uri()))
    print(outcomes[0].unwrap().text, outcomes[0].is_reused)
"""

WS = """
from pathlib import Path
from codex_app_server import AppServerConfig, Codex
from codex_app_server.remote.serving import AppServer, write_token

token_file = Path(CWD) / "token"
write_token(token_file)
with AppServer(AppServerConfig(), "ws://127.0.0.1:0", token_file) as server:
    with Codex(AppServerConfig(url=server.url, token=token_file.read_text())) as codex:
        print(codex.thread_start().run("go").status.value)
"""

PROGRAMS = {
    "acp": (ACP, "default"),
    "agents": (AGENTS, '{"answer":"Done.","items":[]}'),
    "otel": (OTEL, "completed"),
    "pydantic-ai": (PYDANTIC_AI, "Done."),
    "ray": (RAY, "Done. True"),
    "ws": (WS, "completed"),
}
"""By extra: a program, and what it prints. `CWD` is an empty directory."""

EXTRAS = [
    pytest.param(
        extra, marks=pytest.mark.skipif(sys.version_info >= (3, 15), reason="it has no wheels for this Python")
    )
    if extra == "ray"
    else extra
    for extra in PROGRAMS
]


def program_of(extra: str, cwd: Path) -> str:
    return f"CWD = {str(cwd)!r}\n{PROGRAMS[extra][0]}"


def test_every_extra_is_tried() -> None:
    project = tomlkit.parse((ROOT / "sdk" / "pyproject.toml").read_text(encoding="utf-8")).unwrap()
    assert set(PROGRAMS) == set(project["project"]["optional-dependencies"])


@pytest.fixture(scope="module")
@needs("index")
def plain(tmp_path_factory: pytest.TempPathFactory, dist: Path) -> Path:
    """The interpreter of an environment with the client alone."""
    return environment_with(tmp_path_factory.mktemp("plain"), None, *requirement(dist, "codex-app-server-sdk"))


def requirement(dist: Path, name: str) -> tuple[str | Path, ...]:
    """The words that install the released client, with what it needs as it is pinned."""
    return (name, "--find-links", dist, "-c", "requirements/dev.txt")


@pytest.mark.parametrize("extra", PROGRAMS)
def test_without_it_one_line_says_how_to_get_it(extra: str, plain: Path, tmp_path: Path) -> None:
    ran = finished(plain, "-c", program_of(extra, tmp_path), code=1)
    assert ran.stderr.endswith(f' is not installed: pip install "codex-app-server-sdk[{extra}]"\n')
    assert ran.stdout == ""


@pytest.mark.index
@pytest.mark.slow
@pytest.mark.parametrize("extra", EXTRAS)
def test_alone_it_is_enough(extra: str, dist: Path, tmp_path: Path) -> None:
    python = environment_with(tmp_path / "env", None, *requirement(dist, f"codex-app-server-sdk[{extra}]"))
    with ModelServer() as model:
        home = {name: str(value) for name, value in (model.config().env or {}).items()}
        ran = finished(python, "-c", program_of(extra, tmp_path), env=home)
    assert ran.stdout == f"{PROGRAMS[extra][1]}\n"
