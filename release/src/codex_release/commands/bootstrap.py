"""``bootstrap``: Install the pinned runtime into an environment; if it is there and whole, leave it alone."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from codex_release.commands.answer import Answer
from codex_release.installing.plan import plan_installation
from codex_release.installing.wanted import RUNTIME_VERSION_ENV_VAR

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from codex_release.context import Context
    from codex_release.facts.workspace import Workspace


def register(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--python",
        default=sys.executable,
        metavar="PY",
        help="the interpreter of the environment, which needs no pip; if not given, the one that runs codex-release",
    )
    parser.add_argument(
        "--install-target", metavar="DIR", help="install into an isolated directory instead, like pip install --target"
    )
    parser.add_argument(
        "--runtime-version",
        dest="version",
        metavar="V",
        help=f"the Codex release; if not given, that of {RUNTIME_VERSION_ENV_VAR}, else the locked one",
    )


def begin(
    arguments: argparse.Namespace, find_workspace: Callable[[], Workspace]
) -> Answer | Callable[[Context], Answer]:
    """Look whether there is anything to do.

    Raises:
        ReleaseError: if the version is not locked, or there is no such environment.
    """
    started = time.monotonic()
    plan = plan_installation(
        find_workspace(),
        arguments.python,
        runtime_version=arguments.version,
        install_target=arguments.install_target,
        lock_file=arguments.lock_file,
    )

    def report(*, installed: bool) -> Answer:
        environment, version = plan.environment, plan.runtime.version.pep440
        seconds = time.monotonic() - started
        data = {
            "version": version,
            "target": plan.runtime.target.triple,
            "site": str(environment.site),
            "scripts": str(environment.scripts),
            "installed": installed,
            "seconds": round(seconds, 2),
        }
        row = (f"{plan.catalog.distribution} {version}", str(environment.site), "installed" if installed else "whole")
        return Answer(("package", "directory", "state", "seconds"), [(*row, f"{seconds:.2f}")], data)

    if plan.whats_wrong() is None:
        return report(installed=False)
    from codex_release.installing.install import install  # whoever finds nothing to do goes without it

    return lambda context: report(installed=install(plan, context))
