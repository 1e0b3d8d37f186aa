"""Which package index is meant, and how pip reaches it: pip's own configuration, asked of pip.

pip's files and variables may hold passwords: values are handed on, never shown.
"""

from __future__ import annotations

import ast
import configparser
import contextlib
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from codex_release.base.errors import PackageIndexError, SourceError
from codex_release.base.programs import answer, module_argv, run

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PipSettings", "pip_settings"]

_TIMEOUT_S = 60.0
_SAYING = {"PYTHONIOENCODING": "utf-8:surrogateescape"}
"""Has pip say names of files so that they can be read, whatever the system's encoding is."""
_SECTIONS = ("global", "install", ":env:")
"""Where a setting may stand that holds for ``pip install``; a later one has precedence."""
_KINDS = ("global", "user", "site", "env")
"""The files of pip, as ``pip config debug`` calls them; a later kind has precedence."""
_TRANSPORT = frozenset(
    {"cert", "client-cert", "proxy", "trusted-host", "timeout", "default-timeout", "retries", "keyring-provider"}
)
"""Settings that say how to reach an index, as opposed to which."""


@dataclass(frozen=True)
class PipSettings:
    """What pip is set to.

    Attributes:
        index_url: the root of the simple API that it asks first; `None` if it is not set, which leaves pip's default.
        transport: how it reaches any index, by the names of its long options.
    """

    index_url: str | None = field(default=None, repr=False)
    transport: Mapping[str, str] = field(default_factory=dict, repr=False)

    def first_index(self, project: str) -> str:
        """The root of the simple API that pip asks first.

        If nothing is set, pip itself is asked where it looks for `project`; that needs the network.

        Raises:
            PackageIndexError: if it does not say.
        """
        return self.index_url or _asked_first(project)


def pip_settings() -> PipSettings:
    """Ask pip what it is set to, in this environment.

    Raises:
        PackageIndexError: if there is no pip, or it fails.
    """
    settings = _listed(_asked("list"))
    found = {name: value for section in _SECTIONS for name, value in settings.get(section, {}).items()}
    return PipSettings(
        found.get("index-url", "").strip() or None, {name: found[name] for name in _TRANSPORT & found.keys()}
    )


def _asked(*words: str) -> str:
    """What ``pip config`` answers."""
    try:
        return answer(module_argv("pip", "config", *words), timeout_s=_TIMEOUT_S, environ={**os.environ, **_SAYING})
    except SourceError as error:
        raise PackageIndexError(
            f"pip does not say how it is configured: {error.what}", remedy="install pip into the toolkit's environment"
        ) from error


def _listed(said: str) -> dict[str, dict[str, str]]:
    """The lines of ``pip config list``, ``section.name='value'``, by section; empty values count as not set.

    From pip 25.2 on it lists what stands in several files once for each, by the names of the files, whichever has
    precedence; and until 26.3, ``pip config get`` looks into one of them alone. So such a setting is read from them.
    """
    settings: dict[str, dict[str, str]] = {}
    files: dict[str, dict[str, str]] = {}
    for line in said.splitlines():
        key, equals, quoted = line.partition("=")
        section, dot, name = key.rpartition(".")
        if not equals or not dot:
            continue
        found, name = settings.setdefault(section, {}), name.replace("_", "-")
        if name in found:
            files = files or _files(_asked("debug"))
            found[name] = files.get(section, {}).get(name, "")
            continue
        with contextlib.suppress(ValueError, SyntaxError):
            found[name] = str(ast.literal_eval(quoted))
    return {section: {name: value for name, value in found.items() if value} for section, found in settings.items()}


def _files(said: str) -> dict[str, dict[str, str]]:
    """What stands in the files that ``pip config debug`` names, by section, read as pip does.

    Each file is read by itself, and one that is named twice has the precedence of its first place.
    """
    named: dict[str, list[str]] = {}
    for kind, path in re.findall(r"^(?:(\w+):|  (.+), exists: True)$", said, re.MULTILINE):
        named.setdefault(kind or next(reversed(named), ""), []).extend([path] if path else [])
    found: dict[str, dict[str, str]] = {}
    for path in dict.fromkeys(path for kind in _KINDS for path in named.get(kind, ())):
        file = configparser.RawConfigParser()
        file.read(path)
        for section in file.sections():
            items = {name.replace("_", "-").removeprefix("--"): value for name, value in file.items(section)}
            found.setdefault(section, {}).update(items)
    return found


def _asked_first(project: str) -> str:
    """Where pip, left to itself, looks first: what ``pip -vv index versions`` lists before it searches."""
    # It fails if the project is not there yet, and has said by then what is wanted.
    words = ["-vv", "index", "--retries", "0", "--timeout", "10", "versions", project]
    ran = run(module_argv("pip", *words), timeout_s=_TIMEOUT_S, error=PackageIndexError, name="pip")
    listed = re.search(
        r"location\(s\) to search for versions of .*?^\s*\* (https?://\S+)", ran.text, re.MULTILINE | re.DOTALL
    )
    if listed is None:
        because = f": {ran.failure}" if ran.failure else ""
        raise PackageIndexError(f"pip does not say which index it asks{because}", remedy="name it with --index-url")
    return listed[1].rstrip("/").rpartition("/")[0] + "/"
