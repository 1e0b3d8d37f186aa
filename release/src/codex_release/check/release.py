"""Checking files one by one, and a release as a set: one version, every target, the client beside it."""

from __future__ import annotations

import contextlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from packaging.utils import InvalidSdistFilename, parse_sdist_filename
from packaging.version import Version

from codex_release.base.errors import CheckError, ReleaseError, system_errors_as
from codex_release.check.client import check_client_sdist, check_client_wheel
from codex_release.check.contents import entry_problems, identity_problems, size_problems
from codex_release.check.metadata import MetadataCheck
from codex_release.check.runtime import Assembled, Coverage, check_runtime
from codex_release.check.sources import Measure, form_problems
from codex_release.facts.versions import identity
from codex_release.wheels.wheel_file import WheelFile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from codex_release.check.running import Run
    from codex_release.context import Context
    from codex_release.facts.targets import Catalog

__all__ = [
    "FileVerdict",
    "check_files",
    "check_set",
    "distributions_in",
    "is_client_alone",
    "problems_of",
    "require_passed",
]

_SDIST = ".tar.gz"


@dataclass(frozen=True)
class FileVerdict:
    """What was found about one file.

    Attributes:
        path: the file.
        problems: in words; none is a pass.
        coverage: what a runtime wheel contributes to its release.
        pin: the runtime version that a file of the client is pinned to.
    """

    path: Path
    problems: tuple[str, ...]
    coverage: Coverage | None = None
    pin: str | None = None

    @property
    def run(self) -> Run | None:
        """What became of running what is in it."""
        return self.coverage.run if self.coverage else None


def distributions_in(directory: Path) -> list[Path]:
    """The wheels and sdists right in a directory, sorted by name.

    Raises:
        CheckError: if there is none, or it cannot be looked into.
    """
    with system_errors_as(CheckError, f"{directory} cannot be looked into", "name the directory of finished files"):
        found = sorted(path for path in directory.iterdir() if path.suffix == ".whl" or path.name.endswith(_SDIST))
    if not found:
        raise CheckError(f"{directory} holds no wheel and no sdist", remedy="build them with: codex-release build")
    return found


def check_files(
    paths: Sequence[Path],
    context: Context,
    *,
    unlocked: bool = False,
    runs: bool = False,
    of_this_checkout: bool = True,
    known: Mapping[str, Assembled] | None = None,
    metadata: MetadataCheck | None = None,
) -> list[FileVerdict]:
    """Check each file by itself.

    Args:
        paths: wheels and sdists.
        context: the catalog, the lock that payloads and pins must keep, and the checkout that all else comes from.
        unlocked: judge the files by themselves, not by the lock.
        runs: run locked runtimes, where that can be.
        of_this_checkout: their own files and metadata must be those of this checkout; else they may be of another
            state of it, as those on an index are.
        known: by file name, what is in wheels that were assembled just now.
        metadata: who is asked about metadata; one of its own if not given.
    """
    with contextlib.ExitStack() as stack:
        metadata = metadata or stack.enter_context(MetadataCheck())
        pool, aside = ThreadPoolExecutor(context.jobs), ThreadPoolExecutor(1)
        for each in (pool, aside):
            stack.callback(each.shutdown, cancel_futures=True)
        measure = Measure(
            context.catalog,
            None if unlocked else context.lock,
            context.settings.environ if runs else None,
            context.workspace if of_this_checkout else None,
        )
        said = aside.map(metadata.problems, paths)
        found = pool.map(lambda path: _verdict(path, measure, (known or {}).get(path.name)), paths)
        return [
            replace(verdict, problems=(*verdict.problems, *more)) for verdict, more in zip(found, said, strict=True)
        ]


