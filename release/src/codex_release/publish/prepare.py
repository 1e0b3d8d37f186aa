"""From a directory of finished files to a plan: every file checked and hashed, the index read. Nothing is changed."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from codex_release.base.digests import file_digests
from codex_release.base.errors import VerifyError
from codex_release.base.table import Table, read_json
from codex_release.base.words import byte_count
from codex_release.check.release import FileVerdict, check_files, distributions_in, problems_of
from codex_release.facts.versions import identity
from codex_release.index.attestations import hold_attestation
from codex_release.publish.plan import Candidate, Plan, candidates, make_plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from codex_release.context import Context
    from codex_release.facts.targets import Catalog
    from codex_release.publish.serving import Inventory

__all__ = ["prepare", "prepare_checked"]

_MOST_ATTESTATION = 1 << 20
"""The largest attestation that is read, in bytes; real ones have some thousand."""


def prepare(directory: Path, context: Context, inventory: Inventory) -> Plan:
    """Find out what has to be uploaded.

    A directory without runtime wheels is a client that is released again: the wheels that are on the index already are
    brought here, checked as if they were ours, and part of the plan, in which they are present.

    Args:
        directory: the finished files.
        context: the catalog, whose targets a release must have, all of them, and what the files are held against.
        inventory: the index.

    Raises:
        CheckError: if the directory holds no distribution.
        HttpError: if the index cannot be read.
    """
    files = distributions_in(directory)
    verdicts, catalog = check_files(files, context), context.catalog
    with tempfile.TemporaryDirectory(prefix="codex-published-") as scratch:
        if not any((identity(path.name) or ("",))[0] == catalog.distribution for path in files):
            index = inventory.index
            version = context.lock.version
            there = index.files_of(catalog.distribution, version.pep440)
            index.web.progress.note(f"{directory} has no runtime wheels: taking those of {version} on {index.url}")
            for each in there:
                if each.yanked is not None:
                    index.web.progress.note(
                        f"{each.name} is not taken, it is yanked: {each.yanked or 'nobody says why'}"
                    )
            brought = [index.download(each, Path(scratch)) for each in there if each.yanked is None]
            verdicts += check_files(brought, context, of_this_checkout=False)
        return prepare_checked(verdicts, catalog, inventory)


def prepare_checked(verdicts: Sequence[FileVerdict], catalog: Catalog, inventory: Inventory) -> Plan:
    """The same for files that were checked already.

    Args:
        verdicts: what `check` found about each of them.
        catalog: the data file; its targets are what a release must have, all of them.
        inventory: the index.

    Raises:
        HttpError: if the index cannot be read.
    """
    files = candidates(verdicts, file_digests([each.path for each in verdicts]), catalog.distribution)
    listings, hashed = inventory.read(files)
    problems = problems_of(verdicts, catalog)
    problems += [problem for each in files if each.name not in listings[each.project] for problem in _attested(each)]
    return make_plan(files, listings, hashed, problems, catalog.project_size, catalog.resolution.pythons[0])


def _attested(file: Candidate) -> Iterator[str]:
    """What is wrong with the attestation that a file is going to be uploaded with."""
    if file.attestation is not None:
        try:
            hold_attestation(_small(file.attestation), file.name, file.digest.sha256)
        except (VerifyError, OSError) as error:
            yield f"{file.attestation.name}: {error}; sign {file.name} anew, or remove the attestations"


def _small(path: Path) -> Table:
    with path.open("rb") as opened:
        content = opened.read(_MOST_ATTESTATION + 1)
    if len(content) > _MOST_ATTESTATION:
        raise VerifyError(f"it has more than {byte_count(_MOST_ATTESTATION)}")
    return read_json(content, "its attestation", VerifyError)
