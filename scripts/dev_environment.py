"""Makes ``.venv``, the environment of the checkout: pinned, hashed, and the same on any day; for `dev` alone.

The pip that an interpreter brings may be any, so it installs one thing, the pinned installer of
``requirements/installer.txt``; that installs the rest. What stands in ``.venv`` and was not made here is never touched.
It needs nothing but a Python, and knows nothing of what is run in the environment.
"""

from __future__ import annotations

import ast
import configparser
import contextlib
import functools
import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["VENV", "RefusedError", "installer_settings", "set_up"]

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / ".codex-dev.json"
_BINARIES = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = _BINARIES / ("python.exe" if os.name == "nt" else "python")
UV = _BINARIES / ("uv.exe" if os.name == "nt" else "uv")

INSTALLER_SETTINGS = {
    "index-url": "UV_DEFAULT_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
    "keyring-provider": "UV_KEYRING_PROVIDER",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
}
"""pip's settings, and the variables that tell uv the same. Further indexes are left out: where one has a file of some
pinned version and not the others, uv would take it for all there is."""

_PIP_TRANSPORT = INSTALLER_SETTINGS.keys() | {
    "extra-index-url",
    "no-index",
    "find-links",
    "retries",
    "cache-dir",
    "no-cache-dir",
    "use-feature",
    "use-deprecated",
}
"""pip's settings that say how packages come here. What is set besides, e.g. ``target``, may put them elsewhere, take
others, or none at all."""

_UV_TRANSPORT = re.compile(
    "UV_(DEFAULT_INDEX|INDEX_URL|INDEX_[A-Z0-9_]+_(USERNAME|PASSWORD)|NO_INDEX|FIND_LINKS|OFFLINE"
    "|INSECURE_HOST|NATIVE_TLS|SYSTEM_CERTS|KEYRING_PROVIDER|CREDENTIALS_DIR|(HTTP|REQUEST)_[A-Z_]+"
    "|CACHE_DIR|NO_CACHE|LINK_MODE|CONCURRENT_[A-Z]+|NO_PROGRESS|CONFIG_FILE|NO_CONFIG)"
)
"""And uv's variables that do."""

OFFLINE_SETTINGS = {"no-index": "UV_NO_INDEX", "find-links": "UV_FIND_LINKS"}
"""And those of a machine that has no index, but a directory."""


class RefusedError(Exception):
    """The environment cannot be made; the message says why, and what to do."""


def set_up(*requirements: str) -> Path:
    """Make or complete ``.venv``: the installer, some files of requirements, and our own packages in place.

    Args:
        requirements: names of files in ``requirements``, e.g. ``dev``; what is there of others stays. Without any, only
            the installer is made sure of.

    Returns:
        its interpreter.

    Raises:
        RefusedError: if there is a ``.venv`` that was not made here, or none can be made.
        CalledProcessError: if an installation fails.
    """
    try:
        _ = str(VENV).encode(sys.getfilesystemencoding())  # some Pythons would get further, and fail without a word
        with _alone():
            _complete(*requirements)
    except UnicodeError as error:
        raise RefusedError(
            f"{VENV} cannot be made: {sys.getfilesystemencoding()} has not all characters of its path; "
            "try again with PYTHONUTF8=1"
        ) from error
    except OSError as error:
        raise RefusedError(f"{VENV} cannot be made: {error}; have the checkout where you may write") from error
    return PYTHON


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """A block that only one process of this checkout is in; the others wait, and where there are no locks, do not."""
    with Path(__file__).open("rb") as file:
        is_told = False
        while not _is_locked(file.fileno()):
            if not is_told:
                _say(f"another dev.py is at work on {VENV}, waiting for it")
                is_told = True
            time.sleep(0.1)
        yield


