"""Whether pip takes the right file from an index, on every system and with every Python, and none where none is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import parse_wheel_filename

from codex_release.index.resolution import Question, resolve
from codex_release.verify.findings import Finding
from codex_release.verify.systems import accepted, right_wheel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from codex_release.facts.targets import Catalog
    from codex_release.index.client import PackageIndex
    from codex_release.index.configured import PipSettings
    from codex_release.index.resolution import Resolution
    from codex_release.verify.files import OurFile

__all__ = ["resolution_findings"]


@dataclass(frozen=True)
class _Asked:
    """What to ask with every Python: a requirement on a system, and the wheel that pip should take, if any."""

    subject: str
    requirement: str
    system: str
    wheel: str | None


def resolution_findings(
    ours: Sequence[OurFile],
    pins: tuple[str, str],
    catalog: Catalog,
    index: PackageIndex,
    settings: PipSettings,
) -> list[Finding]:
    """Ask pip on all systems of the catalog's targets, and on those that no target is for.

    Args:
        ours: all files of the release, as they should be.
        pins: what to resolve, of the runtime and of the client, e.g. ``codex-cli-bin==0.169.0``.
        catalog: the data file.
        index: the only index that is asked.
        settings: how pip reaches it.
    """
    tags = {each.name: parse_wheel_filename(each.name) for each in ours if each.name.endswith(".whl")}
    runtimes = {
        name: frozenset(tag.platform for tag in parsed[3])
        for name, parsed in tags.items()
        if parsed[0] == catalog.distribution
    }
    client = next((name for name in tags if name not in runtimes), None)
    facts = catalog.resolution
    found, asked = [], []
    for target in catalog.targets:
        for system in target.systems:
            if wheel := right_wheel(system, runtimes):
                asked.append(_Asked(system, pins[0], system, wheel))
            else:
                found.append(Finding(system, "resolves", problem=f"{target.triple} has no wheel for it"))
    asked += [_Asked(system, pins[0], system, None) for system in facts.unsupported]
    if client is not None:
        asked.append(_Asked(pins[1], pins[1], catalog.targets[0].systems[0], client))
    questions = [
        Question((each.requirement,), accepted(each.system), python) for each in asked for python in facts.pythons
    ]
    answers = iter(resolve(index, questions, settings))
    digests = {each.name: each.digest.sha256 for each in ours}
    for each in asked:
        said = {python: _wrong(next(answers), each.wheel, digests) for python in facts.pythons}
        question = "resolves" if each.wheel else "resolves to nothing"
        found += [
            Finding(each.subject, question, note=each.wheel or "", problem=problem)
            for problem in _problems(said) or [""]
        ]
    return found


def _wrong(answer: Resolution, wanted: str | None, digests: Mapping[str, str]) -> str:
    """What is wrong with pip's answer; empty if nothing."""
    taken = answer.files[0] if answer.files else None
    if taken is None:
        return "" if wanted is None else f"pip takes nothing: {answer.reason}"
    if wanted is None:
        return f"pip takes {taken.name}, which cannot run there"
    if taken.name != wanted:
        return f"pip takes {taken.name}, not {wanted}"
    if taken.sha256 is not None and taken.sha256 != digests[wanted]:
        return f"pip takes {taken.name} with sha256 {taken.sha256}, ours is {digests[wanted]}"
    return ""


def _problems(said: Mapping[str, str]) -> list[str]:
    """What is wrong, each with the Pythons it is wrong for, unless that is all of them."""
    pythons: dict[str, list[str]] = {}
    for python, problem in said.items():
        if problem:
            pythons.setdefault(problem, []).append(python)
    return [
        problem if len(found) == len(said) else f"Python {', '.join(found)}: {problem}"
        for problem, found in pythons.items()
    ]
