"""``generated/registry.py``: which methods there are and what they carry, as data that costs nothing to import."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_release.protocol.shapes import Struct
from codex_release.protocol.text import WIDTH, bracketed, filled, header, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from codex_release.protocol.shapes import ClientRequest, Protocol

__all__ = ["render_registry"]

_INDENT = " " * 8

_ABOUT = "The protocol as data: its methods, the models they carry, and the room of each model."
_VERSION_ABOUT = "Of the Codex whose schema this is."
_ROOMS_ABOUT = "Name of a model to the module in this package that has it."
_NOTIFICATIONS_ABOUT = "Method of an event, of this runtime or an older one, to the model of what it says."
_SERVER_ABOUT = "Method that the runtime, or an older one, calls to the models of its parameters and of the answer."
_OLDER_ABOUT = "What of the two above this runtime does not say any more."
_CLIENT_ABOUT = (
    "Method to the model of its parameters (None if it takes none), the model of its result, whether the method is\n"
    "experimental, and the wire names of the parameters that are."
)
_CLIENT_REQUESTS = """\
CLIENT_REQUESTS: dict[str, tuple[str | None, str, bool, frozenset[str]]] = {
    method: (params, result, is_experimental, frozenset(fields.split()))
    for method, (params, result, is_experimental, fields) in _CLIENT_REQUESTS.items()
}
"""


def render_registry(protocol: Protocol, rooms: Mapping[str, str], version: str, older: Iterable[str]) -> str:
    """The module.

    Args:
        protocol: what is registered.
        rooms: definition to room, of all that the client can load.
        version: of the runtime.
        older: the methods that only older runtimes say.
    """
    clients = [_client(request, protocol) for request in protocol.client_requests]
    servers = [
        _entry(request.method, [quoted(request.params), quoted(request.result)]) for request in protocol.server_requests
    ]
    events = [f"    {quoted(each.method)}: {quoted(each.params)},\n" for each in protocol.notifications]
    gone = "".join(f"\n    {quoted(each)}," for each in older)
    gone += "\n" if gone else ""
    return (
        header(_ABOUT, version)
        + "\nfrom __future__ import annotations\n\n"
        + '__all__ = ["CLIENT_REQUESTS", "NOTIFICATIONS", "OLDER", "ROOMS", "SCHEMA_VERSION", "SERVER_REQUESTS"]\n\n'
        + f'SCHEMA_VERSION = {quoted(version)}\n"""{_VERSION_ABOUT}"""\n\n{_names(rooms)}'
        + _table("NOTIFICATIONS: dict[str, str]", events, _NOTIFICATIONS_ABOUT)
        + _table("SERVER_REQUESTS: dict[str, tuple[str, str]]", servers, _SERVER_ABOUT)
        + f'\nOLDER: list[str] = [{gone}]\n"""{_OLDER_ABOUT}"""\n'
        + f'\n_CLIENT_REQUESTS = {{\n{"".join(clients)}}}\n\n{_CLIENT_REQUESTS}"""{_CLIENT_ABOUT}\n"""\n'
    )


def _names(rooms: Mapping[str, str]) -> str:
    """``ROOMS``, written as lists of names: a thousand lines of pairs would tell a reader less."""
    lines = []
    for room in sorted(set(rooms.values())):
        names = " ".join(sorted(name for name, home in rooms.items() if home == room))
        lines.append(f'    "{room}": """\n{filled(names, WIDTH, _INDENT, _INDENT)}\n    """,\n')
    return (
        f"_NAMES = {{\n{''.join(lines)}}}\n\n"
        "ROOMS: dict[str, str] = {name: room for room, names in _NAMES.items() for name in names.split()}\n"
        f'"""{_ROOMS_ABOUT}"""\n'
    )


def _table(target: str, entries: Iterable[str], about: str) -> str:
    return f'\n{target} = {{\n{"".join(entries)}}}\n"""{about}"""\n'


def _client(request: ClientRequest, protocol: Protocol) -> str:
    """A method of the client's; where all of it is experimental, its parameters are not listed."""
    taken = protocol.definitions[request.params] if request.params else None
    known = taken.fields if isinstance(taken, Struct) and not request.is_experimental else ()
    fields = " ".join(field.wire for field in known if field.is_experimental)
    params = quoted(request.params) if request.params else "None"
    parts = [params, quoted(request.result), str(request.is_experimental)]
    entry = _entry(request.method, [*parts, quoted(fields)])
    if max(map(len, entry.splitlines())) <= WIDTH:
        return entry
    return _entry(request.method, [*parts, f'"""\n{filled(fields, WIDTH, _INDENT, _INDENT)}\n{_INDENT}"""'])


def _entry(method: str, parts: list[str]) -> str:
    return bracketed(f"{quoted(method)}: (", parts, "),", "    ") + "\n"
