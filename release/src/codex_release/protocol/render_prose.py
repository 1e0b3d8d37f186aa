"""``generated/prose.py``: what the client reads when somebody asks a model for its docstring, and not before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_release.protocol.text import header, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from codex_release.protocol.prose import About, Prose

__all__ = ["render_prose"]

_ABOUT = "What the models and their fields are for; read when somebody asks for it."
_MODELS_ABOUT = "Name of a model to its docstring, but for the fields."
_FIELDS_ABOUT = "Name of a field, or of a model and its field, to what it is; the second goes first."


def render_prose(abouts: Mapping[str, About], prose: Prose, version: str) -> dict[str, str]:
    """The module, by its path within the generated package.

    Args:
        abouts: definition to what is said of it.
        prose: what is said of fields.
        version: of the runtime.
    """
    there = {key for name, about in abouts.items() for field in about.fields for key in (field, f"{name}.{field}")}
    fields = {key: text for key, text in prose.fields.items() if key in there}
    models = {name: "\n\n".join(about.paragraphs) for name, about in abouts.items()}
    text = (
        header(_ABOUT, version)
        + "\nfrom __future__ import annotations\n\n"
        + _table("MODELS", _MODELS_ABOUT, sorted(models.items()))
        + "\n"
        + _table("FIELDS", _FIELDS_ABOUT, sorted(fields.items()))
    )
    return {"prose.py": text}


def _table(name: str, about: str, entries: Iterable[tuple[str, str]]) -> str:
    lines = "".join(f"    {quoted(key)}: {quoted(text)},\n" for key, text in entries)
    return f'{name}: dict[str, str] = {{\n{lines}}}\n"""{about}"""\n'
