"""Writes down what a real runtime says in a turn, for `replay` to say it again.

    python -m benchmarks.client.capture CODEX    writes transcript.json anew, from this executable

What belongs to the machine it ran on (paths, names) is replaced; everything else is the runtime's own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from codex_app_server.testing import ModelServer, Text, ToolCall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TRANSCRIPT = Path(__file__).with_name("transcript.json")
DELTA = "item/agentMessage/delta"

Json = dict[str, Any]


def main() -> int:
    """Capture, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("codex", type=Path, help="the executable")
    transcript = capture(parser.parse_args().codex)
    TRANSCRIPT.write_text(json.dumps(transcript, indent=1) + "\n", encoding="utf-8")
    return 0


def capture(codex: Path) -> Json:
    """Two turns of a runtime: one that streams a message, one that asks whether a command may run.

    Returns:
        the answers by their method, the first turn's events before, among and after its deltas, and the question.
    """
    words = Text("It holds the sources of a program and its tests.")
    with ModelServer(words, ToolCall("exec_command", {"cmd": "touch x"})) as model:
        home = str((model.config().env or {})["CODEX_HOME"])
        with tempfile.TemporaryDirectory(prefix="codex-project-") as project:
            spoken = json.dumps(list(_converse(codex, home, project)))
        replaced = {project: "/home/user/project", home: "/home/user/.codex"}
    for found, instead in replaced.items():
        spoken = spoken.replace(found, instead)
    return _sorted_out(json.loads(spoken))


def _converse(codex: Path, home: str, project: str) -> Iterator[Json]:
    environment = {**os.environ, "CODEX_HOME": home}
    with subprocess.Popen(
        [str(codex), "app-server"],
        cwd=project,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        ask = _asker(cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout))
        client = {"name": "benchmark", "title": "benchmark", "version": "1"}
        yield from ask("initialize", {"clientInfo": client}, until=_is_answer)
        started = list(ask("thread/start", {"approvalPolicy": "untrusted"}, until=_is_answer))
        yield from started
        turn = {"threadId": started[-1]["result"]["thread"]["id"], "input": [{"type": "text", "text": "What is here?"}]}
        yield from ask("turn/start", turn, until=lambda said: said.get("method") == "turn/completed")
        yield from ask("turn/start", turn, until=lambda said: "id" in said and "method" in said)
        process.kill()


def _asker(stdin: IO[bytes], stdout: IO[bytes]) -> Callable[..., Iterator[Json]]:
    """A function that sends a request, and gives what is said until something is; answers get their method's name."""

    def ask(method: str, params: Json, *, until: Callable[[Json], bool]) -> Iterator[Json]:
        stdin.write(json.dumps({"id": method, "method": method, "params": params}).encode() + b"\n")
        stdin.flush()
        for line in stdout:
            said = json.loads(line)
            yield said
            if until(said):
                return
        raise EOFError(f"the runtime left after {method}")

    return ask


def _is_answer(said: Json) -> bool:
    return "id" in said


def _sorted_out(spoken: list[Json]) -> Json:
    """What was said, by what it is for the replay."""
    answers = {said["id"]: said["result"] for said in reversed(spoken) if "result" in said}  # of two turns, the first
    methods = [said.get("method") for said in spoken]
    turn = spoken[methods.index("turn/started") : methods.index("turn/completed") + 1]
    deltas = [number for number, said in enumerate(turn) if said["method"] == DELTA]
    return {
        "answers": answers,
        "before": turn[: deltas[0]],
        "delta": turn[deltas[0]],
        "after": turn[deltas[-1] + 1 :],
        "question": spoken[-1],
    }


if __name__ == "__main__":
    sys.exit(main())
