"""Whether a runtime wheel holds what it promises: the locked bytes, under tags its executables can keep.

Of a wheel that this process just assembled, the executables' own signatures are not judged again: its bytes are the
locked ones, whose signatures were judged when they were locked.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from codex_release.base.digests import FileDigest, digested
from codex_release.base.errors import CheckError, InspectError, LockError, ReleaseError, SignatureError, UsageError
from codex_release.base.table import read_json
from codex_release.check.contents import Contents, metadata_problems, read_contents, record_problems
from codex_release.check.running import Run, run_entrypoint
from codex_release.check.sources import Measure, project_problems
from codex_release.facts.lock import Lock, LockedTarget, compare_files
from codex_release.facts.versions import ReleaseVersion
from codex_release.runtime.codesign import examine
from codex_release.runtime.headers import opened
from codex_release.runtime.inspection import Inspection, inspect_tree
from codex_release.runtime.tags import broken_promise
from codex_release.runtime.tree import RuntimeTree
from codex_release.wheels.record import record_hash
from codex_release.wheels.stage import SBOM

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from codex_release.facts.targets import Catalog, Target
    from codex_release.wheels.wheel_file import WheelFile

__all__ = ["Assembled", "Coverage", "check_runtime", "payload_paths", "target_of"]

_OWN = ("__init__.py", "__main__.py", "_pyinstaller/__init__.py", "_pyinstaller/hook-codex_cli_bin.py", "py.typed")
"""The template's own files in the package; all others there are the runtime's."""


@dataclass(frozen=True)
class Coverage:
    """What a runtime wheel contributes to its release.

    Attributes:
        version: of the runtime, in PEP 440's spelling.
        triple: its target.
        platforms: the platform tags it has.
        expected: the platform tags that its target must have, over all its wheels.
        left_out: the optional files that the lock has and this wheel lacks; another wheel of the target has them.
        run: what became of running its entrypoint, if that was to be done and nothing spoke against it.
    """

    version: str
    triple: str
    platforms: frozenset[str]
    expected: frozenset[str]
    left_out: frozenset[str] = frozenset()
    run: Run | None = None


@dataclass(frozen=True)
class Assembled:
    """What is known of a wheel's payload because this process verified it and put it in.

    Attributes:
        files: what each file is.
        inspection: what the executables are.
    """

    files: Mapping[str, FileDigest]
    inspection: Inspection


def check_runtime(wheel: WheelFile, measure: Measure, known: Assembled | None) -> tuple[list[str], Coverage | None]:
    """The problems of a runtime wheel beside those of any, and what it contributes to its release if that can be told.

    Args:
        wheel: the wheel.
        measure: what it is held against.
        known: of a wheel that this process just assembled, so that its payload need not be unpacked again; else `None`.
    """
    catalog, lock, environ = measure.catalog, measure.lock, measure.environ
    problems = _sbom_problems(wheel, catalog) + _mode_problems(wheel, catalog)
    if wheel.wheel.get("Root-Is-Purelib") != "false":
        problems.append("WHEEL does not say Root-Is-Purelib: false, so the wheel would pass as pure Python")
    run = None
    try:
        target = target_of(wheel, catalog)
        locked = lock.targets.get(target.triple) if lock else None
        with tempfile.TemporaryDirectory(prefix="codex-check-") as scratch:
            root = Path(scratch)
            if known is None:
                contents, inspection = _unpacked(wheel, target, catalog, problems, root)
                problems += _signature_problems(root, _payload(wheel, catalog, contents), catalog, locked)
            else:
                contents, inspection = _assembled_contents(wheel, known, catalog), known.inspection
            problems += record_problems(wheel, contents) + _tag_problems(wheel, target, inspection)
            paths = payload_paths(wheel, catalog)
            works = catalog.works_in(paths)
            texts = ["LICENSE", *(f"LICENSE.{work.name}" for work in works)]
            problems += metadata_problems(wheel.metadata, catalog.license_of(works), texts)
            others = [*paths.values(), f"{wheel.dist_info}sboms/{SBOM}"]
            problems += project_problems(wheel, measure, contents, texts, *others)
            if lock is not None:
                problems += _lock_problems(wheel, target, catalog, lock, contents)
                if environ is not None and known is None and catalog.asks and not problems:
                    run = run_entrypoint(root, target, catalog, lock.version.codex, environ)
    except ReleaseError as error:
        return [*problems, str(error)], None
    platforms = frozenset(tag.platform for tag in wheel.tags)
    expected = frozenset(platform for variant in inspection.variants for platform in variant.platforms)
    optional = filter(catalog.layout.is_optional, catalog.layout.payload(locked.files) if locked else ())
    left_out = frozenset(path for path in optional if path not in paths)
    return problems, Coverage(str(wheel.version), target.triple, platforms, expected, left_out, run)


def target_of(wheel: WheelFile, catalog: Catalog) -> Target:
    """The target of a runtime wheel, by the descriptor in its payload.

    Raises:
        CheckError: if there is none, or it names no target, or another version than the wheel's.
    """
    name = f"{catalog.module}/{catalog.layout.descriptor}"
    described = read_json(wheel.read(name), name, CheckError)
    try:
        target = catalog.target(described.text("target"))
        version = ReleaseVersion.parse(described.text("version")).pep440
    except UsageError as error:
        raise CheckError(f"{name}: {error.what}") from error
    if version != str(wheel.version):
        raise CheckError(f"the payload is of version {version}, the wheel of {wheel.version}")
    return target


def _unpacked(
    wheel: WheelFile, target: Target, catalog: Catalog, problems: list[str], root: Path
) -> tuple[Contents, Inspection]:
    """Unpack the payload to look at it; files that cannot be read are added to the problems."""
    paths = payload_paths(wheel, catalog)
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
    contents, damaged = read_contents(wheel, {name: root / path for path, name in paths.items()})
    problems += damaged
    tree = RuntimeTree(root, _payload(wheel, catalog, contents))
    for path in tree.files:
        (root / path).chmod(catalog.layout.mode(path))
    return contents, inspect_tree(tree, target, catalog.layout)


def _assembled_contents(wheel: WheelFile, known: Assembled, catalog: Catalog) -> Contents:
    """What the files are: the payload as it was verified, the few small ones read from the wheel."""
    prefix = f"{catalog.module}/"
    contents = {}
    for info in wheel.zip.infolist():
        digest = known.files.get(info.filename.removeprefix(prefix)) if info.filename.startswith(prefix) else None
        if digest is None:
            digest = digested([wheel.read(info.filename)])
        elif digest.size != info.file_size:
            raise CheckError(f"{info.filename} has {info.file_size} bytes in the wheel, {digest.size} in the runtime")
        contents[info.filename] = digest
    return contents


def _tag_problems(wheel: WheelFile, target: Target, inspection: Inspection) -> list[str]:
    """Whether every executable keeps the promise of every tag."""
    return [
        f"{path} breaks the promise of {tag.platform}: {reason}"
        for path, executable in inspection.executables.items()
        for tag in sorted(wheel.tags, key=str)
        if (reason := broken_promise(tag.platform, target, executable))
    ]


def _lock_problems(wheel: WheelFile, target: Target, catalog: Catalog, lock: Lock, contents: Contents) -> list[str]:
    """Whether the payload is the locked one; only optional files may be left out, see `tags.variants`."""
    payload = _payload(wheel, catalog, contents)
    try:
        locked = lock.require(ReleaseVersion.parse(str(wheel.version)), target)
        expected = {
            path: digest
            for path, digest in catalog.layout.payload(locked.files).items()
            if path in payload or not catalog.layout.is_optional(path)
        }
        compare_files(expected, payload, expected_by="the lock", found_in="the wheel")
    except (LockError, UsageError) as error:
        return [str(error)]
    return []


def _signature_problems(root: Path, paths: Iterable[str], catalog: Catalog, locked: LockedTarget | None) -> list[str]:
    """Where the unpacked executables' own signatures do not hold, or are not what the lock says of them, if it does."""
    said, problems = locked.code_signatures if locked else {}, []
    for path in paths:
        try:
            with opened(root / path) as image:
                found = examine(replace(image, name=path), catalog.code_signing)
        except (InspectError, SignatureError) as error:
            problems.append(str(error))
        else:
            if said and said.get(path) != found:
                words = found or "nothing that can be signed"
                problems.append(f"{path} is {words}, the lock says {said.get(path, 'nothing of it')}")
    return problems


