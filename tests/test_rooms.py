"""The toolkit's rooms: each says what it is for, and imports only what stands below it in the documents' table."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "release" / "src" / "codex_release"
DOCUMENT = ROOT / "sdk" / "docs" / "how-it-works.md"


def rooms() -> list[str]:
    """The rooms in the order of the table, from the top."""
    _, _, section = DOCUMENT.read_text(encoding="utf-8").partition("### The toolkit's rooms\n")
    return re.findall(r"^\| `(\w+)` \|", section.partition("\n#")[0], re.MULTILINE)


def imports(module: Path) -> set[str]:
    """The modules of the toolkit that a module imports, wherever in it, as names below the package."""
    found = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            found |= {f"{node.module}.{each.name}" for each in node.names}
        elif isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
    return {name.removeprefix("codex_release.") for name in found if name.startswith("codex_release.")}


def test_the_table_names_every_room() -> None:
    there = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert set(rooms()) == there - {"__init__", "__main__"}


def test_rooms_import_downward_only() -> None:
    rank = {room: number for number, room in enumerate(rooms())}
    upward = [
        f"{module.relative_to(PACKAGE)} imports {name}"
        for module in sorted(PACKAGE.rglob("*.py"))
        for name in sorted(imports(module))
        if (own := module.relative_to(PACKAGE).parts[0].removesuffix(".py")) in rank
        and (other := name.partition(".")[0]) in rank
        and rank[other] < rank[own]
    ]
    assert not upward


def test_each_room_says_what_it_is_for() -> None:
    for room in rooms():
        path = PACKAGE / room / "__init__.py"
        module = path if path.is_file() else PACKAGE / f"{room}.py"
        assert ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))), module


def test_the_picture_has_the_names_of_the_rooms() -> None:
    _, _, section = DOCUMENT.read_text(encoding="utf-8").partition("## From a release to wheels\n")
    picture, _, text = section.partition("### ")[0].partition("```mermaid\n")[2].partition("```")
    stations = re.findall(r"\w[\[{(]+\"(\w+)<br>", picture)
    assert set(stations) <= set(rooms())
    assert [station.capitalize() for station in stations] == re.findall(r"^- \*\*(\w+)\.\*\*", text, re.MULTILINE)
