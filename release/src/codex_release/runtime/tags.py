"""From what executables need to the platform tags a wheel may carry (PEP 425, 513, 600, 656). Pure decisions.

A tag is a promise: wherever a tool accepts it, every executable of the wheel can start. Tags therefore come from the
executables. A static Linux executable runs under any libc and so earns manylinux *and* musllinux tags; a dynamic one
needs the glibc of the newest symbol version it asks for. macOS executables name the oldest system they run on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codex_release.base.errors import InspectError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from codex_release.facts.targets import Target
    from codex_release.runtime.headers import Executable

__all__ = ["Variant", "broken_promise", "dotted", "variants", "wheel_tag"]

_GLIBC_FLOOR = (2, 17)
"""The oldest glibc a tag is written for; older systems have no Python that the wheels support."""
_GLIBC_ALIASES = {"manylinux_2_17": "manylinux2014"}
"""The names of before PEP 600, for tools that know no others."""
_MUSL_FLOOR = (1, 1)
_GLIBC_LOADER = re.compile(r"/lib(?:64)?/ld(?:64|-linux-[\w-]+)\.so\.\d", re.ASCII)
"""Where distributions of glibc have its dynamic linker; what asks for another one starts on none of them."""
_MACOS_FLOORS = {"x86_64": (10, 9), "arm64": (11, 0)}
"""The oldest macOS a tag is written for, by machine; installers know no tag of Apple silicon before macOS 11."""


@dataclass(frozen=True)
class Variant:
    """One wheel that a target yields.

    Attributes:
        platforms: its platform tags, sorted.
        left_out: the optional executables that are not in it, because they would break one of these tags.
    """

    platforms: tuple[str, ...]
    left_out: frozenset[str] = frozenset()


def variants(
    target: Target, executables: Mapping[str, Executable], is_optional: Callable[[str], bool]
) -> tuple[Variant, ...]:
    """The wheels to make from a tree.

    Usually one. If an optional executable needs more than the others, there are two: one that has everything and
    tags as narrow as that needs, and one for all other systems that does without it. They share no tag, and installers
    prefer the narrower where they accept both.

    Args:
        target: what the executables are for.
        executables: by their path in the tree.
        is_optional: whether the runtime works without the file at a path.

    Raises:
        InspectError: if there are no required executables, or they fit under no tag.
    """
    required = {path: each for path, each in executables.items() if not is_optional(path)}
    if not required:
        raise InspectError(f"the runtime for {target.triple} has no executable")
    widest = _platforms(target, required)
    if not widest:
        needs = [f"{path} needs {each.interpreter}" for path, each in required.items() if not _glibc_needed(each)]
        raise InspectError(f"the executables for {target.triple} fit under no wheel tag: {', '.join(needs)}")
    everything = _platforms(target, executables)
    found = [Variant(everything)] if everything else []
    if others := tuple(tag for tag in widest if tag not in everything):
        breaking = {path for path in executables.keys() - required.keys() if _breaks(others, target, executables[path])}
        found.append(Variant(others, frozenset(breaking)))
    for variant in found:
        for path in sorted(executables.keys() - variant.left_out):
            if broken := _breaks(variant.platforms, target, executables[path]):
                raise InspectError(f"{path} fits under no wheel tag for {target.triple}: {broken}")
    return tuple(found)


def wheel_tag(platforms: tuple[str, ...]) -> str:
    """The compressed tag set of a wheel for any Python 3, e.g. ``py3-none-win_amd64``."""
    return f"py3-none-{'.'.join(platforms)}"


def broken_promise(platform: str, target: Target, executable: Executable) -> str | None:
    """Why an executable cannot keep the promise of a platform tag, or `None` if it does."""
    for name, alias in _GLIBC_ALIASES.items():
        platform = re.sub(rf"^{alias}_", f"{name}_", platform)
    for pattern, (kind, judge) in _JUDGES.items():
        if match := re.fullmatch(pattern, platform):
            tag = match.groupdict()
            if tag["arch"] != target.arch:
                return f"it is for {target.arch}"
            if target.machine not in executable.machines:
                return f"it is for {'+'.join(executable.machines)}"
            if executable.format != kind:
                return f"it is {executable.format}"
            return judge((int(tag.get("major", 0)), int(tag.get("minor", 0))), executable)
    return "that tag is not known"


def _manylinux(promised: tuple[int, int], executable: Executable) -> str | None:
    needed = _glibc_needed(executable)
    if needed is None:
        return f"it needs the interpreter {executable.interpreter}"
    return f"it needs glibc {dotted(needed)}" if needed > promised else None


def _musllinux(_: tuple[int, int], executable: Executable) -> str | None:
    return None if executable.static else f"it is not static but needs {executable.interpreter}"


def _macos(promised: tuple[int, int], executable: Executable) -> str | None:
    if executable.minos is None:
        return "it names no oldest macOS"
    return f"it needs macOS {dotted(executable.minos)}" if executable.minos > promised else None


_VERSION = r"(?P<major>0|[1-9][0-9]{0,3})_(?P<minor>0|[1-9][0-9]{0,3})"  # with zeros in front, no installer knows it

_JUDGES: dict[str, tuple[str, Callable[[tuple[int, int], Executable], str | None]]] = {
    rf"manylinux_{_VERSION}_(?P<arch>\w+)": ("elf", _manylinux),
    rf"musllinux_{_VERSION}_(?P<arch>\w+)": ("elf", _musllinux),
    rf"macosx_{_VERSION}_(?P<arch>x86_64|arm64)": ("mach-o", _macos),
    r"win_(?P<arch>amd64|arm64)": ("pe", lambda *_: None),
}
"""Of each kind of tag the format of executables, and what else they break of its promise."""


def _breaks(platforms: tuple[str, ...], target: Target, executable: Executable) -> str | None:
    """The first of the tags whose promise an executable cannot keep, and why."""
    for platform in platforms:
        if reason := broken_promise(platform, target, executable):
            return f"{platform}: {reason}"
    return None


def _platforms(target: Target, executables: Mapping[str, Executable]) -> tuple[str, ...]:
    """The widest set of tags that all these executables keep; empty if there is none."""
    return tuple(sorted(_PLATFORMS[target.format](target, executables)))


def _linux_platforms(target: Target, executables: Mapping[str, Executable]) -> list[str]:
    tags = []
    needs = [_glibc_needed(each) for each in executables.values()]
    known = [need for need in needs if need is not None]
    if len(known) == len(needs):
        glibc = max([_GLIBC_FLOOR, *known])
        name = f"manylinux_{glibc[0]}_{glibc[1]}"
        tags += [f"{each}_{target.arch}" for each in (name, _GLIBC_ALIASES.get(name)) if each]
    if all(each.static for each in executables.values()):
        tags.append(f"musllinux_{_MUSL_FLOOR[0]}_{_MUSL_FLOOR[1]}_{target.arch}")
    return tags


def _macos_platforms(target: Target, executables: Mapping[str, Executable]) -> list[str]:
    oldest = [_MACOS_FLOORS[target.arch]]
    for path, each in executables.items():
        if each.minos is None:
            raise InspectError(f"{path} names no oldest macOS, so no tag can be derived")
        oldest.append(each.minos)
    major, minor = max(oldest)
    # From macOS 11 on installers only know minor version 0, so 11.3 has to be promised as 12.0.
    if major >= 11 and minor > 0:
        major, minor = major + 1, 0
    return [f"macosx_{major}_{minor}_{target.arch}"]


_PLATFORMS: dict[str, Callable[[Target, Mapping[str, Executable]], list[str]]] = {
    "elf": _linux_platforms,
    "mach-o": _macos_platforms,
    "pe": lambda target, _: [f"win_{target.arch}"],
}


def _glibc_needed(executable: Executable) -> tuple[int, int] | None:
    """The glibc an executable needs: (0, 0) if it is static, `None` if it is dynamic and not for glibc."""
    if executable.static:
        return (0, 0)
    if executable.interpreter is not None and not _GLIBC_LOADER.fullmatch(executable.interpreter):
        return None
    return executable.glibc or (0, 0)


def dotted(version: tuple[int, int]) -> str:
    """A version as people write it."""
    return f"{version[0]}.{version[1]}"
