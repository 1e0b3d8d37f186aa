"""Ask the runtime who it is, and which models there are."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config

from codex_app_server import AppServerConfig, Codex, __version__


def main(config: AppServerConfig) -> None:
    with Codex(config) as codex:
        about = codex.metadata  # from the handshake: nothing is asked here
        print("client: ", __version__)
        print("runtime:", about.server_version)
        print("agent:  ", about.user_agent)

        shown = codex.models().data
        every = codex.models(include_hidden=True).data
        print(f"models:  {len(shown)} to choose from, {len(every)} in all")
        for model in shown:
            efforts = ", ".join(option.reasoning_effort for option in model.supported_reasoning_efforts)
            default = " (the default)" if model.is_default else ""
            print(f"  {model.id}{default}: takes {' and '.join(model.input_modalities)}; efforts {efforts}")


if __name__ == "__main__":
    with example_config(__file__) as config:
        main(config)
