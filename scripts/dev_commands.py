"""One command to see it work, one to test it, one to rehearse; nothing but a Python (3.10 or newer) is needed.

    python3 scripts/dev.py demo        builds this machine's wheels from the pinned release, installs and runs them
    python3 scripts/dev.py test        runs linters, type checks and the whole test suite
    python3 scripts/dev.py rehearse    rehearses a release, for this machine's platform or with --all for all

All make ``.venv`` in the checkout and install into it what they need, by hash. What is there already is kept.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from dev_environment import VENV, RefusedError, installer_settings, set_up

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["main"]

ROOT = Path(__file__).resolve().parent.parent
CHECKS = (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"])
DEV = ("rehearse", "dev")
"""What our own programs need, and then what tests and linters need beside it."""
FAST = "not runtime and not index and not emulator and not network and not slow"
# One more than cores, for tests wait for programs, and programs for each other. Each has its share of the files, so
# little of what those share is made twice.
PARALLEL = ("-n", str((os.cpu_count() or 1) + 1), "--dist", "worksteal")
IN_MEMORY = 'mount -t tmpfs -o size={size} tests "$0" && exec env TMPDIR="$0" "$@"'
MEMORY = 12 << 30
"""What the temporary files of all tests may take, in bytes; they take up to 9 GB."""
COVERAGE = ("--cov", "--cov-report=term:skip-covered", "--cov-report=html:build/coverage")


@dataclass(frozen=True)
class Command:
    """A command of this program.

    Attributes:
        about: what it does, for the help.
        needs: the files of requirements that are installed before.
        run: does it, given the interpreter, the options and the words that are passed on; returns the exit code.
        options: its own, each with its help.
        passes_on: whether it takes words that only the program behind it knows.
    """

    about: str
    needs: tuple[str, ...]
    run: Callable[[Path, argparse.Namespace, list[str]], int]
    options: dict[str, str] | None = None
    passes_on: bool = False


def main() -> int:
    """Run one of the commands; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, command in COMMANDS.items():
        # Not abbreviated: the beginning of one of ours may be an option of the program behind it.
        its_own = commands.add_parser(name, help=command.about, description=command.about, allow_abbrev=False)
        for option, about in (command.options or {}).items():
            its_own.add_argument(option, action="store_true", help=about)
    arguments, passed_on = parser.parse_known_args()
    command = COMMANDS[arguments.command]
    if passed_on and not command.passes_on:
        parser.error(f"unrecognized arguments: {' '.join(passed_on)}")
    try:
        return command.run(set_up(*command.needs), arguments, passed_on)
    except RefusedError as refused:
        sys.stderr.write(f"dev.py: {refused}\n")
        return 1
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"dev.py: {' '.join(map(str, error.cmd))} failed with exit code {error.returncode}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("dev.py: interrupted\n")
        return 130


def program(*words: str) -> Callable[[Path, argparse.Namespace, list[str]], int]:
    """A command that runs one program, which gets the words that are passed on."""
    return lambda python, _, passed_on: run(python, *words, *passed_on)


def run_checks(python: Path, output: IO[bytes] | None = None) -> int:
    """Linters and type checks; all run, whatever fails. What they say goes to a file if there is one."""
    failed = [" ".join(check) for check in CHECKS if run(python, "-m", *check, output=output) != 0]
    for check in failed:
        line = f"dev.py: {check} found problems\n"
        _ = output.write(line.encode()) if output else sys.stderr.write(line)
    return 1 if failed else 0


def run_tests(python: Path, arguments: argparse.Namespace, selected: list[str]) -> int:
    """The tests; with all of them linters and type checks, beside them and told at the end. All run, whatever fails."""
    words = [*(COVERAGE if arguments.coverage else ()), *(("-m", FAST) if arguments.fast else ())]
    with tempfile.TemporaryFile() as said, tempfile.TemporaryDirectory() as empty, ThreadPoolExecutor(1) as beside:
        checked = None if selected or arguments.fast else beside.submit(run_checks, python, said)
        # Where one test failed, what it leaves is worth a look: those that are selected leave it on the disk.
        behind = () if selected else in_memory(python, empty)
        code = run(python, "-m", "pytest", *words, *(selected or PARALLEL), behind=behind)
        if checked is not None:
            code = code or checked.result()
            said.seek(0)
            sys.stdout.flush()
            shutil.copyfileobj(said, sys.stdout.buffer)
    return code


