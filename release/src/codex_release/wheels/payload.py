"""A runtime on its way from an archive into wheels, in memory: no file of it is written to disk in between.

Each file is read into a buffer, looked at, and handed to the compressing threads while the next one is read.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from codex_release.base.errors import InspectError
from codex_release.runtime.headers import Executable, Span
from codex_release.runtime.inspection import Inspection, inspect_file
from codex_release.runtime.tags import variants

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from codex_release.facts.targets import Layout, Target
    from codex_release.wheels.buffer import Buffer
    from codex_release.wheels.deflater import Deflater
    from codex_release.wheels.zipwriter import Compressed

__all__ = ["Payload"]


@dataclass(frozen=True)
class Payload:
    """Takes in a runtime's files (`archive.Sink`), and gives what they are and what they compress to.

    Attributes:
        target: what they should be for.
        layout: where executables lie.
        deflater: the pool that compresses them.
        store: do not compress: a larger wheel, made and installed in less time.
        turn: see `Deflater.buffer`.
    """

    target: Target
    layout: Layout
    deflater: Deflater
    store: bool = False
    turn: int = 0
    _executables: dict[str, Executable] = field(default_factory=dict, init=False)
    _refusals: list[InspectError] = field(default_factory=list, init=False)
    _entries: dict[str, Future[Compressed]] = field(default_factory=dict, init=False)

    @contextlib.contextmanager
    def create(self, path: str, size: int | None) -> Iterator[Buffer]:
        """Take in one file; waits until it is its turn."""
        buffer = self.deflater.buffer(size, self.turn)
        try:
            yield buffer
            self._inspect(path, buffer)
        except BaseException:
            self.deflater.discard(buffer)
            raise
        self._entries[path] = self.deflater.submit(buffer, store=self.store)

    def inspection(self, left_out: frozenset[str] = frozenset()) -> Inspection:
        """What the executables are, without some of them, and the wheels that follow.

        Raises:
            InspectError: see `inspection.inspect_tree`.
        """
        if self._refusals:
            raise self._refusals[0]
        shipped = {path: each for path, each in self._executables.items() if path not in left_out}
        return Inspection(shipped, variants(self.target, shipped, self.layout.is_optional))

    @contextlib.contextmanager
    def entry(self, path: str, *, keep: bool = False) -> Iterator[Compressed]:
        """What a file compresses to; waits for it.

        Args:
            path: its place in the tree.
            keep: whether it will be asked for again; if not, its memory is given back at the end of the block.
        """
        yield self._entries[path].result()
        if not keep:
            self.deflater.release(self._entries.pop(path))

    def release(self) -> None:
        """Forget everything; the memory of the results is given back."""
        for entry in self._entries.values():
            self.deflater.release(entry)
        self._entries.clear()
        self._executables.clear()
        self._refusals.clear()

    def _inspect(self, path: str, buffer: Buffer) -> None:
        # Whether these are the right bytes at all is found out later, and then comes first: so nothing is raised here.
        try:
            found = inspect_file(Span(buffer, path, 0, buffer.size), path, self.target, self.layout)
        except InspectError as error:
            self._refusals.append(error)
        else:
            if found:
                self._executables[path] = found
