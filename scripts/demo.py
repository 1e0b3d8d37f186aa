"""The demo behind ``dev.py demo``: wheels of the pinned release, built, installed and answering on this machine."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from codex_release.progress import megabytes

__all__ = ["main"]

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "build" / "demo"
DIST = DEMO / "dist"
ENVIRONMENT = DEMO / "env"
STAMP = ENVIRONMENT / ".codex-demo.json"

_PICTURE_WIDTH = 120
"""Of the picture, in characters."""

HANDSHAKE = """\
import json, sys, time
begun = time.perf_counter()
from codex_app_server import AppServerClient, AppServerConfig
with AppServerClient(AppServerConfig(env={"CODEX_HOME": sys.argv[1]})) as client:
    found = client.metadata
    print(json.dumps([found.server_name, found.server_version, found.user_agent, time.perf_counter() - begun]))
"""

TURN = """\
import json, time
begun = time.perf_counter()
from codex_app_server import Codex, TextInput
from codex_app_server.testing import ModelServer, Text
with ModelServer(Text("Hello from Codex itself, with a scripted model.")) as model, Codex(model.config()) as codex:
    times, pieces = [], []
    for event in codex.thread_start().turn(TextInput("Say hello.")).stream():
        if event.method == "item/agentMessage/delta":
            times.append(time.perf_counter() - begun)
            pieces.append(event.payload.delta)
    print(json.dumps(["".join(pieces), len(pieces), times[0], time.perf_counter() - begun]))
"""


def main() -> int:
    """Build, install, run, and say what happened."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--svg", type=Path, metavar="FILE", help="keep what is printed as a picture, too")
    picture: Path | None = parser.parse_args().svg
    built = build()
    python = install(built)
    with tempfile.TemporaryDirectory(prefix="codex-demo-") as home:
        answers = [run_codex(python, home), run_handshake(python, home), run_turn(python, home)]
    show(built, answers, picture)
    return 0


def build() -> list[dict[str, Any]]:
    """This machine's runtime wheel and the client pinned to it; what did not change is kept."""
    command = [sys.executable, "-m", "codex_release", "build", "--out", str(DIST), "--json", "--repo", str(ROOT)]
    ran = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if ran.returncode != 0:
        sys.exit(ran.returncode)
    files: list[dict[str, Any]] = json.loads(ran.stdout)
    return files


def install(built: list[dict[str, Any]]) -> Path:
    """Both into a fresh environment, which is kept while the wheels are the same; its interpreter."""
    python = ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    wanted = json.dumps([sys.version, sorted(each["sha256"] for each in built)])
    if STAMP.is_file() and STAMP.read_text(encoding="utf-8") == wanted:
        return python
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    venv.EnvBuilder(with_pip=True, symlinks=os.name != "nt").create(ENVIRONMENT)
    pip = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "-r", str(ROOT / "requirements" / "client.txt")], check=True)
    # Where a target has two wheels, pip chooses. No index is asked: only what was just built can come in.
    subprocess.run([*pip, "--no-index", "--find-links", str(DIST), "codex-app-server-sdk"], check=True)
    STAMP.write_text(wanted, encoding="utf-8")
    return python


def run_codex(python: Path, home: str) -> tuple[str, str, float]:
    """``codex --version``, by the console script of the installed runtime wheel."""
    codex = shutil.which("codex", path=str(python.parent)) or "codex"
    begun = time.perf_counter()
    ran = subprocess.run(
        [codex, "--version"], env={**os.environ, "CODEX_HOME": home}, capture_output=True, text=True, check=True
    )
    return "codex --version", ran.stdout.strip(), time.perf_counter() - begun


def run_handshake(python: Path, home: str) -> tuple[str, str, float]:
    """The client's ``initialize`` handshake with the runtime it is pinned to."""
    name, version, agent, seconds = _run_script(python, HANDSHAKE, home)
    return "initialize", f"{name} {version} ({agent})", seconds


def run_turn(python: Path, home: str) -> tuple[str, str, float]:
    """A whole turn of the real runtime, streamed; the model is the one that the client embeds for tests."""
    text, deltas, first, seconds = _run_script(python, TURN, home)
    return "turn", f"{text} ({deltas} deltas, the first after {first:.2f} s)", seconds


def show(built: list[dict[str, Any]], answers: list[tuple[str, str, float]], picture: Path | None) -> None:
    """What was built, and what answered."""
    console = Console(record=picture is not None)
    if picture is not None:
        console.width = _PICTURE_WIDTH
    elif not console.is_terminal:
        console.width = 200  # a log can be scrolled
    files = Table(title="Built, checked and installed", title_justify="left")
    files.add_column("file", overflow="fold")
    files.add_column("tag", no_wrap=True)
    files.add_column("size", justify="right", no_wrap=True)
    files.add_column("sha256", no_wrap=True)
    files.add_column("seconds", justify="right", no_wrap=True)
    for each in built:
        tags = each["tag"].replace("py3-none-", "").replace(".", "\n") or each["kind"]
        seconds = "unchanged" if each["reused"] else f"{each['seconds']:.1f}"
        sha256 = "\n".join(re.findall(".{16}" if console.width < 130 else ".{32}", each["sha256"]))
        files.add_row(each["name"], tags, megabytes(each["size"]), sha256, seconds)
    told = Table("asked", "answer", title="Answered", title_justify="left")
    told.add_column("seconds", justify="right", no_wrap=True)
    for asked, answer, seconds_taken in answers:
        told.add_row(asked, answer, f"{seconds_taken:.2f}")
    console.print(files)
    console.print(told)
    if picture is not None:
        drawn = console.export_svg(title="python3 scripts/dev.py demo", unique_id="demo")
        # Without the fonts that rich would have a reader's browser fetch from somewhere.
        drawn = re.sub(r"@font-face \{.*?\}", "", drawn, flags=re.DOTALL)
        picture.write_text(drawn, encoding="utf-8")


def _run_script(python: Path, script: str, home: str) -> Any:
    """What a script in the demo's environment says, as JSON."""
    # -P is not known to Python 3.10; from an empty directory nothing of the checkout can be imported either.
    ran = subprocess.run([str(python), "-c", script, home], cwd=home, capture_output=True, text=True, check=True)
    return json.loads(ran.stdout)


if __name__ == "__main__":
    sys.exit(main())
