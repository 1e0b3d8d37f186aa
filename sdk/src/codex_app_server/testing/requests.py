"""What the runtime asked of the model, for a test to look at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from codex_app_server.testing import code_mode

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ModelRequest"]

_ADDED = (
    "<environment_context>",
    "<user_instructions>",
    "# AGENTS.md instructions",
    "<skill>",
    "<turn_aborted>",
    "<user_shell_command>",
    "<subagent_notification>",
)
"""How a text begins that the runtime says of itself, in the name of the user."""


@dataclass(frozen=True, repr=False)
class ModelRequest:
    """What the runtime asked of the model.

    Attributes:
        body: the whole request, as plain JSON values.
        headers: the request's headers, with names in small letters. Not shown by `repr`, because there may be keys in
            them.
    """

    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        """The model, what the user said, and how many tools have answered: the whole is some 40 kB."""
        outputs = len(self.tool_outputs)
        return f"<ModelRequest to {self.model}: {self.said!r}, {outputs} tool output{'' if outputs == 1 else 's'}>"

    @property
    def model(self) -> str:
        """Which model was asked."""
        return str(self.body.get("model"))

    @property
    def texts(self) -> list[str]:
        """The texts of the user, oldest first, with what the runtime adds itself among them."""
        return [
            part["text"]
            for item in self._items
            if item.get("role") == "user"
            for part in item.get("content", [])
            if "text" in part
        ]

    @property
    def said(self) -> list[str]:
        """What your program said in the thread, oldest first: `texts` without what the runtime adds itself."""
        return [text for text in self.texts if not text.startswith(_ADDED)]

    @property
    def tools(self) -> frozenset[str]:
        """The names of the tools that the model may call, as JavaScript has them in either mode, e.g. ``shop__buy``."""
        return code_mode.named(self.body)

    @property
    def tool_outputs(self) -> dict[str, Any]:
        """What tools gave back, by the id of the call; in code mode too."""
        written = {item["call_id"]: item.get("input") for item in self._items if item.get("type") == "custom_tool_call"}
        found: dict[str, Any] = {}
        for item in self._items:
            if item.get("type") == "function_call_output":
                found[item["call_id"]] = item.get("output")
            elif item.get("type") == "custom_tool_call_output":
                found.update(code_mode.outputs(item, written))
        return found

    def outputs_of(self, tool: str) -> list[Any]:
        """What one tool gave back, oldest first; `tool` is a name as in `tools`."""
        outputs = self.tool_outputs
        return [outputs[call_id] for call_id, name in self._called if name == tool and call_id in outputs]

    @property
    def is_in_code_mode(self) -> bool:
        """Whether the runtime offers one tool that runs JavaScript, and all others inside of it."""
        return code_mode.offered(self.body) is not None

    @property
    def _items(self) -> list[Any]:
        given = self.body.get("input", [])
        return given if isinstance(given, list) else []

    @property
    def _called(self) -> list[tuple[str, str]]:
        """The calls so far: their ids, and the names of the tools."""
        found: list[tuple[str, str]] = []
        for item in self._items:
            if item.get("type") == "function_call":
                space = item.get("namespace")
                found.append(
                    (item["call_id"], code_mode.in_code(item["name"], None if space == "functions" else space))
                )
            elif item.get("type") == "custom_tool_call":
                found += code_mode.calls_in(item) or [(item["call_id"], str(item.get("name")))]
        return found
