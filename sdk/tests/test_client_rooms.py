"""The client's rooms: each imports only from its own row of the documents' table, and from those below."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import codex_app_server

PACKAGE = Path(codex_app_server.__file__).parent
DOCUMENT = PACKAGE.parents[1] / "docs" / "how-it-works.md"
NO_ROOMS = {"__init__", "__main__", "_log", "_version"}
"""The doors, and two that know nothing."""


def rows() -> dict[str, int]:
    """The rooms, and in which row of the table each is, from the top."""
    _, _, section = DOCUMENT.read_text(encoding="utf-8").partition("### The client's rooms\n")
    lines = re.findall(r"^\| (`[^|]*`) \|", section.partition("\n## ")[0], re.MULTILINE)
    return {room: number for number, line in enumerate(lines) for room in re.findall(r"`(\w+)`", line)}


def imports(module: Path) -> set[str]:
    """The rooms that a module imports from when it runs, wherever in it."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    names = {
        f"{node.module}.{each.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for each in node.names
    }
    return {name.split(".")[1] for name in names if name.startswith("codex_app_server.")}


def test_the_table_names_every_room() -> None:
    there = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert set(rows()) == there - NO_ROOMS


def test_rooms_import_downward_only() -> None:
    row = rows()
    upward = [
        f"{module.relative_to(PACKAGE)} imports {other}"
        for module in sorted(PACKAGE.rglob("*.py"))
        if (own := module.relative_to(PACKAGE).parts[0].removesuffix(".py")) in row
        for other in sorted(imports(module))
        if row.get(other, len(row)) < row[own]
    ]
    assert not upward


def test_the_twins_have_the_same_rooms_and_know_nothing_of_each_other() -> None:
    names = [{path.name for path in (PACKAGE / twin).glob("*.py")} for twin in ("sync", "aio")]
    assert names[0] == names[1]
    assert not any("sync" in imports(module) for module in (PACKAGE / "aio").glob("*.py"))
    assert not any("aio" in imports(module) for module in (PACKAGE / "sync").glob("*.py"))


def test_the_core_knows_nothing_else() -> None:
    assert {room for module in (PACKAGE / "protocol").glob("*.py") for room in imports(module)} <= {"protocol"}
