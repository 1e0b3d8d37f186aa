"""The lock: what every byte of the pinned runtime must be.

It is content-addressed. For each target it holds the size and sha256 of every file of the runtime tree, and those of
each archive that was seen to contain exactly these files, by source. A source is only a transport, so a tree that
matches is good wherever it came from, and one that does not is refused. Pure values; only `read` and `write` touch
a file.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from codex_release.base.digests import FileDigest
from codex_release.base.errors import LockError, UsageError, system_errors_as
from codex_release.base.paths import path_parts, unsafe_name, whats_unsafe
from codex_release.base.table import Table, parse_toml
from codex_release.facts.signatures import CODE_STATES, STATES, CodeSignature, Signature
from codex_release.facts.versions import ReleaseVersion

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tomlkit.items import InlineTable

    from codex_release.facts.targets import Target

__all__ = ["Lock", "LockedArchive", "LockedTarget", "Runtime", "compare_files"]

_SCHEMA = 1
_REMEDY = "restore it from version control, or delete it and write it anew with: codex-release lock VERSION"
_HEADER = """\
# The pinned runtime: what every byte of it must be. Written by `codex-release lock VERSION`, checked by
# `codex-release lock --check`; not meant to be edited.
"""


@dataclass(frozen=True)
class LockedArchive:
    """An archive as one source serves it: its file name and digest."""

    name: str
    digest: FileDigest


@dataclass(frozen=True)
class LockedTarget:
    """One target's part of the lock.

    Attributes:
        archives: by the name of the source that serves it.
        files: every file of the runtime tree by its path, those that wheels leave out included.
        signature: what was found out about the entrypoint's signature when it was locked; `None` if nobody looked.
        code_signatures: what was found out about each executable's own signature when it was locked, by its path; empty
            if nobody looked, or the format knows none.
    """

    archives: Mapping[str, LockedArchive]
    files: Mapping[str, FileDigest]
    signature: Signature | None = None
    code_signatures: Mapping[str, CodeSignature] = field(default_factory=dict)

    def merged(self, older: LockedTarget) -> LockedTarget:
        """The same with what an older lock knows of the same files: more archives, more about signatures."""
        if older.files != self.files:
            return self
        known = [each for each in (self.signature, older.signature) if each]
        return replace(
            self,
            archives={**older.archives, **self.archives},
            signature=min(known, key=lambda each: STATES.index(each.state), default=None),
            code_signatures=self.code_signatures or older.code_signatures,
        )


@dataclass(frozen=True)
class Runtime:
    """One runtime: a release for one platform.

    Attributes:
        version: the release.
        target: the platform.
        known: what its bytes are: what the lock says, or without one what was found in its archive; `None` as long as
            nothing but a source's published digest vouches for it.
    """

    version: ReleaseVersion
    target: Target
    known: LockedTarget | None = None

    @property
    def archives(self) -> Mapping[str, LockedArchive]:
        """The archives that are known to hold it, by the name of the source that serves it; none if none is."""
        return self.known.archives if self.known else {}

    def __str__(self) -> str:
        """As a person says it."""
        return f"{self.version} for {self.target.triple}"


@dataclass(frozen=True)
class Lock:
    """The pinned release, by target triple."""

    version: ReleaseVersion
    targets: Mapping[str, LockedTarget]

    def require(self, version: ReleaseVersion, target: Target) -> LockedTarget:
        """What the lock says of one target of a version.

        Raises:
            LockError: if it knows another version, or not this target.
        """
        self.require_version(version)
        if target.triple not in self.targets:
            raise LockError(
                f"the lock of {self.version} has no {target.triple}",
                remedy=f"pin it with: codex-release lock {version}",
            )
        return self.targets[target.triple]

    def require_version(self, version: ReleaseVersion) -> None:
        """Insist on the version that it pins.

        Raises:
            LockError: if that is another one.
        """
        if version == self.version:
            return
        # The lock alone would leave the client behind, with the protocol layer of another release.
        newer = f"update the checkout, or move its pin with: codex-release bump --version {version}"
        older = (
            f"check out what pins it, or name another lock: codex-release lock {version} --lock-file FILE writes one"
        )
        raise LockError(
            f"the lock knows {self.version}, not {version}", remedy=newer if version > self.version else older
        )

    def merged(self, older: Lock) -> Lock:
        """The same lock with what sources that did not answer this time had told an older lock.

        Only where version and files agree: then the older archives are known to hold the same bytes.
        """
        if older.version != self.version:
            return self
        targets = {
            triple: now.merged(before) if (before := older.targets.get(triple)) else now
            for triple, now in self.targets.items()
        }
        return replace(self, targets=targets)

    def dumps(self) -> str:
        """The lock as TOML, always in the same order."""
        import tomlkit  # reading needs none of it, and mostly a lock is read

        document = tomlkit.document()
        document["schema"] = _SCHEMA
        document["version"] = str(self.version)
        targets = tomlkit.table(is_super_table=bool(self.targets))
        for triple, locked in sorted(self.targets.items()):
            table = tomlkit.table(is_super_table=True)
            archives, files = tomlkit.table(), tomlkit.table()
            for source, archive in sorted(locked.archives.items()):
                archives[source] = _inline({"name": archive.name, **asdict(archive.digest)})
            for path, digest in sorted(locked.files.items()):
                files[path] = _inline(asdict(digest))
            table["archives"] = archives
            if locked.signature:
                table["signature"] = {key: value for key, value in asdict(locked.signature).items() if value}
            if locked.code_signatures:
                signatures = table["code_signatures"] = tomlkit.table()
                for path, code in sorted(locked.code_signatures.items()):
                    signatures[path] = _inline({key: value for key, value in asdict(code).items() if value})
            table["files"] = files
            targets[triple] = table
        document["targets"] = targets
        return f"{_HEADER}{tomlkit.dumps(document)}"

    @classmethod
    def loads(cls, text: str, name: str) -> Lock:
        """Read a lock; `name` is what an error calls it.

        Raises:
            LockError: if it is not a lock of a known schema, or says something no lock can mean.
        """
        data = parse_toml(text, name, LockError, _REMEDY)
        if (schema := data.number("schema")) != _SCHEMA:
            data.refuse("schema", f"is {schema}, this toolkit reads {_SCHEMA}")
        try:
            version = ReleaseVersion.parse(data.text("version"))
        except UsageError as error:
            raise LockError(f"{name}: version: {error.what}", remedy=_REMEDY) from error
        for triple in data.table("targets"):
            if problem := unsafe_name(triple):
                data.table("targets").refuse(triple, problem)
        return cls(version, {triple: _locked_target(table) for triple, table in data.each("targets")})

    @classmethod
    def read(cls, path: Path) -> Lock:
        """Read a lock file.

        Raises:
            LockError: if it is missing or not a lock.
        """
        with system_errors_as(LockError, f"the lock {path} cannot be read", "name a file that can be read"):
            try:
                text = path.read_text(encoding="utf-8")
            except FileNotFoundError as error:
                raise LockError(
                    f"there is no lock {path}",
                    remedy="write it with: codex-release lock VERSION; or name the one that is meant with --lock-file",
                ) from error
            except UnicodeDecodeError as error:
                raise LockError(f"the lock {path} cannot be read: {error}", remedy=_REMEDY) from error
        return cls.loads(text, str(path))

    def write(self, path: Path) -> None:
        """Write the lock file, whole or not at all.

        Raises:
            LockError: if it cannot be written.
        """
        from codex_release.base.atomic import write_text

        remedy = "make room there and let it be written, or name another file with --lock-file"
        with system_errors_as(LockError, f"the lock {path} cannot be written", remedy):
            write_text(path, self.dumps())


def compare_files(
    expected: Mapping[str, FileDigest],
    found: Mapping[str, FileDigest],
    *,
    expected_by: str,
    found_in: str,
    remedy: str | None = None,
) -> None:
    """Hold the files of a tree against what they must be.

    Args:
        expected: what each file must be.
        found: what each file is.
        expected_by: who says so, for the message, e.g. ``the lock``.
        found_in: where the files are from, for the message, e.g. an archive's name.
        remedy: what to do if they are not.

    Raises:
        LockError: naming the first file that differs with both digests, is missing, or should not be there.
    """
    for path in sorted(expected.keys() | found.keys()):
        want, have = expected.get(path), found.get(path)
        if want == have:
            continue
        if have is None:
            raise LockError(f"{found_in} lacks {path}, which {expected_by} has", remedy=remedy)
        if want is None:
            raise LockError(f"{found_in} has {path}, which {expected_by} does not know", remedy=remedy)
        raise LockError(
            f"{path} of {found_in} has sha256 {have.sha256} ({have.size} bytes), "
            f"but {expected_by} says {want.sha256} ({want.size} bytes)",
            remedy=remedy,
        )


def _inline(values: dict[str, Any]) -> InlineTable:
    import tomlkit

    table = tomlkit.inline_table()
    table.update(values)
    return table


def _locked_target(table: Table) -> LockedTarget:
    for path in table.table("files"):
        if problem := whats_unsafe(path) or ("is no file's path" if "/".join(path_parts(path)) != path else ""):
            table.table("files").refuse(path, problem)
    return LockedTarget(
        archives={source: _locked_archive(entry) for source, entry in table.each("archives")},
        files={path: _file_digest(entry) for path, entry in table.each("files")},
        signature=_signature(table.table("signature")) if "signature" in table else None,
        code_signatures=_code_signatures(table) if "code_signatures" in table else {},
    )


def _signature(table: Table) -> Signature:
    found = table.filled(Signature)
    if found.state not in STATES:
        table.refuse("state", f"is {found.state!r}, not one of {', '.join(STATES)}")
    return found


def _code_signatures(table: Table) -> dict[str, CodeSignature]:
    found = {path: entry.filled(CodeSignature) for path, entry in table.each("code_signatures")}
    for path, each in found.items():
        if each.state not in CODE_STATES or path not in table.table("files"):
            table.table("code_signatures").refuse(path, f"is {each.state!r}, which says nothing of a file of the lock")
    return found


def _locked_archive(entry: Table) -> LockedArchive:
    name = entry.text("name")
    if problem := unsafe_name(name):
        entry.refuse("name", problem)
    return LockedArchive(name, _file_digest(entry))


def _file_digest(entry: Table) -> FileDigest:
    size, sha256 = entry.number("size"), entry.text("sha256")
    if not re.fullmatch("[0-9a-f]{64}", sha256):
        entry.refuse("sha256", f"is {sha256[:80]!r}, which is no sha256 in lower-case hex")
    return FileDigest(size, sha256)