def _is_locked(file: int) -> bool:
    """Whether a file is locked for us now, or cannot be; the system frees it with the process."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(file, 1 << 30, os.SEEK_SET)  # behind its end: nobody else reads what is locked there
        lock = functools.partial(msvcrt.locking, file, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        lock = functools.partial(fcntl.flock, file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        lock()
    except (BlockingIOError, PermissionError):  # what POSIX and Windows say of one that is held
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _complete(*requirements: str) -> None:
    """Make ``.venv`` if need be, and install into it what is not there yet."""
    done = _made()

    @functools.cache
    def environ() -> dict[str, str]:
        return _environ(_pip_settings(PYTHON))

    def install(what: str, wanted: str, *words: str) -> None:
        if done.get(what) == wanted:
            return
        quiet = [] if sys.stderr.isatty() else ["--quiet"]
        command = [str(UV), "pip", "install", *quiet, "--python", str(PYTHON), *words]
        subprocess.run(command, cwd=ROOT, env=environ(), check=True)
        _record(done, what, wanted)

    wanted = _digest(_file("installer"))
    if done.get("installer") != wanted or not UV.is_file():
        _say(f"installing {_name('installer')}")
        pip = [str(PYTHON), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        words = ["--require-hashes", "--no-deps", "-r", _name("installer")]
        subprocess.run([*pip, *words], cwd=ROOT, env=environ(), check=True)
        if not UV.is_file():
            raise RefusedError(f"pip installed {_name('installer')}, but there is no {UV}: look where it put it")
        _record(done, "installer", wanted)
    for each in requirements:
        wanted = _digest(_file(each))
        if done.get(each) != wanted:
            _say(f"installing {_name(each)}")
        # Where no bytecode may be written later, every start of a program would compile all that it imports. The tests
        # keep theirs themselves, and import a tenth of what is there for them.
        compiled = ["--compile-bytecode"] if sys.dont_write_bytecode and each != "dev" else []
        install(each, wanted, *compiled, "--require-hashes", "-r", _name(each))
    if set(requirements) - {"docs"}:
        projects = _digest(ROOT / "release" / "pyproject.toml", ROOT / "sdk" / "pyproject.toml")
        install("projects", projects, "--no-deps", "--no-build-isolation", "-e", "release", "-e", "sdk")


def installer_settings(python: Path) -> dict[str, str]:
    """Where packages come from on this machine, as pip is told, in uv's words; what uv is told itself goes before.

    Args:
        python: an interpreter that has pip.
    """
    settings = _in_uvs_words(_pip_settings(python))
    return {key: value for key, value in settings.items() if key not in os.environ}


def _environ(told: dict[str, str]) -> dict[str, str]:
    """This process's environment for pip and uv, of whose settings only the means of transport are kept."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PIP_", "UV_")) or _UV_TRANSPORT.fullmatch(name)
    }
    pips = {f"PIP_{key.replace('-', '_').upper()}": told[key] for key in _PIP_TRANSPORT & told.keys()}
    return {**_in_uvs_words(told), **kept, **pips, "PIP_CONFIG_FILE": os.devnull}


def _in_uvs_words(told: dict[str, str]) -> dict[str, str]:
    """What pip is told, as variables of uv."""
    table = INSTALLER_SETTINGS | (OFFLINE_SETTINGS if told.get("no-index", "0") not in {"0", "false", ""} else {})
    settings = {table[key]: value for key, value in told.items() if key in table}
    if "UV_FIND_LINKS" in settings:
        settings["UV_FIND_LINKS"] = ",".join(settings["UV_FIND_LINKS"].split())
    return settings