def _payload(wheel: WheelFile, catalog: Catalog, contents: Contents) -> dict[str, FileDigest]:
    """What each file of the runtime is, by its path, of those that can be read."""
    return {path: contents[name] for path, name in payload_paths(wheel, catalog).items() if name in contents}


def _mode_problems(wheel: WheelFile, catalog: Catalog) -> list[str]:
    problems = []
    for info in wheel.zip.infolist():
        path = info.filename.removeprefix(f"{catalog.module}/")
        wanted = catalog.layout.mode(path) if path != info.filename else 0o644
        mode = info.external_attr >> 16 & 0o7777
        if mode != wanted:
            problems.append(f"{info.filename} has mode {mode:04o}, its role wants {wanted:04o}")
    return problems


def _sbom_problems(wheel: WheelFile, catalog: Catalog) -> list[str]:
    """Whether the bill of materials (PEP 770) is of this wheel, and lists each file of the payload as RECORD does."""
    name = f"{wheel.dist_info}sboms/{SBOM}"
    try:
        document = read_json(wheel.read(name), name, CheckError)
        subject = document.table("metadata").table("component").text("bom-ref")
        files = [each for each in document.tables("components") if each.text("type") == "file"]
        listed = {
            each.text("name"): record_hash(digest.text("content")) for each in files for digest in each.tables("hashes")
        }
    except CheckError as error:
        return [str(error)]
    except ValueError as error:
        return [f"{name} has a digest that is none: {error}"]
    shipped = {
        path: row.hash for path, entry in payload_paths(wheel, catalog).items() if (row := wheel.record.get(entry))
    }
    problems = [
        f"{path} is {listed.get(path, 'nothing')} in the bill of materials, {shipped.get(path, 'nothing')} in RECORD"
        for path in sorted({*listed, *shipped})
        if listed.get(path) != shipped.get(path)
    ]
    if subject != f"pkg:pypi/{wheel.distribution}@{wheel.version}":
        problems.append(f"the bill of materials is that of {subject}")
    return problems


def payload_paths(wheel: WheelFile, catalog: Catalog) -> dict[str, str]:
    """The runtime's own files, all below the package but the Python files of the template: their names by their paths.

    The paths are those in the runtime's tree, the names those in the wheel.
    """
    prefix = f"{catalog.module}/"
    below = {name[len(prefix) :]: name for name in wheel.names if name.startswith(prefix) and not name.endswith("/")}
    return {path: name for path, name in below.items() if path not in _OWN}
