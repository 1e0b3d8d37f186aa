"""The build backend (PEP 517): hatchling's, which here refuses two things it would let pass.

A source distribution would hold the executable of one platform under a name that promises all, so there is none. And
a wheel must carry the tag that was derived from its executables: hatchling falls back to ``py3-none-any`` without a
word when its hooks are off or the tag is missing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

import hatchling.build

__all__ = ["UnsupportedOperation", "build_sdist", "build_wheel", "get_requires_for_build_wheel"]

get_requires_for_build_wheel = hatchling.build.get_requires_for_build_wheel


class UnsupportedOperation(Exception):  # noqa: N818 - the name that PEP 517 gives it
    """What PEP 517 has a backend raise for what it does not do."""


def build_sdist(sdist_directory: str, config_settings: dict[str, Any] | None = None) -> NoReturn:  # noqa: ARG001
    """Refuse: this package is wheels only."""
    raise UnsupportedOperation(
        "codex-cli-bin has no source distribution: it only carries the native executables of one platform. "
        "Build its wheel with: python -m build --wheel"
    )


def build_wheel(
    wheel_directory: str, config_settings: dict[str, Any] | None = None, metadata_directory: str | None = None
) -> str:
    """Build the wheel of the staged runtime and hold its name against the staged tag.

    The config setting ``payload=omit`` makes the wheel without its payload, for a tool that adds it by itself.
    """
    staged = _staged()
    entrypoint = Path("src", "codex_cli_bin", staged["entrypoint"])
    if (config_settings or {}).get("payload") != "omit" and not entrypoint.is_file():
        raise UnsupportedOperation(f"the payload is missing: there is no {entrypoint}. Stage the runtime again.")
    name = hatchling.build.build_wheel(wheel_directory, None, metadata_directory)
    if not name.endswith(f"-{staged['tag']}.whl"):
        Path(wheel_directory, name).unlink()
        raise UnsupportedOperation(
            f"hatchling made {name}, but the executables call for the tag {staged['tag']}. Is HATCH_BUILD_NO_HOOKS set?"
        )
    return name


def _staged() -> dict[str, Any]:
    try:
        staged: dict[str, Any] = json.loads(Path("runtime.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UnsupportedOperation(
            "this is the template of codex-cli-bin without a runtime. Stage one first: "
            "codex-release stage-runtime STAGING_DIR RUNTIME --runtime-version V"
        ) from None
    return staged
