"""Codex as an agent of the Agent Client Protocol: an editor that speaks it drives Codex through this client.

Needs the extra ``acp``. ``codex-app-server-sdk acp`` is what an editor starts; `CodexAgent` is for programs.
"""

from __future__ import annotations

try:
    import acp  # noqa: F401 - the one that an extra brings
except ImportError as error:
    from codex_app_server.extras import lacking

    raise lacking("acp", error) from None

from codex_app_server.integrations.acp.agent import CodexAgent, serve

__all__ = ["CodexAgent", "serve"]
