"""``cache``: Show what is in the download cache, or make room."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from codex_release.base.errors import UsageError
from codex_release.base.words import byte_count
from codex_release.commands.answer import Answer
from codex_release.commands.options import length_of_time

if TYPE_CHECKING:
    import argparse

    from codex_release.context import Context
    from codex_release.fetching.cache import CacheEntry

_DAY_S = 86_400
_DAYS = 30.0


def register(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "action",
        choices=("list", "prune", "clear"),
        help="list: show what is in it; prune: delete what was not used for --days; clear: delete what is not in use",
    )
    parser.add_argument(
        "--days",
        type=length_of_time,
        metavar="N",
        help=f"with prune: how many days something must be unused to be deleted (default: {_DAYS:g})",
    )


def run(arguments: argparse.Namespace, context: Context) -> Answer:
    """List, prune or clear.

    Raises:
        UsageError: if a number of days was given for what does not go by it.
        CacheError: if the cache cannot be used.
    """
    if arguments.days is not None and arguments.action != "prune":
        raise UsageError(f"cache {arguments.action} takes no --days", remedy="leave it out, or prune the cache")
    cache, days = context.cache, _DAYS if arguments.days is None else arguments.days
    if arguments.action == "list":
        entries, verb = cache.entries(), "holds"
    elif arguments.action == "prune":
        entries, verb = cache.prune(unused_for_s=days * _DAY_S), "lost"
    else:
        entries, verb = cache.clear(), "lost"
    rows = [(entry.kind, entry.path.name, byte_count(entry.size), _moment(entry)) for entry in entries]
    data = [{"kind": entry.kind, "path": str(entry.path), "size": entry.size, "used": entry.used} for entry in entries]
    total = byte_count(sum(entry.size for entry in entries))
    return Answer(("kind", "address", "size", "last used"), rows, data, title=f"{cache.root} {verb} {total}")


def _moment(entry: CacheEntry) -> str:
    try:
        return datetime.fromtimestamp(entry.used).astimezone().strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):  # a file system may have years that no calendar here has
        return "-"
