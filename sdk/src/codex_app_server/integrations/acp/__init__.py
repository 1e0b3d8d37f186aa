"""Codex as an agent of the Agent Client Protocol: an editor that speaks it drives Codex through this client.

Needs the extra ``acp``. ``codex-app-server-sdk acp`` is what an editor starts; `CodexAgent` is for programs.
"""

from __future__ import annotations

from codex_app_server.extras import lacking

try:
    import acp  # noqa: F401 - the one that an extra brings
except ImportError as error:
    raise lacking("acp", error) from error

from codex_app_server.integrations.acp.agent import CodexAgent

__all__ = ["CodexAgent"]
