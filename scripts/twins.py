"""Write the fronts for threads from those for asyncio: they differ by `await`, by names, and by a few sentences.

    python3 scripts/twins.py            write them
    python3 scripts/twins.py --check    write nothing, and fail if something would change

What is written by hand is `aio`; the same files in `sync` are made of it. The drivers are not: there the two differ.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

__all__ = ["FRONTS", "main", "synchronous"]

PACKAGE = Path(__file__).resolve().parent.parent / "sdk" / "src" / "codex_app_server"

FRONTS = (
    "client",
    "codex",
    "command",
    "goal",
    "handle",
    "leasing",
    "login",
    "opening",
    "pool",
    "reviewing",
    "services",
    "stream",
    "subscription",
    "thread",
    "turn",
    "watching",
)
"""The modules that are written."""

_STARTS = """\
    Raises:
        TypeError: if `config` is something else.
        RuntimeNotFoundError: if there is no runtime.
        RuntimeStartError: if it cannot be started.
        StartupTimeoutError: if it does not answer ``initialize`` in time.
        TransportClosedError: if it ends before it answers.
        JsonRpcError: if it refuses the handshake.
    \"""
"""

_BLOCK = r"    It belongs to one event loop\. It starts with ``async with``.*?Awaiting tasks may be cancelled\.\n"
_CONFIG = r"(        config: how to start it; without it, the installed runtime with its own settings\.\n)    \"{3}\n"
_HELLO = (
    r"            thread = await codex\.thread_start\(\)\n +print\(\(await thread\.run\((.*?)\)\)\.final_response\)"
)

_SENTENCES = (
    (r",? for asyncio(?=[:.;])", ""),
    (r"\bOne task at a time\b", "One thread at a time"),
    (r"\ban (``|`)async with(?=`)", r"a \1with"),
    (r"\bStopAsyncIteration\b", "StopIteration"),
    (
        r"(?s)" + _BLOCK,
        "    Its constructor starts it; `close`, or the end of a ``with`` block, stops it. Any thread may call it.\n",
    ),
    (_CONFIG, r"\1\n" + _STARTS),
    (_HELLO, r"            print(codex.thread_start().run(\1).final_response)"),
    (r"        await self\._driver\.enter\(\)\n", ""),
)
"""What is said differently."""

_WORDS = (
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\bAwaitable\[(\w+)\]", r"\1"),
    (r"from collections.abc import (.*)", lambda found: _without(found[1], "AsyncIterable", "Awaitable")),
    (r" \| AsyncIterable\[\w+\]", ""),
    (r"\ban (?=`Async[B-Z])", "a "),
    (r"\bAsyncGenerator\[(.*), None\]", r"Generator[\1, None, None]"),
    (r"\bAsync(?=[A-Z])", ""),
    (r"\basynccontextmanager\b", "contextmanager"),
    (r"\b__a(enter|exit|iter|next)__\b", r"__\1__"),
    (r"\bcodex_app_server\.aio\b", "codex_app_server.sync"),
    (r"\bgenerated\.a(front|methods)\b", r"generated.\1"),
    (r'"aio\.', '"sync.'),
)
"""What is spelled differently."""


def main() -> int:
    """Write the modules, or compare them; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, and fail if something would change")
    options = parser.parse_args()
    stale = []
    for name in FRONTS:
        target = PACKAGE / "sync" / f"{name}.py"
        text = synchronous((PACKAGE / "aio" / f"{name}.py").read_text(encoding="utf-8"))
        if not target.is_file() or target.read_text(encoding="utf-8") != text:
            stale.append(str(target))
            if not options.check:
                target.write_bytes(text.encode())
    if options.check and stale:
        sys.stderr.write(f"not what aio says: {', '.join(stale)}; run python3 scripts/twins.py\n")
        return 1
    return 0


def synchronous(text: str) -> str:
    """A module for asyncio, as one for threads, formatted."""
    for pattern, replacement in (*_SENTENCES, *_WORDS):
        text = re.sub(pattern, replacement, text)
    for command in (["check", "--fix-only", "--quiet", "--select=I,F401"], ["format", "--quiet"]):
        name = "--stdin-filename=" + str(PACKAGE / "sync" / "made.py")
        ran = subprocess.run(
            [sys.executable, "-m", "ruff", *command, name, "-"],
            input=text,
            capture_output=True,
            encoding="utf-8",
            check=True,
        )
        text = ran.stdout
    return text


def _without(names: str, *dropped: str) -> str:
    kept = [name for name in names.split(", ") if name not in dropped]
    return f"from collections.abc import {', '.join(kept)}" if kept else ""


if __name__ == "__main__":
    sys.exit(main())
