"""``generated/methods/`` and ``generated/amethods/``: a typed Python method for each method that the client can call.

Both are written from the same values: the asynchronous twin differs in ``async``, ``await`` and the names of classes.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from codex_release.protocol.naming import method_name, pascal
from codex_release.protocol.options import Options
from codex_release.protocol.rooms import rooms_of_methods
from codex_release.protocol.text import bracketed, call, docstring, header, imports, quoted, section

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from codex_release.protocol.options import Option
    from codex_release.protocol.rules import Rules
    from codex_release.protocol.shapes import ClientRequest, Protocol

__all__ = ["annotation_imports", "experimental_note", "render_methods", "said_of", "signature"]

_PACKAGE = "codex_app_server.generated"
_NEEDS = "needs `AppServerConfig.experimental_api`"
_NOTES = (
    "An option that is None is not sent. Options that are objects take the model of the protocol; enums take their\n"
    "strings too, and paths any path object."
)


def render_methods(
    protocol: Protocol, rules: Rules, rooms: Mapping[str, str], version: str, *, is_async: bool
) -> dict[str, str]:
    """The modules, by their paths within the generated package.

    Args:
        protocol: whose methods.
        rules: which methods are left out, and which room each belongs to.
        rooms: definition to room.
        version: of the runtime.
        is_async: which of the twins.
    """
    package, prefix = ("amethods", "Async") if is_async else ("methods", "")
    by_room = defaultdict(list)
    homes = rooms_of_methods(protocol, rules)
    for request in protocol.client_requests:
        if request.method not in rules.left_out_methods:
            by_room[homes[request.method]].append(request)
    classes = {room: f"{prefix}{pascal(room)}Methods" for room in sorted(by_room)}
    options = Options(protocol, rules)
    files = {f"{package}/__init__.py": _together(package, prefix, classes, version)}
    for room, name in classes.items():
        writer = _Room(options, rooms, prefix)
        files[f"{package}/{room}.py"] = writer.module(room, name, by_room[room], version)
    return files


def annotation_imports(
    annotations: Iterable[str],
    names: Iterable[str],
    rooms: Mapping[str, str],
    others: Mapping[str, Iterable[str]] | None = None,
) -> str:
    """The imports that annotations need, in an ``if TYPE_CHECKING`` block of a module with postponed annotations.

    Args:
        annotations: all of them.
        names: the definitions they name.
        rooms: definition to room.
        others: module to names that are needed besides.
    """
    text = " ".join(annotations)
    modules = defaultdict(list, {module: list(wanted) for module, wanted in (others or {}).items()})
    for name in names:
        modules[f"{_PACKAGE}.{rooms[name]}"].append(name)
    standard = {
        "collections.abc": [name for name in ("Callable", "Mapping", "Sequence") if f"{name}[" in text],
        "typing": [name for name in ("Any", "Literal", "overload") if re.search(rf"\b{name}\b", text)],
    }
    newer = {"typing_extensions": ["TypeForm"] if "TypeForm[" in text else []}
    plain = "    import os\n" if "os.PathLike" in text else ""
    blocks = [plain + imports(standard, "    "), imports(newer, "    "), imports(modules, "    ")]
    return "\n".join(block for block in blocks if block)


def signature(name: str, first: Iterable[str], options: Iterable[str], result: str, *, is_async: bool) -> str:
    """The line, or lines, that begin a method.

    Args:
        name: of the method.
        first: what comes after ``self`` and may be passed by position.
        options: what may only be passed by name.
        result: what it returns.
        is_async: whether it is a coroutine.
    """
    keyword_only = list(options)
    parts = ["self", *first, *(["*", *keyword_only] if keyword_only else [])]
    return bracketed(f"{'async ' if is_async else ''}def {name}(", parts, f") -> {result}:", "    ") + "\n"


def experimental_note(options: Iterable[Option]) -> list[str]:
    """What a docstring says of experimental options, if there are any."""
    names = [f"`{option.name}`" for option in options if option.is_experimental]
    return [f"Experimental, {_NEEDS.replace('needs', 'need')}: {', '.join(names)}."] if names else []


def said_of(options: Iterable[Option]) -> dict[str, str]:
    """Option to what it is, of those of which that is said."""
    return {option.name: option.about for option in options if option.about}


class _Room:
    """Writes one module of methods."""

    def __init__(self, options: Options, rooms: Mapping[str, str], prefix: str) -> None:
        self._options = options
        self._rooms = rooms
        self._prefix = prefix

    def module(self, room: str, name: str, requests: Iterable[ClientRequest], version: str) -> str:
        base = f"{self._prefix}Calls"
        annotations: list[str] = []
        names: set[str] = set()
        methods = []
        for request in requests:
            options = self._options.of(request.params)
            annotations += [option.annotation for option in options or ()]
            names |= {*self._options.names(request.params), request.result}
            methods.append(self._method(request, options))
        return (
            header(f"Typed calls: {room.replace('_', ' ')}.\n\n{_NOTES}", version)
            + "\nfrom __future__ import annotations\n\nfrom typing import TYPE_CHECKING\n\n"
            + f"from codex_app_server.method_base import {base}\n\nif TYPE_CHECKING:\n"
            + annotation_imports(annotations, names, self._rooms)
            + f'\n__all__ = ["{name}"]\n\n\nclass {name}({base}):\n'
            + '    """The methods of this room, see the module."""\n\n'
            + "\n".join(methods)
        )

    def _method(self, request: ClientRequest, options: list[Option] | None) -> str:
        is_async = bool(self._prefix)
        words = [option.declaration for option in options or ()]
        about = [self._options.rules.prose.of_call(request.method)]
        if request.is_experimental:
            about.append(f"Experimental: {_NEEDS}.")
        else:
            about += experimental_note(options or ())
        about += filter(None, [section("Args", said_of(options or ()), " " * 8)])
        sent = "None" if options is None else {option.wire: option.name for option in options}
        if options and not options[0].wire:
            sent = options[0].name
        before = f"return {'await ' if is_async else ''}self._call("
        return (
            signature(method_name(request.method), (), words, request.result, is_async=is_async)
            + docstring(about, " " * 8)
            + call(before, [quoted(request.method), sent, quoted(request.result)], " " * 8)
        )


def _together(package: str, prefix: str, classes: Mapping[str, str], version: str) -> str:
    """The module that puts the rooms together."""
    homes = {f"{_PACKAGE}.{package}.{room}": [name] for room, name in classes.items()}
    inherited = bracketed(f"class {prefix}Methods(", list(classes.values()), "):", "") + "\n"
    return (
        header(f"Every method of the protocol that a client can call, typed.\n\n{_NOTES}", version)
        + f'\n{imports(homes)}\n__all__ = ["{prefix}Methods"]\n\n\n{inherited}'
        + '    """All of them; whoever inherits says how a call is made."""\n'
    )
