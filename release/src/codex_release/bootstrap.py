"""The pinned runtime into an environment, without building a wheel: what contributors, examples and tests start with.

The verified runtime is copied out of the cache (or fetched, if the cache lacks it) beside the Python files and the
metadata that its wheel would have, so that pip and uv list and uninstall it like any other. What is installed already
and whole, every byte of it, is left alone; finding that out loads neither the network nor the cache.

==============================  ================================================================
``CODEX_PYTHON_RUNTIME_VERSION``  the version to install; the locked one if not set
==============================  ================================================================
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from codex_release.base.errors import ReleaseError, RuntimeSetupError, UsageError, WorkspaceError
from codex_release.facts.lock import Lock
from codex_release.facts.targets import Catalog
from codex_release.facts.versions import ReleaseVersion
from codex_release.facts.workspace import Workspace
from codex_release.installing.environment import Environment
from codex_release.installing.installed import Expected, template_files, whats_wrong

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from codex_release.facts.lock import LockedTarget
    from codex_release.facts.targets import Target
    from codex_release.fetching.context import Context

__all__ = [
    "PACKAGE_NAME",
    "RUNTIME_VERSION_ENV_VAR",
    "Bootstrap",
    "RuntimeSetupError",
    "configured_runtime_version",
    "ensure_runtime_package_installed",
    "platform_asset_name",
    "required_runtime_version",
]

PACKAGE_NAME = "codex-cli-bin"
"""The distribution that is installed; its import package is ``codex_cli_bin``."""

RUNTIME_VERSION_ENV_VAR = "CODEX_PYTHON_RUNTIME_VERSION"
"""The environment variable that names another version than the lock's."""


def ensure_runtime_package_installed(
    python_executable: str | os.PathLike[str],
    *,
    runtime_version: str | None = None,
    install_target: str | os.PathLike[str] | None = None,
) -> str:
    """Have the runtime in an environment: nothing happens if it is there and whole, else it is installed.

    Processes that do this at once wait for each other. One that is killed leaves what was there before, or what the
    next one completes. In the running interpreter the new version can be imported afterwards, even if an old one was;
    an `install_target` has to be on ``sys.path`` for that.

    Args:
        python_executable: the interpreter of the environment: a path, or a name on PATH. It needs no pip.
        runtime_version: in any spelling (`versions`); else what `required_runtime_version` says.
        install_target: a directory that receives packages instead of the environment, as with ``pip install --target``;
            its scripts go to ``bin`` below it.

    Returns:
        the version that is installed now, in PEP 440's spelling.

    Raises:
        RuntimeSetupError: if it cannot be installed; what was there is still there. It says what to do.
    """
    with _as_setup_error():
        plan = Bootstrap.of(
            _checkout(), python_executable, runtime_version=runtime_version, install_target=install_target
        )
        if plan.whats_wrong() is not None:
            from codex_release.fetching.context import open_context

            with open_context(lambda: plan.workspace) as context:
                plan.install(context)
        return plan.version.pep440


def configured_runtime_version() -> str | None:
    """The version that the environment variable names, as it stands there; `None` if it is not set.

    Raises:
        RuntimeSetupError: if it is set but empty.
    """
    value = os.environ.get(RUNTIME_VERSION_ENV_VAR)
    if value is not None and not value.strip():
        raise RuntimeSetupError(
            f"{RUNTIME_VERSION_ENV_VAR} is set but empty",
            remedy="name a version like 0.169.0 in it, or unset it to have the locked one",
        )
    return value


def required_runtime_version() -> str:
    """The version that is to be installed if nobody asks for another: the configured one, else the lock's.

    Returns:
        its PEP 440 spelling.

    Raises:
        RuntimeSetupError: if there is no checkout, its lock cannot be read, or the configured version is none.
    """
    with _as_setup_error():
        return _version(None, lambda: Lock.read(_checkout().lock_file)).pep440


def platform_asset_name() -> str:
    """The name of this platform's archive among a release's assets, e.g. ``codex-package-….tar.gz``.

    Raises:
        RuntimeSetupError: if Codex is not built for this platform.
    """
    with _as_setup_error():
        catalog = Catalog.load(_checkout().targets_file)
        return _host(catalog).fill(catalog.github.archives[0])


@dataclass(frozen=True)
class Bootstrap:
    """One version of the runtime on its way into one environment.

    Attributes:
        workspace: the checkout.
        catalog: its data file.
        version: the runtime.
        target: this machine.
        locked: what the lock says of the two.
        environment: where it goes.
    """

    workspace: Workspace
    catalog: Catalog
    version: ReleaseVersion
    target: Target
    locked: LockedTarget
    environment: Environment

    @classmethod
    def of(
        cls,
        workspace: Workspace,
        python: str | os.PathLike[str],
        *,
        runtime_version: str | None = None,
        install_target: str | os.PathLike[str] | None = None,
        lock_file: Path | None = None,
    ) -> Bootstrap:
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
        catalog = Catalog.load(workspace.targets_file)
        target = _host(catalog)
        lock = Lock.read(lock_file or workspace.lock_file)
        version = _version(runtime_version, lambda: lock)
        locked = lock.require(version, target)
        return cls(workspace, catalog, version, target, locked, Environment.of(python, install_target))

    @cached_property
    def expected(self) -> Expected:
        """What has to be installed."""
        layout = self.catalog.layout
        payload = {path: digest for path, digest in self.locked.files.items() if not layout.is_excluded(path)}
        package = template_files(self.workspace.runtime_template, self.catalog.module)
        return Expected(self.version.pep440, payload, package)

    def whats_wrong(self) -> str | None:
        """Why what is installed is not this version, whole; `None` if there is nothing to do."""
        if any(self.environment.site.glob(f".{self.catalog.module}[-.]*")):
            return "an installation is under way, or was broken off"
        return whats_wrong(self.environment.site, self.expected, self.catalog)

    def install(self, context: Context) -> bool:
        """Install it, unless somebody else does so while this waits.

        Returns:
            whether it was installed here.

        Raises:
            ReleaseError: if it cannot be; what was there is still there.
        """
        from codex_release.installing.install import install

        return install(self, context)


def _version(named: str | None, lock: Callable[[], Lock]) -> ReleaseVersion:
    """The version that was named, else the configured one, else the lock's."""
    text = named or configured_runtime_version()
    return ReleaseVersion.parse(text.strip()) if text else lock().version


def _host(catalog: Catalog) -> Target:
    try:
        return catalog.host()
    except UsageError as error:
        raise RuntimeSetupError(error.what, remedy=f"it is built for {', '.join(catalog.triples)}") from error


def _checkout() -> Workspace:
    """The checkout around the working directory, else the one that this toolkit is installed from in place."""
    try:
        return Workspace.find(repo=None, script=None, cwd=Path.cwd())
    except WorkspaceError:
        with contextlib.suppress(WorkspaceError):
            return Workspace.find(repo=None, script=None, cwd=Path(__file__).parent)
        raise


@contextlib.contextmanager
def _as_setup_error() -> Iterator[None]:
    """Make whatever is expected to fail the one error that callers are told of."""
    try:
        yield
    except RuntimeSetupError:
        raise
    except ReleaseError as error:
        raise RuntimeSetupError(error.what, remedy=error.remedy) from error
    except OSError as error:
        raise RuntimeSetupError(f"the runtime cannot be installed: {error}") from error
