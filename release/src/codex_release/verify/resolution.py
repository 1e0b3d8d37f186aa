"""Whether pip takes the right file from an index, on every system and with every Python, and none where none is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import parse_wheel_filename

from codex_release.index.pip_report import ResolvedFile
from codex_release.index.resolution import Expectation, Question, resolve
from codex_release.verify.findings import Finding
from codex_release.verify.systems import accepted, right_wheel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from codex_release.facts.targets import Catalog
    from codex_release.index.client import PackageIndex
    from codex_release.index.configured import PipSettings
    from codex_release.verify.files import OurFile

__all__ = ["resolution_findings"]


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
    taken: dict[str, ResolvedFile] = {}
    runtimes: dict[str, frozenset[str]] = {}
    for each in ours:
        if each.name.endswith(".whl"):
            project, version, _, tags = parse_wheel_filename(each.name)
            taken[each.name] = ResolvedFile(project, str(version), each.name, each.digest.sha256)
            if project == catalog.distribution:
                runtimes[each.name] = frozenset(tag.platform for tag in tags)
    found: list[Finding] = []
    # Of what it is told, what is required, on which system, and what pip must take.
    asked: list[tuple[str, str, str, tuple[ResolvedFile, ...]]] = []
    for target in catalog.targets:
        if not target.systems:
            found.append(Finding(target.triple, "resolves", problem="release/targets.toml names none of its systems"))
        for system in target.systems:
            if wheel := right_wheel(system, runtimes):
                asked.append((system, pins[0], system, (taken[wheel],)))
            else:
                found.append(Finding(system, "resolves", problem=f"{target.triple} has no wheel for it"))
    asked += [(system, pins[0], system, ()) for system in catalog.resolution.unsupported]
    systems = [system for target in catalog.targets for system in target.systems]  # where there are none, it is told
    asked += [(pins[1], pins[1], systems[0], (taken[client],)) for client in taken.keys() - runtimes if systems]
    pythons = catalog.resolution.pythons
    expected = [
        Expectation(Question((requirement,), accepted(system), python), files)
        for _, requirement, system, files in asked
        for python in pythons
    ]
    answers = iter(resolve(index, [each.question for each in expected], settings))
    wrong = iter([each.wrong(answer) for each, answer in zip(expected, answers, strict=True)])
    for subject, _, _, files in asked:
        question = "resolves" if files else "resolves to nothing"
        problems = _problems({python: next(wrong) for python in pythons})
        note = files[0].name if files else ""
        found += [Finding(subject, question, note, problem) for problem in problems or [""]]
    return found


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