def _pip_settings(python: Path) -> dict[str, str]:
    """What pip is told for an installation, by its configuration and its variables; empty values are left out."""

    def asked(*words: str) -> str:
        # The names of files that it says are to be found again, whatever the system's encoding is.
        environ = {**os.environ, "PYTHONIOENCODING": "utf-8:surrogateescape"}
        argv = [str(python), "-m", "pip", "config", *words]
        ran = subprocess.run(
            argv, capture_output=True, env=environ, encoding="utf-8", errors="surrogateescape", check=False
        )
        return ran.stdout

    said = asked("list")
    found: dict[str, str] = {}
    # The most general first: a setting of one command, and then of the environment, goes before.
    for section in ("global", "install", ":env:"):
        listed = re.findall(rf"^{section}\.([\w-]+)=(.*)$", said, re.MULTILINE)
        given = {key: str(ast.literal_eval(value)) for key, value in listed}
        # What stands in several files, newer ones list by the names of the files, whichever has precedence.
        if len(listed) != len(given):
            given |= _in_files(asked("debug"), section)
        found |= {key: value.strip() for key, value in given.items() if value.strip()}
    return found


def _in_files(said: str, section: str) -> dict[str, str]:
    """What stands in a section of the files that ``pip config debug`` names, read as pip does.

    Each file is read by itself, and one that is named twice has the precedence of its first place.
    """
    named: dict[str, list[str]] = {}
    for kind, path in re.findall(r"^(?:(\w+):|  (.+), exists: True)$", said, re.MULTILINE):
        named.setdefault(kind or next(reversed(named), ""), []).extend([path] if path else [])
    found: dict[str, str] = {}
    for path in dict.fromkeys(path for kind in ("global", "user", "site", "env") for path in named.get(kind, ())):
        file = configparser.RawConfigParser()
        file.read(path)
        items = file.items(section) if file.has_section(section) else ()
        found |= {name.replace("_", "-").removeprefix("--"): value for name, value in items}
    return found


def _made() -> dict[str, str]:
    """What is in ``.venv`` already, which is made if it is not there."""
    done = _stamp()
    if os.path.lexists(VENV) and done is None:
        raise RefusedError(f"{VENV} was not made by dev.py, so it stays as it is: move or delete it, and try again")
    # Another patch release runs the same environment, another minor version, system or implementation does not. Nor
    # does one work that came with a copy of the checkout, or moved with it: what is in it names where it was made.
    wanted = f"{sys.implementation.cache_tag} {sys.platform} {platform.machine()}"
    ready = {"python": wanted, "checkout": str(ROOT), "is_made": "yes"}
    if done is not None and ready.items() <= done.items() and PYTHON.is_file():
        return done
    if importlib.util.find_spec("ensurepip") is None:
        raise RefusedError(f"{sys.executable} has no ensurepip: install its venv (Debian, Ubuntu: python3-venv)")
    _say(f"making {VENV}")
    VENV.mkdir(exist_ok=True)
    # The stamp is there before anything else and goes last, so that what is broken off is still known for ours.
    done = {}
    _record(done, "python", wanted)
    _record(done, "checkout", str(ROOT))
    for path in VENV.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path != STAMP:
            path.unlink()
    venv.EnvBuilder(with_pip=True, symlinks=os.name != "nt").create(VENV)
    _record(done, "is_made", "yes")
    return done


def _stamp() -> dict[str, str] | None:
    """What was installed, by the digests of what asked for it; None if there is no stamp."""
    try:
        found = json.loads(STAMP.read_text(encoding="utf-8"))
    except OSError:
        return None
    except ValueError:  # the writing broke off: it is ours, but nobody knows what is in it
        return {}
    return found if isinstance(found, dict) else {}


def _record(done: dict[str, str], what: str, value: str) -> None:
    done[what] = value
    STAMP.write_text(json.dumps(done, indent=1), encoding="utf-8")


def _name(requirements: str) -> str:
    return f"requirements/{requirements}.txt"


def _file(requirements: str) -> Path:
    return ROOT / _name(requirements)


def _digest(*paths: Path) -> str:
    # Without regard to the ends of lines, which a checkout may have changed.
    return hashlib.sha256(b"\0".join(path.read_bytes().replace(b"\r\n", b"\n") for path in paths)).hexdigest()


def _say(words: str) -> None:
    sys.stderr.write(f"{words}\n")
