"""From a version and a target to a verified runtime tree: the cache, the sources and the lock at work together."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from codex_release.base.digests import FileDigest, file_digest, file_digests
from codex_release.base.errors import CacheError, DiskError, DownloadError, ReleaseError, SourceError
from codex_release.facts.lock import Runtime, compare_files
from codex_release.fetching.download import StoredArchive, download
from codex_release.runtime.archive import DirectorySink, Sink
from codex_release.runtime.tree import Expected, RuntimeTree, copy_tree, stream_tree, tree_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from codex_release.base.http import Web
    from codex_release.facts.targets import Layout
    from codex_release.fetching.cache import Cache
    from codex_release.sources import Archive, Source

__all__ = ["Fetcher"]

_T = TypeVar("_T")


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

    def tree(self, runtime: Runtime) -> RuntimeTree:
        """A runtime, every file of it proved.

        A locked one comes from the cache, from a cached archive, or from the first source that serves exactly these
        bytes; a damaged cache entry is dropped and fetched anew. Without a lock, the digest that its source publishes
        vouches for it.

        Raises:
            ReleaseError: if no source can serve it, with the reason of each.
        """
        with self._filling(runtime) as files:
            return self._cached(files, self._is_whole) or self._from_archive(runtime)

    def copied(self, runtime: Runtime, into: Path) -> RuntimeTree:
        """A copy of a runtime in a directory, every file of the copy proved, with the modes of their roles.

        Where it comes from, and what this raises, is as with `tree`.
        """

        def copies_whole(tree: RuntimeTree) -> bool:
            return _is_complete(tree) and copy_tree(tree, into, self.layout) == tree.files

        with self._filling(runtime) as files:
            found = self._cached(files, copies_whole)
            if found is None:
                found = self._from_archive(runtime)
                if not copies_whole(found):
                    raise CacheError(
                        f"what was just unpacked to {found.root} and copied to {into} is not what was unpacked",
                        remedy="check the disks, and clear the cache with: codex-release cache clear",
                    )
        return replace(found, root=into)

    def archive(self, runtime: Runtime, use: Callable[[StoredArchive], _T]) -> _T:
        """Have a runtime's archive here, and use it.

        It comes from the cache or from the first source that serves it; one that cannot be used is passed over.

        Args:
            runtime: whose.
            use: what is done with it, `read` most of all; called again with the next archive after a `ReleaseError`.

        Returns:
            what `use` returned.

        Raises:
            DiskError: if this machine does not let them be kept or unpacked.
            ReleaseError: if no archive can be used, with the reason of each.
        """
        for source, pinned in runtime.archives.items():
            if path := self.cache.find_archive(pinned.digest.sha256):
                try:
                    return use(StoredArchive(path, pinned.name, source, pinned.digest))
                except ReleaseError as error:
                    if self.cache.find_archive(pinned.digest.sha256) is None:
                        continue  # a process that makes room took it away before it was opened
                    if file_digest(path) == pinned.digest:
                        raise  # it is what it should be, so the failure lies elsewhere
                    self._drop(path, str(error))

        failures = []
        for each in self.sources:
            try:
                return use(self._downloaded(each.find(runtime.version, runtime.target), runtime))
            except DiskError:
                raise  # no source can help that
            except ReleaseError as error:
                failures.append(f"{each.name}: {error}")
        raise SourceError(
            f"no source serves {runtime}",
            problems=failures,
            remedy="mend one of them, or bring the archive here and name its directory with --source DIR",
        )

    def read(self, stored: StoredArchive, sink: Sink, runtime: Runtime, *, alone: bool = True) -> dict[str, FileDigest]:
        """Read an archive as a tree, and hold every file of it against the lock.

        Args:
            stored: the archive.
            sink: where the files go; they are proved once this returns, not before.
            runtime: what it should be.
            alone: see `archive.stream`.

        Returns:
            what every file is, those included that are left out of trees.

        Raises:
            ReleaseError: if it is anything else than that runtime.
        """
        # The archive's lock keeps a process that makes room from taking it away meanwhile.
        with self.cache.exclusive(stored.digest.sha256):
            expected = Expected(self.layout, runtime.target, runtime.version)
            files = stream_tree(stored.path, stored.name, sink, expected, alone=alone)
        if runtime.known is not None:
            name = f"{stored.name} from {stored.source}"
            compare_files(runtime.known.files, files, expected_by="the lock", found_in=name)
        return files

    @contextlib.contextmanager
    def _filling(self, runtime: Runtime) -> Iterator[Mapping[str, FileDigest] | None]:
        """The files of a locked tree, which no other process fills or takes away meanwhile; `None` of another."""
        if runtime.known is None:
            yield None
            return
        files, note = self.layout.payload(runtime.known.files), self.web.progress.note
        waiting = f"{runtime}: another process is fetching it, waiting for it"
        with self.cache.exclusive(tree_key(files), on_wait=lambda: note(waiting)):
            yield files

    def _cached(
        self, files: Mapping[str, FileDigest] | None, is_good: Callable[[RuntimeTree], bool]
    ) -> RuntimeTree | None:
        """The tree of these files that is in the cache already; one that turns out not to be good is dropped."""
        root = self.cache.find_tree(tree_key(files)) if files is not None else None
        if files is None or root is None:
            return None
        tree = RuntimeTree(root, files)
        if is_good(tree):
            return tree
        self._drop(root, "the cached tree")
        return None

    def _from_archive(self, runtime: Runtime) -> RuntimeTree:
        def unpacked(stored: StoredArchive) -> RuntimeTree:
            with self.cache.scratch_tree() as scratch:
                files = self.layout.payload(self.read(stored, DirectorySink(scratch), runtime))
                present = self._cached(files, self._is_whole)
                return present or RuntimeTree(self.cache.adopt_tree(scratch, tree_key(files)), files)

        return self.archive(runtime, unpacked)

    def _downloaded(self, archive: Archive, runtime: Runtime) -> StoredArchive:
        """An archive, held against the lock if that knows it, else against what its source publishes of it."""
        if runtime.known is None and not archive.digests:
            raise DownloadError(f"it publishes no digest for {archive.name}, so its bytes cannot be verified")
        pinned = runtime.archives.get(archive.source)
        expected = pinned.digest if pinned and pinned.name == archive.name else None
        return download(archive, self.cache, self.web, expected=expected)

    def _is_whole(self, tree: RuntimeTree) -> bool:
        """Whether every file of a cached tree still is what it was when it was put there."""
        expected = {tree.root / path: digest for path, digest in tree.files.items()}
        with self.cache.usable(f"{tree.root} cannot be read"):
            return _is_complete(tree) and file_digests(expected) == expected

    def _drop(self, path: Path, why: str) -> None:
        self.web.progress.note(f"a damaged cache entry is dropped: {why}")
        self.cache.drop(path)


def _is_complete(tree: RuntimeTree) -> bool:
    """Whether every file of a tree is there, and has its size."""
    files = ((tree.root / path, digest.size) for path, digest in tree.files.items())
    return all(path.is_file() and path.stat().st_size == size for path, size in files)
