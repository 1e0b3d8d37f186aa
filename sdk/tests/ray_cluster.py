"""What `test_ray` runs in a process of its own: two nodes on this machine, of which one goes while prompts run.

Arguments: the Codex executable, and a directory. It prints a line of JSON, and leaves nothing that runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import os
import runpy
import sys
from pathlib import Path
from typing import Any

import ray
from ray.cluster_utils import Cluster

from codex_app_server.integrations.ray import AsyncRayPool, RayPool
from codex_app_server.testing import ModelServer, Text

BYTES = 80 << 20
EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
PROMPTS = [f"p{number}" for number in range(12)]


def main() -> None:
    """Play all of it."""
    binary, directory = sys.argv[1], Path(sys.argv[2])
    held = [True]

    def answer(request: Any) -> Text:
        said = request.texts[-1]
        if said == "number":
            return Text("7")
        # The first two are done at once, the others take longer than it takes to lose the node.
        is_held = said == "held" or (held and said not in PROMPTS[:2])
        return Text("word " * 100, delay_s=0.1) if is_held else Text(f"you said {said}")

    cluster = Cluster()
    try:
        start(cluster, include_dashboard=False, include_log_monitor=False, no_monitor=True)
        node = start(cluster)
        ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
        with ModelServer(default=answer) as model:
            config = model.config(codex_bin=binary)
            found: dict[str, Any] = {"lost": on_two_nodes(model, config, directory, lambda: leave(cluster, node, held))}
            found["again"] = asyncio.run(again(config, directory))
            found["example"] = example(binary)
            found["lacking"] = without_the_client(directory)
    finally:
        ray.shutdown()
        cluster.shutdown()
    print(json.dumps(found), flush=True)


def start(cluster: Cluster, **options: Any) -> Any:
    """Start a node; Ray gives it 30 seconds, which on a busy machine may be too few."""
    for attempts in (2, 1, 0):
        try:
            return cluster.add_node(num_cpus=1, object_store_memory=BYTES, **options)
        except Exception as error:
            if not attempts or "timed out during startup" not in str(error):
                raise
    raise AssertionError


def leave(cluster: Cluster, node: Any, held: list[bool]) -> None:
    """A node goes without a word."""
    cluster.remove_node(node, allow_graceful=False)
    held.clear()


def on_two_nodes(model: ModelServer, config: Any, directory: Path, leave: Any) -> dict[str, Any]:
    """Run prompts, and lose a node in the middle."""
    progress: list[Any] = []
    with RayPool(config, workers=2, actor_options={"num_cpus": 1}) as pool:
        outcomes = []
        for outcome in pool.map(
            PROMPTS, concurrency=6, journal=f"file://{directory}/run.jsonl", progress=progress.append
        ):
            outcomes.append(outcome)
            if len(outcomes) == 2:
                model.wait_for_requests(8, 60)  # all six are at it, three on each node
                leave()
    results: list[Any] = [outcome.unwrap() for outcome in outcomes]
    return {
        "done": sorted(outcome.prompt for outcome in outcomes),
        "keys": len({result.items[0].client_id for result in results}),
        "asked": len(model.requests),
        "progress": progress[-1].done,
    }


async def again(config: Any, directory: Path) -> dict[str, Any]:
    """With the other kind of pool, and what is done already."""
    async with AsyncRayPool(config, workers=1) as pool:
        url = f"file://{directory}/run.jsonl"
        outcomes = [outcome async for outcome in pool.map([*PROMPTS, "new"], journal=url, in_order=True)]
        numbers = [outcome async for outcome in pool.map(["number"], output_type=int)]
        wrong = [outcome async for outcome in pool.map(["x"], thread={"model_provider": "none"}, retries=0)]
        left = pool.map(["held"])
        asking = asyncio.ensure_future(anext(left))
        await asyncio.sleep(0.2)
        asking.cancel()
        await asyncio.wait([asking])
        return {
            "reused": sum(outcome.is_reused for outcome in outcomes),
            "output": numbers[0].unwrap().output,
            "error": type(wrong[0].error).__name__,
            "cancelled": asking.cancelled(),
        }


def example(binary: str) -> list[str]:
    """What the example prints, whose cluster this is."""
    sys.path.insert(0, str(EXAMPLES))
    from _embedded import ANSWERS

    said = io.StringIO()
    with ModelServer(*ANSWERS["31_ray"]) as model, contextlib.redirect_stdout(said):
        runpy.run_path(str(EXAMPLES / "31_ray" / "sync.py"))["main"](model.config(codex_bin=binary))
    return said.getvalue().splitlines()


def without_the_client(directory: Path) -> str:
    """A worker whose environment has no client."""
    shadow = directory / "shadow" / "codex_app_server"
    shadow.mkdir(parents=True)
    lacks = "raise ModuleNotFoundError(\"No module named 'codex_app_server'\", name='codex_app_server')\n"
    (shadow / "__init__.py").write_text(lacks, encoding="utf-8")
    environment = {"env_vars": {"PYTHONPATH": os.pathsep.join([str(shadow.parent), os.environ["PYTHONPATH"]])}}
    with RayPool(workers=1, actor_options={"runtime_env": environment}) as pool:
        try:
            next(pool.map(["a"]))
        except ImportError as error:
            return str(error)
    return ""


if __name__ == "__main__":
    main()
