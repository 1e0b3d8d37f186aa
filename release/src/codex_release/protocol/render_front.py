"""``generated/front.py`` and ``generated/afront.py``: the high-level methods that have a protocol method's options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_release.base.errors import ProtocolError
from codex_release.protocol.options import Options
from codex_release.protocol.render_methods import annotation_imports, experimental_note, said_of, signature
from codex_release.protocol.text import call, docstring, header, section

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from codex_release.protocol.options import Option
    from codex_release.protocol.rules import FrontMethod, Rules
    from codex_release.protocol.shapes import Protocol

__all__ = ["render_front"]

_ABOUT = (
    "The options of the high-level interface: those of the protocol methods behind it.\n\n"
    "An option that is None is not sent. Options that are objects take the model of the protocol; enums take their\n"
    "strings too, and paths any path object."
)


def render_front(protocol: Protocol, rules: Rules, rooms: Mapping[str, str], version: str, *, is_async: bool) -> str:
    """The module; see `render_methods` for the arguments.

    Raises:
        ProtocolError: if the rules name a method or an option that is not there.
    """
    return _Front(protocol, rules, rooms, is_async=is_async).module(version)


class _Front:
    """Writes one of the twins."""

    def __init__(self, protocol: Protocol, rules: Rules, rooms: Mapping[str, str], *, is_async: bool) -> None:
        self._rules = rules
        self._rooms = rooms
        self._options = Options(protocol, rules)
        self._requests = {request.method: request for request in protocol.client_requests}
        self._is_async = is_async
        self._annotations: list[str] = []
        self._definitions: set[str] = set()
        self._names: set[str] = set()

    def module(self, version: str) -> str:
        owners = list(dict.fromkeys(each.owner for each in self._rules.front))
        classes = [self._class(owner) for owner in owners]
        exported = ", ".join(f'"{self._class_name(owner)}"' for owner in owners)
        homes: dict[str, list[str]] = {}
        for name in self._names:
            homes.setdefault(f"codex_app_server.{self._home(name)}", []).append(self._twin(name))
        modules = annotation_imports(self._annotations, self._definitions, self._rooms, homes)
        return (
            header(_ABOUT, version)
            + "\nfrom __future__ import annotations\n\nfrom abc import ABC, abstractmethod\n"
            + "from typing import TYPE_CHECKING\n\nfrom codex_app_server.suggesting import Suggesting\n"
            + "\nif TYPE_CHECKING:\n"
            + modules
            + f"\n__all__ = [{exported}]\n"
            + "".join(classes)
        )

    def _class(self, owner: str) -> str:
        methods = [each for each in self._rules.front if each.owner == owner]
        bodies = [body for each in methods for body in (self._method(each), self._behind(each))]
        about = f"The methods of `{self._twin(owner)}` that have such options; it says what they do with them."
        return (
            f"\n\nclass {self._class_name(owner)}(Suggesting, ABC):\n"
            + docstring([about], "    ")
            + "\n"
            + "\n".join(bodies)
        )

    def _method(self, front: FrontMethod) -> str:
        options, result = self._known(front)
        words = [f"{name}: {kind} | None = None" for name, kind in front.extra.items()]
        words += [each.declaration for each in options]
        first = [f"{name}: {kind}" for name, kind in front.arguments.items()]
        sent = {each.wire: each.name for each in options}
        before = f"return {'await ' if self._is_async else ''}self._{front.name}("
        return (
            signature(front.name, first, words, result, is_async=self._is_async)
            + docstring(_words(front, options), " " * 8)
            + call(before, [*front.arguments, sent, *front.extra], " " * 8)
        )

    def _behind(self, front: FrontMethod) -> str:
        """The abstract method that the options are handed to."""
        _, result = self._known(front)
        words = [f"{name}: {kind}" for name, kind in front.arguments.items()]
        words += ["options: Mapping[str, object]", *(f"{name}: {kind} | None" for name, kind in front.extra.items())]
        line = signature(f"_{front.name}", words, (), f"{result}: ...", is_async=self._is_async)
        return f"    @abstractmethod\n{line.replace(': ...:', ': ...')}"

    def _known(self, front: FrontMethod) -> tuple[list[Option], str]:
        """The options of a method, and what it returns; what they need is noted."""
        request = self._requests.get(front.method)
        options = self._options.of(request.params) if request else None
        missing = set(front.given) - {each.wire for each in options or ()}
        if request is None or options is None or missing:
            raise ProtocolError(f"the method {front.name} in release/protocol.toml does not fit the schema's")
        kept = [each for each in options if each.wire not in front.given]
        if taken := {each.name for each in kept} & {*front.arguments, *front.extra}:
            raise ProtocolError(f"{front.name} would have two options called {taken.pop()}")
        self._annotations += [each.annotation for each in kept] + ["Mapping[str, object]"]
        self._definitions |= set(self._options.names(request.params, front.given))
        self._names |= {kind for kind in front.arguments.values() if kind in self._rules.front_names}
        if front.result is None:
            self._definitions.add(request.result)
            return kept, request.result
        self._names.add(front.result)
        return kept, self._twin(front.result)

    def _class_name(self, owner: str) -> str:
        return f"{'Async' if self._is_async else ''}{owner}Options"

    def _home(self, name: str) -> str:
        return self._rules.front_names[name][-1 if self._is_async else 0]

    def _twin(self, name: str) -> str:
        has_twin = len(self._rules.front_names.get(name, ("", ""))) > 1
        return f"Async{name}" if self._is_async and has_twin else name


def _words(front: FrontMethod, options: Sequence[Option]) -> list[str]:
    """The paragraphs of a method's docstring."""
    first, *sections = front.about.strip().split("\n\n")
    of_options = section("Args", said_of(options), " " * 8)
    if sections[0].startswith("Args:\n"):
        sections[0] += of_options.removeprefix("Args:")
    else:
        sections.insert(0, of_options)
    return [first, f"The options are those of ``{front.method}``.", *experimental_note(options), *sections]
