"""Codex as the model of a PydanticAI agent, and as the tool of another one."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.models.test import TestModel

from codex_app_server import AppServerConfig, AsyncCodex
from codex_app_server.integrations.pydantic_ai import CodexAgentModel, codex_tool


class Sum(BaseModel):
    """What came of it, and how."""

    result: int
    explanation: str


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def main(config: AppServerConfig) -> None:
    # That a client brings tools of its own is experimental in the protocol.
    async with AsyncCodex(replace(config, experimental_api=True)) as codex:
        model = CodexAgentModel(codex, thread={"sandbox": "read-only"})

        agent = Agent(model, tools=[add], output_type=Sum)
        added = await agent.run("What is 19 + 23? Use the tool.", model_settings={"thinking": "low"})
        print(added.output.model_dump_json(), added.usage.tool_calls, "call")

        async with Agent(model).run_stream("Why is the sky blue?") as stream:
            async for words in stream.stream_text(delta=True, debounce_by=None):
                print(words, end="", flush=True)
        print()

        # A model of PydanticAI's own, which calls every tool once; take "openai:gpt-5" or another one.
        lead = Agent(TestModel(), tools=[codex_tool(codex, thread={"sandbox": "read-only"}, timeout=300)])
        print((await lead.run("Find one thing to make better here.")).output)


if __name__ == "__main__":
    with example_config(__file__) as config:
        asyncio.run(main(config))
