"""Which module each definition and each method belongs to, by the rules' table and by what refers to what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_release.base.errors import ProtocolError
from codex_release.protocol.shapes import definition_types, names_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from codex_release.protocol.rules import Rules
    from codex_release.protocol.shapes import Protocol

__all__ = ["rooms_of_definitions", "rooms_of_methods"]


def rooms_of_methods(protocol: Protocol, rules: Rules) -> dict[str, str]:
    """Method to room, of all methods in all directions.

    Raises:
        ProtocolError: if the rules have no room for a method.
    """
    rooms = {}
    for method in _definitions_by_method(protocol):
        fitting = [
            (len(prefix), room.name) for room in rules.rooms for prefix in room.methods if method.startswith(prefix)
        ]
        if not fitting:
            raise ProtocolError(
                f"no room is meant for the method {method}",
                remedy="give it one under [[rooms]] in release/protocol.toml",
            )
        rooms[method] = max(fitting)[1]
    return rooms


def rooms_of_definitions(protocol: Protocol, rules: Rules) -> dict[str, str]:
    """Definition to room: what the rules name, what methods need, and what those refer to; first come, first served.

    Raises:
        ProtocolError: if a definition is left without a room, or the rules name one that does not exist.
    """
    by_method, methods = _definitions_by_method(protocol), rooms_of_methods(protocol, rules)
    seeds = {room.name: list(room.definitions) for room in rules.rooms}
    for method, names in by_method.items():
        seeds[methods[method]].extend(names)
    taken: dict[str, str] = {}
    for room, names in seeds.items():
        taken |= {name: room for name in names if name not in taken}
    unknown = sorted(taken.keys() - protocol.definitions.keys())
    if unknown:
        raise ProtocolError(f"release/protocol.toml gives rooms to what is not in the schema: {', '.join(unknown)}")
    for room, names in seeds.items():
        for name in _reached(protocol, names):
            taken.setdefault(name, room)
    homeless = sorted(protocol.definitions.keys() - taken.keys())
    if homeless:
        raise ProtocolError(
            f"nothing that has a room refers to {', '.join(homeless)}",
            remedy="give them one under [[rooms]] in release/protocol.toml",
        )
    return taken


def _definitions_by_method(protocol: Protocol) -> dict[str, list[str]]:
    """What each method says and gets."""
    found = {method: [name] for method, name in protocol.notifications.items()}
    for server in protocol.server_requests:
        found[server.method] = [server.params, server.result]
    for client in protocol.client_requests:
        found[client.method] = [name for name in (client.params, client.result) if name]
    return found


def _reached(protocol: Protocol, names: Iterable[str]) -> Iterator[str]:
    """Some definitions, all they refer to, all these refer to, and so on."""
    waiting, seen = list(names), set(names)
    while waiting:
        name = waiting.pop(0)
        yield name
        for kind in definition_types(protocol.definitions[name]):
            for other in names_in(kind):
                if other not in seen:
                    seen.add(other)
                    waiting.append(other)
