#!/usr/bin/env python3
"""One command to see it work, one to test it, one to rehearse; nothing but a Python (3.10 or newer) is needed.

    python3 scripts/dev.py demo        builds this machine's wheels from the pinned release, installs and runs them
    python3 scripts/dev.py test        runs linters, type checks and the whole test suite
    python3 scripts/dev.py rehearse    rehearses a release, for this machine's platform or with --all for all

All make ``.venv`` in the checkout and install into it what they need, by hash. What is there already is kept.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

__all__ = ["main"]

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / ".codex-dev.json"
OLDEST = (3, 10)


def main() -> int:
    """Run one of the commands; returns its exit code."""
    if sys.version_info < OLDEST:
        sys.exit(f"this is Python {sys.version.split()[0]}, but 3.10 or newer is needed; run it with a newer one")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("demo", help="build, install and run the pinned runtime on this machine; --svg FILE draws it")
    commands.add_parser("test", help="linters, type checks and tests; with words for pytest, only those tests")
    commands.add_parser("rehearse", help="rehearse a release on an index of its own; takes codex-release's options")
    commands.add_parser("bench", help="measure against the plain way; takes the options of benchmarks/wheels.py")
    commands.add_parser("docs", help="build the site of the client's documents into build/docs")
    commands.add_parser("bench-client", help="measure the client against its peer; takes benchmarks/client's options")
    commands.add_parser("setup", help="only make .venv")
    arguments, passed_on = parser.parse_known_args()
    if passed_on and arguments.command not in {"demo", "test", "rehearse", "bench", "bench-client"}:
        parser.error(f"unrecognized arguments: {' '.join(passed_on)}")
    try:
        if arguments.command == "demo":
            return run(set_up("release"), "scripts/demo.py", *passed_on)
        if arguments.command == "rehearse":
            return run(set_up("rehearse"), "-m", "codex_release", "rehearse", *passed_on)
        if arguments.command == "docs":
            set_up("release")
            return run(set_up("docs"), "-m", "mkdocs", "build", "--strict")
        python = set_up("dev")
        if arguments.command == "bench":
            return run(python, "benchmarks/wheels.py", *passed_on)
        if arguments.command == "bench-client":
            return run(python, "-m", "benchmarks.client", *passed_on)
        return run_tests(python, passed_on) if arguments.command == "test" else 0
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"dev.py: {' '.join(map(str, error.cmd))} failed with exit code {error.returncode}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("dev.py: interrupted\n")
        return 130


def set_up(requirements: str) -> Path:
    """Make or complete ``.venv``.

    Args:
        requirements: ``release`` for the toolkit alone, ``rehearse`` with an index server, ``dev`` for the tests too
            (it contains both), ``docs`` for the site beside any of them.

    Returns:
        its interpreter.
    """
    python = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    done = _stamp()
    if done.get("python") != list(sys.version_info[:3]) or not python.is_file():
        print(f"making {VENV}", file=sys.stderr)
        shutil.rmtree(VENV, ignore_errors=True)
        venv.EnvBuilder(with_pip=True, symlinks=os.name != "nt").create(VENV)
        done = {"python": list(sys.version_info[:3])}
    wanted = _digest(ROOT / "requirements" / f"{requirements}.txt")
    projects = _digest(ROOT / "release" / "pyproject.toml", ROOT / "sdk" / "pyproject.toml")
    pip = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]  # errors only
    if done.get(requirements) != wanted:
        print(f"installing requirements/{requirements}.txt", file=sys.stderr)
        subprocess.run([*pip, "--require-hashes", "-r", f"requirements/{requirements}.txt"], cwd=ROOT, check=True)
        done[requirements] = wanted
    if done.get("projects") != projects:
        in_place = ["--no-deps", "--no-build-isolation", "-e", "release", "-e", "sdk"]
        subprocess.run([*pip, *in_place], cwd=ROOT, check=True)
        done["projects"] = projects
    STAMP.write_text(json.dumps(done, indent=1), encoding="utf-8")
    return python


def run_tests(python: Path, selected: list[str]) -> int:
    """Linters and type checks first, for they are quick; then the tests. All run, whatever fails."""
    checks = [] if selected else [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]]
    failed = [" ".join(check) for check in checks if run(python, "-m", *check) != 0]
    # A process a core, and each file's tests in one of them, for what those share is not made twice.
    code = run(python, "-m", "pytest", *(selected or ["-n", "auto", "--dist", "loadfile"]))
    for check in failed:
        sys.stderr.write(f"dev.py: {check} found problems\n")
    return code or (1 if failed else 0)


def run(python: Path, *arguments: str) -> int:
    """Run a Python program of the environment in the checkout; its exit code."""
    binaries = str(python.parent)
    environment = {**os.environ, "PATH": binaries + os.pathsep + os.environ.get("PATH", ""), "VIRTUAL_ENV": str(VENV)}
    return subprocess.run([str(python), *arguments], cwd=ROOT, env=environment, check=False).returncode


def _stamp() -> dict[str, object]:
    """What was installed, by the digests of what asked for it."""
    try:
        found: dict[str, object] = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def _digest(*paths: Path) -> str:
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in paths)).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
