"""The pinned runtime into an environment, without building a wheel: what contributors, examples and tests start with.

The verified runtime is copied out of the cache (or fetched, if the cache lacks it) beside the Python files and the
metadata that its wheel would have, so that pip and uv list and uninstall it like any other. What is installed already
and whole, every byte of it, is left alone; finding that out loads neither the network nor the cache.

This is the public face of `installing`; importing it loads nothing of that.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

from codex_release.base.errors import ReleaseError, RuntimeSetupError, WorkspaceError
from codex_release.installing.wanted import RUNTIME_VERSION_ENV_VAR, configured_runtime_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codex_release.facts.workspace import Workspace

__all__ = [
    "PACKAGE_NAME",
    "RUNTIME_VERSION_ENV_VAR",
    "RuntimeSetupError",
    "configured_runtime_version",
    "ensure_runtime_package_installed",
    "platform_asset_name",
    "required_runtime_version",
]

PACKAGE_NAME = "codex-cli-bin"
"""The distribution that is installed; its import package is ``codex_cli_bin``."""


def ensure_runtime_package_installed(
    python_executable: str | os.PathLike[str],
    *,
    runtime_version: str | None = None,
    install_target: str | os.PathLike[str] | None = None,
    checkout: str | os.PathLike[str] | None = None,
) -> str:
    """Have the runtime in an environment: nothing happens if it is there and whole, else it is installed.

    Processes that do this at once wait for each other. One that is killed leaves what was there before, or what the
    next one completes. In the running interpreter the new version can be imported afterwards, even if an old one was;
    an `install_target` has to be on ``sys.path`` for that.

    Args:
        python_executable: the interpreter of the environment: a path, or a name on PATH. It needs no pip.
        runtime_version: in any spelling (`facts.versions`); else what `required_runtime_version` says.
        install_target: a directory that receives packages instead of the environment, as with ``pip install --target``;
            its scripts go to ``bin`` below it.
        checkout: the directory of the checkout whose lock counts, or one in it; if not given, it is looked for around
            the working directory, then around the running program, then around this toolkit.

    Returns:
        the version that is installed now, in PEP 440's spelling.

    Raises:
        RuntimeSetupError: if it cannot be installed; what was there is still there. It says what to do.
    """
    with _as_setup_error():
        from codex_release.installing.plan import plan_installation

        plan = plan_installation(
            _workspace(checkout), python_executable, runtime_version=runtime_version, install_target=install_target
        )
        if plan.whats_wrong() is not None:
            from codex_release.context import open_context
            from codex_release.installing.install import install

            with open_context(lambda: plan.workspace) as context:
                install(plan, context)
        return plan.runtime.version.pep440


def required_runtime_version(*, checkout: str | os.PathLike[str] | None = None) -> str:
    """The version that is to be installed if nobody asks for another: the configured one, else the lock's.

    Args:
        checkout: as for `ensure_runtime_package_installed`.

    Returns:
        its PEP 440 spelling.

    Raises:
        RuntimeSetupError: if there is no checkout, its lock cannot be read, or the configured version is none.
    """
    with _as_setup_error():
        from codex_release.facts.lock import Lock
        from codex_release.installing.plan import wanted_version

        return (wanted_version() or Lock.read(_workspace(checkout).lock_file).version).pep440


def platform_asset_name(*, checkout: str | os.PathLike[str] | None = None) -> str:
    """The name of this platform's archive among a release's assets, e.g. ``codex-package-….tar.gz``.

    Args:
        checkout: as for `ensure_runtime_package_installed`.

    Raises:
        RuntimeSetupError: if there is no checkout, or Codex is not built for this platform.
    """
    with _as_setup_error():
        from codex_release.facts.targets import Catalog
        from codex_release.installing.plan import host_target

        catalog = Catalog.load(_workspace(checkout).targets_file)
        return host_target(catalog).fill(catalog.github.archives[0])


def _workspace(named: str | os.PathLike[str] | None) -> Workspace:
    """The checkout that was named, or the first one that something of this process stands in."""
    from pathlib import Path

    from codex_release.facts.workspace import Workspace

    program = getattr(sys.modules.get("__main__"), "__file__", None)
    places = [os.curdir, program, __file__] if named is None else [named]
    for place in places:
        # A working directory may have been deleted.
        with contextlib.suppress(WorkspaceError, OSError):
            if place is not None:
                return Workspace.find(repo=None, script=None, cwd=Path(place).resolve())
    looked = "the working directory, the running program and this toolkit" if named is None else os.fspath(named)
    raise RuntimeSetupError(
        f"there is no checkout of this project around {looked}",
        remedy="run from inside one, or name it with checkout=DIR",
    )


@contextlib.contextmanager
def _as_setup_error() -> Iterator[None]:
    """Make whatever is expected to fail the one error that callers are told of."""
    try:
        yield
    except RuntimeSetupError:
        raise
    except ReleaseError as error:
        raise RuntimeSetupError(error.what, remedy=error.remedy, problems=error.problems) from error
    except OSError as error:
        raise RuntimeSetupError(f"the runtime cannot be installed: {error}") from error
