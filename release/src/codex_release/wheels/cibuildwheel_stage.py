"""Directories in which cibuildwheel verifies finished runtime wheels: it installs and runs them, and builds nothing.

cibuildwheel tests what it has built; so a directory holds one wheel, a backend that hands it over byte for byte, and
what runs in every environment. The settings are those of ``runtime_template/pyproject.toml``, narrowed to what the
wheel's tags promise: where a tag does not reach, nothing is tried.
"""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import tomlkit
from packaging.utils import canonicalize_name
from packaging.version import Version

from codex_release.base.errors import StageError
from codex_release.base.table import read_toml
from codex_release.wheels.stage import staging
from codex_release.wheels.wheel_file import WheelFile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from codex_release.facts.targets import Catalog
    from codex_release.facts.workspace import Workspace

__all__ = ["narrowed", "stage_verification"]

_ROOM = "verification"
"""Of the template, and of a directory: what runs there."""
_BACKEND = {"requires": [], "build-backend": "copy_wheel", "backend-path": [_ROOM]}
_GLIBC = re.compile(r"manylinux_(\d+)_(\d+)_(\w+)", re.ASCII)


def stage_verification(directory: Path, wheel: Path, *, catalog: Catalog, workspace: Workspace) -> None:
    """Make the directory for one wheel.

    Args:
        directory: see `stage.staging`; it appears whole or not at all.
        wheel: a runtime wheel.
        catalog: the data file.
        workspace: where the template is.

    Raises:
        StageError: if the directory is in use, the file is no runtime wheel, or something cannot be read or written.
        CheckError: if the wheel cannot be read.
    """
    with WheelFile.open(wheel) as opened:
        if opened.distribution != canonicalize_name(catalog.distribution):
            raise StageError(f"{wheel} is no wheel of {catalog.distribution}", remedy="name runtime wheels only")
        requires_python = str(opened.metadata["Requires-Python"])
        platforms = sorted(tag.platform for tag in opened.tags)
        version = str(opened.version)
    template = workspace.runtime_template
    settings = read_toml(template / "pyproject.toml").table("tool").table("cibuildwheel").values
    project = {
        "build-system": _BACKEND,
        "project": {"name": catalog.distribution, "version": version, "requires-python": requires_python},
        "tool": {"cibuildwheel": {**settings, **narrowed(platforms, catalog.glibc_images)}},
    }
    with staging(directory, "stage-verification") as scratch:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(template / _ROOM, scratch / _ROOM, ignore=ignored)
        (scratch / "pyproject.toml").write_bytes(tomlkit.dumps(project).encode())
        shutil.copyfile(wheel, scratch / wheel.name)


def narrowed(platforms: Sequence[str], images: Mapping[str, str]) -> dict[str, str]:
    """The settings of cibuildwheel that a wheel's platform tags call for.

    Args:
        platforms: its platform tags (PEP 425, 600, 656), e.g. ``manylinux_2_17_x86_64``.
        images: cibuildwheel's container images by the glibc they have, e.g. ``2.17``.

    Returns:
        the libcs to leave out (``skip``), and for each machine the oldest image that has the glibc it needs.

    Raises:
        StageError: if there is no such image.
    """
    needs = {found[3]: (int(found[1]), int(found[2])) for tag in platforms if (found := _GLIBC.fullmatch(tag))}
    offered = {Version(glibc).release: image for glibc, image in images.items()}
    settings = {}
    for machine, needed in sorted(needs.items()):
        fitting = [glibc for glibc in offered if glibc >= needed]
        if not fitting:
            raise StageError(
                f"no image of cibuildwheel has glibc {needed[0]}.{needed[1]} for {machine}",
                remedy="add one that has to [glibc_images] of release/targets.toml",
            )
        settings[f"manylinux-{machine}-image"] = offered[min(fitting)]
    families = {"manylinux", "musllinux"}
    promised = {family for family in families if any(tag.startswith(family) for tag in platforms)}
    if promised and promised != families:
        settings["skip"] = " ".join(f"*-{family}_*" for family in sorted(families - promised))
    return settings
