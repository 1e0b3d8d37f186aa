"""``bump``: move the pin to a newer Codex release: lock, protocol layer, documents, and notes of what changes.

The newest stable release is what the sources call their latest. Where the pin is there already, nothing is done and
that is said. A bump that fails leaves the old lock, so that the next one begins anew.
"""

from __future__ import annotations

import contextlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codex_release.base.atomic import write_text
from codex_release.base.errors import ProtocolError, ReleaseError, SourceError
from codex_release.base.programs import answer
from codex_release.commands.answer import Answer
from codex_release.commands.options import runnable
from codex_release.facts.versions import ReleaseVersion
from codex_release.pin.move import is_newer, newest, notes, with_version
from codex_release.pin.observation import observed
from codex_release.protocol.generate import files_for, write
from codex_release.protocol.render_changes import as_markdown, headline
from codex_release.protocol.rules import Rules
from codex_release.protocol.schema import runtime_version
from codex_release.protocol.sides import Side, compared

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from codex_release.fetching.context import Context

_SCRIPTS = ("scripts/api_reference.py", "sdk/notebooks/refresh.py")
"""Programs of the checkout that write what shows the client or the runtime; each is run if it is there."""
_DOCUMENTS = ("*.md", "release/*.md", "runtime_template/*.md", "sdk/*.md", "sdk/docs/*.md")
_SCRIPT_S = 600


def register(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--version", metavar="V", help="the Codex release; the newest stable one if not given, or empty"
    )
    parser.add_argument("--notes", type=Path, metavar="FILE", help="write what changes there, as Markdown")
    parser.add_argument("--dry-run", action="store_true", help="only say whether there is something to do")


def run(arguments: argparse.Namespace, context: Context) -> Answer:
    """Move the pin, if there is a newer release.

    Raises:
        ReleaseError: if no source tells which is the newest, the release is not there for every platform, or its
            protocol is not understood; the lock is as it was then.
    """
    pinned = context.lock.version
    version = ReleaseVersion.parse(arguments.version) if arguments.version else _newest(context)
    is_new = version != pinned if arguments.version else is_newer(version, pinned)
    data: dict[str, Any] = {"pinned": pinned.codex, "version": version.codex, "is_new": is_new}
    if not is_new:
        row = (f"nothing to do: {pinned} is pinned", f"{version} is asked for" if arguments.version else "the newest")
        return Answer(("state", "because"), [row], data)
    if arguments.dry_run:
        return Answer(("state", "version"), [(f"{pinned} is pinned", f"{version} would be")], data)
    text, summary = _bump(version, context)
    if arguments.notes:
        write_text(arguments.notes, text)
    rows = [(f"{pinned} -> {version}", summary, str(arguments.notes or ""))]
    return Answer(("pin", "protocol", "notes"), rows, {**data, "protocol": summary})


def _newest(context: Context) -> ReleaseVersion:
    """The newest release that a source knows; one that cannot be asked is named.

    Raises:
        SourceError: if none can.
    """
    found, failures = [], []
    for source in context.sources:
        try:
            found.append(source.latest())
        except ReleaseError as error:
            failures.append(f"{source.name}: {error}")
            context.progress.note(failures[-1])
    if not found:
        raise SourceError(f"no source tells which release is the newest: {' | '.join(failures)}")
    return newest(found)


def _bump(version: ReleaseVersion, context: Context) -> tuple[str, str]:
    """Do it; the notes, and what changes in the protocol in one line."""
    rules = Rules.load(context.workspace.protocol_file)
    before, after = context.lock, observed(version, context.catalog.targets, context)
    with runnable(context, before.version, unlocked=False) as executable:
        old = Side.printed_by(executable)
    with _moved(context, after.dumps()):
        moved = replace(context)  # what it has read of the lock, it reads again
        with runnable(moved, version, unlocked=False) as executable:
            new = Side.printed_by(executable)
            files = files_for(new.schema, new.stable, rules, runtime_version(executable))
        changes = compared(old, new, rules)
        write(files, context.workspace.generated)
        for document in _documents(context.workspace.root):
            text = document.read_text(encoding="utf-8")
            if (changed := with_version(text, before.version, version)) != text:
                write_text(document, changed)
        for script in _SCRIPTS:
            _run_script(context.workspace.root / script, context)
    protocol = as_markdown(before.version.codex, version.codex, changes)
    return notes(before, after, protocol, context.catalog.layout), headline(changes)


@contextlib.contextmanager
def _moved(context: Context, lock: str) -> Iterator[None]:
    """Another lock; whatever fails while it is there brings the old one back."""
    before = context.lock_file.read_text(encoding="utf-8")
    write_text(context.lock_file, lock)
    try:
        yield
    except BaseException:
        write_text(context.lock_file, before)
        raise


def _documents(root: Path) -> list[Path]:
    return sorted({path for pattern in _DOCUMENTS for path in root.glob(pattern)})


def _run_script(script: Path, context: Context) -> None:
    """Let a program of the checkout write its files, in the environment this one runs in.

    Raises:
        ProtocolError: if it fails.
    """
    if not script.is_file():
        return
    context.progress.note(f"running {script.name}")
    answer(
        [sys.executable, script],
        timeout_s=_SCRIPT_S,
        error=ProtocolError,
        remedy="run it by hand in an environment that python3 scripts/dev.py setup makes",
        name=str(script),
        cwd=context.workspace.root,
    )
