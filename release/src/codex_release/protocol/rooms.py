"""Which module each definition and each method belongs to, by the rules' table and by what refers to what."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from codex_release.protocol.naming import room_name, snake
from codex_release.protocol.shapes import names_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from codex_release.protocol.rules import Rules
    from codex_release.protocol.shapes import Protocol

__all__ = ["rooms_of_definitions", "rooms_of_methods"]


def rooms_of_methods(protocol: Protocol, rules: Rules) -> dict[str, str]:
    """Method to room, of all methods in all directions; what the rules have no room for gets one of its first word."""
    rooms = {}
    for method in _definitions_by_method(protocol):
        fitting = [
            (len(prefix), room.name) for room in rules.rooms for prefix in room.methods if method.startswith(prefix)
        ]
        rooms[method] = max(fitting)[1] if fitting else room_name(method.partition("/")[0])
    return rooms


def rooms_of_definitions(protocol: Protocol, rules: Rules) -> dict[str, str]:
    """Definition to room: what the rules name, what methods need, and what those refer to; first come, first served.

    A definition that nothing refers to goes where that is whose name is most like its own.
    """
    by_method, methods = _definitions_by_method(protocol), rooms_of_methods(protocol, rules)
    seeds: dict[str, list[str]] = {room.name: list(room.definitions) for room in rules.rooms}
    for method, names in by_method.items():
        seeds.setdefault(methods[method], []).extend(names)
    taken: dict[str, str] = {}
    for room, names in seeds.items():
        # What the rules name and only older releases have is passed over.
        taken |= {name: room for name in names if name in protocol.definitions and name not in taken}
    for room, names in seeds.items():
        for name in _reached(protocol, [name for name in names if name in protocol.definitions]):
            taken.setdefault(name, room)
    homes = dict(sorted(taken.items()))
    return homes | {name: _likest(name, homes) for name in protocol.definitions.keys() - homes.keys()}


def _likest(name: str, rooms: Mapping[str, str]) -> str:
    """The room of the definition whose name has most words at its beginning in common with another one."""

    def likeness(other: str) -> int:
        pairs = zip(words, snake(other).split("_"), strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))

    words = snake(name).split("_")
    return rooms[max(rooms, key=likeness)]


def _definitions_by_method(protocol: Protocol) -> dict[str, list[str]]:
    """What each method says and gets."""
    found = {event.method: [event.params] for event in protocol.notifications}
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
        for other in names_of(protocol.definitions[name]):
            if other not in seen:
                seen.add(other)
                waiting.append(other)
