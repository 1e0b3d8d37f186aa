"""A notebook that runs in a real kernel, while somebody looks at what it shows.

In a module of its own, for nbformat compiles grammars for more than a second when it is imported.
"""

from __future__ import annotations

import asyncio
from typing import Any

import nbformat
from nbclient import NotebookClient

__all__ = ["Watched"]


class Watched(NotebookClient):
    """Runs the cells, keeps what their displays show one after another, and interrupts the endless one.

    Attributes:
        shown: by number of the cell, what its display showed.
    """

    def __init__(self, *cells: str) -> None:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        super().__init__(notebook, timeout=60, allow_errors=True)
        self.shown: dict[int, list[str]] = {}

    def process_message(self, message: Any, cell: Any, cell_index: int) -> Any:
        """Look at a message of the kernel."""
        if message["msg_type"] in {"display_data", "update_display_data"}:
            text = message["content"]["data"]["text/markdown"]
            self.shown.setdefault(cell_index, []).append(text)
            if text.count("endless") == 1:
                kernel: Any = self.km
                self._interruption = asyncio.ensure_future(kernel.interrupt_kernel())
        return super().process_message(message, cell, cell_index)
