"""Arguments and steps that several commands share."""

from __future__ import annotations

import argparse
import contextlib
import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from codex_release.base.errors import ReleaseError
from codex_release.runtime.tree import copy_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from codex_release.facts.targets import Target
    from codex_release.facts.versions import ReleaseVersion
    from codex_release.fetching.context import Context
    from codex_release.report.store import ReportStore
    from codex_release.runtime.tree import RuntimeTree

__all__ = [
    "add",
    "fetch_one",
    "leave_report",
    "length_of_time",
    "number_of_bytes",
    "runnable",
    "warn_unlocked",
]

_Number = TypeVar("_Number", int, float)
_SHARED: Mapping[str, Mapping[str, Any]] = {
    "staging_dir": {
        "type": Path,
        "metavar": "STAGING_DIR",
        "help": "a new or empty directory, or one that this made before, which is replaced",
    },
    "--runtime-version": {
        "dest": "version",
        "metavar": "V",
        "help": "the Codex release; the locked one if not given",
    },
    "--target": {
        "action": "append",
        "default": [],
        "metavar": "TRIPLE",
        "help": "a platform, repeatable; this machine's if none",
    },
    "--all": {"action": "store_true", "help": "every platform"},
    "--out": {"type": Path, "default": Path("dist"), "metavar": "DIR", "help": "where the files go (dist)"},
    "--sdk-version": {
        "metavar": "S",
        "help": "the client's version, e.g. that of a post release; the runtime's if not given",
    },
    "--previous": {
        "type": Path,
        "metavar": "FILE",
        "help": "the release.json or the lock of the release before, for the report to compare with",
    },
    "--unlocked": {
        "action": "store_true",
        "help": "take what a source's published digest vouches for, without the lock; not for releases",
    },
}
"""The arguments that several commands have, as `argparse` takes them."""


def add(parser: argparse.ArgumentParser, *names: str, **otherwise: Any) -> None:
    """Add some of the shared arguments; `otherwise` is what is different about them here."""
    for name in names:
        parser.add_argument(name, **{**_SHARED[name], **otherwise})


def number(kind: Callable[[str], _Number], least: int, what: str) -> Callable[[str], _Number]:
    """The ``type`` of an argument that is a finite number from `least` on; `what` is what a text is not that is none.

    It raises ArgumentTypeError then.
    """

    def read(text: str) -> _Number:
        with contextlib.suppress(ValueError):
            found = kind(text)
            if least <= found < math.inf:  # what is no number (NaN) is not greater than anything
                return found
        raise argparse.ArgumentTypeError(f"{text!r} is no {what}")

    return read


length_of_time = number(float, 0, "length of time: a number from 0 on")
"""In whichever unit."""
number_of_bytes = number(int, 1, "number of bytes: a whole number from 1 on")


def warn_unlocked(context: Context, version: ReleaseVersion) -> None:
    """Say loudly that the lock is not asked."""
    context.progress.note(
        f"WARNING: UNLOCKED: {version} is not held against the lock; only its source vouches for these bytes. "
        "Do not publish what comes of it."
    )


def fetch_one(context: Context, version: ReleaseVersion, target: Target, *, unlocked: bool) -> RuntimeTree:
    """A verified runtime, by the lock or by a published digest."""
    if unlocked:
        warn_unlocked(context, version)
    return context.fetcher.tree(context.runtime(version, target, unlocked=unlocked))


def leave_report(context: Context, directory: Path, record: Callable[[ReportStore], object]) -> None:
    """Note in a directory's report what was just done there.

    That the report cannot be written is said, and changes nothing about what was done.
    """
    from codex_release.report.store import ReportStore  # most commands leave none

    store = ReportStore(directory, context.catalog, context.lock, context.settings.job_summary)
    try:
        record(store)
    except (ReleaseError, OSError) as error:
        context.progress.note(f"no whole report is left of {directory}: {error}")


@contextlib.contextmanager
def runnable(context: Context, version: ReleaseVersion, *, unlocked: bool) -> Iterator[Path]:
    """This machine's executable of a release, as `fetch_one` brings it, ready to run until the block ends."""
    target = context.catalog.host()
    tree = fetch_one(context, version, target, unlocked=unlocked)
    with tempfile.TemporaryDirectory(prefix="codex-runtime-") as scratch:
        # A tree in the cache has no executable bits, and is not to get any.
        copy_tree(tree, Path(scratch), context.catalog.layout)
        yield Path(scratch) / target.fill(context.catalog.layout.entrypoint)
