"""Which commands a command line is made of, if that can be told for certain; and patterns that match one.

What is approved runs as one string in a shell. The runtime's own summary of it leaves parts out (of ``cat a | sh`` the
``sh``), so it is read here, by the rules of the shell, and only what has one meaning is read: plain and quoted words,
between ``;``, ``&&``, ``||``, ``|`` and line ends. With anything else in it, a variable, a substitution, a redirection,
a comment, a keyword, a job or an assignment, a line is not known, and no pattern matches it.
"""

from __future__ import annotations

import ntpath
import posixpath
import re
import shlex
from typing import NamedTuple

__all__ = ["Pattern", "Word", "commands_of", "words_of"]


class Word(NamedTuple):
    """A word of a command, as the program gets it.

    Attributes:
        text: without its quotes.
        is_live: whether the shell may make something else of it: file names, or a home.
    """

    text: str
    is_live: bool = False


_BETWEEN = re.compile(r"[ \t]+|(?P<end>&&|\|\||[;|\n])")
_PIECE = re.compile(
    r"""
    (?P<plain>[\w@%+=:,./-]+)        # with what is a letter or a digit elsewhere
  | (?P<live>[~*?\[\]^]+)
  | '(?P<single>[^']*)'
  | "(?P<double>(?:[^"\\$`\n]|\\[^\n])*)"
  | \\(?P<escaped>[!-~ ])
    """,
    re.VERBOSE,
)
_ESCAPED = re.compile(r'\\([$`"\\])')
_ASSIGNS = re.compile(r"[^\W\d]\w*(\[.*\])?\+?=")
_KEYWORDS = {
    *("if", "then", "elif", "else", "fi", "case", "esac", "for", "select", "in", "while", "until", "do", "done"),
    *("function", "time", "coproc", "{", "}", "!", "[[", "]]"),
}
_SHELLS = frozenset({"bash", "sh", "zsh", "dash"})
_SHELL_FLAGS = frozenset({"-c", "-lc"})
_SHELL_HOMES = frozenset({"/bin", "/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"})
_POWERSHELLS = frozenset({"powershell", "powershell.exe", "pwsh", "pwsh.exe"})
_POWERSHELL_FLAGS = frozenset({"-noprofile", "-nologo", "-noninteractive"})
_POWERSHELL_HOMES = ("c:\\windows\\system32\\windowspowershell\\", "c:\\program files\\powershell\\")
_POWERSHELL_LINE = re.compile(r"[\w./\\:=+ -]+")
"""All that has one meaning there, too."""


def commands_of(command: str) -> tuple[tuple[Word, ...], ...] | None:
    """The commands that a request's command line runs, each as its words; None if that is not certain.

    Args:
        command: as the runtime says it: the shell, its flags, and the line as one more word; or a program alone.
    """
    outer = words_of(command)
    if outer is None or len(outer) != 1 or any(word.is_live for word in outer[0]):
        return None
    shell, *flags = [word.text for word in outer[0]]
    if _is_at_home(shell, _SHELLS):
        return words_of(flags[1]) if len(flags) == 2 and flags[0] in _SHELL_FLAGS else None
    if _name(shell) in _SHELLS | _POWERSHELLS:
        return _powershell(shell, flags)
    return outer


def words_of(line: str) -> tuple[tuple[Word, ...], ...] | None:
    """The commands of a line for a POSIX shell; None if it is more than words and what stands between commands."""
    commands: list[list[Word]] = [[]]
    awaits = False  # whether another command must follow
    place = 0
    while place < len(line):
        if (separator := _BETWEEN.match(line, place)) is not None:
            place, end = separator.end(), separator["end"]
            if end is None or (end == "\n" and not commands[-1]):
                continue
            if not commands[-1]:
                return None
            awaits = end in {"&&", "||", "|"}
            commands.append([])
        elif (word := _word(line, place, is_first=not commands[-1])) is not None:
            read, place = word
            commands[-1].append(read)
        else:
            return None
    if not commands[-1]:
        commands.pop()
        if awaits:
            return None
    return tuple(map(tuple, commands)) or None


def _word(line: str, place: int, *, is_first: bool) -> tuple[Word, int] | None:
    """The word that begins at a place, and where it ends; None if it is more than a word."""
    text, is_live = "", False
    begin = place
    while (piece := _PIECE.match(line, place)) is not None:
        place = piece.end()
        kind = piece.lastgroup or ""
        text += _ESCAPED.sub(r"\1", piece[kind]) if kind == "double" else piece[kind]
        is_live = is_live or kind == "live"
    written = line[begin:place]
    is_more = written.startswith("=") or (is_first and (written in _KEYWORDS or _ASSIGNS.match(written) is not None))
    # zsh looks for a program that is called like what follows a `=`
    is_whole = place == len(line) or _BETWEEN.match(line, place) is not None
    return (Word(text, is_live), place) if written and is_whole and not is_more else None


