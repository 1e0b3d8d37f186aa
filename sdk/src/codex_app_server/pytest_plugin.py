"""Fixtures for the tests of programs that use Codex; pytest finds them by itself wherever this package is installed.

pytest imports this module in every run, also where nobody wants a fixture of it: it loads nothing before it is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codex_app_server.testing import ModelServer

__all__ = ["codex_model_server"]


@pytest.fixture
def codex_model_server() -> Iterator[ModelServer]:
    """A model server of this test alone: it answers "Done." until `ModelServer.add` scripts something else."""
    from codex_app_server.testing import ModelServer

    with ModelServer() as model:
        yield model
