"""Whether what an index serves installs on this machine, from that index alone, and answers."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from codex_release.base.errors import TrialError
from codex_release.facts.versions import identity
from codex_release.index.resolution import pip_environ
from codex_release.verify.findings import Finding
from codex_release.verify.trial import CodexAnswer, Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from codex_release.facts.versions import ReleaseVersion
    from codex_release.index.client import PackageIndex
    from codex_release.index.configured import PipSettings
    from codex_release.index.pip_report import ResolvedFile
    from codex_release.verify.files import OurFile

__all__ = ["installation_findings", "installed_problem"]


def installation_findings(
    requirement: str,
    version: ReleaseVersion,
    files: Sequence[OurFile],
    index: PackageIndex,
    settings: PipSettings,
    environ: Mapping[str, str],
) -> list[Finding]:
    """Install the client into a fresh environment, and ask it and its runtime who they are.

    Args:
        requirement: the client, pinned.
        version: of the runtime that has to come with it.
        files: all files of the release, as they should be.
        index: the only index that is asked, for dependencies too.
        settings: how pip reaches it.
        environ: this process's environment.
    """
    with tempfile.TemporaryDirectory(prefix="codex-verify-", ignore_cleanup_errors=True) as scratch:
        try:
            trial = Trial.begin(Path(scratch, "env"), environ)
            installed = trial.install([requirement], pip_environ(index, settings))
        except TrialError as error:
            return [Finding("this machine", "installs", problem=str(error))]
        note = ", ".join(f"{each.project} {each.version}" for each in installed)
        found = [Finding("this machine", "installs", note, installed_problem(installed, files))]
        found.append(_answered("codex --version", trial.codex_version, version))
        found.append(_answered("initialize", trial.handshake, version))
    return found


def installed_problem(installed: Sequence[ResolvedFile], files: Sequence[OurFile]) -> str:
    """What is wrong with what was installed; empty if both projects came, with our bytes."""
    ours = {each.digest.sha256 for each in files}
    projects = {known[0] for each in files if (known := identity(each.name))}
    came = {each.project: each for each in installed if each.project in projects}
    if missing := projects - came.keys():
        return f"the installation brings no {', '.join(sorted(missing))}"
    other = [
        f"{each.project} {each.version} with sha256 {each.sha256}" for each in came.values() if each.sha256 not in ours
    ]
    return f"it brings other bytes than ours: {', '.join(other)}" if other else ""


def _answered(subject: str, ask: Callable[[], CodexAnswer], version: ReleaseVersion) -> Finding:
    try:
        answer = ask()
    except TrialError as error:
        return Finding(subject, "answers", problem=str(error))
    problem = "" if answer.version == version.codex else f"it says it is {answer.version}, not {version.codex}"
    return Finding(subject, "answers", answer.text, problem)
