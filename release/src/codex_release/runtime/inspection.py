"""Looking at a runtime tree: what its executables are, and whether that is what its target promises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from codex_release.base.errors import InspectError
from codex_release.runtime.headers import Executable, Span, looks_executable, opened, read_executable, read_image
from codex_release.runtime.tags import Variant, variants

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from codex_release.facts.targets import Catalog, Layout, Target
    from codex_release.runtime.tree import RuntimeTree

__all__ = ["Inspection", "infer_target", "inspect_file", "inspect_tree"]


@dataclass(frozen=True)
class Inspection:
    """What the executables of a tree are, and the wheels that follow from it.

    Attributes:
        executables: by their path in the tree.
        variants: the wheels to make, see `tags.variants`.
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
        with opened(tree.root / path) as image:
            if found := inspect_file(image, path, target, layout):
                executables[path] = found
    return Inspection(executables, variants(target, executables, layout.is_optional))


def inspect_file(image: Span, path: str, target: Target, layout: Layout) -> Executable | None:
    """What one file of a runtime is; `None` for data.

    Args:
        image: its bytes.
        path: its place in the tree.
        target: what it should be for.
        layout: where executables lie.

    Raises:
        InspectError: see `inspect_tree`.
    """
    if layout.is_executable(path):
        found = read_image(image)
        if found.format != target.format or target.machine not in found.machines:
            raise InspectError(
                f"{path} is {_described(found)}, but {target.triple} needs {target.format} {target.machine}"
            )
        return found
    if looks_executable(image.beginning()):
        raise InspectError(
            f"{path} is an executable, but has no executable's place in the layout",
            remedy="add its pattern to layout.executables in targets.toml",
        )
    return None


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


def _described(executable: Executable) -> str:
    return f"{executable.format} {'+'.join(executable.machines)}"
