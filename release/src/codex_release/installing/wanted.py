"""Which version is to be installed, where nobody names one: ``CODEX_PYTHON_RUNTIME_VERSION`` says it, else the lock.

It loads next to nothing, for `codex_release.bootstrap` is imported by everybody.
"""

from __future__ import annotations

import os

from codex_release.base.errors import RuntimeSetupError

__all__ = ["RUNTIME_VERSION_ENV_VAR", "configured_runtime_version"]

RUNTIME_VERSION_ENV_VAR = "CODEX_PYTHON_RUNTIME_VERSION"
"""The environment variable that names another version than the lock's."""


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
