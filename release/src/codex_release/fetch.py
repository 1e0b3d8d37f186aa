"""From a version and a target to a verified runtime tree: the cache, the sources and the lock at work together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from codex_release.digests import FileDigest, file_digest
from codex_release.download import StoredArchive, download
from codex_release.errors import DownloadError, ReleaseError, SourceError
from codex_release.lock import compare_files
from codex_release.tree import RuntimeTree, tree_key, unpack_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from codex_release.cache import Cache
    from codex_release.http import Web
    from codex_release.lock import LockedTarget
    from codex_release.sources import Archive, Source
    from codex_release.targets import Layout, Target
    from codex_release.versions import ReleaseVersion

__all__ = ["Fetched", "Fetcher"]


@dataclass(frozen=True)
class Fetched:
    """A runtime on this machine.

    Attributes:
        tree: its files, without those that are left out of wheels.
        all_files: what every file of the archive is; of a tree that was found in the cache, what the lock says.
        archive: the archive it was unpacked from just now, or `None` if it was found in the cache.
    """

    tree: RuntimeTree
    all_files: Mapping[str, FileDigest]
    archive: StoredArchive | None


@dataclass(frozen=True)
class Fetcher:
    """Brings runtimes here.

    Attributes:
        layout: what a tree looks like.
        sources: whom to ask, in this order.
        cache: where archives and trees are kept.
        web: the HTTP client.
    """

    layout: Layout
    sources: Sequence[Source]
    cache: Cache
    web: Web

    def locked(self, version: ReleaseVersion, target: Target, locked: LockedTarget) -> Fetched:
        """The runtime that the lock describes, every file of it proved.

        It comes from the cache, from a cached archive, or from the first source that serves exactly these bytes. A
        damaged cache entry is dropped and fetched anew.

        Args:
            version: the release.
            target: the platform.
            locked: what the lock says of the two.

        Raises:
            ReleaseError: if no source can serve it, with the reason of each.
        """
        files = self._payload(locked.files)
        key = tree_key(files)
        with self.cache.exclusive(key, on_wait=lambda: self._note_waiting(version, target)):
            if root := self.cache.find_tree(key):
                tree = RuntimeTree(root, files)
                if _is_whole(tree):
                    return Fetched(tree, locked.files, None)
                self._drop(root, "the cached tree")
            for source, archive in locked.archives.items():
                if path := self.cache.find_archive(archive.digest.sha256):
                    stored = StoredArchive(path, archive.name, source, archive.digest)
                    try:
                        return self._unpacked(stored, version, target, locked=locked)
                    except ReleaseError as error:
                        if file_digest(path) == archive.digest:
                            raise  # it is what it should be, so the failure lies elsewhere
                        self._drop(path, str(error))
            return self._first_served(
                version, target, lambda archive: self._from_source(archive, version, target, locked)
            )

    def published(self, version: ReleaseVersion, target: Target) -> Fetched:
        """The runtime that a source's own published digest vouches for; no lock is asked.

        Raises:
            ReleaseError: if no source can serve it with a digest, with the reason of each.
        """

        def use(archive: Archive) -> Fetched:
            if not archive.digests:
                raise DownloadError(f"it publishes no digest for {archive.name}, so nothing vouches for its bytes")
            return self.served(archive, version, target)

        return self._first_served(version, target, use)

    def served(self, archive: Archive, version: ReleaseVersion, target: Target) -> Fetched:
        """The runtime in one particular archive, as it is served now, held against what its source publishes of it.

        Raises:
            ReleaseError: if it cannot be had, or is no runtime of that target and version.
        """
        return self._unpacked(download(archive, self.cache, self.web), version, target, locked=None)

    def _from_source(self, archive: Archive, version: ReleaseVersion, target: Target, locked: LockedTarget) -> Fetched:
        pinned = locked.archives.get(archive.source)
        expected = pinned.digest if pinned and pinned.name == archive.name else None
        stored = download(archive, self.cache, self.web, expected=expected)
        return self._unpacked(stored, version, target, locked=locked)

    def _first_served(self, version: ReleaseVersion, target: Target, use: Callable[[Archive], Fetched]) -> Fetched:
        failures = []
        for source in self.sources:
            try:
                return use(source.find(version, target))
            except ReleaseError as error:
                failures.append(f"{source.name}: {error}")
        raise SourceError(
            f"no source serves {version} for {target.triple}: {' | '.join(failures)}",
            remedy="mend one of them, or bring the archive here and name its directory with --source DIR",
        )

    def _unpacked(
        self,
        stored: StoredArchive,
        version: ReleaseVersion,
        target: Target,
        *,
        locked: LockedTarget | None,
    ) -> Fetched:
        # The archive's lock keeps a process that makes room from taking it away meanwhile.
        with self.cache.exclusive(stored.digest.sha256), self.cache.scratch_tree() as scratch:
            files = unpack_tree(stored.path, stored.name, scratch, layout=self.layout, target=target, version=version)
            if locked is not None:
                name = f"{stored.name} from {stored.source}"
                compare_files(locked.files, files, expected_by="the lock", found_in=name)
            payload = self._payload(files)
            key = tree_key(payload)
            if (present := self.cache.find_tree(key)) and not _is_whole(RuntimeTree(present, payload)):
                self._drop(present, "the cached tree")
            root = self.cache.adopt_tree(scratch, key)
        return Fetched(RuntimeTree(root, payload), files, stored)

    def _payload(self, files: Mapping[str, FileDigest]) -> dict[str, FileDigest]:
        return {path: digest for path, digest in files.items() if not self.layout.is_excluded(path)}

    def _note_waiting(self, version: ReleaseVersion, target: Target) -> None:
        self.web.progress.note(f"{version} for {target.triple}: another process is fetching it, waiting for it")

    def _drop(self, path: Path, why: str) -> None:
        self.web.progress.note(f"a damaged cache entry is dropped: {why}")
        self.cache.drop(path)


def _is_whole(tree: RuntimeTree) -> bool:
    """Whether every file of a cached tree still is what it was when it was put there."""
    try:
        return all(
            (tree.root / path).stat().st_size == digest.size and file_digest(tree.root / path) == digest
            for path, digest in tree.files.items()
        )
    except OSError:
        return False
