"""``publish``: Upload a finished release: the runtimes first, and the client when the index serves all of them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from codex_release.base.errors import UsageError, first_of
from codex_release.base.words import byte_count
from codex_release.commands.answer import Answer
from codex_release.commands.options import leave_report, length_of_time, number_of_bytes
from codex_release.index.repository import Repository, simple_index
from codex_release.publish.prepare import prepare
from codex_release.publish.publication import publish, untouched
from codex_release.publish.result import PublishResult
from codex_release.publish.serving import Inventory, Waiting
from codex_release.publish.upload import Uploader

if TYPE_CHECKING:
    import argparse

    from codex_release.context import Context
    from codex_release.publish.plan import Plan


def register(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "directory",
        nargs="?",
        type=Path,
        default=Path("dist"),
        metavar="DIR",
        help="the finished files (default: dist)",
    )
    parser.add_argument(
        "--yes", action="store_true", help="upload; without this option, only show what would be uploaded"
    )
    parser.add_argument("--repository", metavar="NAME", help="where to upload: a section of .pypirc, as for twine")
    parser.add_argument("--repository-url", metavar="URL", help="where to upload: an address, as for twine")
    parser.add_argument(
        "--index-url",
        metavar="URL",
        help="the simple API of the same index; needed if it is not at the usual place below the upload address",
    )
    parser.add_argument(
        "--max-file-size",
        type=number_of_bytes,
        metavar="BYTES",
        help="the largest file that the index accepts; if not given, as in release/targets.toml",
    )
    parser.add_argument(
        "--wait",
        type=length_of_time,
        default=20.0,
        metavar="MINUTES",
        help="how long to wait for the index to list new files (default: 20)",
    )


def run(arguments: argparse.Namespace, context: Context) -> Answer:
    """Plan, show the plan, and with ``--yes`` carry it out.

    Raises:
        UsageError: if there is no such directory.
        ReleaseError: if the index cannot be read.
    """
    if not arguments.directory.is_dir():
        raise UsageError(f"{arguments.directory} is no directory", remedy="build a release: codex-release build --all")
    judged_by = context
    if arguments.max_file_size is not None:
        judged_by = context.replaced(catalog=context.catalog.limited(arguments.max_file_size))
    repository = Repository.read(arguments.repository, arguments.repository_url, context.settings.environ)
    index = simple_index(repository, arguments.index_url, context.web, context.catalog.distribution)
    inventory = Inventory(index)
    plan = prepare(arguments.directory, judged_by, inventory)
    for warning in plan.warnings:
        context.progress.note(f"WARNING: {warning}")
    if plan.problems:
        found = first_of(plan.problems)
        result = PublishResult(index.url, "failed", untouched(plan), problem=found)
        return _report(result, plan, f"nothing is uploaded to {index.url}: {found}")
    if not arguments.yes:
        if plan.to_upload:
            context.progress.note("nothing is uploaded without --yes")
        return _report(PublishResult(index.url, "planned", untouched(plan)), plan)
    for each in plan.files:
        context.progress.note(f"{each.action}  {each.file.name}  {each.file.digest.sha256}")
    uploader = Uploader(repository, context.settings.environ, attested=plan.attested)
    result = publish(plan, inventory, uploader, Waiting(wait_s=arguments.wait * 60))
    version = context.lock.version
    leave_report(context, arguments.directory, lambda store: store.record_publish(version, result))
    return _report(result, plan, result.problem)


def _report(result: PublishResult, plan: Plan, problem: str = "") -> Answer:
    sizes = {each.file.name: byte_count(each.file.digest.size) for each in plan.files}
    rows = [
        (
            each.name,
            sizes[each.name],
            each.sha256,
            each.outcome,
            f"{each.seconds:.1f}" if each.attempts else "",
            each.detail,
        )
        for each in result.files
    ]
    rows += [(each.name, "", "", each.outcome, f"{each.seconds:.1f}", each.detail) for each in result.steps]
    data = {**asdict(result), "problems": list(plan.problems), "warnings": list(plan.warnings)}
    columns = ("file or step", "size", "sha256", "outcome", "seconds", "remark")
    return Answer(
        columns, rows, data, title=f"Publish to {result.index}", ok=not problem, problem=problem, problems=plan.problems
    )
