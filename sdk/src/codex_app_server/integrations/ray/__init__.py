"""The same `map` over a Ray cluster: actors with a pool of runtimes each, and prompts that are run until they are done.

What is to be done, in which order it is told, and the journal are `map`'s own, here, in the program that drives. Where
actors live, and that they live again, is Ray's. What is between: who gets which prompt, and that it goes to another one
when its actor cannot be reached. So a prompt may run twice, never not at all; its key is the same then.
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