def in_memory(python: Path, empty: str) -> tuple[str, ...]:
    """The words behind which a program has its temporary files in memory, if that can be and there is enough of it.

    A file system on a disk may take a tenth of the time of all tests for the files that come and go. This one lies on
    an empty directory, where only the program and those that it starts see it, and goes with them.
    """
    asked = "from codex_release.base.machine import free_memory; print(free_memory() or 0)"
    said = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=False).stdout
    words = ("unshare", "--mount", "sh", "-c", IN_MEMORY.format(size=MEMORY), empty)
    if not shutil.which(words[0]) or int(said or 0) < 1.5 * MEMORY:
        return ()
    tried = subprocess.run([*words, "true"], capture_output=True, check=False)
    return words if tried.returncode == 0 else ()  # not root, or in a container that lets nothing be mounted


def write_code_well(python: Path, *_: object) -> int:
    """Mend what the linter can, and format all code."""
    mended = run(python, "-m", "ruff", "check", "--fix-only", "--quiet", ".")
    return run(python, "-m", "ruff", "format", ".") or run(python, "scripts/twins.py") or mended


def renew_requirements(python: Path, arguments: argparse.Namespace, _: list[str]) -> int:
    """Resolve every file of requirements from where pip is set to."""
    for name, value in installer_settings(python).items():
        os.environ[name] = value
    return run(python, "scripts/resolve_requirements.py", *(["--upgrade"] if arguments.upgrade else []))


def run(python: Path, *arguments: str, output: IO[bytes] | None = None, behind: tuple[str, ...] = ()) -> int:
    """Run a Python program of the environment in the checkout; its exit code. All it says goes to a file, if given.

    Args:
        python: the environment's interpreter.
        arguments: for it.
        output: the file.
        behind: a program that runs it, with its own arguments; none, if empty.
    """
    binaries = str(python.parent)
    environment = {**os.environ, "PATH": binaries + os.pathsep + os.environ.get("PATH", ""), "VIRTUAL_ENV": str(VENV)}
    complaints = subprocess.STDOUT if output else None
    ran = subprocess.run(
        [*behind, str(python), *arguments], cwd=ROOT, env=environment, stdout=output, stderr=complaints, check=False
    )
    return ran.returncode


COMMANDS = {
    "demo": Command(
        "build, install and run the pinned runtime on this machine; --svg FILE draws it",
        ("release",),
        program("scripts/demo.py"),
        passes_on=True,
    ),
    "test": Command(
        "linters, type checks and tests; with words for pytest, only those tests",
        DEV,
        run_tests,
        {
            "--fast": "only the tests that are quick and need neither a runtime, nor an index, nor the network",
            "--coverage": "measure what the tests run of the code; the pages go to build/coverage",
        },
        passes_on=True,
    ),
    "lint": Command("linters and type checks alone", DEV, lambda python, *_: run_checks(python)),
    "fmt": Command("mend what the linter can, and format the code", DEV, write_code_well),
    "rehearse": Command(
        "rehearse a release on an index of its own; takes codex-release's options",
        ("rehearse",),
        program("-m", "codex_release", "rehearse"),
        passes_on=True,
    ),
    "bench": Command(
        "measure against the plain way; takes the options of benchmarks/wheels.py",
        DEV,
        program("benchmarks/wheels.py"),
        passes_on=True,
    ),
    "bench-client": Command(
        "measure the client against its peer; takes benchmarks/client's options",
        DEV,
        program("-m", "benchmarks.client"),
        passes_on=True,
    ),
    "docs": Command(
        "build the site of the client's documents into build/docs",
        ("docs",),
        program("-m", "mkdocs", "build", "--strict"),
    ),
    "requirements": Command(
        "resolve every file of requirements again, and hold them against each other",
        (),
        renew_requirements,
        {"--upgrade": "take the newest versions; without it, what is pinned stays where it can"},
    ),
    "setup": Command("only make .venv", DEV, lambda *_: 0),
}
