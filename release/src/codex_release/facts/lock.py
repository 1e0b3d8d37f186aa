"""The lock: what every byte of the pinned runtime must be.

It is content-addressed. For each target it holds the size and sha256 of every file of the runtime tree, and those of
each archive that was seen to contain exactly these files, by source. A source is only a transport, so a tree that
matches is good wherever it came from, and one that does not is refused. Pure values; only `read` and `write` touch
a file.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from codex_release.base.digests import FileDigest
from codex_release.base.errors import LockError, UsageError, WorkspaceError
from codex_release.facts.signature import STATES, Signature
from codex_release.facts.toml import parse_toml
from codex_release.facts.versions import ReleaseVersion

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tomlkit.items import InlineTable

    from codex_release.facts.targets import Target

__all__ = ["Lock", "LockedArchive", "LockedTarget", "compare_files"]

_SCHEMA = 1
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
    """

    archives: Mapping[str, LockedArchive]
    files: Mapping[str, FileDigest]
    signature: Signature | None = None

    def merged(self, older: LockedTarget) -> LockedTarget:
        """The same with what an older lock knows of the same files: more archives, more about the signature."""
        if older.files != self.files:
            return self
        known = [each for each in (self.signature, older.signature) if each]
        return replace(
            self,
            archives={**older.archives, **self.archives},
            signature=min(known, key=lambda each: STATES.index(each.state), default=None),
        )


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
        if version != self.version:
            raise LockError(
                f"the lock knows {self.version}, not {version}",
                remedy=f"pin it with: codex-release lock {version}",
            )
        if target.triple not in self.targets:
            raise LockError(
                f"the lock of {self.version} has no {target.triple}",
                remedy=f"pin it with: codex-release lock {version}",
            )
        return self.targets[target.triple]

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
                archives[source] = _inline({"name": archive.name, **_digest_fields(archive.digest)})
            for path, digest in sorted(locked.files.items()):
                files[path] = _inline(_digest_fields(digest))
            table["archives"] = archives
            if locked.signature:
                table["signature"] = {key: value for key, value in asdict(locked.signature).items() if value}
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
        try:
            data = parse_toml(text, name)
            if data.get("schema") != _SCHEMA:
                raise LockError(f"{name} has schema {data.get('schema')!r}, this toolkit reads {_SCHEMA}")
            return cls(
                version=ReleaseVersion.parse(data["version"]),
                targets={triple: _locked_target(table) for triple, table in data["targets"].items()},
            )
        except WorkspaceError as error:
            raise LockError(error.what) from error
        except UsageError as error:
            raise LockError(f"{name} is not a lock: {error.what}") from error
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
            raise LockError(f"{name} is not a complete lock: {error!r}") from error

    @classmethod
    def read(cls, path: Path) -> Lock:
        """Read a lock file.

        Raises:
            LockError: if it is missing or not a lock.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise LockError(
                f"the lock {path} cannot be read: {error}", remedy="write one with: codex-release lock VERSION"
            ) from error
        return cls.loads(text, str(path))

    def write(self, path: Path) -> None:
        """Write the lock file, whole or not at all."""
        from codex_release.base.atomic import write_text

        write_text(path, self.dumps())


def compare_files(
    expected: Mapping[str, FileDigest], found: Mapping[str, FileDigest], *, expected_by: str, found_in: str
) -> None:
    """Hold the files of a tree against what they must be.

    Args:
        expected: what each file must be.
        found: what each file is.
        expected_by: who says so, for the message, e.g. ``the lock``.
        found_in: where the files are from, for the message, e.g. an archive's name.

    Raises:
        LockError: naming the first file that differs with both digests, is missing, or should not be there.
    """
    for path in sorted(expected.keys() | found.keys()):
        want, have = expected.get(path), found.get(path)
        if want == have:
            continue
        if have is None:
            raise LockError(f"{found_in} lacks {path}, which {expected_by} has")
        if want is None:
            raise LockError(f"{found_in} has {path}, which {expected_by} does not know")
        raise LockError(
            f"{path} of {found_in} has sha256 {have.sha256} ({have.size} bytes), "
            f"but {expected_by} says {want.sha256} ({want.size} bytes)"
        )


def _digest_fields(digest: FileDigest) -> dict[str, Any]:
    return {"size": digest.size, "sha256": digest.sha256}


def _inline(values: dict[str, Any]) -> InlineTable:
    import tomlkit

    table = tomlkit.inline_table()
    table.update(values)
    return table


def _locked_target(table: Mapping[str, Any]) -> LockedTarget:
    return LockedTarget(
        archives={source: _locked_archive(entry) for source, entry in table["archives"].items()},
        files={path: _file_digest(entry) for path, entry in table["files"].items()},
        signature=_signature(table["signature"]) if "signature" in table else None,
    )


def _signature(table: Mapping[str, Any]) -> Signature:
    words = {field.name: table.get(field.name, "") for field in fields(Signature)}
    if words["state"] not in STATES or not all(isinstance(each, str) for each in words.values()):
        raise ValueError(f"{table!r} is no signature")
    return Signature(**words)


def _locked_archive(entry: Mapping[str, Any]) -> LockedArchive:
    if not isinstance(entry["name"], str):
        raise TypeError(f"{entry['name']!r} is no name")
    return LockedArchive(entry["name"], _file_digest(entry))


def _file_digest(entry: Mapping[str, Any]) -> FileDigest:
    size, sha256 = entry["size"], entry["sha256"]
    if type(size) is not int or size < 0:  # True is an int, and not meant
        raise ValueError(f"{size!r} is no size")
    if not re.fullmatch("[0-9a-f]{64}", sha256):
        raise ValueError(f"{sha256!r} is no sha256")
    return FileDigest(size, sha256)
