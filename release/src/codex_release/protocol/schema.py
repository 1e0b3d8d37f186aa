"""The schema as the runtime prints it: one run of the executable, a handful of JSON files, nothing interpreted yet."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codex_release.base.errors import ProtocolError
from codex_release.base.programs import answer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Schema", "print_schema", "runtime_version"]

_DEFINITIONS = "codex_app_server_protocol.schemas.json"
_V2 = "v2"
_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Schema:
    """What ``codex app-server generate-json-schema`` prints.

    Attributes:
        definitions: every definition by its name, whichever version of the protocol it stems from.
        client_requests: of each method the schema of its parameters, None if it has none; as the two below.
        server_requests: what the runtime asks.
        notifications: what the runtime tells.
    """

    definitions: Mapping[str, Any]
    client_requests: Mapping[str, Any]
    server_requests: Mapping[str, Any]
    notifications: Mapping[str, Any]

    @classmethod
    def read(cls, directory: Path) -> Schema:
        """The schema in a directory.

        Raises:
            ProtocolError: if a file is missing or is not laid out as expected.
        """
        try:
            files = [_loaded(directory / f"{name}.json") for name in ("ClientRequest", "ServerRequest")]
            files.append(_loaded(directory / "ServerNotification.json"))
            definitions = _flattened(_loaded(directory / _DEFINITIONS)["definitions"])
            return cls(definitions, *(_methods(file) for file in files))
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise ProtocolError(f"the schema that the runtime printed is not understood: {error!r}") from error


def print_schema(executable: Path, *, experimental: bool) -> Schema:
    """Have a runtime print its schema.

    Args:
        executable: a Codex executable that runs on this machine.
        experimental: whether what it marks as experimental is in it.

    Raises:
        ProtocolError: if it cannot be run, fails, or prints something else.
    """
    with tempfile.TemporaryDirectory(prefix="codex-schema-") as scratch:
        options = ["--experimental"] if experimental else []
        printed = Path(scratch) / "schema"
        _run([str(executable), "app-server", "generate-json-schema", *options, "--out", str(printed)], Path(scratch))
        return Schema.read(printed)


def runtime_version(executable: Path) -> str:
    """The version that a runtime says it has, e.g. ``0.169.0``.

    Raises:
        ProtocolError: if it cannot be run or says something else.
    """
    with tempfile.TemporaryDirectory(prefix="codex-home-") as scratch:
        words = _run([str(executable), "--version"], Path(scratch)).split()
    if not words:
        raise ProtocolError(f"{executable} --version printed nothing")
    return words[-1]


def _run(argv: Sequence[str], home: Path) -> str:
    """What a runtime prints; it leaves its traces in a home of its own."""
    return answer(
        argv,
        timeout_s=_TIMEOUT_S,
        error=ProtocolError,
        name=" ".join(argv[:3]),
        environ={**os.environ, "CODEX_HOME": str(home)},
    )


def _loaded(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _flattened(definitions: dict[str, Any]) -> dict[str, Any]:
    """The definitions of both versions of the protocol under one roof; what both have must be the same."""
    newer: dict[str, Any] = definitions[_V2]
    older = {name: schema for name, schema in definitions.items() if name != _V2}
    for name in older.keys() & newer.keys():
        if _bare(older[name]) != _bare(newer[name]):
            raise ValueError(f"{name} has two definitions")
    return older | newer


def _bare(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key not in {"$schema", "title", "description"}}


def _methods(schema: dict[str, Any]) -> dict[str, Any]:
    """Method to schema of its parameters, of a file that lists messages."""
    properties = [message["properties"] for message in schema["oneOf"]]
    return {each["method"]["enum"][0]: each.get("params") for each in properties}
