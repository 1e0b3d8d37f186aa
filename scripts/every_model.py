#!/usr/bin/env python3
"""Makes every model of the client's protocol layer once, and describes it: what was generated must hold together.

It needs the client's requirements; the client itself is that of this checkout.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import TypeAdapter

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "sdk" / "src"))

from codex_app_server.generated.registry import ROOMS
from codex_app_server.models.model import load


def problem(name: str) -> str | None:
    """What is wrong with a model; None if nothing is."""
    try:
        TypeAdapter(load(name)).json_schema()
    except Exception as error:
        return f"{name} cannot be made: {error!r}"
    return None


if __name__ == "__main__":
    problems = [found for name in ROOMS if (found := problem(name))]
    print(*problems, sep="\n", end="\n" * bool(problems), file=sys.stderr)
    sys.exit(1 if problems else 0)
