"""Everything a command works with, resolved once from its arguments and the environment."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from codex_release.base.errors import UsageError
from codex_release.base.http import Web
from codex_release.base.machine import cores
from codex_release.base.once import made_once
from codex_release.base.progress import Progress, progress_for
from codex_release.base.shown import shown_text
from codex_release.facts.lock import Lock, Runtime
from codex_release.facts.settings import Settings
from codex_release.facts.targets import Catalog, Target
from codex_release.facts.versions import ReleaseVersion
from codex_release.fetching.cache import Cache
from codex_release.fetching.fetcher import Fetcher
from codex_release.sources.directory import Directory
from codex_release.sources.github import GitHub
from codex_release.sources.npm import Npm
from codex_release.sources.npm_config import NpmConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from codex_release.facts.workspace import Workspace
    from codex_release.sources import Source

__all__ = ["Context", "open_context"]


@dataclass(frozen=True)
class Context:
    """What commands share; its parts are made when first used.

    Attributes:
        find_workspace: looks for the checkout.
        settings: the environment.
        progress: where to show transfers and remarks.
        web: the HTTP client.
        source_names: what ``--source`` said, if it did.
        lock_path: what ``--lock-file`` said, if it did.
    """

    find_workspace: Callable[[], Workspace]
    settings: Settings
    progress: Progress
    web: Web
    source_names: tuple[str, ...] = ()
    lock_path: Path | None = None

    @made_once
    def workspace(self) -> Workspace:
        """The checkout."""
        return self.find_workspace()

    @made_once
    def catalog(self) -> Catalog:
        """The data file."""
        return Catalog.load(self.workspace.targets_file)

    @made_once
    def cache(self) -> Cache:
        """The cache."""
        return Cache(self.settings.cache_dir)

    @made_once
    def lock_file(self) -> Path:
        """Where the lock is, or goes."""
        return self.lock_path or self.workspace.lock_file

    @made_once
    def lock(self) -> Lock:
        """The lock."""
        return Lock.read(self.lock_file)

    @made_once
    def sources(self) -> list[Source]:
        """Whom to ask, in this order.

        Raises:
            UsageError: if a name is neither a source nor a directory.
        """
        if self.source_names:
            return [self._source(name, "--source") for name in self.source_names]
        return [self._source(name, "CODEX_RELEASE_SOURCES") for name in self.settings.sources]

    @made_once
    def fetcher(self) -> Fetcher:
        """Brings runtimes here."""
        return Fetcher(self.catalog.layout, self.sources, self.cache, self.web)

    @property
    def jobs(self) -> int:
        """How many things to do at a time: one a core that this process may use."""
        return cores()

    def replaced(self, *, catalog: Catalog | None = None, environ: Mapping[str, str] | None = None) -> Context:
        """The same with other facts than the data file's, or another environment; sources are asked as these say."""
        settings = self.settings if environ is None else replace(self.settings, environ=environ)
        other = replace(self, settings=settings)
        depends_on_neither = ("workspace", "cache", "lock_file", "lock")
        vars(other).update({name: made for name, made in vars(self).items() if name in depends_on_neither})
        vars(other)["catalog"] = catalog or self.catalog
        return other

    def version(self, text: str | None) -> ReleaseVersion:
        """The version that was named, else the locked one."""
        return ReleaseVersion.parse(text) if text else self.lock.version

    def runtime(self, version: ReleaseVersion, target: Target, *, unlocked: bool = False) -> Runtime:
        """A runtime as the lock describes it, or without what it says.

        Raises:
            LockError: if it should, and does not know it.
        """
        return Runtime(version, target, None if unlocked else self.lock.require(version, target))

    def targets(self, triples: Sequence[str], *, everything: bool) -> list[Target]:
        """The targets that were named, all of them, or this machine's.

        Raises:
            UsageError: if a name is no target, or names and ``--all`` were given.
        """
        if everything and triples:
            raise UsageError("--all and --target exclude each other")
        if everything:
            return list(self.catalog.targets)
        return [self.catalog.target(triple) for triple in dict.fromkeys(triples)] or [self.catalog.host()]

    def _source(self, name: str, said_by: str) -> Source:
        if name == "github":
            return GitHub(self.catalog.github, self.web, self.settings.github_api, self.settings.github_token)
        if name == "npm":
            return Npm(self.catalog.npm, self.web, NpmConfig.load(self.settings.environ, Path.cwd()))
        with contextlib.suppress(OSError, RuntimeError):  # a name too long for a file, and a user who is unknown
            directory = Path(name.removeprefix("directory:")).expanduser()
            if directory.is_dir():
                return Directory(directory, self.catalog)
        raise UsageError(
            f"{said_by} names {shown_text(name)[:80]!r}, which is no source",
            remedy="name github, npm, or an existing directory",
        )


@contextlib.contextmanager
def open_context(
    find_workspace: Callable[[], Workspace], *, source_names: tuple[str, ...] = (), lock_path: Path | None = None
) -> Iterator[Context]:
    """The context of this process: its environment, its standard error, and an HTTP client until the block ends."""
    progress = progress_for(Console(stderr=True))
    web = Web(progress)
    try:
        yield Context(find_workspace, Settings.read(os.environ), progress, web, source_names, lock_path)
    finally:
        web.close()
