"""Verifying a release on an index: all questions asked, and every problem found, not only the first."""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from codex_release.base.errors import DownloadError, ReleaseError, TrialError, UsageError
from codex_release.base.words import counted
from codex_release.check.release import check_files, check_set
from codex_release.facts.versions import ReleaseVersion, identity
from codex_release.index.resolution import pip_environ
from codex_release.verify.files import OurFile, file_findings, installed_problem, stray_findings
from codex_release.verify.findings import Finding, Verification
from codex_release.verify.resolution import resolution_findings
from codex_release.verify.trial import CodexAnswer, Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from codex_release.context import Context
    from codex_release.index.client import PackageIndex
    from codex_release.index.listing import ListedFile

__all__ = ["verify"]

_ASKED_AT_A_TIME = 4
"""How many small questions an index gets at once."""


def verify(
    context: Context,
    version: ReleaseVersion,
    client_version: str,
    index: PackageIndex,
    *,
    files: Sequence[Path] = (),
    are_checked: bool = False,
    attestations_required: bool = False,
    installs: bool = True,
) -> Verification:
    """Ask everything about a release on one index.

    Args:
        context: the catalog, for whose targets exactly the release must have wheels, the lock that payloads and the pin
            must keep, and the environment of what is installed and run.
        version: the runtime.
        client_version: the client's version (PEP 440), if no files tell it.
        index: the only index that is asked.
        files: the files that were published; of a project that has none of them, what the index has is downloaded and
            held against the lock.
        are_checked: whether `check` has passed these files already.
        attestations_required: whether a file without attestations is a problem.
        installs: whether to install it on this machine, if it is one of the targets.

    Raises:
        LockError: if the lock does not know the version.
        HttpError: if the index cannot be reached.
        PackageIndexError: if it, or pip, does not answer as one.
    """
    begun, catalog = time.monotonic(), context.catalog
    for target in catalog.targets:
        context.lock.require(version, target)
    runtime, client = catalog.distribution, catalog.client
    given = dict(filter(None, (identity(path.name) for path in files)))
    pins = {runtime: version.pep440, client: given.get(canonicalize_name(client), client_version)}
    listed = {each.name: each for project in pins for each in index.files_of(project, pins[project])}
    findings: list[Finding] = []
    lacking = [each for name, each in sorted(listed.items()) if not ((of := identity(name)) and of[0] in given)]
    with tempfile.TemporaryDirectory(prefix="codex-verify-") as scratch:
        brought = _downloaded(lacking, index, context.jobs, Path(scratch), findings)
        paths = [*files, *brought]
        ours = _read(paths, findings)
        if brought or not are_checked:
            findings += _content(paths, context, version)
        findings += stray_findings(listed.values(), {path.name for path in paths} | {each.name for each in lacking})
        looks = partial(file_findings, index=index, attestations_required=attestations_required)
        with ThreadPoolExecutor(_ASKED_AT_A_TIME) as pool:
            looked = pool.map(lambda each: looks(each, listed.get(each.name)), ours)
            findings += [finding for found in looked for finding in found]
    context.progress.note(f"asking pip what it chooses from {index.url}")
    runtime_pin, client_pin = (f"{project}=={pinned}" for project, pinned in pins.items())
    findings += resolution_findings(ours, (runtime_pin, client_pin), catalog, index)
    if installs and any(each.problem for each in findings):
        why = "nothing is installed, because of the problems above"
        findings.append(Finding("this machine", "not asked", note=why))
    elif installs:
        findings += _installation(client_pin, ours, context, version, index)
    return Verification(version.codex, index.url, tuple(findings), time.monotonic() - begun)


def _downloaded(
    listed: Sequence[ListedFile], index: PackageIndex, jobs: int, scratch: Path, findings: list[Finding]
) -> list[Path]:
    """Bring everything here; what does not come is a finding."""

    def bring(each: ListedFile) -> Path | Finding:
        try:
            return index.download(each, scratch)
        except DownloadError as error:
            return Finding(each.name, "served", problem=str(error))

    with ThreadPoolExecutor(jobs) as pool:
        came = list(pool.map(bring, listed))
    findings += [each for each in came if isinstance(each, Finding)]
    return [each for each in came if isinstance(each, Path)]


def _read(paths: Sequence[Path], findings: list[Finding]) -> list[OurFile]:
    ours = []
    for path in paths:
        try:
            ours.append(OurFile.of(path))
        except ReleaseError as error:
            findings.append(Finding(path.name, "content", problem=str(error)))
    return ours


def _content(paths: Sequence[Path], context: Context, version: ReleaseVersion) -> list[Finding]:
    """What `check` says of the files, one by one and as a set."""
    context.progress.note(f"checking {counted(len(paths), 'file')} against the lock")
    verdicts = check_files(paths, context)
    found = [
        Finding(each.path.name, "content", problem=problem) for each in verdicts for problem in each.problems or ("",)
    ]
    missing = check_set(verdicts, context.catalog)
    return [*found, *(Finding(f"Codex {version}", "complete", problem=each) for each in missing)]


def _installation(
    requirement: str,
    ours: Sequence[OurFile],
    context: Context,
    version: ReleaseVersion,
    index: PackageIndex,
) -> list[Finding]:
    """Install the client into a fresh environment, and ask it and its runtime who they are."""
    try:
        target = context.catalog.host()
    except UsageError as error:
        return [Finding("this machine", "not asked", note=error.what)]
    context.progress.note(f"installing {requirement} for {target.triple} into a fresh environment")
    with tempfile.TemporaryDirectory(prefix="codex-verify-", ignore_cleanup_errors=True) as scratch:
        try:
            trial = Trial.begin(Path(scratch, "env"), context.settings.environ)
            installed = trial.install([requirement], pip_environ(index))
        except TrialError as error:
            return [Finding("this machine", "installs", problem=str(error))]
        note = ", ".join(f"{each.project} {each.version}" for each in installed)
        problem = installed_problem(installed, {each.name: each.digest.sha256 for each in ours})
        return [
            Finding("this machine", "installs", note, problem),
            _answered("codex --version", trial.codex_version, version),
            _answered("initialize", trial.handshake, version),
        ]


def _answered(subject: str, ask: Callable[[], CodexAnswer], version: ReleaseVersion) -> Finding:
    try:
        answer = ask()
    except TrialError as error:
        return Finding(subject, "answers", problem=str(error))
    problem = "" if answer.version == version.codex else f"it says it is {answer.version}, not {version}"
    return Finding(subject, "answers", answer.text, problem)
