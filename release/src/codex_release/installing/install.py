"""Installing a runtime: its verified files, the package around them and the metadata, put into place at once.

hatchling makes the package and its metadata as for the wheel; they are what the wheel would install.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.tags import platform_tags

from codex_release.base.digests import FileDigest, digested
from codex_release.base.errors import RuntimeSetupError, SourceError
from codex_release.base.switch import Item, Switch, exclusive, finish_broken_off, staged
from codex_release.base.words import byte_count
from codex_release.installing.console_script import console_script
from codex_release.installing.installed import dist_infos, owner_of, whats_wrong
from codex_release.runtime.inspection import inspect_tree
from codex_release.wheels.assembler import skeleton_files
from codex_release.wheels.backend import Backend
from codex_release.wheels.record import record_text
from codex_release.wheels.stage import fill_runtime
from codex_release.wheels.wheel_file import read_entry_points

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from codex_release.context import Context
    from codex_release.installing.plan import Plan
    from codex_release.runtime.tags import Variant
    from codex_release.runtime.tree import RuntimeTree

__all__ = ["install"]

_INSTALLER = b"codex-release\n"
_PACKAGES, _SCRIPTS = 0, 1
"""The two places that things are put into."""
_SCRATCH = "skeleton"
"""Where hatchling works, beside what is being made: who finds what a killed process left takes that away too."""
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_CLOSED = {errno.EACCES, errno.EPERM, errno.EROFS}


def install(plan: Plan, context: Context) -> bool:
    """Install what is planned, unless somebody else does so while this waits.

    Returns:
        whether it was installed here.

    Raises:
        ReleaseError: if it cannot be; what was there is still there.
    """
    environment, module = plan.environment, plan.catalog.module
    if environment.is_managed:
        raise RuntimeSetupError(
            f"the packages of {environment.python} are managed by the system's package manager",
            remedy="make a virtual environment (python -m venv DIR) and name its interpreter with --python, or a "
            "directory with --install-target",
        )

    def wait() -> None:
        context.progress.note(f"{environment.site}: another process is installing there, waiting for it")

    with _explained(plan, context), exclusive(environment.site, module, wait):
        finish_broken_off(module, (environment.site, environment.scripts))
        wrong = whats_wrong(environment.site, plan.runtime.version.pep440, plan.expected, plan.catalog)
        if wrong is not None:
            context.progress.note(f"installing {plan.catalog.distribution} {plan.runtime.version.pep440}: {wrong}")
            _replace(plan, context)
    _forget_imported(module, environment.site)
    return wrong is not None


def _replace(plan: Plan, context: Context) -> None:
    """Make everything beside its place, and switch."""
    environment, module = plan.environment, plan.catalog.module
    before = dist_infos(environment.site, plan.catalog.distribution)
    _refuse_foreign(plan, before)
    with (
        Backend(context.settings.epoch) as backend,
        staged(module, (environment.site, environment.scripts)) as stage,
    ):
        backend.start()  # it takes as long to load as the runtime takes to be copied
        tree = context.fetcher.copied(plan.runtime, stage.new((_PACKAGES, module)))
        variant = _variant(plan, tree)
        shipped = tree.without(variant.left_out)
        for path in variant.left_out:
            (tree.root / path).unlink()
        skeleton = _skeleton(plan, shipped, variant, stage.new((_PACKAGES, _SCRATCH)), backend)
        dist_info, script = _write_package(plan, shipped, skeleton, stage)
        comes: list[Item] = [(_PACKAGES, module), (_SCRIPTS, script), (_PACKAGES, dist_info)]
        stage.commit(comes, [(_PACKAGES, name) for name in before if name != dist_info])


def _refuse_foreign(plan: Plan, before: Mapping[str, str]) -> None:
    """Leave alone what another distribution has installed under the package's name."""
    site, module = plan.environment.site, plan.catalog.module
    if not before and (site / module).exists() and (owner := owner_of(site, module)):
        raise RuntimeSetupError(
            f"the package {module} in {site} belongs to {owner}",
            remedy="uninstall that, or name another environment with --python",
        )


