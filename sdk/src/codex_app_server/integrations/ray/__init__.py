"""The same `map` over a Ray cluster: actors with a pool of runtimes each, and prompts that are run until they are done.

The prompts, the order of their outcomes and the journal are handled by `map` itself, in the program that calls it. Ray
decides where actors run, and restarts them. These modules are between the two: they decide which actor gets which
prompt, and give it to another one when its actor cannot be reached. So a prompt may run twice, but always runs; its key
is the same then.
"""

from __future__ import annotations

from codex_app_server.extras import lacking

try:
    import ray  # noqa: F401 - the modules below need it
except ImportError as error:
    raise lacking("ray", error) from error

from codex_app_server.integrations.ray.aio import AsyncRayPool
from codex_app_server.integrations.ray.sync import RayPool

__all__ = ["AsyncRayPool", "RayPool"]
