"""The settings that hold, and what to write to change some, checked by what the runtime knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codex_app_server.errors import ConfigValueError
from codex_app_server.suggesting import nearest

if TYPE_CHECKING:
    from codex_app_server.generated import Config
    from codex_app_server.protocol.messages import JsonValue

__all__ = ["Settings", "edits_of"]


@dataclass(frozen=True, repr=False)
class Settings:
    """The settings that are in force, from all files and the command line together.

    Attributes:
        values: the settings, under their names in ``config.toml``; None for one that is not set.
        version: the version of the user's own file, for `Codex.config_write`; None if there is no such file.
        file: the path of the user's own file.
    """

    values: Mapping[str, JsonValue]
    version: str | None
    file: str | None

    @classmethod
    def from_answer(cls, answer: JsonValue) -> Settings:
        """What ``config/read`` has answered, with its layers."""
        said = answer if isinstance(answer, dict) else {}
        values, layers = said.get("config"), said.get("layers")
        for layer in layers if isinstance(layers, list) else []:
            name = layer.get("name") if isinstance(layer, dict) else None
            if isinstance(layer, dict) and isinstance(name, dict) and name.get("type") == "user":
                version, file = layer.get("version"), name.get("file")
                return cls(
                    values if isinstance(values, dict) else {},
                    version if isinstance(version, str) else None,
                    file if isinstance(file, str) else None,
                )
        return cls(values if isinstance(values, dict) else {}, None, None)

    def get(self, path: str) -> JsonValue:
        """A setting by its path, e.g. ``tui.theme``; None if it is not set.

        Args:
            path: the names of the tables and of the setting, with dots between them; a name with a dot in it is put in
                double quotes.
        """
        found: JsonValue = dict(self.values)
        for name in _names(path):
            found = found.get(name) if isinstance(found, dict) else None
        return found

    @property
    def config(self) -> Config:
        """The settings as a model of the protocol; a new one each time."""
        from codex_app_server.generated import Config
        from codex_app_server.models.model import decode

        return decode(Config, dict(self.values))

    def __repr__(self) -> str:
        """Where they are; they may hold secrets."""
        return f"<Settings of {self.file}>"


def edits_of(values: Mapping[str, object], known: Mapping[str, JsonValue]) -> list[dict[str, object]]:
    """What to write to have settings changed.

    Args:
        values: by their paths; tables are merged into what is there, None takes a setting away.
        known: what the runtime knows, by its names.

    Raises:
        ConfigValueError: if there is no setting of a name.
    """
    for path in values:
        name = _names(path)[0]
        if known and name not in known:
            meant = nearest(name, list(known))
            hint = f"; did you mean {meant}?" if meant else ""
            raise ConfigValueError(-32600, f"there is no setting {name!r}{hint}", method="config/batchWrite")
    return [
        {"keyPath": path, "value": value, "mergeStrategy": "upsert" if isinstance(value, Mapping) else "replace"}
        for path, value in values.items()
    ]


def _names(path: str) -> list[str]:
    """The names of a path."""
    names, quoted = [""], False
    for letter in path:
        if letter == '"':
            quoted = not quoted
        elif letter == "." and not quoted:
            names.append("")
        else:
            names[-1] += letter
    return names
