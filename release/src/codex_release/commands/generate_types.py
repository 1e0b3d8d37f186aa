"""``generate-types``: Generate the client's protocol layer from the schema that the pinned runtime prints."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from codex_release.base.errors import UsageError
from codex_release.base.words import by_number, counted
from codex_release.commands.answer import Answer
from codex_release.commands.options import runnable
from codex_release.protocol import older
from codex_release.protocol.generate import differing, files_for, write
from codex_release.protocol.rules import Rules
from codex_release.protocol.schema import Side, runtime_version

if TYPE_CHECKING:
    import argparse

    from codex_release.context import Context


def register(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file would change")
    parser.add_argument(
        "--codex", type=Path, metavar="PATH", help="the Codex executable to ask; if not given, the pinned one"
    )


def run(arguments: argparse.Namespace, context: Context) -> Answer:
    """Generate, and write or compare.

    Raises:
        UsageError: if ``--codex`` names no file.
        ReleaseError: if the runtime cannot be had, or its schema is not understood.
    """
    rules, said = Rules.load(context.workspace.protocol_file), older.load(context.workspace.older_file)
    directory = context.workspace.generated
    with _executable(arguments.codex, context) as executable:
        files = files_for(Side.printed_by(executable), said, rules, runtime_version(executable))
    changed = differing(files, directory) if arguments.check else write(files, directory)
    verb = "differs" if arguments.check else "written"
    shown = [(verb, str(directory / path)) for path in changed] or [("unchanged", str(directory))]
    data = {"directory": str(directory), "files": list(files), "changed": changed}
    problem = (
        f"{counted(len(changed), 'file')} of {directory} {by_number(len(changed), 'is', 'are')} not what the runtime's "
        "schema leads to; write the layer with codex-release generate-types, or move the pin with codex-release bump"
        if arguments.check and changed
        else ""
    )
    return Answer(("state", "path"), shown, data, title="Protocol layer", ok=not problem, problem=problem)


def _executable(named: Path | None, context: Context) -> AbstractContextManager[Path]:
    """The executable that was named, or the pinned one."""
    if named is None:
        return runnable(context, context.runtime(context.lock.version, context.catalog.host()))
    if not named.is_file():
        raise UsageError(f"{named} is no executable", remedy="name a Codex executable with --codex PATH")
    return nullcontext(named.absolute())
