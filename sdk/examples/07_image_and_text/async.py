"""Ask about a picture at a URL, with asyncio."""

from __future__ import annotations

import asyncio
import base64
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config

from codex_app_server import AppServerConfig, AsyncCodex, ImageInput, TextInput

SHAPES = Path(__file__).resolve().parent.parent / "assets" / "shapes.png"


async def main(config: AppServerConfig) -> None:
    # The model fetches the picture: any https URL will do. This one carries the picture itself.
    url = "data:image/png;base64," + base64.b64encode(SHAPES.read_bytes()).decode()
    async with AsyncCodex(config) as codex:
        thread = await codex.thread_start(sandbox="read-only")
        result = await thread.run([TextInput("Which shapes and colours are these?"), ImageInput(url)])
        print(result.final_response)


if __name__ == "__main__":
    with example_config(__file__) as config:
        asyncio.run(main(config))
