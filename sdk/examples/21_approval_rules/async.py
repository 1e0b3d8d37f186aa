"""Decide what Codex may do, with rules that compose, and see which of them decided, with asyncio."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config

from codex_app_server import (
    ApprovalDecision,
    ApprovalRequest,
    ApprovalRule,
    AppServerConfig,
    AsyncCodex,
    CommandApproval,
    Observers,
    allow_commands,
    allow_paths,
    decline_all,
    read_only,
)


def no_removing(request: ApprovalRequest) -> bool | None:
    """A rule of one's own: `False` declines, and None leaves it to the next one."""
    parts = request.parts if isinstance(request, CommandApproval) else None
    return False if parts and any(words[0] == "rm" for words in parts) else None


def note(decision: ApprovalDecision) -> None:
    parts = decision.request.parts if isinstance(decision.request, CommandApproval) else None
    words = " ; ".join(" ".join(part) for part in parts) if parts else "more than plain commands"
    print(f"{decision.decision:7} {words} ({decision.rule or 'no rule'})")


async def main(config: AppServerConfig) -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        rules: list[ApprovalRule] = [
            no_removing,
            read_only,
            allow_commands("mkdir *"),
            allow_paths(directory),
            decline_all,
        ]
        config = replace(config, approvals=rules, observers=Observers(on_decision=note))
        async with AsyncCodex(config) as codex:
            # "untrusted" asks before every command.
            thread = await codex.thread_start(cwd=directory, approval_policy="untrusted", sandbox="workspace-write")
            prompt = "Run `mkdir reports`, `ls`, `rm -r reports`, and `mkdir $(date +%A)`, one by one. What worked?"
            print((await thread.run(prompt, timeout=300)).final_response)
        print("left in the directory:", *sorted(path.name for path in Path(directory).rglob("*")))


if __name__ == "__main__":
    with example_config(__file__) as config:
        asyncio.run(main(config))
