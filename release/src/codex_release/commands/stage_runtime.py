"""``stage-runtime``: Make a directory that ``python -m build --wheel`` turns into a runtime wheel."""

from __future__ import annotations

import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from codex_release.base.digests import FileDigest, file_digest
from codex_release.base.errors import ArchiveError, InspectError, LockError, UsageError
from codex_release.base.table import read_json
from codex_release.commands.answer import Answer
from codex_release.commands.options import add, readable, warn_unlocked
from codex_release.facts.lock import Runtime, compare_files
from codex_release.facts.versions import ReleaseVersion
from codex_release.runtime.archive import DirectorySink
from codex_release.runtime.headers import begins_as_executable
from codex_release.runtime.inspection import Inspection, infer_target, inspect_tree
from codex_release.runtime.tags import Variant, broken_promise, wheel_tag
from codex_release.runtime.tree import Expected, RuntimeTree, read_tree, stream_tree
from codex_release.wheels.stage import fill_runtime, staging

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from codex_release.context import Context
    from codex_release.facts.targets import Catalog, Layout, Target


def register(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add(parser, "staging_dir")
    add(parser, "--runtime-version", required=True, help="the Codex release")
    parser.add_argument(
        "runtime",
        type=Path,
        metavar="RUNTIME",
        help="an archive, a package directory, or the executable in one",
    )
    parser.add_argument(
        "--target", metavar="TRIPLE", help="the platform of the runtime; if not given, it is read from the runtime"
    )
    parser.add_argument(
        "--platform-tag",
        metavar="P",
        help="the wheel's platform tag; if not given, the one that its executables support",
    )
    add(parser, "--unlocked")


def run(arguments: argparse.Namespace, context: Context) -> Answer:
    """Stage.

    Raises:
        ReleaseError: if the runtime is not the locked one, or its executables cannot keep the tag.
    """
    catalog, version = context.catalog, ReleaseVersion.parse(arguments.version)
    path = readable(arguments.runtime)
    target = catalog.target(arguments.target) if arguments.target else _target_of(path, catalog)
    if arguments.unlocked:
        warn_unlocked(context, version)
    runtime = context.runtime(version, target, unlocked=arguments.unlocked)
    with tempfile.TemporaryDirectory(prefix="codex-stage-") as scratch:
        if runtime.known is None:
            tree = _tree_of(path, Path(scratch), runtime, catalog.layout)
        else:
            payload = catalog.layout.payload(runtime.known.files)
            around = _package_around(path, payload, target, catalog.layout)
            tree = around or _tree_of(path, Path(scratch), runtime, catalog.layout)
            try:
                compare_files(
                    payload, tree.files, expected_by="the lock", found_in=str(around.root if around else path)
                )
            except LockError as error:
                entrypoint = target.fill(catalog.layout.entrypoint)
                is_alone = around is None and path.is_file() and begins_as_executable(path)
                if is_alone and tree.files.get(entrypoint) == payload.get(entrypoint):
                    remedy = "name it where it lies in its package directory, or name the archive"
                else:
                    remedy = f"name an archive or a package directory of Codex {version}, or the executable in one"
                raise LockError(error.what, remedy=remedy) from error
        inspection = inspect_tree(tree, target, catalog.layout)
        variant = _variant(inspection, target, arguments.platform_tag)
        with staging(arguments.staging_dir, "stage-runtime") as stage:
            workspace = context.workspace
            fill_runtime(stage, tree.files, variant, runtime, catalog=catalog, workspace=workspace, root=tree.root)
    for other in inspection.variants:
        if not arguments.platform_tag and other != variant:
            context.progress.note(
                f"{target.triple} yields a second wheel, for {'.'.join(other.platforms)}; "
                f"stage it with --platform-tag {other.platforms[0]}"
            )
    tag = wheel_tag(variant.platforms)
    data = {"path": str(arguments.staging_dir), "target": target.triple, "tag": tag, "version": version.pep440}
    return Answer(("target", "tag", "path"), [(target.triple, tag, str(arguments.staging_dir))], data)


def _target_of(path: Path, catalog: Catalog) -> Target:
    """What a runtime is for: a package directory says it, an executable shows it, an archive has it in its name."""
    if path.is_dir():
        descriptor = path / catalog.layout.descriptor
        if not descriptor.is_file():
            raise ArchiveError(f"{path} is no package directory: it has no {descriptor.name}")
        return catalog.target(read_json(descriptor.read_bytes(), str(descriptor), ArchiveError).text("target"))
    if begins_as_executable(path):
        return infer_target(path, catalog)
    for target in catalog.targets:
        if target.triple in path.name or f"-{target.npm}." in path.name:
            return target
    raise UsageError(
        f"the name of {path} does not say which target it is for",
        remedy="if it is an archive of Codex, name its target with --target",
    )


def _tree_of(path: Path, scratch: Path, runtime: Runtime, layout: Layout) -> RuntimeTree:
    target = runtime.target
    expected = Expected(layout, target, runtime.version)
    if path.is_dir():
        return read_tree(path, expected)
    name = f"codex-{target.triple}{target.exe}" if begins_as_executable(path) else path.name
    files = stream_tree(path, name, DirectorySink(scratch), expected)
    return RuntimeTree(scratch, layout.payload(files))


def _package_around(
    path: Path, payload: Mapping[str, FileDigest], target: Target, layout: Layout
) -> RuntimeTree | None:
    """What the lock knows of the package directory that a lone executable lies in; `None` if it lies in none.

    Other files may be there too: an installed package has its own.
    """
    entrypoint = PurePosixPath(target.fill(layout.entrypoint))
    for place in (path.absolute(), path.resolve()):
        root = Path(*place.parts[: -len(entrypoint.parts)])
        if place == root / entrypoint and place.is_file() and (root / layout.descriptor).is_file():
            return RuntimeTree(root, {name: file_digest(root / name) for name in payload if (root / name).is_file()})
    return None


def _variant(inspection: Inspection, target: Target, platform_tag: str | None) -> Variant:
    """The wheel to stage: the one with everything, or the fullest that keeps the tag that was asked for."""
    if platform_tag is None:
        return inspection.variants[0]
    platforms = tuple(sorted(set(platform_tag.split("."))))
    reasons: list[str] = []
    for variant in inspection.variants:
        reasons = [
            f"{path} breaks the promise of {platform}: {reason}"
            for path, executable in inspection.executables.items()
            if path not in variant.left_out
            for platform in platforms
            if (reason := broken_promise(platform, target, executable))
        ]
        if not reasons:
            return Variant(platforms, variant.left_out)
    raise InspectError(
        reasons[0], remedy=f"leave --platform-tag out: the tag is {'.'.join(inspection.variants[-1].platforms)}"
    )
