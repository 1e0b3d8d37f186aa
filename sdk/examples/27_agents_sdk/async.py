"""Codex as a tool of an agent of the OpenAI Agents SDK."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config
from agents import Agent, Model, ModelResponse, RunConfig, Runner, Usage
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

from codex_app_server import AppServerConfig, AsyncCodex, Limits, Observers
from codex_app_server.integrations.agents import codex_tool


class Lead(Model):
    """Hands everything to Codex, and repeats what it hears: in the place of a model that thinks."""

    async def get_response(self, *_: Any, **given: Any) -> ModelResponse:
        last = given["input"][-1]
        said: Any = ResponseFunctionToolCall(
            arguments='{"task": "Say hello with a command."}', call_id="1", name="codex", type="function_call"
        )
        if last.get("type") == "function_call_output":
            text = ResponseOutputText(annotations=[], text=last["output"], type="output_text")
            said = ResponseOutputMessage(id="2", content=[text], role="assistant", status="completed", type="message")
        return ModelResponse(output=[said], usage=Usage(), response_id=None)

    def stream_response(self, *_: Any, **given: Any) -> Any:
        raise NotImplementedError


async def main(config: AppServerConfig) -> None:
    async with AsyncCodex(config) as codex:
        coder = codex_tool(
            codex,
            thread={"sandbox": "read-only"},
            limits=Limits(commands=5),
            timeout=300,
            observers=Observers(on_text=lambda words: print(words, end="", flush=True)),
        )
        agent = Agent("Lead", tools=[coder], model=Lead())
        result = await Runner.run(agent, "Say hello.", run_config=RunConfig(tracing_disabled=True))
        print()
        print(result.final_output)


if __name__ == "__main__":
    with example_config(__file__) as config:
        asyncio.run(main(config))
