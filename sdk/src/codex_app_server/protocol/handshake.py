"""The handshake: what the client says of itself in ``initialize``, and what the answer says of the runtime."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codex_app_server.protocol.messages import JsonValue

__all__ = ["InitializeResult", "initialize_params"]

_PRODUCT = r"(.+?)/([^\s/]+)(?:\s|$)"


@dataclass(frozen=True)
class InitializeResult:
    """What the runtime said of itself; None is what it did not say.

    Attributes:
        server_name: the product name: that of ``serverInfo`` if the runtime sends one, else the first one in its user
            agent. Codex (0.115 to 0.171 at least) sends no ``serverInfo`` and puts the *client's* name there.
        server_version: the runtime's version, e.g. ``0.169.0``, from the same place.
        user_agent: the runtime's user agent as it sent it, e.g. ``my_client/0.169.0 (Debian 12.0.0; x86_64) xterm
            (my_client; 1.0)``.
    """

    server_name: str | None
    server_version: str | None
    user_agent: str | None

    @classmethod
    def from_answer(cls, answer: JsonValue, *, client_name: str) -> InitializeResult:
        """Read the answer to ``initialize``.

        Args:
            answer: the result as it came.
            client_name: what the client called itself, for it may hold a space or a slash.
        """
        fields = answer if isinstance(answer, dict) else {}
        user_agent = _text(fields, "userAgent")
        name, version = _product(user_agent or "", client_name)
        info = fields.get("serverInfo")
        if isinstance(info, dict):
            name, version = _text(info, "name") or name, _text(info, "version") or version
        return cls(name, version, user_agent)


def initialize_params(*, name: str, title: str, version: str, experimental_api: bool) -> dict[str, object]:
    """The parameters of ``initialize``."""
    return {
        "clientInfo": {"name": name, "title": title, "version": version},
        "capabilities": {"experimentalApi": experimental_api},
    }


def _product(user_agent: str, client_name: str) -> tuple[str | None, str | None]:
    """The first ``name/version`` of a user agent (RFC 9110, 10.1.5, but Codex allows spaces in the name)."""
    if user_agent.startswith(f"{client_name}/"):
        return client_name, user_agent[len(client_name) + 1 :].partition(" ")[0] or None
    match = re.match(_PRODUCT, user_agent)
    return (match[1], match[2]) if match else (None, None)


def _text(fields: dict[str, JsonValue], key: str) -> str | None:
    value = fields.get(key)
    return value if isinstance(value, str) else None
