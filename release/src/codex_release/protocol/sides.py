"""The protocols of two releases, as they print them: what a comparison starts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from codex_release.protocol.difference import differences
from codex_release.protocol.normalise import normalise
from codex_release.protocol.render_changes import Judged, judged
from codex_release.protocol.schema import Schema, print_schema

if TYPE_CHECKING:
    from pathlib import Path

    from codex_release.protocol.rules import Rules

__all__ = ["Side", "compared"]


@dataclass(frozen=True)
class Side:
    """One of the two releases.

    Attributes:
        schema: with everything that is experimental, or what there is.
        stable: without.
    """

    schema: Schema
    stable: Schema

    @classmethod
    def printed_by(cls, executable: Path) -> Side:
        """What an executable that runs on this machine prints.

        Raises:
            ProtocolError: if it prints none.
        """
        return cls(print_schema(executable, experimental=True), print_schema(executable, experimental=False))

    @property
    def tells_experimental(self) -> bool:
        """Whether it was printed twice."""
        return self.schema is not self.stable


def compared(old: Side, new: Side, rules: Rules) -> list[Judged]:
    """Every change from one protocol to the other, and whether it can break users.

    Raises:
        ProtocolError: if a schema is not understood.
    """
    return judged(differences(*(normalise(side.schema, side.stable, rules) for side in (old, new))))
