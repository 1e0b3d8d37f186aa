"""hatchling's build hook: gives the wheel the staged tag and the bill of materials."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

__all__ = ["RuntimeHook"]


class RuntimeHook(BuildHookInterface[Any]):
    """Reads ``runtime.json``, which staging wrote."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Set the tag, mark the wheel as platform-dependent, and add the bill of materials (PEP 770)."""
        staged = json.loads(Path(self.root, "runtime.json").read_text(encoding="utf-8"))
        build_data["tag"] = staged["tag"]
        build_data["pure_python"] = False
        build_data["sbom_files"] = [str(Path(self.root, staged["sbom"]))]
