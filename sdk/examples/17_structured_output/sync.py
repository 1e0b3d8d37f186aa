"""Answers as values of a type: validated, and asked for again where they do not fit."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config

from codex_app_server import AppServerConfig, Codex, OutputValidationError


class River(BaseModel):
    """A river of the world."""

    name: str
    continent: str
    length_km: int = Field(gt=0, description="From its source to its mouth.")


def main(config: AppServerConfig) -> None:
    with Codex(config) as codex:
        thread = codex.thread_start()
        # Any type that pydantic knows; `result.output` is a list[River] to a type checker.
        result = thread.run("Name two great rivers.", output_type=list[River], retries=2)
        for river in result.output:
            print(f"{river.continent}: {river.name}, {river.length_km} km")
        try:
            longest = thread.run("Which is longer?", output_type=Literal["Ganges", "Nile"]).output
        except OutputValidationError as error:
            print(f"{error.reply} does not fit: {error.reasons}")
        else:
            print("longest:", longest)
        print("asked", len(thread.read(include_turns=True).thread.turns), "times")


if __name__ == "__main__":
    with example_config(__file__) as config:
        main(config)
