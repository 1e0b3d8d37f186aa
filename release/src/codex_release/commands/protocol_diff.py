"""``protocol-diff``: Show what changed in the app-server protocol between two releases, and what can break users.

OLD and NEW are versions, whose runtimes are downloaded and print their schemas, or directories with printed schemas. A
directory has the stable schema in a folder 'stable' and the one with experimental methods in a folder 'experimental',
or just one schema, which does not say what is experimental.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from codex_release.base.errors import UsageError
from codex_release.commands.answer import Answer
from codex_release.commands.options import runnable
from codex_release.facts.versions import ReleaseVersion
from codex_release.protocol.render_changes import COLUMNS, as_data, as_markdown, as_rows, compared, headline
from codex_release.protocol.rules import Rules
from codex_release.protocol.schema import Schema, Side

if TYPE_CHECKING:
    import argparse

    from codex_release.context import Context

_EXPERIMENTAL = "experimental"
_STABLE = "stable"
_PRINTED = "ClientRequest.json"
"""A file by which a directory with a printed schema is known."""


def register(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    side = "a Codex version, or a directory with its printed schema"
    parser.add_argument("old", metavar="OLD", help=side)
    parser.add_argument("new", nargs="?", metavar="NEW", help=f"{side}; if not given, the locked version")
    parser.add_argument("--markdown", action="store_true", help="print the result as Markdown")
    parser.add_argument("--fail-on-breaking", action="store_true", help="exit with code 1 if a change can break users")


def run(arguments: argparse.Namespace, context: Context) -> Answer:
    """Compare.

    Raises:
        UsageError: if a side is neither a version nor such a directory, or the two cannot be compared.
        ReleaseError: if a runtime cannot be had, or its schema is not understood.
    """
    if arguments.json and arguments.markdown:
        raise UsageError("--json and --markdown exclude each other")
    rules = Rules.load(context.workspace.protocol_file)
    names = [_version(text) or Path(text) for text in (arguments.old, arguments.new or context.lock.version.codex)]
    sides = {name: _side(name, context) for name in dict.fromkeys(names)}
    old, new = (sides[name] for name in names)
    if old.tells_experimental is not new.tells_experimental:
        (once,) = (str(name) for name, side in sides.items() if not side.tells_experimental)
        raise UsageError(
            f"{once} holds one printed schema, which does not say what is experimental",
            remedy=f"print both into its directories {_STABLE} and {_EXPERIMENTAL}, the latter with --experimental",
        )
    changes = compared(old, new, rules)
    labels = str(names[0]), str(names[1])
    breaks = arguments.fail_on_breaking and any(each.verdict.is_breaking for each in changes)
    return Answer(
        COLUMNS,
        as_rows(changes),
        as_data(*labels, changes),
        title=f"Protocol of Codex, {labels[0]} to {labels[1]}: {headline(changes)}",
        ok=not breaks,
        problem=f"{headline(changes)}; see what is said of each, or leave --fail-on-breaking out" if breaks else "",
        document=as_markdown(*labels, changes) if arguments.markdown else None,
    )


def _version(text: str) -> ReleaseVersion | None:
    """The version that a word names; what reads like one is one, even if there is such a directory."""
    try:
        return ReleaseVersion.parse(text)
    except UsageError as error:
        if Path(text).is_dir():
            return None
        raise UsageError(f"{text!r} is neither a Codex version nor a directory", remedy=error.remedy) from error


def _side(name: ReleaseVersion | Path, context: Context) -> Side:
    """What a release, or a directory, says of the protocol."""
    if isinstance(name, Path):
        return _printed(name)
    runtime = context.runtime(name, context.catalog.host(), unlocked=name != context.lock.version)
    with runnable(context, runtime) as executable:
        return Side.printed_by(executable)


def _printed(directory: Path) -> Side:
    """What lies in a directory."""
    twice = directory / _EXPERIMENTAL, directory / _STABLE
    if all((each / _PRINTED).is_file() for each in twice):
        return Side(*(Schema.read(each) for each in twice))
    if not (directory / _PRINTED).is_file():
        raise UsageError(
            f"{directory} holds no printed schema",
            remedy=f"print one with: codex app-server generate-json-schema --out {directory}",
        )
    schema = Schema.read(directory)
    return Side(schema, schema)
