"""``generated/methods/`` and ``generated/amethods/``: a typed Python method for each method that the client can call.

Both are written from the same values: the asynchronous twin differs in ``async``, ``await`` and the names of classes.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from codex_release.base.errors import ProtocolError
from codex_release.protocol.layer import Layer, rooms_of_methods
from codex_release.protocol.naming import attribute, pascal
from codex_release.protocol.spelling import words_in
from codex_release.protocol.text import PACKAGE, bracketed, call, docstring, imports, quoted, section

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from codex_release.protocol.options import Option
    from codex_release.protocol.shapes import Message

__all__ = ["NOTES", "annotation_imports", "experimental_note", "render_methods", "said_of", "signature"]

_STANDARD = {
    **dict.fromkeys(("Callable", "Mapping", "Sequence"), "collections.abc"),
    **dict.fromkeys(("Any", "Literal", "overload"), "typing"),
}
_NEWER = {"TypeForm": "typing_extensions"}
"""The modules of what annotations name beside the client's own: of the standard library, and of what is newer."""
_NEEDS = "needs `AppServerConfig.experimental_api`"
NOTES = (
    "An option that is None is not sent. Options that are objects take the model of the protocol; enums take their\n"
    "strings too, and paths any path object."
)


def render_methods(layer: Layer, *, is_async: bool) -> dict[str, str]:
    """The modules of one of the twins, by their paths within the generated package.

    Raises:
        ProtocolError: if two methods would have the same name.
    """
    package, prefix = ("amethods", "Async") if is_async else ("methods", "")
    by_room = defaultdict(list)
    homes = rooms_of_methods(layer.protocol, layer.rules)
    named: dict[str, str] = {}
    for request in layer.protocol.client_requests:
        if request.method not in layer.rules.left_out_methods:
            by_room[homes[request.method]].append(request)
            name = attribute(request.method)
            if (other := named.setdefault(name, request.method)) != request.method:
                raise ProtocolError(
                    f"the methods {other} and {request.method} would both be called {name} in Python",
                    remedy="put one of them under [left_out] in release/protocol.toml",
                )
    classes = {room: f"{prefix}{pascal(room)}Methods" for room in sorted(by_room)}
    files = {f"{package}/__init__.py": _together(package, prefix, classes, layer)}
    for room, name in classes.items():
        files[f"{package}/{room}.py"] = _room(layer, room, name, by_room[room], is_async=is_async)
    return files


def annotation_imports(
    annotations: Iterable[str], rooms: Mapping[str, str], others: Mapping[str, str] | None = None
) -> str:
    """The imports that annotations need, in an ``if TYPE_CHECKING`` block of a module with postponed annotations.

    Args:
        annotations: all of them.
        rooms: definition to room.
        others: what else they can name, each with its module; it goes before a definition of the same name.
    """
    words = words_in(annotations)
    ours = {name: f"{PACKAGE}.{room}" for name, room in rooms.items()} | dict(others or {})

    def block(homes: Mapping[str, str]) -> str:
        modules = defaultdict(list)
        for name in words & homes.keys():
            modules[homes[name]].append(name)
        return imports(modules, "    ")

    plain = "    import os\n" if "os" in words else ""
    return "\n".join(filter(None, [plain + block(_STANDARD), block(_NEWER), block(ours)]))


def signature(
    name: str, first: Iterable[str], options: Iterable[str], result: str, *, is_async: bool, end: str = ":"
) -> str:
    """The line, or lines, that begin a method.

    Args:
        name: of the method.
        first: what comes after ``self`` and may be passed by position.
        options: what may only be passed by name.
        result: what it returns.
        is_async: whether it is a coroutine.
        end: what comes behind it.
    """
    keyword_only = list(options)
    parts = ["self", *first, *(["*", *keyword_only] if keyword_only else [])]
    return bracketed(f"{'async ' if is_async else ''}def {name}(", parts, f") -> {result}{end}", "    ") + "\n"


def experimental_note(options: Iterable[Option]) -> list[str]:
    """What a docstring says of experimental options, if there are any."""
    names = [f"`{option.name}`" for option in options if option.is_experimental]
    return [f"Experimental, {_NEEDS.replace('needs', 'need')}: {', '.join(names)}."] if names else []


def said_of(options: Iterable[Option]) -> dict[str, str]:
    """Option to what it is, of those of which that is said."""
    return {option.name: option.about for option in options if option.about}


def _room(layer: Layer, room: str, name: str, requests: Iterable[Message], *, is_async: bool) -> str:
    """The module of one room, whose class is called `name`."""
    base = "AsyncCalls" if is_async else "Calls"
    annotations: list[str] = []
    methods = []
    for request in requests:
        options = layer.options.of(request.params)
        annotations += [*(option.annotation for option in options), request.result]
        methods.append(_method(request, options, layer.rules.prose.of_call(request.method), is_async=is_async))
    return (
        layer.header(f"Typed calls: {room.replace('_', ' ')}.\n\n{NOTES}")
        + "\nfrom __future__ import annotations\n\nfrom typing import TYPE_CHECKING\n\n"
        + f"from codex_app_server.method_base import {base}\n\nif TYPE_CHECKING:\n"
        + annotation_imports(annotations, layer.rooms)
        + f'\n__all__ = ["{name}"]\n\n\nclass {name}({base}):\n'
        + '    """The methods of this room, see the module."""\n\n'
        + "\n".join(methods)
    )


def _method(request: Message, options: list[Option], about: str, *, is_async: bool) -> str:
    note = [f"Experimental: {_NEEDS}."] if request.is_experimental else experimental_note(options)
    paragraphs = [about, *note, section("Args", said_of(options), " " * 8)]
    sent = {option.wire: option.name for option in options} if request.params else "None"
    if options and not options[0].wire:
        sent = options[0].name
    before = f"return {'await ' if is_async else ''}self._call("
    words = [option.declaration for option in options]
    return (
        signature(attribute(request.method), (), words, request.result, is_async=is_async)
        + docstring(paragraphs, " " * 8)
        + call(before, [quoted(request.method), sent, quoted(request.result)], " " * 8)
    )


def _together(package: str, prefix: str, classes: Mapping[str, str], layer: Layer) -> str:
    homes = {f"{PACKAGE}.{package}.{room}": [name] for room, name in classes.items()}
    inherited = bracketed(f"class {prefix}Methods(", list(classes.values()), "):", "") + "\n"
    return (
        layer.header(f"Every method of the protocol that a client can call, typed.\n\n{NOTES}")
        + f'\n{imports(homes)}\n__all__ = ["{prefix}Methods"]\n\n\n{inherited}'
        + '    """All of them; whoever inherits says how a call is made."""\n'
    )
