"""Arguments and steps that several commands share."""

from __future__ import annotations

import argparse
import contextlib
import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from codex_release.base.errors import DiskError, ReleaseError, UsageError, system_errors_as

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from codex_release.context import Context
    from codex_release.facts.lock import Runtime
    from codex_release.facts.versions import ReleaseVersion
    from codex_release.report.store import ReportStore

__all__ = [
    "add",
    "leave_report",
    "length_of_time",
    "number_of_bytes",
    "readable",
    "runnable",
    "warn_unlocked",
]

_Number = TypeVar("_Number", int, float)
_SHARED: Mapping[str, Mapping[str, Any]] = {
    "staging_dir": {
        "type": Path,
        "metavar": "STAGING_DIR",
        "help": "a new or empty directory, or one of an earlier run, which is replaced",
    },
    "--runtime-version": {
        "dest": "version",
        "metavar": "V",
        "help": "the Codex release; if not given, the locked one",
    },
    "--target": {
        "action": "append",
        "default": [],
        "metavar": "TRIPLE",
        "help": "a platform, by its Rust triple; repeatable; if not given, this machine's",
    },
    "--all": {"action": "store_true", "help": "every platform"},
    "--out": {
        "type": Path,
        "default": Path("dist"),
        "metavar": "DIR",
        "help": "where to write the files (default: dist)",
    },
    "--sdk-version": {
        "metavar": "S",
        "help": "the client's version, e.g. 1.2.3.post1; if not given, that of the runtime",
    },
    "--previous": {
        "type": Path,
        "metavar": "FILE",
        "help": "the release.json or the lock of the previous release, which the report compares with",
    },
    "--unlocked": {
        "action": "store_true",
        "help": "do not use the lock; trust the digest that the source publishes; never for a release",
    },
}
"""The arguments that several commands have, as `argparse` takes them."""


def add(parser: argparse.ArgumentParser, *names: str, **otherwise: Any) -> None:
    """Add some of the shared arguments; `otherwise` is what is different about them here."""
    for name in names:
        parser.add_argument(name, **{**_SHARED[name], **otherwise})


def number(kind: Callable[[str], _Number], least: int, what: str) -> Callable[[str], _Number]:
    """The ``type`` of an argument that is a finite number, `least` or more: ``'7x' is no <what>``."""

    def read(text: str) -> _Number:
        with contextlib.suppress(ValueError):
            found = kind(text)
            if least <= found < math.inf:  # what is no number (NaN) is not greater than anything
                return found
        raise argparse.ArgumentTypeError(f"{text!r} is no {what}")

    return read


length_of_time = number(float, 0, "length of time; give a number, 0 or more")
"""A length of time; the option says the unit."""
number_of_bytes = number(int, 1, "number of bytes; give a whole number, 1 or more")


def readable(path: Path) -> Path:
    """A file or directory that somebody named; a pipe would be waited for, perhaps for ever.

    Raises:
        UsageError: if it is neither.
    """
    if not (path.is_file() or path.is_dir()):
        raise UsageError(f"{path} {'is neither a file nor a directory' if path.exists() else 'does not exist'}")
    return path


def warn_unlocked(context: Context, version: ReleaseVersion) -> None:
    """Say loudly that the lock is not asked."""
    context.progress.note(
        f"WARNING: UNLOCKED: {version} is not compared with the lock; its bytes are trusted because their "
        "source says so. Do not publish what is made from them."
    )


def leave_report(context: Context, directory: Path, record: Callable[[ReportStore], object]) -> None:
    """Note in a directory's report what was just done there.

    That the report cannot be written is said, and changes nothing about what was done.
    """
    from codex_release.report.store import ReportStore  # most commands leave none

    store = ReportStore(directory, context.catalog, context.lock, context.settings.job_summary)
    try:
        record(store)
    except (ReleaseError, OSError) as error:
        context.progress.note(f"the report in {directory} could not be written completely: {error}")


@contextlib.contextmanager
def runnable(context: Context, runtime: Runtime) -> Iterator[Path]:
    """The verified executable of a runtime for this machine, ready to run until the block ends."""
    if runtime.known is None:
        warn_unlocked(context, runtime.version)
    with tempfile.TemporaryDirectory(prefix="codex-runtime-") as scratch:
        # A tree in the cache has no executable bits, and is not to get any.
        with system_errors_as(DiskError, f"{runtime} cannot be copied to {scratch}", "make room there"):
            tree = context.fetcher.copied(runtime, Path(scratch))
        yield tree.root / runtime.target.fill(context.catalog.layout.entrypoint)
