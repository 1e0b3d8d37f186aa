"""Many prompts over a Ray cluster, with a journal to go on from; without a cluster, Ray starts one on this machine."""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import ray
from _bootstrap import example_config

from codex_app_server import AppServerConfig
from codex_app_server.integrations.ray import RayPool

RIVERS = ["Danube", "Ganges", "Mekong", "Nile", "Rhine"]


def main(config: AppServerConfig) -> None:
    if config.env is None:  # no embedded model: a worker's home has no login
        config = replace(config, api_key=os.environ["OPENAI_API_KEY"])
    with RayPool(config, workers=1) as pool, tempfile.TemporaryDirectory() as directory:
        journal = f"file://{directory}/rivers.jsonl"  # on a cluster: where all of it can be found again, s3:// for one
        questions = [f"Where does the {river} end?" for river in RIVERS]
        for part in (questions[:2], questions):
            outcomes = list(pool.map(part, in_order=True, journal=journal))
            print(sum(outcome.is_reused for outcome in outcomes), "of", len(outcomes), "from the journal")
        for outcome in outcomes:
            print(outcome.unwrap().final_response)


if __name__ == "__main__":
    with example_config(__file__) as config:
        ray.init()  # RAY_ADDRESS says which cluster
        main(config)
        ray.shutdown()
