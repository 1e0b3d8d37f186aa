"""``generated/registry.py``, ``prose.py`` and ``events``: what is data alone, cheap to import or read late.

The registry says which methods there are and what they carry; the prose is what the client reads when somebody asks a
model for its docstring, and not before.

Every event with what it says is for type checkers; at run time it is only a name. The union has a member for each
method, so that a comparison of the method tells which payload it is. A method that the client does not know has a
member too, whose method is a literal that no runtime says: were it any string, every comparison could mean it, and
neither a typo nor a payload would be found out.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from codex_release.protocol.shapes import Message, Protocol, Struct
from codex_release.protocol.text import PACKAGE, WIDTH, alternatives, bracketed, filled, imports, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from codex_release.protocol.layer import Layer

__all__ = ["render_events", "render_prose", "render_registry"]

_INDENT = " " * 8
_FUTURE = "\nfrom __future__ import annotations\n"

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

_PROSE_ABOUT = "What the models and their fields are for; read when somebody asks for it."
_MODELS_ABOUT = "Name of a model to its docstring, but for the fields."
_FIELDS_ABOUT = "Name of a field, or of a model and its field, to what it is; the second goes first."

_EVENTS_ABOUT = "What the runtime tells: every event, and what it says."
_UNION_ABOUT = '''\
"""Any event: comparing its `method` tells type checkers what its `payload` is.

What only a newer runtime tells is one of them too; its payload is plain JSON.
"""
'''
_EVENTS = '''
from __future__ import annotations

from codex_app_server.events import Notification

Event = Notification
"""Any event; which there are is for type checkers to know."""
'''
_UNKNOWN = "(unknown)"


def render_registry(layer: Layer) -> dict[str, str]:
    """The registry, by its path within the generated package."""
    protocol = layer.protocol
    clients = [_client(request, protocol) for request in protocol.client_requests]
    servers = [
        _entry(request.method, [quoted(request.params), quoted(request.result)]) for request in protocol.server_requests
    ]
    gone = "".join(f"\n    {quoted(each)}," for each in layer.older)
    gone += "\n" if gone else ""
    text = (
        layer.header(_ABOUT)
        + _FUTURE
        + '\n__all__ = ["CLIENT_REQUESTS", "NOTIFICATIONS", "OLDER", "ROOMS", "SCHEMA_VERSION", "SERVER_REQUESTS"]\n\n'
        + f'SCHEMA_VERSION = {quoted(layer.version)}\n"""{_VERSION_ABOUT}"""\n\n{_names(layer)}'
        + _texts("NOTIFICATIONS", {each.method: each.params for each in protocol.notifications}, _NOTIFICATIONS_ABOUT)
        + _table("SERVER_REQUESTS: dict[str, tuple[str, str]]", servers, _SERVER_ABOUT)
        + f'\nOLDER: list[str] = [{gone}]\n"""{_OLDER_ABOUT}"""\n'
        + f'\n_CLIENT_REQUESTS = {{\n{"".join(clients)}}}\n\n{_CLIENT_REQUESTS}"""{_CLIENT_ABOUT}\n"""\n'
    )
    return {"registry.py": text}


def render_prose(layer: Layer) -> dict[str, str]:
    """What is said of models and fields, by its path within the generated package."""
    abouts = dict(sorted(layer.abouts.items()))
    there = {key for name, about in abouts.items() for field in about.fields for key in (field, f"{name}.{field}")}
    fields = {key: text for key, text in sorted(layer.rules.prose.fields.items()) if key in there}
    models = {name: "\n\n".join(about.paragraphs) for name, about in abouts.items()}
    tables = _texts("MODELS", models, _MODELS_ABOUT) + _texts("FIELDS", fields, _FIELDS_ABOUT)
    return {"prose.py": layer.header(_PROSE_ABOUT) + _FUTURE + tables}


def render_events(layer: Layer) -> dict[str, str]:
    """The module and its stub, by their paths within the generated package."""
    events = layer.protocol.notifications
    homes = defaultdict(list)
    for event in events:
        homes[f"{PACKAGE}.{layer.rooms[event.params]}"].append(event.params)
    homes["codex_app_server.events"] = ["Notification"]
    homes["codex_app_server.protocol.messages"] = ["JsonValue"]
    members = [(event.method, event.params) for event in events] + [(_UNKNOWN, "JsonValue")]
    union = alternatives(
        "Event", [f"Notification[Literal[{quoted(method)}], {payload}]\n" for method, payload in members]
    )
    stub = f"\nfrom typing import Literal, TypeAlias\n\n{imports(homes)}\n{union}{_UNION_ABOUT}"
    about = layer.header(_EVENTS_ABOUT)
    return {"events.py": about + _EVENTS, "events.pyi": about + stub}


def _names(layer: Layer) -> str:
    """``ROOMS``, written as lists of names: a thousand lines of pairs would tell a reader less."""
    lines = []
    for room, definitions in layer.by_room().items():
        names = " ".join(sorted(each.name for each in definitions))
        lines.append(f'    "{room}": """\n{filled(names, WIDTH, _INDENT, _INDENT)}\n    """,\n')
    return (
        f"_NAMES = {{\n{''.join(lines)}}}\n\n"
        "ROOMS: dict[str, str] = {name: room for room, names in _NAMES.items() for name in names.split()}\n"
        f'"""{_ROOMS_ABOUT}"""\n'
    )


def _table(target: str, entries: Iterable[str], about: str) -> str:
    return f'\n{target} = {{\n{"".join(entries)}}}\n"""{about}"""\n'


def _texts(name: str, texts: Mapping[str, str], about: str) -> str:
    lines = (f"    {quoted(key)}: {quoted(text)},\n" for key, text in texts.items())
    return _table(f"{name}: dict[str, str]", lines, about)


def _client(request: Message, protocol: Protocol) -> str:
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