def _variant(plan: Plan, tree: RuntimeTree) -> Variant:
    """The wheel that pip would choose of those that the target yields: the one with the first tag of this system."""
    variants = inspect_tree(tree, plan.runtime.target, plan.catalog.layout).variants
    for platform in platform_tags():
        for variant in variants:
            if platform in variant.platforms:
                return variant
    needed = ", ".join(platform for variant in variants for platform in variant.platforms)
    raise RuntimeSetupError(f"the runtime does not start on this system; it needs one of: {needed}")


def _skeleton(plan: Plan, shipped: RuntimeTree, variant: Variant, scratch: Path, backend: Backend) -> dict[str, bytes]:
    """What the wheel would hold beside the payload."""
    stage = scratch / "stage"
    stage.mkdir(parents=True)
    fill_runtime(stage, shipped.files, variant, plan.runtime, catalog=plan.catalog, workspace=plan.workspace)
    return skeleton_files(backend.build("wheel", stage, scratch / "skeleton", {"payload": "omit"}))


def _write_package(plan: Plan, shipped: RuntimeTree, skeleton: Mapping[str, bytes], stage: Switch) -> tuple[str, str]:
    """Write what an installer writes of a wheel, the payload excepted; the names of the metadata and the script."""
    environment, module = plan.environment, plan.catalog.module
    (record,) = [name for name in skeleton if name.endswith(".dist-info/RECORD")]
    dist_info = record.partition("/")[0]
    small = {name: content for name, content in skeleton.items() if name != record}
    small[f"{dist_info}/INSTALLER"] = _INSTALLER
    rows: dict[str, FileDigest] = {f"{module}/{path}": digest for path, digest in shipped.files.items()}
    for name, content in small.items():
        rows[name] = _write(stage.new((_PACKAGES, name)), content, 0o644)
    programs = read_entry_points(small[f"{dist_info}/entry_points.txt"].decode("utf-8"))["console_scripts"]
    ((name, entry_point),) = programs.items()
    script, content = console_script(name, entry_point, environment, plan.runtime.target)
    digest = _write(stage.new((_SCRIPTS, script)), content, 0o755)
    rows[_from_site(environment.site, environment.scripts / script)] = digest
    _write(stage.new((_PACKAGES, record)), record_text(rows, record).encode(), 0o644)
    return dist_info, script


def _from_site(site: Path, file: Path) -> str:
    """The path of a file as RECORD has it: relative, unless it lies on another drive."""
    try:
        return Path(os.path.relpath(file, site)).as_posix()
    except ValueError:
        return file.as_posix()


def _write(path: Path, content: bytes, mode: int) -> FileDigest:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
    return digested([content])


def _forget_imported(module: str, site: Path) -> None:
    """Have the running interpreter find what was installed, also if it had imported what was there before."""
    importlib.invalidate_caches()
    imported = getattr(sys.modules.get(module), "__file__", None)
    if imported and Path(imported).parent.parent.resolve() == site.resolve():
        for name in [name for name in sys.modules if name == module or name.startswith(f"{module}.")]:
            del sys.modules[name]


@contextlib.contextmanager
def _explained(plan: Plan, context: Context) -> Iterator[None]:
    """Say of a failure what to do about it."""
    site = plan.environment.site
    try:
        yield
    except SourceError as error:
        remedy = _without_network(plan, context)
        raise RuntimeSetupError(error.what, remedy=remedy, problems=error.problems) from error
    except OSError as error:
        what = f"{plan.catalog.distribution} {plan.runtime.version.pep440} cannot be installed into {site}"
        raise RuntimeSetupError(f"{what}: {error}", remedy=_remedy(plan, error)) from error


def _without_network(plan: Plan, context: Context) -> str:
    """Which files would do, and where to put them."""
    known = [
        f"put {archive.name} (sha256 {archive.digest.sha256}) at {context.cache.archive(archive.digest.sha256)}"
        for archive in plan.runtime.archives.values()
    ]
    asset = plan.runtime.target.fill(plan.catalog.github.archives[0])
    return " or ".join([*known, f"name a directory that holds {asset} in CODEX_RELEASE_SOURCES"])


def _remedy(plan: Plan, error: OSError) -> str | None:
    if error.errno in _FULL:
        size = sum(digest.size for digest in plan.expected.values())
        return f"make room for {byte_count(size)} there"
    if sys.platform == "win32" and isinstance(error, PermissionError):
        return "end every Codex that runs from there, for Windows does not let go of a running program"
    if error.errno in _CLOSED:
        return "let it be written, or name another environment with --python or a directory with --install-target"
    return None
