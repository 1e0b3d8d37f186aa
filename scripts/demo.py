"""The demo behind ``dev.py demo``: wheels of the pinned release, built, installed and answering on this machine."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from codex_release.base.words import byte_count
from codex_release.verify.trial import CodexAnswer, Trial

__all__ = ["main"]

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "build" / "demo"
DIST = DEMO / "dist"
ENVIRONMENT = DEMO / "env"
STAMP = ENVIRONMENT / ".codex-demo.json"

_PICTURE_WIDTH = 120
"""Of the picture, in characters."""


def main() -> int:
    """Build, install, run, and say what happened."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--svg", type=Path, metavar="FILE", help="keep what is printed as a picture, too")
    picture: Path | None = parser.parse_args().svg
    built = build()
    trial = Trial(install(built), os.environ)
    show(built, [trial.codex_version(), trial.handshake(), trial.turn()], picture)
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
    venv.EnvBuilder(symlinks=os.name != "nt").create(ENVIRONMENT)
    # The pip that is here already: to put one there takes longer than all that it installs.
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-qq", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "-r", str(ROOT / "requirements" / "client.txt")], check=True)
    # Where a target has two wheels, pip chooses. No index is asked: only what was just built can come in.
    subprocess.run([*pip, "--no-index", "--find-links", str(DIST), "codex-app-server-sdk"], check=True)
    STAMP.write_text(wanted, encoding="utf-8")
    return python


def show(built: list[dict[str, Any]], answers: list[CodexAnswer], picture: Path | None) -> None:
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
        files.add_row(each["name"], tags, byte_count(each["size"]), sha256, seconds)
    told = Table("asked", "answer", title="Answered", title_justify="left")
    told.add_column("seconds", justify="right", no_wrap=True)
    for answer in answers:
        told.add_row(answer.asked, answer.text, f"{answer.seconds:.2f}")
    console.print(files)
    console.print(told)
    if picture is not None:
        drawn = console.export_svg(title="python3 scripts/dev.py demo", unique_id="demo")
        # Without the fonts that rich would have a reader's browser fetch from somewhere.
        drawn = re.sub(r"@font-face \{.*?\}", "", drawn, flags=re.DOTALL)
        picture.write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
