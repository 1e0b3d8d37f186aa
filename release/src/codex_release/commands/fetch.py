"""``fetch``: verified runtimes, in the cache and, on request, extracted into a directory."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from codex_release.base.atomic import scratch_directory
from codex_release.base.errors import CacheError, DiskError, UsageError
from codex_release.base.words import byte_count
from codex_release.commands.answer import Answer
from codex_release.commands.options import add_targets, add_unlocked, add_version, fetch_one
from codex_release.runtime.tree import copy_tree

if TYPE_CHECKING:
    import argparse

    from codex_release.facts.targets import Target
    from codex_release.fetching.context import Context


def register(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_targets(parser)
    add_version(parser)
    add_unlocked(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="extract each runtime into DIR/TRIPLE")


def run(arguments: argparse.Namespace, context: Context) -> Answer:
    """Fetch the targets.

    Raises:
        ReleaseError: if one cannot be had, or its directory is in use.
    """
    targets = context.targets(arguments.target, everything=arguments.all)
    version = context.version(arguments.version)
    places = {target.triple: arguments.out / target.triple for target in targets} if arguments.out else {}
    for place in places.values():
        if place.exists() and not (place.is_dir() and not any(place.iterdir())):
            what = "is not empty" if place.is_dir() else "is no directory"
            raise UsageError(f"{place} exists and {what}", remedy="name a new directory with --out")

    def fetch(target: Target) -> tuple[str, Path, int]:
        tree = fetch_one(context, version, target, unlocked=arguments.unlocked)
        place = places.get(target.triple)
        if place is not None:
            try:
                with scratch_directory(place) as scratch:
                    copied = copy_tree(tree, scratch, context.catalog.layout)
                    if copied != tree.files:
                        raise CacheError(
                            f"what was copied from {tree.root} to {place} is not what was verified",
                            remedy="check the disks, and clear the cache with: codex-release cache clear",
                        )
            except OSError as error:
                raise DiskError(
                    f"{version} for {target.triple} cannot be extracted into {place}: {error.strerror or error}",
                    remedy="make room there and let it be written, or name another directory with --out",
                ) from error
        return target.triple, place or tree.root, sum(digest.size for digest in tree.files.values())

    with ThreadPoolExecutor(context.jobs) as pool:
        fetched = list(pool.map(fetch, targets))
    rows = [(triple, byte_count(size), str(place)) for triple, place, size in fetched]
    data = [{"target": triple, "path": str(place), "size": size} for triple, place, size in fetched]
    return Answer(("target", "size", "path"), rows, data, title=f"Codex {version}")
