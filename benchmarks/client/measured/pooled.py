"""Many turns by `map`: `python pooled.py CODEX HOME RUNTIMES CONCURRENCY TURNS`; no runtimes are one client's own.

It prints how long the turns took, in seconds, once every runtime has had one.
"""

import sys
import time

from codex_app_server import AppServerConfig, Codex, CodexPool

codex, home, *numbers = sys.argv[1:]
runtimes, concurrency, turns = map(int, numbers)
config = AppServerConfig(codex_bin=codex, codex_home=home)
with CodexPool(config, size=runtimes, per_runtime=1000) if runtimes else Codex(config) as client:
    for _ in client.map(["warm up"] * max(runtimes, 1), concurrency=max(runtimes, 1)):
        pass
    begun = time.perf_counter()
    for outcome in client.map([f"prompt {number}" for number in range(turns)], concurrency=concurrency):
        outcome.unwrap()
    print(time.perf_counter() - begun, flush=True)
