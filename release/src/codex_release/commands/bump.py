"""``bump``: Move the pin to a newer Codex release: lock, protocol layer, documents, and notes on what changes.

Without --version, it is the release that the sources call their latest. If that is pinned already, nothing is changed.
If bump fails or is interrupted, everything is as it was before, unless --keep says otherwise.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codex_release.base.atomic import write_text
from codex_release.base.errors import (
    DiskError,
    LockError,
    ProtocolError,
    ReleaseError,
    SourceError,
    UsageError,
    system_errors_as,
)
from codex_release.base.programs import answer
from codex_release.base.switch import exclusive
from codex_release.commands.answer import Answer
from codex_release.commands.options import runnable
from codex_release.facts.lock import Lock
from codex_release.facts.versions import ReleaseVersion
from codex_release.pin.move import notes, with_version
from codex_release.pin.observation import observed
from codex_release.pin.undo import undone_on_failure
from codex_release.protocol import older
from codex_release.protocol.generate import files_for, write
from codex_release.protocol.normalise import normalise
from codex_release.protocol.render_changes import as_markdown, compared, headline
from codex_release.protocol.rules import Rules, with_results
from codex_release.protocol.schema import Side, runtime_version

if TYPE_CHECKING:
    import argparse

    from codex_release.context import Context
    from codex_release.facts.workspace import Workspace

_SCRIPTS = ("scripts/every_model.py", "scripts/api_reference.py", "sdk/notebooks/refresh.py")
"""Programs of the checkout that try the models, and write what shows client or runtime; each is run if it is there."""
_DOCUMENTS = ("*.md", "release/*.md", "runtime_template/*.md", "sdk/*.md", "sdk/docs/*.md")
_NOTEBOOKS = "sdk/notebooks/*.ipynb"
_SCRIPT_S = 600


def register(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--version", metavar="V", help="the Codex release; if not given or empty, the newest stable one"
    )
    parser.add_argument("--notes", type=Path, metavar="FILE", help="write what changes into this file, as Markdown")
    parser.add_argument(
        "--keep",
        action="store_true",
        help="keep what is written, for a person to mend, if a program of the checkout that tries or shows it fails",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say whether there is a newer release")


def run(arguments: argparse.Namespace, context: Context) -> Answer:
    """Move the pin, if there is a newer release.

    Raises:
        ReleaseError: if no source tells which is the newest, the release is not there for every platform, or its
            protocol is not understood; everything is as it was then.
        UsageError: if the release that is asked for is older than the pinned one.
        LockError: if another process has moved the pin meanwhile.
    """
    pinned = context.lock.version
    version = ReleaseVersion.parse(arguments.version) if arguments.version else _newest(context)
    is_new = version > pinned
    if arguments.version and not is_new and version != pinned:
        raise UsageError(
            f"{version} is older than what is pinned, {pinned}",
            remedy="to go back, revert the commits that moved the pin (git revert)",
        )
    data: dict[str, Any] = {"pinned": pinned.codex, "version": version.codex, "is_new": is_new}
    if not is_new:
        row = (f"nothing to do: {pinned} is pinned", f"{version} is asked for" if arguments.version else "the newest")
        return Answer(("state", "because"), [row], data)
    if arguments.dry_run:
        return Answer(("state", "version"), [(f"{pinned} is pinned", f"{version} would be")], data)
    waiting = "another bump is at work in this checkout, waiting for it"
    # What one undoes, another has perhaps just done.
    with exclusive(context.workspace.root, "codex-release-bump", lambda: context.progress.note(waiting)):
        if Lock.read(context.lock_file) != context.lock:
            raise LockError(
                f"{context.lock_file} was changed by another process meanwhile",
                remedy="look at what is pinned now (git diff), and run this again if need be",
            )
        summary = _bump(version, context, arguments.notes, keep=arguments.keep)
    rows = [(f"{pinned} -> {version}", summary, str(arguments.notes or ""))]
    return Answer(("pin", "protocol", "notes"), rows, {**data, "protocol": summary})


def _newest(context: Context) -> ReleaseVersion:
    """The newest release that a source knows; one that cannot be asked is named."""
    found, failures = [], []
    for source in context.sources:
        try:
            found.append(source.latest())
        except ReleaseError as error:
            failures.append(f"{source.name}: {error}")
            context.progress.note(failures[-1])
    if not found:
        raise SourceError("no source says which release is the newest", problems=failures)
    return max(found)


def _bump(version: ReleaseVersion, context: Context, notes_file: Path | None, *, keep: bool) -> str:
    """Do it, and write the notes if they are asked for; what changes in the protocol, in one line."""
    workspace = context.workspace
    rules, host = Rules.load(workspace.protocol_file), context.catalog.host()
    before, after = context.lock, observed(version, context.catalog.targets, context)
    with runnable(context, context.runtime(before.version, host)) as executable:
        old = Side.printed_by(executable)
    with undone_on_failure(lambda: _written(workspace, context.lock_file)):
        write_text(context.lock_file, after.dumps())
        moved = replace(context)  # what it has read of the lock, it reads again
        with runnable(moved, moved.runtime(version, host)) as executable:
            new, printed_version = Side.printed_by(executable), runtime_version(executable)
        known = older.lost(older.together(old, older.load(workspace.older_file)), new, rules)
        older.save(known, workspace.older_file)
        guesses = normalise(new, rules).guesses
        if guesses:
            write_text(workspace.protocol_file, with_results(workspace.protocol_file.read_text("utf-8"), guesses))
            rules = Rules.load(workspace.protocol_file)
        write(files_for(new, known, rules, printed_version), workspace.generated)
        for document in _documents(workspace.root):
            text = document.read_text(encoding="utf-8")
            if (changed := with_version(text, before.version, version)) != text:
                write_text(document, changed)
        remarks = [
            f"Nothing but the names says that `{method}` gives a `{result}`: "
            "look at the entry in `release/protocol.toml`."
            for method, result in guesses.items()
        ]
        for script in _SCRIPTS:
            try:
                _run_script(workspace.root / script, context)
            except ProtocolError as error:
                if not keep:
                    raise
                said = error.what.replace("`", "'")
                remarks.append(f"Mend what `{script}` stumbles over, and run it again: `{said}`")
        changes = compared(old, new, rules)
        if notes_file:  # of a pin that has moved already, nobody could get them any more
            protocol = as_markdown(before.version.codex, version.codex, changes)
            text = notes(before, after, protocol, context.catalog.layout, remarks)
            remedy = "make room there and let it be written, or name another file with --notes"
            with system_errors_as(DiskError, f"the notes {notes_file} cannot be written", remedy):
                write_text(notes_file, text)
    for remark in remarks:
        context.progress.note(remark)
    return headline(changes)


def _written(workspace: Workspace, lock_file: Path) -> list[Path]:
    """The files that a move of the pin may write, as far as they are there."""
    single = [lock_file, workspace.protocol_file, workspace.older_file]
    generated = [path for path in workspace.generated.rglob("*") if path.suffix in {".py", ".pyi"}]
    notebooks = workspace.root.glob(_NOTEBOOKS)
    return [path for path in (*single, *generated, *_documents(workspace.root), *notebooks) if path.is_file()]


def _documents(root: Path) -> list[Path]:
    return sorted({path for pattern in _DOCUMENTS for path in root.glob(pattern)})


def _run_script(script: Path, context: Context) -> None:
    """Let a program of the checkout write its files, in the environment this one runs in."""
    if not script.is_file():
        return
    context.progress.note(f"running {script.name}")
    answer(
        [sys.executable, script],
        timeout_s=_SCRIPT_S,
        error=ProtocolError,
        remedy="have all that python3 scripts/dev.py setup installs; or, if the client has to follow the new protocol, "
        "mend it where --keep leaves what is written",
        name=str(script),
        cwd=context.workspace.root,
    )
