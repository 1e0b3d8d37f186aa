"""`release/targets.toml` as typed values: every platform fact, and which of them this machine is.

A `Target` is one Rust triple. Adding a platform is adding a table to the file; no code here or elsewhere asks for a
particular triple.
"""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TypeVar

from codex_release.base.errors import UsageError
from codex_release.base.table import read_toml
from codex_release.facts.target_rules import require_rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "Catalog",
    "CodeSigning",
    "Emulator",
    "GitHubFacts",
    "Layout",
    "NpmFacts",
    "ResolutionFacts",
    "Target",
    "Work",
]

T = TypeVar("T")


@dataclass(frozen=True)
class Emulator:
    """What runs a target's executables on another machine, called in front of them.

    Attributes:
        programs: the names to look for, the best first.
        package: the Debian package that has it.
        oldest: the first major version that runs Codex.
        asks: what the runtime can be asked there.
        unable: the exit codes that say that the emulator lacks something; of a signal, 128 and its number.
        environ: the variables it needs, as ``NAME=value``; ``{scratch}`` is a directory that is removed afterwards.
    """

    programs: tuple[str, ...]
    package: str
    oldest: int
    asks: tuple[str, ...]
    unable: tuple[str, ...] = ()
    environ: tuple[str, ...] = ()


@dataclass(frozen=True)
class Target:
    """One platform that Codex is built for.

    Attributes:
        triple: the Rust target triple, e.g. ``x86_64-unknown-linux-musl``.
        format: the executables' format: ``elf``, ``mach-o`` or ``pe``.
        machine: the instruction set the executables must be for, ``x86_64`` or ``aarch64``.
        arch: the machine's name in wheel platform tags (PEP 425), e.g. ``amd64`` on Windows.
        exe: the suffix of executables, ``.exe`` or nothing.
        npm: the suffix of the npm platform package, e.g. ``linux-x64``.
        runner: the CI runner that is such a machine.
        cibuildwheel_platform: what cibuildwheel calls its system, e.g. ``macos``.
        cibuildwheel_arch: what cibuildwheel calls its machine, e.g. ``AMD64``.
        system: what ``sys.platform`` says there.
        machines: what ``platform.machine()`` may say there.
        systems: where pip must take its wheels, by the newest platform tag that a system accepts (PEP 425).
        emulator: what runs its executables elsewhere, if something is known to.
    """

    triple: str
    format: str
    machine: str
    arch: str
    exe: str
    npm: str
    runner: str
    cibuildwheel_platform: str
    cibuildwheel_arch: str
    system: str
    machines: tuple[str, ...]
    systems: tuple[str, ...]
    emulator: Emulator | None = None

    @property
    def is_host(self) -> bool:
        """Whether its executables run on this machine."""
        return self.system == sys.platform and platform.machine() in self.machines

    def fill(self, pattern: str) -> str:
        """A name pattern of the data file with this target's facts put in; ``{version}`` and the like stay."""
        return pattern.replace("{triple}", self.triple).replace("{exe}", self.exe).replace("{npm}", self.npm)


@dataclass(frozen=True)
class Layout:
    """What a runtime tree looks like; patterns are globs over its paths (see `matches`)."""

    descriptor: str
    entrypoint: str
    path_dir: str
    prefixes: tuple[str, ...]
    ignored: tuple[str, ...]
    executables: tuple[str, ...]
    optional: tuple[str, ...]
    excluded: tuple[str, ...]
    renames: Mapping[str, str]

    def is_executable(self, path: str) -> bool:
        """Whether a file of the tree may run: it gets mode 0755 and is inspected."""
        return matches(path, self.executables)

    def is_optional(self, path: str) -> bool:
        """Whether the runtime works without this file."""
        return matches(path, self.optional)

    def is_excluded(self, path: str) -> bool:
        """Whether this file stays out of trees and wheels."""
        return matches(path, self.excluded)

    def payload(self, files: Mapping[str, T]) -> dict[str, T]:
        """What trees and wheels have of files, which are given by their paths."""
        return {path: each for path, each in files.items() if not self.is_excluded(path)}

    def mode(self, path: str) -> int:
        """The permission bits of a file, by its role alone; what an archive says is not asked."""
        return 0o755 if self.is_executable(path) else 0o644


@dataclass(frozen=True)
class GitHubFacts:
    """Where and under which names GitHub serves releases, and who signs them.

    Attributes:
        repository: its owner and name.
        checksums: the asset with the sha256 of the others.
        archives: the names of a target's archives, the best first.
        bundle: the name of the Sigstore bundle of a target's entrypoint.
        signer: the identity in that bundle's certificate.
        issuer: the OIDC issuer that vouches for the identity.
    """

    repository: str
    checksums: str
    archives: tuple[str, ...]
    bundle: str
    signer: str
    issuer: str


@dataclass(frozen=True)
class NpmFacts:
    """Under which names npm serves releases."""

    package: str
    version: str
    archive: str


@dataclass(frozen=True)
class CodeSigning:
    """Who may sign executables for macOS.

    Attributes:
        teams: the developer teams.
        roots: the sha256 of the root certificates that may vouch for them, in hex.
    """

    teams: tuple[str, ...]
    roots: tuple[str, ...]


@dataclass(frozen=True)
class Work:
    """A work of others that a payload may have beside Codex itself.

    Attributes:
        name: what it is called, and the text of its license.
        files: its files; see `matches`.
        license: an SPDX expression.
    """

    name: str
    files: tuple[str, ...]
    license: str


