"""``fetch``: Download runtimes into the cache and verify them; with --out, also extract them."""

from __future__ import annotations

import os
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from codex_release.base.atomic import replace
from codex_release.base.digests import file_digests
from codex_release.base.errors import DiskError, UsageError, system_errors_as
from codex_release.base.scratch import scratch_directory
from codex_release.base.words import byte_count
from codex_release.commands.answer import Answer
from codex_release.commands.options import add, warn_unlocked
from codex_release.runtime.tree import RuntimeTree

if TYPE_CHECKING:
    import argparse
    from contextlib import AbstractContextManager
    from pathlib import Path

    from codex_release.context import Context
    from codex_release.facts.lock import Runtime

_ANOTHER = "name a new directory with --out"


def register(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add(parser, "--target", "--all", "--runtime-version", "--unlocked")
    add(parser, "--out", default=None, help="extract each runtime into DIR/TRIPLE")


def run(arguments: argparse.Namespace, context: Context) -> Answer:
    """Fetch the targets.

    Raises:
        ReleaseError: if one cannot be had, or its directory holds anything else.
    """
    targets = context.targets(arguments.target, everything=arguments.all)
    version = context.version(arguments.version)
    if arguments.unlocked:
        warn_unlocked(context, version)
    runtimes = [context.runtime(version, target, unlocked=arguments.unlocked) for target in targets]
    places = {target.triple: arguments.out / target.triple for target in targets} if arguments.out else {}
    there = {
        runtime.target.triple: _complete(place, runtime, context)
        for runtime in runtimes
        if (place := places.get(runtime.target.triple)) and _is_in_use(place)
    }

    def fetch(runtime: Runtime) -> RuntimeTree:
        triple = runtime.target.triple
        if triple in there:
            return there[triple]
        return _extracted(runtime, places[triple], context) if places else context.fetcher.tree(runtime)

    with ThreadPoolExecutor(context.jobs) as pool:
        trees = list(pool.map(fetch, runtimes))
    fetched = [
        (target.triple, tree.root, sum(digest.size for digest in tree.files.values()))
        for target, tree in zip(targets, trees, strict=True)
    ]
    rows = [(triple, byte_count(size), str(place)) for triple, place, size in fetched]
    data = [{"target": triple, "path": str(place), "size": size} for triple, place, size in fetched]
    return Answer(("target", "size", "path"), rows, data, title=f"Codex {version}")


def _is_in_use(place: Path) -> bool:
    if place.is_symlink() or not place.is_dir():
        return os.path.lexists(place)
    with _readable(place):
        return any(place.iterdir())


def _readable(place: Path) -> AbstractContextManager[None]:
    """A block that reads what somebody else may have put there."""
    return system_errors_as(UsageError, f"{place} exists and cannot be read", _ANOTHER)


def _complete(place: Path, runtime: Runtime, context: Context) -> RuntimeTree:
    """The tree that lies at its place already, every file of it proved, and no other."""
    if runtime.known is None:  # nothing but its archive tells what has to be there
        files = context.fetcher.tree(runtime).files
    else:
        files = context.catalog.layout.payload(runtime.known.files)
    expected = {place / path: digest for path, digest in files.items()}
    with _readable(place):
        found = {path for path in place.rglob("*") if path.is_symlink() or not path.is_dir()}
        are_files = all(path.is_file() and not path.is_symlink() for path in found)
        is_complete = (
            found == expected.keys()
            and are_files
            and file_digests(found) == expected
            and all(_has_mode(place / path, context.catalog.layout.mode(path)) for path in files)
        )
    if is_complete:
        context.progress.note(f"{place} is there already and complete: {runtime}")
        return RuntimeTree(place, files)
    what = "is a link" if place.is_symlink() else "is not empty" if place.is_dir() else "is no directory"
    raise UsageError(f"{place} exists and {what}", remedy=_ANOTHER)


def _has_mode(path: Path, mode: int) -> bool:
    """Whether a file has these permissions; Windows has none."""
    return sys.platform == "win32" or stat.S_IMODE(path.stat().st_mode) == mode


def _extracted(runtime: Runtime, place: Path, context: Context) -> RuntimeTree:
    """A copy of a runtime at its place, where it appears whole or not at all."""
    what = f"{runtime} cannot be extracted into {place}"
    remedy = "make room there and let it be written, or name another directory with --out"
    with system_errors_as(DiskError, what, remedy), scratch_directory(place.parent) as scratch:
        made = scratch / place.name
        tree = context.fetcher.copied(runtime, made)
        made.chmod(0o755)
        try:
            if place.is_dir():
                place.rmdir()
            replace(made, place)
        except OSError:
            if not _is_in_use(place):
                raise
            return _complete(place, runtime, context)  # another process was faster
    return RuntimeTree(place, tree.files)
