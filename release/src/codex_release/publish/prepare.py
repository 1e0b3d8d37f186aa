"""From a directory of finished files to a plan: every file checked and hashed, the index read. Nothing is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_release.check import check_files, check_set, distributions_in
from codex_release.digests import file_digests
from codex_release.publish.plan import candidates, make_plan

if TYPE_CHECKING:
    from pathlib import Path

    from codex_release.lock import Lock
    from codex_release.publish.plan import Plan
    from codex_release.publish.serving import Inventory
    from codex_release.targets import Catalog

__all__ = ["prepare"]


def prepare(directory: Path, catalog: Catalog, lock: Lock, inventory: Inventory, *, jobs: int = 1) -> Plan:
    """Find out what has to be uploaded.

    Args:
        directory: the finished files.
        catalog: the data file; its targets are what a release must have, all of them.
        lock: what payloads and pins must be.
        inventory: the index.
        jobs: how many files to read at a time.

    Raises:
        CheckError: if the directory holds no distribution.
        HttpError: if the index cannot be read.
    """
    paths = distributions_in(directory)
    verdicts = check_files(paths, catalog, lock, jobs=jobs)
    problems = [f"{each.path.name}: {problem}" for each in verdicts for problem in each.problems]
    problems += check_set(verdicts, catalog)
    files = candidates(verdicts, file_digests(paths), catalog.distribution)
    listings, hashed = inventory.read(files)
    return make_plan(files, listings, hashed, problems)
