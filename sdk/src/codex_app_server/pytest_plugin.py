"""Fixtures for the tests of programs that use Codex; pytest finds them by itself wherever this package is installed.

pytest imports this module in every run, also where nobody wants a fixture of it: it loads nothing before it is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codex_app_server.testing import ModelServer, ToolMode

__all__ = ["codex_model_server", "codex_tool_mode"]


@pytest.fixture
def codex_tool_mode() -> ToolMode:
    """How the runtime gives tools to `codex_model_server`.

    A test that is to run in both ways is marked ``@pytest.mark.parametrize("codex_tool_mode", TOOL_MODES)``.
    """
    return "direct"


@pytest.fixture
def codex_model_server(codex_tool_mode: ToolMode) -> Iterator[ModelServer]:
    """A model server of this test alone: it answers "Done." until `ModelServer.add` scripts something else."""
    from codex_app_server.testing import ModelServer

    with ModelServer(mode=codex_tool_mode) as model:
        yield model
