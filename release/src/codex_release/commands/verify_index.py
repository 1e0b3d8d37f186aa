"""``verify-index``: Check a published release as its users see it: digests, what pip chooses, an installation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from codex_release.base.errors import UsageError, first_of
from codex_release.base.words import by_number, counted
from codex_release.check.release import distributions_in
from codex_release.commands.answer import Answer
from codex_release.commands.options import add
from codex_release.facts.versions import client_version
from codex_release.index.client import PackageIndex
from codex_release.index.configured import pip_settings
from codex_release.verify.index import verify

if TYPE_CHECKING:
    import argparse

    from codex_release.context import Context


def register(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("version", metavar="VERSION", help="the Codex release; it must be the one in the lock")
    parser.add_argument(
        "--index-url", metavar="URL", help="the simple API of the index; if not given, the first that pip would ask"
    )
    parser.add_argument(
        "--dist",
        type=Path,
        metavar="DIR",
        help="the files that were published; what is not there is downloaded and compared with the lock",
    )
    add(parser, "--sdk-version")
    parser.add_argument(
        "--require-attestations", action="store_true", help="report files without attestations (PEP 740) as problems"
    )
    parser.add_argument(
        "--no-install",
        action="store_true",
        help="do not install the client and run it; for an index that does not have its dependencies",
    )


def run(arguments: argparse.Namespace, context: Context) -> Answer:
    """Verify; the answer lists every problem, not only the first.

    Raises:
        ReleaseError: if the index, or pip, cannot be asked, or the lock does not know the version.
    """
    if arguments.dist is not None and not arguments.dist.is_dir():
        raise UsageError(f"{arguments.dist} is no directory", remedy="name the directory of the published files")
    version = context.version(arguments.version)
    settings = pip_settings()
    index = PackageIndex(
        arguments.index_url or settings.first_index(context.catalog.distribution), context.web, settings
    )
    found = verify(
        context,
        version,
        client_version(arguments.sdk_version, version),
        index,
        files=distributions_in(arguments.dist) if arguments.dist else (),
        attestations_required=arguments.require_attestations,
        installs=not arguments.no_install,
    )
    data = found.data()
    count, problems = len(found.problems), data["problems"]
    failed = f"{count} of {counted(len(found.findings), 'check')} of Codex {version} on {index.url}"
    remedy = (
        "caches may hold older pages for a quarter of an hour, so verify it again then; if it stays so, see under "
        "'When a publication breaks off' in release/MAINTAINING.md"
    )
    return Answer(
        ("subject", "asked", "seen"),
        found.rows(),
        data,
        title=f"Codex {version} on {index.url}",
        ok=found.ok,
        problem="" if found.ok else f"{failed} {by_number(count, 'fails', 'fail')}: {first_of(problems)}; {remedy}",
        problems=problems,
    )
