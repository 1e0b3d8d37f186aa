"""``report``: Write a report about finished files beside them, as ``release.json`` and ``release.html``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from codex_release.base.words import byte_count
from codex_release.commands.answer import Answer
from codex_release.commands.options import add
from codex_release.report.store import PAGE, ReportStore, read_previous, read_report

if TYPE_CHECKING:
    import argparse

    from codex_release.context import Context


def register(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "directory", nargs="?", type=Path, default=Path("dist"), metavar="DIR", help="the files (default: dist)"
    )
    add(parser, "--runtime-version", "--previous")
    parser.add_argument(
        "--with",
        dest="others",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a release.json from the machine that built some of the files, to take its timings over; repeatable",
    )


def run(arguments: argparse.Namespace, context: Context) -> Answer:
    """Read the files and write the report.

    Raises:
        ReleaseError: if there are no files, or one of the files or reports cannot be read.
    """
    version = context.version(arguments.version)
    store = ReportStore(arguments.directory, context.catalog, context.lock, context.settings.job_summary)
    report = store.collect(
        version,
        [read_report(each) for each in arguments.others],
        previous=read_previous(arguments.previous, context.catalog) if arguments.previous else None,
    )
    rows = [(each.name, each.target or each.kind, byte_count(each.size), each.sha256) for each in report.files]
    title = f"Codex {version} in {arguments.directory / PAGE}"
    return Answer(("file", "target", "size", "sha256"), rows, asdict(report), title=title)
