"""Whether pip takes the right file from an index, on every system and with every Python, and none where none is.

A system is named by the newest platform tag that it accepts (PEP 425), e.g. ``manylinux_2_41_x86_64``; it accepts older
ones too, and prefers newer ones (PEP 600, 656).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.tags import mac_platforms
from packaging.utils import parse_wheel_filename

from codex_release.index.resolution import Expectation, Question, ResolvedFile, resolve
from codex_release.verify.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from codex_release.facts.targets import Catalog
    from codex_release.index.client import PackageIndex
    from codex_release.verify.files import OurFile

__all__ = ["accepted", "resolution_findings", "right_wheel"]

_OLDEST_GLIBC = 17
"""The minor version below which no tag is asked for: nothing of ours, and no supported Python, runs on older ones."""
_ALIASES = {17: "manylinux2014"}
"""The names of before PEP 600, by glibc's minor version."""
_LINUX = re.compile(r"(?P<libc>manylinux_2|musllinux_1)_(?P<minor>[0-9]+)_(?P<arch>\w+)")
_MACOS = re.compile(r"macosx_(?P<major>[0-9]+)_(?P<minor>[0-9]+)_(?P<arch>x86_64|arm64)")


def resolution_findings(
    ours: Sequence[OurFile],
    pins: tuple[str, str],
    catalog: Catalog,
    index: PackageIndex,
) -> list[Finding]:
    """Ask pip on all systems of the catalog's targets, and on those that no target is for.

    Args:
        ours: all files of the release, as they should be.
        pins: what to resolve, of the runtime and of the client, e.g. ``codex-cli-bin==0.169.0``.
        catalog: the data file.
        index: the only index that is asked.
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
    answers = iter(resolve(index, [each.question for each in expected]))
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


def accepted(system: str) -> tuple[str, ...]:
    """The platform tags that a system accepts, best first.

    >>> accepted("manylinux_2_18_x86_64")
    ('manylinux_2_18_x86_64', 'manylinux_2_17_x86_64', 'manylinux2014_x86_64')
    """
    if linux := _LINUX.fullmatch(system):
        return tuple(_linux(linux["libc"], int(linux["minor"]), linux["arch"]))
    if macos := _MACOS.fullmatch(system):
        return tuple(mac_platforms((int(macos["major"]), int(macos["minor"])), macos["arch"]))
    return (system,)


def right_wheel(system: str, wheels: Mapping[str, frozenset[str]]) -> str | None:
    """The wheel that a system should get, `None` if there is none for it.

    Args:
        system: by its newest platform tag.
        wheels: the platform tags of each wheel, by its file name.
    """
    for tag in accepted(system):
        for name, platforms in sorted(wheels.items()):
            if tag in platforms:
                return name
    return None


def _linux(libc: str, newest: int, arch: str) -> Iterator[str]:
    oldest = min(newest, _OLDEST_GLIBC) if libc.startswith("many") else 0
    for minor in range(newest, oldest - 1, -1):
        yield f"{libc}_{minor}_{arch}"
        if libc.startswith("many") and minor in _ALIASES:
            yield f"{_ALIASES[minor]}_{arch}"
