"""The schema as the runtime prints it: two runs of the executable, some JSON files, nothing interpreted yet."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codex_release.base.errors import ProtocolError, system_errors_as
from codex_release.base.programs import answer
from codex_release.base.table import Table, read_json
from codex_release.base.words import counted
from codex_release.facts.versions import printed_version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


__all__ = ["Schema", "Side", "bare", "name_in", "read_schema", "runtime_version"]

_DEFINITIONS = "codex_app_server_protocol.schemas.json"
_MESSAGES = ("ClientRequest", "ServerRequest", "ServerNotification")
_V2 = "v2"
_PROSE = frozenset({"$schema", "title", "description"})
_UNKNOWN = (
    "const",
    "not",
    "if",
    "nullable",
    "patternProperties",
    "prefixItems",
    "dependentSchemas",
    "unevaluatedProperties",
)
"""What JSON schemas may say beside what is read here, and what they would be taken for less than they are without."""
_NOT_BESIDE_REF = ("type", "enum", "properties", "additionalProperties", "items", "allOf", "anyOf", "oneOf")
"""What a reference may have beside it in newer drafts, for both to hold; only one of the two would be read."""
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
        definitions = _flattened(_loaded(directory / _DEFINITIONS).table("definitions"))
        return cls(definitions, *(_methods(_loaded(directory / f"{name}.json")) for name in _MESSAGES))


@dataclass(frozen=True)
class Side:
    """The two schemas of a release.

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
            ProtocolError: if it cannot be run, fails, or prints something else.
        """
        with tempfile.TemporaryDirectory(prefix="codex-schema-") as scratch:
            schemas = []
            for options in (["--experimental"], []):
                printed = Path(scratch, f"schema{len(options)}")
                _run([str(executable), "app-server", "generate-json-schema", *options, "--out", str(printed)], scratch)
                schemas.append(Schema.read(printed))
        return cls(*schemas)

    @property
    def tells_experimental(self) -> bool:
        """Whether it was printed twice."""
        return self.schema is not self.stable


def runtime_version(executable: Path) -> str:
    """The version that a runtime says it has, e.g. ``0.169.0``.

    Raises:
        ProtocolError: if it cannot be run or says something else.
    """
    with tempfile.TemporaryDirectory(prefix="codex-home-") as scratch:
        version = printed_version(_run([str(executable), "--version"], scratch))
    if not version:
        raise ProtocolError(f"{executable} --version printed nothing", remedy="name a Codex executable")
    return version


def _run(argv: Sequence[str], home: str) -> str:
    """What a runtime prints; it leaves its traces in a home of its own."""
    return answer(
        argv,
        timeout_s=_TIMEOUT_S,
        error=ProtocolError,
        name=" ".join(argv[:3]),
        environ={**os.environ, "CODEX_HOME": home},
    )


def _loaded(path: Path) -> Table:
    name = f"the schema that the runtime printed, {path.name}"
    with system_errors_as(ProtocolError, f"{name}, cannot be read"):
        return read_json(path.read_bytes(), name, ProtocolError)


def _flattened(definitions: Table) -> dict[str, Any]:
    """The definitions of both versions of the protocol under one roof; what both have must be the same."""
    newer = {name: read_schema(definitions.table(_V2), name) for name in definitions.table(_V2)}
    older = {name: read_schema(definitions, name) for name in definitions if name != _V2}
    for name in older.keys() & newer.keys():
        if bare(older[name]) != bare(newer[name]):
            definitions.refuse(name, "has two definitions")
    return older | newer


def bare(schema: Any) -> Any:
    """A schema without its prose."""
    if isinstance(schema, dict):  # a member may be called ``title``, and is no string then
        return {key: bare(value) for key, value in schema.items() if not (key in _PROSE and isinstance(value, str))}
    return [bare(each) for each in schema] if isinstance(schema, list) else schema


def _methods(schema: Table) -> dict[str, Any]:
    """Method to schema of its parameters, of a file that lists messages."""
    found = {}
    for message in schema.tables("oneOf"):
        properties = message.table("properties")
        names = properties.table("method").texts("enum")
        if len(names) != 1:
            properties.refuse("method", f"has {counted(len(names), 'name')} instead of one")
        found[names[0]] = None if properties.get("params") is None else read_schema(properties, "params")
    return found


def name_in(schema: Mapping[str, Any]) -> str:
    """The definition that a reference is one to."""
    name: str = schema["$ref"].rpartition("/")[2]
    return name


def read_schema(table: Table, key: str) -> Any:
    """The JSON schema that stands in a table; all that is read of it is of the kind that it has to be.

    Raises:
        ReleaseError: of the table's kind, if it is no schema.
    """
    if table.get(key) is True:
        return True
    schema = table.table(key)
    _require_parts(schema)
    return schema.values


def _require_parts(schema: Table) -> None:
    """Refuse a schema with a part of another kind than it has to be, or that nobody here knows."""
    _require_known(schema)
    for key in ("oneOf", "anyOf", "allOf"):
        for each in schema.tables(key) if key in schema else ():
            _require_parts(each)
    for key in ("items", "additionalProperties"):
        if key in schema and schema.get(key) is not False:
            read_schema(schema, key)
    for name in schema.table("properties") if "properties" in schema else ():
        read_schema(schema.table("properties"), name)
    if "required" in schema:
        schema.texts("required")
    if "$ref" in schema:
        schema.text("$ref")
    if "type" in schema and not isinstance(schema.get("type"), str):
        schema.texts("type")
    values = schema.get("enum")
    are_plain = isinstance(values, list) and not any(isinstance(each, (dict, list)) for each in values)
    if "enum" in schema and not (values and are_plain):
        schema.refuse("enum", "is no array of words and numbers")


def _require_known(schema: Table) -> None:
    """Refuse what would be passed over in silence."""
    for key in _UNKNOWN:
        if key in schema:
            schema.refuse(key, "is nothing that is known of schemas; the generator has to learn it")
    for key in _NOT_BESIDE_REF if "$ref" in schema else ():
        if key in schema:
            schema.refuse(key, "stands beside a $ref, for both to hold; the generator has to learn it")
