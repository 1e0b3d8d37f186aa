#!/usr/bin/env python3
"""Bring what ``codex-release bump`` wrote before a person, as a pull request: through ``git`` and ``gh``.

    python scripts/propose_bump.py is-new FILE          prints version=VERSION; nothing behind it if there is no news
    python scripts/propose_bump.py propose VERSION --patch FILE --notes FILE --tests RESULT

A version is proposed once: what a person has closed, or is at work on, is left alone. The patch comes from where a new
executable ran: it changes what a bump writes, and nothing else.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["body", "main"]

AUTHOR = (
    "-c",
    "user.name=github-actions[bot]",
    "-c",
    "user.email=41898282+github-actions[bot]@users.noreply.github.com",
)
BASE = "main"
MOST = 60_000
"""Characters of a pull request's text; GitHub takes 65 536."""
TIMEOUT_S = 300
WRITTEN = re.compile(
    r"release/(?:runtime\.lock\.toml|protocol\.toml|protocol\.older\.json)"
    r"|sdk/src/codex_app_server/generated/[\w/]+\.pyi?"
    r"|(?:(?:release|runtime_template|sdk|sdk/docs)/)?[\w-]+\.md"
    r"|sdk/notebooks/[\w-]+\.ipynb",
    re.ASCII,
)
"""What a bump writes: the lock, the protocol and the layer that is generated from it, documents, notebooks."""
PLAIN, GONE = "100644", "000000"
"""git's modes of a file that nobody executes, and of none."""


def main() -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    looking = commands.add_parser("is-new", help="whether there is a version that is still to be proposed")
    looking.add_argument("found", type=Path, metavar="FILE", help="what codex-release bump --dry-run --json printed")
    proposing = commands.add_parser("propose", help="make the branch and the pull request")
    proposing.add_argument("version", metavar="VERSION", help="the Codex version")
    proposing.add_argument("--patch", type=Path, required=True, metavar="FILE", help="what git diff --binary printed")
    proposing.add_argument("--notes", type=Path, required=True, metavar="FILE", help="what changes, as Markdown")
    proposing.add_argument("--tests", required=True, metavar="RESULT", help="how the tests ended, e.g. success")
    arguments = parser.parse_args()
    try:
        if arguments.command == "is-new":
            version, is_new = looked_at(arguments.found)
            print(f"version={version if is_new and not is_proposed(version) else ''}")
        elif not is_proposed(arguments.version):
            notes = arguments.notes.read_text(encoding="utf-8")
            propose(arguments.version, arguments.patch, notes, is_tested=arguments.tests == "success")
    except (subprocess.SubprocessError, OSError, ValueError) as error:
        complaint = getattr(error, "stderr", None) or error
        sys.stderr.write(f"propose_bump.py: {' '.join(str(complaint).split())}\n")
        return 1
    return 0


def looked_at(path: Path) -> tuple[str, bool]:
    """The version that ``codex-release bump --dry-run --json`` found, and whether it is new.

    Raises:
        ValueError: if that is not what the file holds.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return str(found["version"]), bool(found["is_new"])
    except (ValueError, TypeError, LookupError) as error:
        raise ValueError(f"{path} is not what codex-release bump --dry-run --json prints") from error


def is_proposed(version: str) -> bool:
    """Whether there is, or ever was, a pull request for a version; a branch alone is what a broken-off run left.

    That somebody's fork has a branch of this name, says nothing.
    """
    words = ("--head", branch(version), "--state", "all", "--limit", "100", "--json", "isCrossRepository")
    return not all(each["isCrossRepository"] for each in json.loads(_ran("gh", "pr", "list", *words)))


def branch(version: str) -> str:
    """The branch of a bump."""
    return f"bump/codex-{version}"


def propose(version: str, patch: Path, notes: str, *, is_tested: bool) -> None:
    """Commit the patch to a branch of its own, push it, open the pull request, and start the checks on it.

    Raises:
        ValueError: if the patch changes something that no bump writes; nothing is pushed then.
    """
    title, name = f"Move the pin to Codex {version}", branch(version)
    _ran("git", "switch", "--create", name)
    _ran("git", "apply", "--cached", str(patch))  # nothing of it lies in the working tree
    if strays := stray(_ran("git", "diff", "--cached", "--raw", "--no-renames", "-z")):
        raise ValueError(f"{patch} changes what no bump writes: {', '.join(strays)}")
    _ran("git", *AUTHOR, "commit", "--message", title)
    _ran("gh", "auth", "setup-git")
    _ran("git", "push", "--force", "origin", name)
    with tempfile.TemporaryDirectory() as scratch:
        text = Path(scratch, "body.md")
        text.write_text(body(notes, is_tested=is_tested), encoding="utf-8")
        words = ["--base", BASE, "--head", name, "--title", title, "--body-file", str(text)]
        print(_ran("gh", "pr", "create", *words, *([] if is_tested else ["--draft"])).strip())
    _ran("gh", "workflow", "run", "ci.yml", "--ref", name)


def stray(changes: str) -> list[str]:
    """What is changed beyond what a bump writes, or becomes a link or a program, as ``git diff --raw -z`` tells it."""
    fields = changes.split("\0")[:-1]
    return [
        path
        for told, path in zip(fields[::2], fields[1::2], strict=True)
        if not WRITTEN.fullmatch(path) or told.split()[1] not in {PLAIN, GONE}
    ]


def body(notes: str, *, is_tested: bool) -> str:
    """The text of the pull request: how the tests ended, then the notes, as much of them as fits."""
    said = (
        "The tests pass, those with older runtimes too."
        if is_tested
        else "**The tests do not pass**, so this is a draft: see the run of `bump.yml`, and mend it on this branch."
    )
    text = f"{said}\n\n{notes}"
    if len(text) <= MOST:
        return text
    kept = text[:MOST].rpartition("\n")[0]
    return f"{kept}\n\nThe rest is in the artifact `bump` of the run that made this.\n"


def _ran(*argv: str) -> str:
    """What a program prints, which must end well; a `subprocess.SubprocessError` says that it did not."""
    return subprocess.run(
        argv, check=True, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", timeout=TIMEOUT_S
    ).stdout


if __name__ == "__main__":
    sys.exit(main())
