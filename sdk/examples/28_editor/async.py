"""An agent of the Agent Client Protocol, and the smallest editor: it shows what is said, and asks before it allows."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import acp
from _bootstrap import example_config
from acp import schema

from codex_app_server import AppServerConfig
from codex_app_server.integrations.acp import CodexAgent


class Editor:
    """What an editor has to do at least."""

    async def session_update(self, session_id: str, update: Any, **more: Any) -> None:
        if isinstance(update, schema.AgentMessageChunk) and isinstance(update.content, schema.TextContentBlock):
            print(update.content.text, end="", flush=True)
        elif isinstance(update, schema.ToolCallStart):
            print(f"[{update.kind}]")

    async def request_permission(
        self, session_id: str, tool_call: schema.ToolCallUpdate, options: list[schema.PermissionOption], **more: Any
    ) -> schema.RequestPermissionResponse:
        print("may it?", *(option.name for option in options), sep=" | ")
        (chosen,) = (option.option_id for option in options if option.kind == "allow_once")
        outcome = schema.AllowedOutcome(outcome="selected", option_id=chosen)
        return schema.RequestPermissionResponse(outcome=outcome)


async def main(config: AppServerConfig, directory: Path) -> None:
    async with CodexAgent(config) as agent:

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await acp.run_agent(agent, writer, reader, use_unstable_protocol=True)
            writer.close()

        # Editors start `codex-app-server-sdk acp` and talk over its stdin and stdout; here the two are one program.
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
            codex = acp.connect_to_agent(Editor(), writer, reader)  # type: ignore[arg-type]  # there is more to editors
            await codex.initialize(protocol_version=acp.PROTOCOL_VERSION)
            session = await codex.new_session(cwd=str(directory), mcp_servers=[])
            await codex.set_session_mode(session_id=session.session_id, mode_id="read-only")
            asked = acp.text_block("Make a directory called reports.")
            ended = await codex.prompt(session_id=session.session_id, prompt=[asked])
            print(f"\n{ended.stop_reason}, and left in the directory:", *(path.name for path in directory.iterdir()))
            await codex.close()
            writer.close()


if __name__ == "__main__":
    with example_config(__file__) as config, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        asyncio.run(main(config, Path(directory)))
