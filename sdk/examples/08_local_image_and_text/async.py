"""Ask about a picture in a file, with asyncio."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config

from codex_app_server import AppServerConfig, AsyncCodex, LocalImageInput, TextInput

SHAPES = Path(__file__).resolve().parent.parent / "assets" / "shapes.png"


async def main(config: AppServerConfig) -> None:
    async with AsyncCodex(config) as codex:
        thread = await codex.thread_start(sandbox="read-only")
        # The runtime reads the file and sends it along. An input is one item or a list of them, in any order.
        result = await thread.run([LocalImageInput(SHAPES), TextInput("Which shapes and colours are these?")])
        print(result.final_response)
        asked = next(item for item in result.items if item.type == "userMessage")
        print("asked with", " and ".join(part.type for part in asked.content))


if __name__ == "__main__":
    with example_config(__file__) as config:
        asyncio.run(main(config))