def _powershell(shell: str, flags: list[str]) -> tuple[tuple[Word, ...], ...] | None:
    """The commands of a line for PowerShell, of words without anything special in them."""
    at_home = ntpath.normpath(shell).lower()
    is_at_home = at_home.startswith(_POWERSHELL_HOMES) or posixpath.dirname(shell) in _SHELL_HOMES
    is_bare = shell == _name(shell) or (ntpath.basename(shell) == shell and _name(shell).endswith(".exe"))
    if _name(shell) not in _POWERSHELLS or not (is_at_home or is_bare):
        return None
    *options, flag, line = flags if len(flags) > 1 else ["", "", ""]
    if flag.lower() not in {"-command", "-c"} or not _POWERSHELL_FLAGS.issuperset(map(str.lower, options)):
        return None
    parts = re.split(r"[;|\n]", line)
    if not all(_POWERSHELL_LINE.fullmatch(part) and part.strip() for part in parts) or " --% " in f"{line} ":
        return None
    return tuple(tuple(Word(word) for word in part.split()) for part in parts)


def _name(program: str) -> str:
    return ntpath.basename(program).lower()


def _is_at_home(program: str, names: frozenset[str]) -> bool:
    """Whether it is one of these programs, and where such programs are: a model may name a shell of its own."""
    directory, name = posixpath.split(program)
    return name in names and (not directory or directory in _SHELL_HOMES)


class Pattern:
    """A command that is allowed.

    A word stands for itself. ``*`` as the last word is any further words, or none. Elsewhere in a word, ``*`` and ``?``
    stand for characters of a file's name: for no ``/``, no ``-`` at the beginning of a word, as options have it, and no
    step up (``..``). In quotes they are themselves, as for a shell. A word that the shell may expand matches the last
    ``*``, or the same word in the pattern, quoted nowhere; if it begins with what is expanded, the last ``*`` alone.

    Args:
        text: the pattern as it is typed, e.g. ``git status`` or ``pytest tests/*.py``.

    Raises:
        ValueError: if it is empty, has an open quote, or has something in it that no pattern matches, such as a
            redirection.
    """

    def __init__(self, text: str) -> None:
        words = shlex.split(_QUOTED.sub(lambda found: found[0].translate(_AS_QUOTED), text))
        if not words:
            raise ValueError("the pattern of a command must have a word")
        _check_plain(text)
        self._takes_more = (len(words) > 1 and words[-1] == "*") or words == ["*"]
        self._words = words[:-1] if self._takes_more else words

    def matches(self, words: tuple[Word, ...]) -> bool:
        """Whether it is this command."""
        count = len(self._words)
        if len(words) < count or (len(words) > count and not self._takes_more):
            return False
        return all(map(_fits, words, self._words))


_QUOTED = re.compile(r"""'[^']*'|"(?P<double>(?:[^"\\]|\\.)*)"|\\.""", re.DOTALL)
_LIVE, _APART = "~*?[]^", "\ufdd0\ufdd1\ufdd2\ufdd3\ufdd4\ufdd5"
_AS_QUOTED, _AS_SAID = str.maketrans(_LIVE, _APART), str.maketrans(_APART, _LIVE)
"""How a pattern keeps apart what is quoted in it and a shell would expand: by characters that no text has."""

_TAME = re.compile(r"\\.|[|&;<>#]", re.DOTALL)
"""What in double quotes is only itself."""
_MORE = re.compile(r"[|&;<>`]+|\$[\w({]|(?<!\S)#")


def _check_plain(pattern: str) -> None:
    """Refuse what a shell would not take for the words of one command: lines with that in them match no pattern."""
    unquoted = _QUOTED.sub(lambda found: f".{_TAME.sub('.', found['double'] or '')}", pattern.strip())
    if (more := _MORE.search(unquoted)) is not None:
        raise ValueError(
            f"the pattern {pattern!r} matches nothing: {more[0]} makes more of a line than one command of plain words. "
            "Give each command of a line a pattern of its own, or quote what is a character of a word"
        )
    if _ASSIGNS.match(unquoted) is not None:
        raise ValueError(f"the pattern {pattern!r} matches nothing: a line with an assignment is not known")


_EXPANDING = ("*", "?", "[", "{")
"""With these at its beginning a word may become one that begins with anything."""


def _fits(word: Word, pattern: str) -> bool:
    if word.is_live:
        return word.text == pattern and not pattern.startswith(_EXPANDING)  # a file may be called like an option
    if word.text == pattern.translate(_AS_SAID):
        return True
    if not re.search(r"[*?]", pattern) or ".." in re.split(r"[/\\=:]", word.text):
        return False
    if word.text.startswith("-") and not pattern.startswith("-"):
        return False
    parts = re.split(r"([*?])", pattern)
    spelled = "".join(
        {"*": r"[^/\\]*", "?": r"[^/\\]"}.get(part, re.escape(part.translate(_AS_SAID))) for part in parts
    )
    return re.fullmatch(spelled, word.text, re.DOTALL) is not None
