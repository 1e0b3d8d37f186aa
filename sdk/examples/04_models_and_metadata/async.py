"""Ask the runtime who it is, and which models there are, with asyncio."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config

from codex_app_server import AppServerConfig, AsyncCodex, __version__


async def main(config: AppServerConfig) -> None:
    async with AsyncCodex(config) as codex:
        about = codex.metadata  # from the handshake: nothing is asked here
        print("client: ", __version__)
        print("runtime:", about.server_version)
        print("agent:  ", about.user_agent)

        shown = (await codex.models()).data
        every = (await codex.models(include_hidden=True)).data
        print(f"models:  {len(shown)} to choose from, {len(every)} in all")
        for model in shown:
            efforts = ", ".join(option.reasoning_effort for option in model.supported_reasoning_efforts)
            default = " (the default)" if model.is_default else ""
            print(f"  {model.id}{default}: takes {' and '.join(model.input_modalities)}; efforts {efforts}")


if __name__ == "__main__":
    with example_config(__file__) as config:
        asyncio.run(main(config))
