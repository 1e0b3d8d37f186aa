"""Several runtimes, each with a home of its own: lent to whoever asks, one for each tenant, and many prompts."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config

from codex_app_server import AppServerConfig, CodexPool

RIVERS = ["Danube", "Ganges", "Mekong", "Nile", "Rhine"]


def main(config: AppServerConfig) -> None:
    if config.env is None:  # no embedded model: a home that a pool makes has no login
        config = replace(config, api_key=os.environ["OPENAI_API_KEY"])
    with CodexPool(config, size=2, on_crash="retry") as pool:
        with pool.client() as codex, pool.client() as other:
            print("two runtimes:", codex is not other)
        for tenant in ("acme", "umbrella"):
            with pool.client(tenant=tenant, timeout=60) as codex:
                thread = codex.thread_start()
                print(
                    f"{tenant}: {thread.run('Who are you?').final_response} {Path(thread.cwd or '').parent.name[:-33]}"
                )
        for outcome in pool.map([f"Where does the {river} end?" for river in RIVERS], in_order=True):
            print(outcome.unwrap().final_response)


if __name__ == "__main__":
    with example_config(__file__) as config:
        main(config)
