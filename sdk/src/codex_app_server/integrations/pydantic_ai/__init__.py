"""Codex in PydanticAI: as the model of an agent, and as a tool of another one; needs the extra ``pydantic-ai``.

    from codex_app_server import AppServerConfig, AsyncCodex
    from codex_app_server.integrations.pydantic_ai import CodexAgentModel

    async with AsyncCodex(AppServerConfig(experimental_api=True)) as codex:
        agent = Agent(CodexAgentModel(codex), tools=[weather])
        print((await agent.run("Do I need an umbrella in Bergen?")).output)

`history` translates messages between PydanticAI and a thread, `conversation` is a thread with its turn, and `streaming`
makes the parts of a response from the turn's events; `model` brings them together. `tool` is the other way round.
"""

from codex_app_server.extras import lacking

try:
    import pydantic_ai as _  # noqa: F401 - whether it is there
except ImportError as error:
    raise lacking("pydantic-ai", error) from error

from codex_app_server.integrations.pydantic_ai.model import CodexAgentModel
from codex_app_server.integrations.pydantic_ai.tool import codex_tool

__all__ = ["CodexAgentModel", "codex_tool"]
