"""The plan of an installation: which version of the runtime, with which files, goes into which environment.

It is made of what the checkout and the interpreter say, and is data: neither the network nor the cache is asked for it,
and making it changes nothing.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codex_release.base.digests import FileDigest, file_digest
from codex_release.base.errors import RuntimeSetupError, UsageError
from codex_release.facts.lock import Lock, Runtime
from codex_release.facts.targets import Catalog, Target
from codex_release.facts.versions import ReleaseVersion
from codex_release.facts.workspace import Workspace, package_files
from codex_release.installing.environment import Environment
from codex_release.installing.installed import whats_wrong
from codex_release.installing.wanted import RUNTIME_VERSION_ENV_VAR, configured_runtime_version

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from pathlib import Path


__all__ = ["Plan", "host_target", "plan_installation", "wanted_version"]


@dataclass(frozen=True)
class Plan:
    """One version of the runtime on its way into one environment.

    Attributes:
        workspace: the checkout.
        catalog: its data file.
        runtime: what goes there, as the lock describes it for this machine.
        environment: where it goes.
        expected: what each file of the package has to be afterwards, by its path in it.
    """

    workspace: Workspace
    catalog: Catalog
    runtime: Runtime
    environment: Environment
    expected: Mapping[str, FileDigest]

    def whats_wrong(self) -> str | None:
        """Why what is installed is not this version, whole; `None` if there is nothing to do."""
        if any(self.environment.site.glob(f".{self.catalog.module}[-.]*")):
            return "an installation is under way, or was broken off"
        return whats_wrong(self.environment.site, self.runtime.version.pep440, self.expected, self.catalog)


def plan_installation(
    workspace: Workspace,
    python: str | os.PathLike[str],
    *,
    runtime_version: str | None = None,
    install_target: str | os.PathLike[str] | None = None,
    lock_file: Path | None = None,
) -> Plan:
    """Find out what goes where.

    Args:
        workspace: the checkout.
        python: the interpreter of the environment.
        runtime_version: the version; else what the environment variable says, else the lock.
        install_target: an isolated directory instead of the environment.
        lock_file: another lock than the checkout's.

    Raises:
        ReleaseError: if the lock does not know the version, or there is no such environment.
    """
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(Environment.of, python, install_target)  # a process that starts while this reads
        catalog = Catalog.load(workspace.targets_file)
        target = host_target(catalog)
        lock = Lock.read(lock_file or workspace.lock_file)
        version = wanted_version(runtime_version) or lock.version
        locked = lock.require(version, target)
        own = package_files(workspace.runtime_template)
        package = {name.removeprefix(f"{catalog.module}/"): file_digest(path) for name, path in own.items()}
        expected = {**catalog.layout.payload(locked.files), **package}
        return Plan(workspace, catalog, Runtime(version, target, locked), asked.result(), expected)


def wanted_version(named: str | None = None) -> ReleaseVersion | None:
    """The version that was named, else the configured one; `None` if it is the lock's.

    Raises:
        ReleaseError: if what is said there is no version.
    """
    if named:
        return ReleaseVersion.parse(named.strip())
    text = configured_runtime_version()
    try:
        return ReleaseVersion.parse(text.strip()) if text else None
    except UsageError as error:
        raise UsageError(f"{RUNTIME_VERSION_ENV_VAR}: {error.what}", remedy=error.remedy) from error


def host_target(catalog: Catalog) -> Target:
    """The target that this machine is.

    Raises:
        RuntimeSetupError: if Codex is not built for it.
    """
    try:
        return catalog.host()
    except UsageError as error:
        raise RuntimeSetupError(error.what, remedy=f"it is built for {', '.join(catalog.triples)}") from error
