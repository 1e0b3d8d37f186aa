"""Several runtimes with asyncio, each with a home of its own: lent to whoever asks, one for each tenant."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config

from codex_app_server import AppServerConfig, AsyncCodexPool

RIVERS = ["Danube", "Ganges", "Mekong", "Nile", "Rhine"]


async def main(config: AppServerConfig) -> None:
    if config.env is None:  # no embedded model: a home that a pool makes has no login
        config = replace(config, api_key=os.environ["OPENAI_API_KEY"])
    async with AsyncCodexPool(config, size=2, on_crash="retry") as pool:
        async with pool.client() as codex, pool.client() as other:
            print("two runtimes:", codex is not other)
        for tenant in ("acme", "umbrella"):
            async with pool.client(tenant=tenant, timeout=60) as codex:
                thread = await codex.thread_start()
                said = (await thread.run("Who are you?")).final_response
                print(f"{tenant}: {said} {Path(thread.cwd or '').parent.name[:-33]}")
        async for outcome in pool.map([f"Where does the {river} end?" for river in RIVERS], in_order=True):
            print(outcome.unwrap().final_response)


if __name__ == "__main__":
    with example_config(__file__) as config:
        asyncio.run(main(config))
