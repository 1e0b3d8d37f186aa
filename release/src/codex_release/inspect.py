"""Looking at a runtime tree: what its executables are, and whether that is what its target promises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from codex_release.errors import InspectError
from codex_release.headers import HEAD_SIZE, Executable, looks_executable, read_executable
from codex_release.platform_tags import Variant, variants

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from codex_release.targets import Catalog, Layout, Target
    from codex_release.tree import RuntimeTree

__all__ = ["Inspection", "infer_target", "inspect_tree"]


@dataclass(frozen=True)
class Inspection:
    """What the executables of a tree are, and the wheels that follow from it.

    Attributes:
        executables: by their path in the tree.
        variants: the wheels to make, see `platform_tags.variants`.
    """

    executables: Mapping[str, Executable]
    variants: tuple[Variant, ...]


def inspect_tree(tree: RuntimeTree, target: Target, layout: Layout) -> Inspection:
    """Read every executable of a tree and hold it against its target.

    Raises:
        InspectError: if one is no executable, is truncated, or is for another platform; if a file that should be data
            is an executable; or if no tag can be kept.
    """
    executables = {}
    for path in tree.files:
        file = tree.root / path
        if layout.is_executable(path):
            executables[path] = _matching(file, path, target)
        elif _looks_executable(file):
            raise InspectError(
                f"{path} is an executable, but has no executable's place in the layout",
                remedy="add its pattern to layout.executables in targets.toml",
            )
    return Inspection(executables, variants(target, executables, layout.is_optional))


def infer_target(executable: Path, catalog: Catalog) -> Target:
    """The target that a lone executable is for, by its header.

    Raises:
        InspectError: if it is for none.
    """
    found = read_executable(executable)
    for target in catalog.targets:
        if found.format == target.format and found.machines == (target.machine,):
            return target
    raise InspectError(f"{executable} is {_described(found)}, which is no target")


def _matching(file: Path, path: str, target: Target) -> Executable:
    found = read_executable(file)
    if found.format != target.format or target.machine not in found.machines:
        raise InspectError(f"{path} is {_described(found)}, but {target.triple} needs {target.format} {target.machine}")
    return found


def _described(executable: Executable) -> str:
    return f"{executable.format} {'+'.join(executable.machines)}"


def _looks_executable(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return looks_executable(opened.read(HEAD_SIZE))
    except OSError as error:
        raise InspectError(f"{file} cannot be read: {error.strerror or error}") from error