@dataclass(frozen=True)
class ResolutionFacts:
    """What pip is asked about an index that has a release, beside each target's own systems.

    Attributes:
        pythons: the versions of CPython.
        unsupported: systems where no wheel may be taken, by their newest platform tag (PEP 425).
    """

    pythons: tuple[str, ...]
    unsupported: tuple[str, ...]


@dataclass(frozen=True)
class Catalog:
    """All of `release/targets.toml`.

    Attributes:
        distribution: the runtime's distribution name.
        module: its import package, the directory of the payload in a wheel.
        license: that of Codex itself, and of this project (SPDX).
        works: what is not Codex's own in a payload.
        asks: what its entrypoint is asked wherever that can run.
        size_limits: the largest file each project may upload, in bytes.
        glibc_images: cibuildwheel's container images by the glibc they have, e.g. ``2.17``.
        project_size: what all files of a project together may come to on an index, in bytes.
        resolution: what is asked of an index.
    """

    distribution: str
    module: str
    license: str
    works: tuple[Work, ...]
    asks: tuple[str, ...]
    targets: tuple[Target, ...]
    layout: Layout
    github: GitHubFacts
    npm: NpmFacts
    code_signing: CodeSigning
    size_limits: Mapping[str, int]
    glibc_images: Mapping[str, str]
    project_size: int
    resolution: ResolutionFacts

    @classmethod
    def load(cls, path: Path) -> Catalog:
        """Read the data file.

        Raises:
            WorkspaceError: if it is missing, no TOML, lacks or misspells a fact, or has a path that is not safe, or a
                word or a placeholder that nothing knows.
        """
        data = read_toml(path)
        runtime, sources, index = data.table("runtime"), data.table("sources"), data.table("index")
        targets = data.each("targets")
        emulators = {triple: table.filled(Emulator) for triple, table in data.each("emulators")}
        catalog = cls(
            distribution=runtime.text("distribution"),
            module=runtime.text("module"),
            license=runtime.text("license"),
            works=tuple(table.filled(Work, name=name) for name, table in data.each("works")),
            asks=runtime.texts("asks"),
            targets=tuple(
                table.filled(Target, triple=triple, emulator=emulators.pop(triple, None)) for triple, table in targets
            ),
            layout=data.table("layout").filled(Layout),
            github=sources.table("github").filled(GitHubFacts),
            npm=sources.table("npm").filled(NpmFacts),
            code_signing=data.table("code_signing").filled(CodeSigning),
            size_limits={name: data.table("size_limits").number(name) for name in data.table("size_limits")},
            glibc_images=data.mapping("glibc_images"),
            project_size=index.number("project_size"),
            resolution=data.table("resolution").filled(ResolutionFacts),
        )
        for triple in emulators:
            data.table("emulators").refuse(triple, "is no target")
        require_rules(data)
        return catalog

    @cached_property
    def triples(self) -> tuple[str, ...]:
        """The triples of all targets, in the file's order."""
        return tuple(target.triple for target in self.targets)

    @property
    def client(self) -> str:
        """The distribution name of the client: the other project of a release."""
        return next(project for project in self.size_limits if project != self.distribution)

    def works_in(self, paths: Iterable[str]) -> tuple[Work, ...]:
        """The works of others that are among the files of a payload."""
        found = list(paths)
        return tuple(each for each in self.works if any(matches(path, each.files) for path in found))

    def license_of(self, works: Iterable[Work]) -> str:
        """The license of a wheel that has these works (an SPDX expression)."""
        terms = (f"({each.license})" if " OR " in each.license else each.license for each in works)
        return " AND ".join((self.license, *terms))

    def only(self, triples: Iterable[str]) -> Catalog:
        """The same for fewer targets; a release of it is complete with their wheels."""
        wanted = set(triples)
        return replace(self, targets=tuple(target for target in self.targets if target.triple in wanted))

    def limited(self, size: int) -> Catalog:
        """The same with another limit, in bytes, for the files of both projects."""
        return replace(self, size_limits=dict.fromkeys(self.size_limits, size))

    def target(self, triple: str) -> Target:
        """The target of a triple.

        Raises:
            UsageError: if there is none.
        """
        for target in self.targets:
            if target.triple == triple:
                return target
        raise UsageError(f"{triple!r} is not a target", remedy=f"choose one of {', '.join(self.triples)}")

    def host(self) -> Target:
        """The target whose executables run on this machine.

        Raises:
            UsageError: if Codex is not built for it.
        """
        for target in self.targets:
            if target.is_host:
                return target
        raise UsageError(
            f"Codex is not built for {sys.platform} on {platform.machine()}",
            remedy=f"name a target with --target, one of {', '.join(self.triples)}",
        )


def matches(path: str, patterns: Iterable[str]) -> bool:
    """Whether a POSIX path matches one of the glob patterns; ``**`` at the end takes everything below.

    ``fnmatch`` lets ``*`` cross a slash; here it does not, so ``bin/*`` means the files right in ``bin``.
    """
    candidate = PurePosixPath(path)
    for pattern in patterns:
        if pattern.endswith("/**"):
            if path.startswith(pattern[:-2]):
                return True
        elif len(candidate.parts) == pattern.count("/") + 1 and candidate.match(pattern):
            return True
    return False
