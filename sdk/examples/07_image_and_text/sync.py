"""Ask about a picture at a URL."""

from __future__ import annotations

import base64
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config

from codex_app_server import AppServerConfig, Codex, ImageInput, TextInput

SHAPES = Path(__file__).resolve().parent.parent / "assets" / "shapes.png"


def main(config: AppServerConfig) -> None:
    # The model fetches the picture: any https URL will do. This one carries the picture itself.
    url = "data:image/png;base64," + base64.b64encode(SHAPES.read_bytes()).decode()
    with Codex(config) as codex:
        thread = codex.thread_start(sandbox="read-only")
        result = thread.run([TextInput("Which shapes and colours are these?"), ImageInput(url)])
        print(result.final_response)


if __name__ == "__main__":
    with example_config(__file__) as config:
        main(config)
