"""Running programs in tests: the toolkit as its users start it, and other Pythons of this machine."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from dev_environment import installer_settings

from codex_release.facts.lock import Lock

__all__ = [
    "PINNED",
    "PUBLISHED",
    "codex_release",
    "environment_with",
    "finished",
    "interpreter",
    "link",
    "linked_release",
    "python_of",
    "uv_pip_install",
]

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_S = 600
_LOCKED = Lock.read(ROOT / "release" / "runtime.lock.toml").version
PINNED, PUBLISHED = _LOCKED.codex, _LOCKED.pep440
"""The Codex release that the lock pins, which may be a pre-release: as Codex writes it, and as packages do."""


_BUNDLED = """
import ensurepip, pathlib
for wheel in pathlib.Path(ensurepip.__file__).with_name("_bundled").glob("*.whl"): print(wheel)
"""
"""Prints the wheels of pip and its kin that an interpreter brings; a system may keep them elsewhere."""


def finished(
    *argv: str | Path,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
    code: int = 0,
    stdin: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and insist on its exit code; `env` is put over this process's environment."""
    ran = subprocess.run(
        [str(word) for word in argv],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert ran.returncode == code, f"{argv} ended with {ran.returncode}, not {code}:\n{ran.stdout}\n{ran.stderr}"
    return ran


def codex_release(
    *arguments: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None, code: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run ``codex-release`` in a process of its own, from the checkout if not told otherwise."""
    return finished(sys.executable, "-m", "codex_release", *arguments, cwd=cwd or ROOT, env=env, code=code)


@functools.cache
def interpreter(version: str) -> str:
    """The path of another Python of this machine, e.g. of ``3.13``; a machine without it fails the test."""
    on_path = shutil.which(f"python{version}")
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions")
    candidates = [on_path, *(str(path) for path in sorted(pyenv.glob(f"{version}.*/bin/python")))]
    # uv knows where a system keeps them that has no such names, as Windows; it is only asked, and fetches none.
    asked = [sys.executable, "-m", "uv", "python", "find", "--no-python-downloads", version]
    candidates.append(subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip())
    for candidate in filter(None, candidates):
        # A version manager may leave a stand-in on PATH that only explains that it is not chosen.
        if subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
            return candidate
    raise AssertionError(
        f"Python {version} is needed for this test: put it on PATH, or run: uv python install {version}"
    )


def environment_with(directory: Path, version: str | None, *requirements: str | Path) -> Path:
    """A new virtual environment with the given words for ``uv pip install``; its interpreter.

    Args:
        directory: where it goes.
        version: of the Python, e.g. ``3.13``; this one if `None`.
        requirements: paths, requirements and options.
    """
    shutil.rmtree(directory, ignore_errors=True)
    template = _environment(interpreter(version) if version else sys.executable)
    shutil.copytree(template, directory, symlinks=True, copy_function=link)
    for path in (directory / "pyvenv.cfg", *python_of(directory).parent.iterdir()):
        if not path.is_symlink() and os.fsencode(template) in (data := path.read_bytes()):
            mode = path.stat().st_mode
            path.unlink()
            path.write_bytes(data.replace(os.fsencode(template), os.fsencode(directory)))
            path.chmod(mode)
    python = python_of(directory)
    if requirements:
        uv_pip_install("--python", python, *requirements)
    return python


@functools.cache
def _environment(base: str) -> Path:
    """An environment of an interpreter as `venv` makes it, its pip ready to start; those of tests are linked copies."""
    directory = Path(tempfile.mkdtemp(prefix="codex-tests-environment-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    bundled = finished(base, "-c", _BUNDLED).stdout.splitlines()
    # uv puts the pip there that the interpreter bundles, in a tenth of the time that `venv` takes for it.
    finished(base, "-m", "venv", *(["--without-pip"] if bundled else []), directory)
    python = python_of(directory)
    if bundled:
        uv_pip_install("--python", python, "--no-index", "--no-deps", *bundled)
    finished(python, "-m", "pip", "install", "--help")  # leaves byte code
    return directory


def link(source: str, place: str) -> None:
    """A file under another name, as `shutil.copytree` wants it done; a copy where that cannot be."""
    try:
        os.link(source, place)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, place)


def linked_release(dist: Path, directory: Path) -> None:
    """A copy of a finished release that shares the runtime wheels, which nobody writes into; they have 1 GB."""
    shutil.copytree(dist, directory, ignore=shutil.ignore_patterns("codex_cli_bin-*"))
    for wheel in dist.glob("codex_cli_bin-*"):
        link(str(wheel), str(directory / wheel.name))


def uv_pip_install(*words: str | Path) -> None:
    """Let uv install something, relative to the checkout, from where pip is set to on this machine."""
    settings = {} if "--no-index" in words else _settings()
    finished(sys.executable, "-m", "uv", "pip", "install", "--quiet", *words, cwd=ROOT, env=settings)


@functools.cache
def _settings() -> dict[str, str]:
    return installer_settings(Path(sys.executable))


def python_of(environment: Path) -> Path:
    """The interpreter of a virtual environment."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
