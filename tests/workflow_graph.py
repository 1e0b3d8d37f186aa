"""The workflows as data: jobs, what they need and may do, and the commands of their steps as a shell reads them."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

__all__ = ["WORKFLOWS", "Job", "Step", "Workflow", "expressions"]

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
OPERATORS = {"|", "||", "&&", ";", "(", ")"}
REDIRECTIONS = {">", ">>", "<"}
KEYWORDS = {"do", "done", "if", "then", "fi"}


@dataclass(frozen=True)
class Step:
    """One step of a job: an action with its settings, or a script."""

    raw: dict[str, Any]

    @property
    def script(self) -> str:
        """What a shell runs; nothing if the step is an action."""
        return str(self.raw.get("run", ""))

    @property
    def action(self) -> str:
        """The action, with its commit; nothing if the step is a script."""
        return str(self.raw.get("uses", ""))

    @property
    def commands(self) -> list[list[str]]:
        """The words of each command of the script, redirections and shell grammar left out."""
        found = []
        for line in self.script.splitlines():
            lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;()<>")
            lexer.whitespace_split = True
            command: list[str] = []
            words = iter([*lexer, ";"])
            for word in words:
                if word in REDIRECTIONS:
                    next(words)  # a file
                elif word in OPERATORS:
                    found.append(command)
                    command = []
                elif command or word not in KEYWORDS:
                    command.append(word)
        return [command for command in found if command and command[0] != "for"]


@dataclass(frozen=True)
class Job:
    """One job of a workflow."""

    name: str
    raw: dict[str, Any]

    @property
    def needs(self) -> set[str]:
        """The jobs that must have ended well before."""
        needs = self.raw.get("needs", [])
        return {needs} if isinstance(needs, str) else set(needs)

    @property
    def permissions(self) -> dict[str, str]:
        """What its token may do."""
        return dict(self.raw["permissions"])

    @property
    def steps(self) -> list[Step]:
        """Its steps, in order."""
        return [Step(dict(raw)) for raw in self.raw["steps"]]

    @property
    def commands(self) -> list[list[str]]:
        """The commands of all its steps."""
        return [command for step in self.steps for command in step.commands]

    def runs(self, *words: str) -> bool:
        """Whether one of its commands has these words, in this order and side by side."""
        return any(
            command[start : start + len(words)] == list(words)
            for command in self.commands
            for start in range(len(command))
        )


@dataclass(frozen=True)
class Workflow:
    """One file of `.github/workflows`."""

    path: Path
    raw: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Workflow:
        """Load it as YAML 1.2, where ``on`` is a word and not a truth."""
        return cls(path, YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")))

    @property
    def jobs(self) -> dict[str, Job]:
        """Its jobs by their id."""
        return {name: Job(name, raw) for name, raw in self.raw["jobs"].items()}

    def before(self, name: str) -> set[str]:
        """Every job that has ended well when this one begins."""
        direct = self.jobs[name].needs
        return direct.union(*(self.before(each) for each in direct))


def expressions(value: Any) -> list[str]:
    """Every ``${{ … }}`` below a value, and conditions, which are expressions without them."""
    if isinstance(value, dict):
        found = [str(value["if"])] if "if" in value else []
        return found + [each for below in value.values() for each in expressions(below)]
    if isinstance(value, list):
        return [each for below in value for each in expressions(below)]
    return re.findall(r"\$\{\{(.*?)\}\}", value) if isinstance(value, str) else []
