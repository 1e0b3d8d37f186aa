"""Commands that only read: programs that write nothing, without the few options by which even they do.

`git` is not among them: what its settings name runs at its word (`core.fsmonitor`, `diff.external`), and settings come
with a directory.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from codex_app_server.approvals.commands import Word

__all__ = ["only_reads"]


class _Options(NamedTuple):
    """The options by which a program does more than read.

    Attributes:
        short: letters that stand behind one ``-``, among others.
        long: words behind ``--``, whose beginnings are understood too.
    """

    short: str = ""
    long: tuple[str, ...] = ()


_NONE = _Options()
_PROGRAMS = {
    "basename": _NONE,
    "cat": _NONE,
    "cd": _NONE,
    "cmp": _NONE,
    "cut": _NONE,
    "df": _NONE,
    "dirname": _NONE,
    "du": _NONE,
    "echo": _NONE,
    "false": _NONE,
    "grep": _NONE,
    "head": _NONE,
    "id": _NONE,
    "ls": _NONE,
    "md5sum": _NONE,
    "nl": _NONE,
    "pwd": _NONE,
    "readlink": _NONE,
    "realpath": _NONE,
    "rg": _Options("z", ("pre", "hostname-bin", "search-zip")),
    "sha256sum": _NONE,
    "sort": _Options("oT", ("output", "compress-program", "temporary-directory")),
    "stat": _NONE,
    "tail": _NONE,
    "tr": _NONE,
    "true": _NONE,
    "uname": _NONE,
    "wc": _NONE,
    "which": _NONE,
    "whoami": _NONE,
}
_FIND = {
    *(
        "-name",
        "-iname",
        "-path",
        "-ipath",
        "-regex",
        "-iregex",
        "-type",
        "-size",
        "-perm",
        "-user",
        "-group",
        "-empty",
    ),
    *("-newer", "-mmin", "-mtime", "-maxdepth", "-mindepth", "-prune", "-xdev", "-follow", "-L", "-H", "-P"),
    *("-a", "-and", "-o", "-or", "-not", "-print", "-print0"),
}
"""What may be said to ``find``; what it understands beside that deletes, writes or runs something."""

_NUMBER = re.compile(r"-\d+[a-zA-Z]?")
_SED = re.compile(r"\d+(,(\d+|\$))?p")


def only_reads(words: tuple[Word, ...]) -> bool:
    """Whether a command only reads, whatever the files are called that it is given."""
    program, *rest = words
    if program.is_live or any(word.is_live and not word.text[0].isalnum() and word.text[:2] != "./" for word in rest):
        return False  # a file may be called like an option
    given = [word.text for word in rest]
    if program.text == "find":
        return all(word in _FIND or not word.startswith("-") or _NUMBER.fullmatch(word) for word in given)
    if program.text == "sed":
        return len(given) > 1 and given[0] == "-n" and bool(_SED.fullmatch(given[1])) and not _options(given[2:])
    allowed = _PROGRAMS.get(program.text)
    return allowed is not None and not any(_is_one_of(option, allowed) for option in _options(given))


def _options(words: list[str]) -> list[str]:
    return [word for word in words if word.startswith("-")]


def _is_one_of(option: str, more: _Options) -> bool:
    if not option.startswith("--"):
        return any(letter in more.short for letter in option)
    name = option[2:].partition("=")[0]
    return bool(name) and any(word.startswith(name) for word in more.long)
