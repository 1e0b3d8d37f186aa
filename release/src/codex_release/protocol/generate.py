"""All generated files, by their paths: rendered in memory, compared with what is there, written if wanted."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from codex_release.base.errors import ProtocolError
from codex_release.base.switch import put_together
from codex_release.protocol.choices import with_choices
from codex_release.protocol.layer import Layer, rooms_of_definitions
from codex_release.protocol.normalise import normalise
from codex_release.protocol.older import only_here, together
from codex_release.protocol.options import with_value_aliases
from codex_release.protocol.prose import abouts_of
from codex_release.protocol.render_front import render_front
from codex_release.protocol.render_methods import render_methods
from codex_release.protocol.render_models import render_names, render_rooms
from codex_release.protocol.render_tables import render_events, render_prose, render_registry
from codex_release.protocol.rules import Rules, result_lines
from codex_release.protocol.shapes import Alias, ShapeUnion, names_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from codex_release.protocol.schema import Side
    from codex_release.protocol.shapes import Definition

__all__ = ["differing", "files_for", "write"]

_KINDS = ("*.py", "*.pyi")


def files_for(side: Side, older: Side, rules: Rules, version: str) -> dict[str, str]:
    """What a runtime's schema makes of the generated package: path within it to text.

    Args:
        side: what the runtime printed.
        older: what older runtimes say besides.
        rules: what the schema does not say.
        version: of the runtime.

    Raises:
        ProtocolError: if the generator does not understand it, or would have to guess.
    """
    plain = normalise(together(side, older), rules)
    if plain.guesses:
        raise ProtocolError(
            f"nothing says what {', '.join(plain.guesses)} gives, most likely this",
            problems=result_lines(plain.guesses),
            remedy="if it is right, put it under [results] in release/protocol.toml, a line each",
        )
    _require_ends(plain.definitions)
    chosen = with_choices(plain, rules)
    protocol, rooms = with_value_aliases(chosen, rules, rooms_of_definitions(chosen, rules))
    layer = Layer(version, protocol, rules, rooms, abouts_of(protocol, rules.prose), only_here(older, side))
    files: dict[str, str] = {}
    for render in (render_rooms, render_names, render_events, render_prose, render_registry):
        files |= render(layer)
    for is_async in (False, True):
        files |= render_front(layer, is_async=is_async) | render_methods(layer, is_async=is_async)
    for path, text in files.items():
        _require_python(path, text)
    return dict(sorted(files.items()))


def _require_ends(definitions: Mapping[str, Definition]) -> None:
    """Refuse aliases that lead back to themselves: what they stand for is written out, and would have no end.

    A union by shape is one too, for the client makes a ``Union`` of its options.
    """
    aliases = {name: set(names_of(each)) for name, each in definitions.items() if isinstance(each, (Alias, ShapeUnion))}
    try:
        TopologicalSorter({name: names & aliases.keys() for name, names in aliases.items()}).prepare()
    except CycleError as error:
        raise ProtocolError(
            f"{' refers to '.join(reversed(error.args[1]))}, without an object in between, which has no end in Python",
            remedy="look at the schema that the runtime prints; the generator has to learn it",
        ) from error


def _require_python(path: str, text: str) -> None:
    """Refuse what nothing could import: a word of the rules' files, or of the schema, cannot stand where it is put."""
    try:
        compile(text, path, "exec", dont_inherit=True)  # what only parses may still name an argument twice
    except (SyntaxError, ValueError) as error:  # the latter of a NUL
        line = text.splitlines()[(getattr(error, "lineno", None) or 1) - 1].strip()
        raise ProtocolError(
            f"{path} would be no Python ({error}): {line[:80]}",
            remedy="look for what stands there in release/protocol.toml, in release/protocol.prose.toml, and in the "
            "schema that the runtime prints",
        ) from error


def differing(files: Mapping[str, str], directory: Path) -> list[str]:
    """The paths whose file is missing, superfluous or not exactly as it would be written, sorted."""
    present = {path.relative_to(directory).as_posix() for kind in _KINDS for path in directory.rglob(kind)}
    return sorted(
        path
        for path in present | files.keys()
        if path not in files or path not in present or (directory / path).read_bytes() != files[path].encode()
    )


def write(files: Mapping[str, str], directory: Path) -> list[str]:
    """Make a directory hold exactly these files, or leave it as it was; returns which were not so before.

    Raises:
        OSError: if one of them cannot be put in its place.
    """
    changed = differing(files, directory)
    comes = {path: files[path].encode() for path in changed if path in files}
    put_together(directory, "generated", comes, [path for path in changed if path not in files])
    return changed
