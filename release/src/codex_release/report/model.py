"""What a release report says: the schema of ``release.json``, as frozen values.

Sizes are in bytes, durations in seconds, moments in UTC (ISO 8601), digests are sha256 in hex, versions as Codex writes
them. Each command fills in one section. The schema grows by fields with defaults, which older readers pass over;
`SCHEMA` changes when a field changes its meaning. Pure values.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from codex_release.publish.result import PublishedFile, PublishResult, Step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codex_release.rehearse.rehearsal import RehearsalResult

__all__ = [
    "SCHEMA",
    "ArchiveOrigin",
    "BuildSection",
    "BuiltFile",
    "Component",
    "Origin",
    "Previous",
    "PublishSection",
    "PublishedFile",
    "RehearseSection",
    "ReleaseReport",
    "SignedCode",
    "Step",
]

SCHEMA = 1
"""The version of ``release.json``."""


@dataclass(frozen=True)
class Component:
    """One file inside a wheel's payload.

    Attributes:
        path: its place in the runtime tree, e.g. ``bin/codex``.
        size: in bytes.
        sha256: of its bytes.
        compressed: what it takes in the wheel, in bytes; `None` where no wheel is known, as in a lock.
    """

    path: str
    size: int
    sha256: str = ""
    compressed: int | None = None


@dataclass(frozen=True)
class BuiltFile:
    """One wheel or sdist.

    Attributes:
        name: its file name; empty if only its payload is known, as from a lock.
        project: the distribution, e.g. ``codex-cli-bin``.
        kind: ``wheel`` or ``sdist``.
        size: in bytes; 0 if only its payload is known.
        sha256: of its bytes.
        target: the target triple; empty for the client.
        tags: the wheel's tags, one by one (PEP 425).
        limit: the largest file its project may upload, in bytes; 0 if none is known.
        seconds: how long it took to make, of a reused file what it took then; `None` if that is not known.
        reused: whether it was there unchanged.
        components: the payload of a runtime wheel, the largest first.
    """

    name: str
    project: str
    kind: str
    size: int
    sha256: str
    target: str = ""
    tags: tuple[str, ...] = ()
    limit: int = 0
    seconds: float | None = None
    reused: bool = False
    components: tuple[Component, ...] = ()


@dataclass(frozen=True)
class ArchiveOrigin:
    """An archive that is known to hold a runtime's files.

    Attributes:
        source: who serves it, e.g. ``npm``.
        name: its file name there.
        size: in bytes.
        sha256: of its bytes.
    """

    source: str
    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class SignedCode:
    """What executables' own signatures prove, of those that are signed alike.

    Attributes:
        state: ``verified``, ``digest-intact``, ``ad-hoc`` or ``unsigned``, see `facts.signatures`.
        files: the executables, by their places in the runtime tree.
        signer: whom the certificate names, if there is one.
        team: macOS: the developer team.
        flags: macOS: what the signature asks of the system, e.g. ``runtime``.
    """

    state: str
    files: tuple[str, ...]
    signer: str = ""
    team: str = ""
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Origin:
    """Where the runtime of one target comes from, by the lock.

    Attributes:
        target: the target triple.
        archives: whose files are these, byte for byte.
        signature: ``verified``, ``absent``, ``unsupported`` or ``unchecked``, see `facts.signatures`; empty if unasked.
        identity: who signed, if verified.
        issuer: who vouches for that identity, if verified.
        code: what the executables' own signatures prove.
    """

    target: str
    archives: tuple[ArchiveOrigin, ...] = ()
    signature: str = ""
    identity: str = ""
    issuer: str = ""
    code: tuple[SignedCode, ...] = ()


@dataclass(frozen=True)
class BuildSection:
    """What ``build`` made, or what lies in a directory of finished files.

    Attributes:
        finished: when.
        files: every file, in the order of the release: the runtimes by target, then the client.
        seconds: how long all of it took; `None` if that is not known.
        toolkit: the version of this toolkit.
        python: of the interpreter that ran it.
        host: the machine, as ``platform.platform()`` names it.
        locked: whether every payload was held against the lock.
    """

    finished: str
    files: tuple[BuiltFile, ...]
    seconds: float | None = None
    toolkit: str = ""
    python: str = ""
    host: str = ""
    locked: bool = True


@dataclass(frozen=True)
class PublishSection(PublishResult):
    """What ``publish`` did, see `PublishResult`.

    Attributes:
        finished: when.
    """

    finished: str = ""

    @classmethod
    def of(cls, result: PublishResult, finished: str) -> PublishSection:
        """The section of a publication."""
        return cls(**{each.name: getattr(result, each.name) for each in fields(PublishResult)}, finished=finished)


@dataclass(frozen=True)
class RehearseSection:
    """What ``rehearse`` did.

    Attributes:
        finished: when.
        outcome: ``passed`` or ``failed``.
        targets: the triples that were rehearsed.
        files: the sha256 of each file that was rehearsed, by its name.
        steps: from the lock to the turn.
        seconds: how long all of it took.
        problem: why it failed, as one line.
    """

    finished: str
    outcome: str
    targets: tuple[str, ...]
    files: Mapping[str, str]
    steps: tuple[Step, ...] = ()
    seconds: float = 0.0
    problem: str = ""

    @classmethod
    def of(cls, result: RehearsalResult, finished: str) -> RehearseSection:
        """The section of a rehearsal."""
        return cls(finished, **{each.name: getattr(result, each.name) for each in fields(cls)[1:]})


@dataclass(frozen=True)
class Previous:
    """The release before, to compare with.

    Attributes:
        version: of the runtime.
        files: what it was made of; from a lock, payloads alone.
        source: what told so, e.g. a file's name.
    """

    version: str
    files: tuple[BuiltFile, ...]
    source: str = ""

    def earlier(self, file: BuiltFile) -> BuiltFile | None:
        """What a file replaces: of the same project, kind and target, and by its tags if there are several."""
        alike = [
            each
            for each in self.files
            if (each.project, each.kind, each.target) == (file.project, file.kind, file.target)
        ]
        same_tags = [each for each in alike if each.tags == file.tags]
        if len(same_tags) == 1:
            return same_tags[0]
        # A release may move its tags, to a newer macOS for instance; its only wheel still is the one to compare with.
        return alike[0] if len(alike) == 1 else None


@dataclass(frozen=True)
class ReleaseReport:
    """All of it.

    Attributes:
        version: the runtime, as Codex writes it.
        tag: the upstream release's git tag.
        python_version: the runtime in PEP 440's spelling.
        repository: the upstream repository, owner and name.
        schema: see `SCHEMA`.
        client_version: of the client (PEP 440), if it is there.
        build, publish, rehearse: each command's section, if it ran on these files.
        origins: where the runtimes come from, by target.
        previous: the release before, if it is known.
    """

    version: str
    tag: str
    python_version: str
    repository: str
    schema: int = SCHEMA
    client_version: str = ""
    build: BuildSection | None = None
    publish: PublishSection | None = None
    rehearse: RehearseSection | None = None
    origins: tuple[Origin, ...] = ()
    previous: Previous | None = None

    @property
    def files(self) -> tuple[BuiltFile, ...]:
        """Every file that was built; none if that is not known."""
        return self.build.files if self.build else ()

    @property
    def again(self) -> str:
        """The client's version, if the runtime is released with another client than its first one."""
        return "" if self.client_version == self.python_version else self.client_version

    @property
    def title(self) -> str:
        """What is released, as a heading."""
        return f"Codex {self.version} in Python wheels" + (f", client {self.again}" if self.again else "")

    def without_stale_sections(self) -> ReleaseReport:
        """The same without what `publish` and `rehearse` say of other bytes than those that are there now."""
        present = {each.name: each.sha256 for each in self.files}
        # What a client alone was published with was on the index already, and need not be here.
        publish = self.publish and {
            each.name: each.sha256 for each in self.publish.files if each.name in present or each.outcome != "present"
        }
        rehearse = self.rehearse and dict(self.rehearse.files)
        return replace(
            self,
            publish=self.publish if publish and publish.items() <= present.items() else None,
            rehearse=self.rehearse if rehearse and rehearse.items() <= present.items() else None,
        )