def check_set(verdicts: Sequence[FileVerdict], catalog: Catalog) -> list[str]:
    """The problems of a release as a whole: platforms without a wheel, mixed versions, a client missing or astray."""
    runtimes = [each.coverage for each in verdicts if each.coverage]
    versions = sorted({each.version for each in runtimes} | {each.pin for each in verdicts if each.pin})
    problems = []
    if len(versions) != 1:
        problems.append(f"a release is for one runtime, these files are for {', '.join(versions) or 'none'}")
    for triple in catalog.triples:
        wheels = [each for each in runtimes if each.triple == triple]
        missing = {"any platform"} if not wheels else set[str]().union(*(each.expected for each in wheels))
        for each in wheels:
            missing -= each.platforms
        tags = Counter(platform for each in wheels for platform in each.platforms)
        problems += [f"{triple} has {count} wheels for {tag}" for tag, count in sorted(tags.items()) if count > 1]
        problems += [f"{triple} has no wheel for {platform}" for platform in sorted(missing)]
        nowhere = frozenset.intersection(*(each.left_out for each in wheels)) if wheels else ()
        problems += [
            f"{triple} has no wheel with {path}, which the lock has; build that wheel, or exclude the file in "
            "release/targets.toml"
            for path in sorted(nowhere)
        ]
    for kind, suffix in {"wheel": ".whl", "sdist": _SDIST}.items():
        count = sum(each.pin is not None and each.path.name.endswith(suffix) for each in verdicts)
        if count != 1:
            problems.append(f"there are {count} pinned {kind}s of the client, not one")
    clients = {known[1] for each in verdicts if each.pin is not None and (known := identity(each.path.name))}
    if len(clients) > 1:
        problems.append(f"the files of the client are of versions {' and '.join(sorted(clients))}, not of one")
    return problems


def is_client_alone(verdicts: Sequence[FileVerdict], catalog: Catalog) -> bool:
    """Whether files are a post release of the client, whose runtime was released before it."""
    known = [identity(each.path.name) for each in verdicts]
    return all(each and each[0] == catalog.client and Version(each[1]).is_postrelease for each in known)


def problems_of(verdicts: Sequence[FileVerdict], catalog: Catalog | None = None) -> list[str]:
    """All that was found, each with the name of its file; with a catalog, of the files as a whole release too."""
    found = [f"{each.path.name}: {problem}" for each in verdicts for problem in each.problems]
    return found + (check_set(verdicts, catalog) if catalog else [])


def require_passed(verdicts: Sequence[FileVerdict], catalog: Catalog | None = None) -> None:
    """Insist that nothing was found; the arguments are those of `problems_of`.

    Raises:
        CheckError: if something was.
    """
    if problems := problems_of(verdicts, catalog):
        raise CheckError("the built files do not pass the check", problems=problems)


def _verdict(path: Path, measure: Measure, known: Assembled | None) -> FileVerdict:
    """What is found about one file."""
    try:
        if not path.is_file():
            raise CheckError(f"{path} is no file")
        if path.name.endswith(_SDIST):
            return _sdist_verdict(path, measure)
        with WheelFile.open(path) as wheel:
            problems = size_problems(path, wheel.distribution, measure.catalog)
            if broken := entry_problems(wheel):  # nothing of it is unpacked then
                return FileVerdict(path, (*problems, *broken))
            problems += identity_problems(wheel) + form_problems(wheel)
            if wheel.distribution == measure.catalog.distribution:
                # What something speaks against is not run.
                judged_by = replace(measure, environ=None) if problems else measure
                found, coverage = check_runtime(wheel, judged_by, known)
                return FileVerdict(path, (*problems, *found), coverage=coverage)
            found, pin = check_client_wheel(wheel, measure)
            return FileVerdict(path, (*problems, *found), pin=pin)
    except ReleaseError as error:
        return FileVerdict(path, (str(error),))


def _sdist_verdict(path: Path, measure: Measure) -> FileVerdict:
    try:
        name, version = parse_sdist_filename(path.name)
    except InvalidSdistFilename as error:
        raise CheckError(f"{path} does not have an sdist's name: {error}") from error
    if name == measure.catalog.distribution:
        raise CheckError(f"{name} is wheels only: an sdist of it would hold the executables of one platform")
    problems, pin = check_client_sdist(path, name, version, measure)
    return FileVerdict(path, tuple(problems), pin=pin)
