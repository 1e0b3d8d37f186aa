"""Ask about a picture in a file."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config

from codex_app_server import AppServerConfig, Codex, LocalImageInput, TextInput

SHAPES = Path(__file__).resolve().parent.parent / "assets" / "shapes.png"


def main(config: AppServerConfig) -> None:
    with Codex(config) as codex:
        thread = codex.thread_start(sandbox="read-only")
        # The runtime reads the file and sends it along. An input is one item or a list of them, in any order.
        result = thread.run([LocalImageInput(SHAPES), TextInput("Which shapes and colours are these?")])
        print(result.final_response)
        asked = next(item for item in result.items if item.type == "userMessage")
        print("asked with", " and ".join(part.type for part in asked.content))


if __name__ == "__main__":
    with example_config(__file__) as config:
        main(config)
