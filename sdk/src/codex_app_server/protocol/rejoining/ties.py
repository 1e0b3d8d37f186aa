"""What ends with the connection that it was begun on, though nobody says so: processes, and the news of logins."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from codex_app_server.protocol.rejoining.backfill import event

if TYPE_CHECKING:
    from codex_app_server.protocol.messages import JsonValue
    from codex_app_server.protocol.rejoining.unanswered import Call

__all__ = ["BEGINNINGS", "ENDINGS", "Ties"]

BEGINNINGS = frozenset({"process/spawn", "account/login/start", "mcpServer/oauth/login"})
ENDINGS = {"process/exited": "processHandle", "account/login/completed": "loginId"}
"""The events that end something, and the member that says what."""

_LOST = "the connection to the server was lost"
_KILLED = 137


class Ties:
    """What is open."""

    def __init__(self) -> None:
        self._open: dict[str, bytes] = {}

    def begun(self, call: Call, result: JsonValue) -> None:
        """Something began, perhaps."""
        told: Any = result if isinstance(result, dict) else {}
        if call.method == "process/spawn":
            handle = (json.loads(call.line).get("params") or {}).get("processHandle")
            if isinstance(handle, str):
                output = {"stdout": "", "stdoutCapReached": False, "stderr": _LOST, "stderrCapReached": False}
                self._open[handle] = event("process/exited", processHandle=handle, exitCode=_KILLED, **output)
        elif isinstance(login := told.get("loginId"), str):
            self._open[login] = event("account/login/completed", loginId=login, success=False, error=_LOST)

    def ended(self, name: object) -> None:
        """Something ended as it should."""
        if isinstance(name, str):
            self._open.pop(name, None)

    def lost(self) -> list[bytes]:
        """The connection broke: the events that nobody will send."""
        lines, self._open = list(self._open.values()), {}
        return lines
