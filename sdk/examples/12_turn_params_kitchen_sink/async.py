"""A turn with everything one can say about it, with asyncio."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config

from codex_app_server import AppServerConfig, AsyncCodex, TextInput
from codex_app_server.generated import ReadOnlySandboxPolicy

SCHEMA = {
    "type": "object",
    "properties": {"language": {"type": "string"}, "reason": {"type": "string"}},
    "required": ["language", "reason"],
    "additionalProperties": False,
}


async def main(config: AppServerConfig) -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        async with AsyncCodex(config) as codex:
            thread = await codex.thread_start()
            turn = await thread.turn(
                TextInput("Which programming language suits a command-line tool?"),
                approval_policy="never",  # or "untrusted", "on-request": when to ask this program (example 16)
                cwd=directory,  # where commands run
                effort="low",  # how hard to think; a model's `supported_reasoning_efforts` lists the words
                model="gpt-5.5",  # one of `codex.models()` (example 13)
                output_schema=SCHEMA,  # the final answer is JSON of this shape
                personality="pragmatic",  # newer runtimes take no notice of it
                sandbox_policy=ReadOnlySandboxPolicy(network_access=False),  # what commands may touch
                service_tier=None,  # one of the model's `service_tiers`; as with every option, None is left unsaid
                summary="concise",  # of its thoughts, as items of type "reasoning"
            )
            result = await turn.run(timeout=300)
            answer = json.loads(result.final_response or "{}")
            print("language:", answer.get("language"))
            print("reason:  ", answer.get("reason"))


if __name__ == "__main__":
    with example_config(__file__) as config:
        asyncio.run(main(config))
