"""What older runtimes ask and tell that the pinned one does not: the client goes on answering and understanding it.

The messages that a release no longer has are kept in a file, as the older schema had them and without its prose, with
the definitions that only they need. A move of the pin adds to it; whoever generates reads the two together.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from codex_release.base.atomic import write_text
from codex_release.base.errors import WorkspaceError
from codex_release.base.table import Table, read_json
from codex_release.protocol.rules import Rules, result_names
from codex_release.protocol.schema import Schema, Side, bare, name_in, read_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


__all__ = ["load", "lost", "only_here", "save", "together"]


def load(path: Path) -> Side:
    """What is kept in a file; nothing if there is none.

    Raises:
        WorkspaceError: if it is not as `save` writes it.
    """
    if not path.is_file():
        return Side(Schema({}, {}, {}, {}), Schema({}, {}, {}, {}))
    sides = read_json(path.read_bytes(), str(path), WorkspaceError, "restore it from version control")
    return Side(*(_kept(sides.table(name)) for name in ("experimental", "stable")))


def _kept(side: Table) -> Schema:
    definitions, asks, tells = (side.table(key) for key in ("definitions", "server_requests", "notifications"))
    return Schema({name: read_schema(definitions, name) for name in definitions}, {}, _messages(asks), _messages(tells))


def _messages(methods: Table) -> dict[str, Any]:
    """The schemas of the parameters of some methods, which may have none."""
    return {name: None if methods.get(name) is None else read_schema(methods, name) for name in methods}


def save(side: Side, path: Path) -> None:
    """Keep it in a file."""
    kept = {name: asdict(schema) for name, schema in (("experimental", side.schema), ("stable", side.stable))}
    for each in kept.values():
        del each["client_requests"]
    write_text(path, json.dumps(kept, indent=1, sort_keys=True) + "\n")


def together(side: Side, older: Side) -> Side:
    """What a runtime and the older ones say; the runtime has the last word."""
    return _each(
        lambda new, old: Schema(
            {**old.definitions, **new.definitions},
            new.client_requests,
            {**old.server_requests, **new.server_requests},
            {**old.notifications, **new.notifications},
        ),
        side,
        older,
    )


def lost(old: Side, new: Side, rules: Rules) -> Side:
    """What one release asks and tells, and another does not, with the definitions that only the former has."""
    return _each(lambda old, new: _lost(old, new, rules), old, new)


def only_here(older: Side, side: Side) -> list[str]:
    """The methods that only the older runtimes say, sorted."""
    asks = older.schema.server_requests.keys() - side.schema.server_requests.keys()
    return sorted(asks | (older.schema.notifications.keys() - side.schema.notifications.keys()))


def _each(function: Callable[[Schema, Schema], Schema], one: Side, other: Side) -> Side:
    return Side(function(one.schema, other.schema), function(one.stable, other.stable))


def _lost(old: Schema, new: Schema, rules: Rules) -> Schema:
    asks = {method: old.server_requests[method] for method in old.server_requests.keys() - new.server_requests.keys()}
    tells = {method: old.notifications[method] for method in old.notifications.keys() - new.notifications.keys()}
    waiting = [*_named([asks, tells])]
    waiting += [name for method, params in asks.items() for name in result_names(method, params, rules)]
    definitions: dict[str, Any] = {}
    while waiting:
        name = waiting.pop()
        if name in old.definitions and name not in new.definitions and name not in definitions:
            definitions[name] = bare(old.definitions[name])
            waiting += _named(definitions[name])
    return Schema(definitions, {}, asks, tells)


def _named(schema: Any) -> Iterator[str]:
    """The definitions that a schema refers to."""
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield name_in(schema)
        schema = list(schema.values())
    for each in schema if isinstance(schema, list) else ():
        yield from _named(each)
