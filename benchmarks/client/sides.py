"""The two sides: an environment of its own for each, with installed and compiled wheels, and the runtime both drive.

Environments are kept in ``build/bench-client`` while what is in them stays the same.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from rich.console import Console

from codex_release.base.http import Web
from codex_release.base.progress import Lines
from codex_release.context import Context
from codex_release.facts.settings import Settings
from codex_release.facts.workspace import Workspace
from codex_release.runtime.tree import copy_tree

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / "build" / "bench-client"


def client_environment() -> Path:
    """The interpreter of an environment with the client's wheel, built from this checkout."""
    wheels = HOME / "wheel"
    shutil.rmtree(wheels, ignore_errors=True)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(wheels), str(ROOT / "sdk")]
    same_bytes = {**os.environ, "SOURCE_DATE_EPOCH": "315532800"}
    subprocess.run(build, env=same_bytes, check=True, capture_output=True)
    return _environment("ours", "bench-client", next(wheels.glob("*.whl")))


def peer_environment() -> Path:
    """The interpreter of an environment with the peer, as its index has it, without the runtime it brings."""
    return _environment("peer", "bench-peer")


def plot_environment() -> Path:
    """The interpreter of an environment that can draw."""
    return _environment("plot", "bench-plot")


def runtime(scratch: Path) -> Path:
    """This machine's pinned Codex executable, ready to run."""
    web = Web(Lines(Console(stderr=True)))
    try:
        context = Context(lambda: Workspace(ROOT), Settings.read(os.environ), web.progress, web)
        target = context.catalog.host()
        tree = context.fetcher.tree(context.runtime(context.lock.version, target))
        copy_tree(tree, scratch, context.catalog.layout)
    finally:
        web.close()
    return scratch / target.fill(context.catalog.layout.entrypoint)


def _environment(name: str, requirements: str, wheel: Path | None = None) -> Path:
    """An environment with these pinned requirements, and a wheel; its interpreter."""
    root, pinned = HOME / name, ROOT / "requirements" / f"{requirements}.txt"
    python = root / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    parts = [sys.version.encode(), pinned.read_bytes(), wheel.read_bytes() if wheel else b""]
    wanted, stamp = hashlib.sha256(b"\0".join(parts)).hexdigest(), root / "bench.stamp"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    sys.stderr.write(f"making {root.relative_to(ROOT)}\n")
    shutil.rmtree(root, ignore_errors=True)
    venv.EnvBuilder(with_pip=False, symlinks=os.name != "nt").create(root)
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-qq", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", "--require-hashes", "-r", str(pinned)], check=True)
    if wheel is not None:
        subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True)
    # Whatever the variables of this machine say of bytecode: nobody pays for compiling what is installed twice.
    subprocess.run([str(python), "-m", "compileall", "-qq", str(root)], check=True)
    stamp.write_text(wanted, encoding="utf-8")
    return python
