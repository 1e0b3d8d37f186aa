"""``generated/front.py`` and ``generated/afront.py``: the high-level methods that have a protocol method's options."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from codex_release.base.errors import ProtocolError
from codex_release.protocol.options import Option
from codex_release.protocol.render_methods import NOTES, annotation_imports, experimental_note, said_of, signature
from codex_release.protocol.text import bracketed, call, docstring, section

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from codex_release.protocol.layer import Layer
    from codex_release.protocol.rules import FrontMethod

__all__ = ["render_front"]

_ABOUT = f"The options of the high-level interface: those of the protocol methods behind it.\n\n{NOTES}"

_SECTION = re.compile(r"(?:Args|Raises|Returns):\n")


def render_front(layer: Layer, *, is_async: bool) -> dict[str, str]:
    """The module of one of the twins, by its path within the generated package.

    Raises:
        ProtocolError: if the rules name a method or an option that is not there.
    """
    return {f"{'a' if is_async else ''}front.py": _Front(layer, is_async).module()}


@dataclass
class _Front:
    """Writes one of the twins; the annotations that it needs are noted on the way."""

    layer: Layer
    is_async: bool
    annotations: list[str] = field(default_factory=list)

    def module(self) -> str:
        rules = self.layer.rules
        owners = list(dict.fromkeys(each.owner for each in rules.front))
        known = {f"{each.owner}.{each.name}" for each in rules.front}
        for name, each in rules.client_options.items():
            if unknown := set(each.methods) - known:
                raise ProtocolError(f"the option {name} is for {unknown.pop()}, which is not in release/protocol.toml")
        names = [name for owner in owners for name in (*self._bases(owner), owner)]
        classes = [self._class(name) for name in names]
        exported = ", ".join(f'"{name}"' for name in sorted(map(self._class_name, names)))
        homes = {
            self._twin(name): f"codex_app_server.{modules[-1 if self.is_async else 0]}"
            for name, modules in rules.front_names.items()
        }
        return (
            self.layer.header(_ABOUT)
            + "\nfrom __future__ import annotations\n\nfrom abc import ABC, abstractmethod\n"
            + "from typing import TYPE_CHECKING\n\nfrom codex_app_server.suggesting import Suggesting\n"
            + "\nif TYPE_CHECKING:\n"
            + annotation_imports(self.annotations, self.layer.rooms, homes)
            + f"\n__all__ = [{exported}]\n"
            + "".join(classes)
        )

    def _bases(self, owner: str) -> list[str]:
        """The classes of those methods of it that others have too."""
        return list(dict.fromkeys(each.base for each in self.layer.rules.front if each.owner == owner and each.base))

    def _class(self, name: str) -> str:
        methods = [each for each in self.layer.rules.front if (each.base or each.owner) == name]
        bodies = [body for each in methods for body in self._method(each)]
        owner = methods[0].owner
        about = f"The methods of `{self._twin(owner)}` that have such options; it says what they do with them."
        if name != owner:
            about = f"What `{self._twin(owner)}` and others have of such methods; they say what they do with them."
        bases = ", ".join(map(self._class_name, self._bases(name))) or "Suggesting, ABC"
        return f"\n\nclass {self._class_name(name)}({bases}):\n" + docstring([about], "    ") + "\n" + "\n".join(bodies)

    def _method(self, front: FrontMethod) -> tuple[str, str]:
        """A method, and the abstract one that its options are handed to."""
        options, result = self._known(front)
        words = [each.declaration for each in options]
        sent = {each.wire: each.name for each in options if each.wire}
        is_async = self._awaits(front)
        before = f"return {'await ' if is_async else ''}self._{front.name}("
        parts: list[str | Mapping[str, str]] = [*front.arguments, sent]
        if front.result is not None:
            own = [f"{each.name}={each.name}" for each in options if not each.wire]
            parts.append(bracketed("ClientOptions(", own, ")", " " * 12).strip())
            before = f"from codex_app_server.options import ClientOptions\n\n        {before}"
        method = (
            self._overloads(front, words)
            + signature(front.name, _first(front), words, result, is_async=is_async)
            + docstring(_words(front, options), " " * 8)
            + call(before, parts, " " * 8)
        )
        return method, self._behind(front, result)

    def _overloads(self, front: FrontMethod, words: Sequence[str]) -> str:
        """Its other signatures, for type checkers alone: they cost nothing when the module is loaded."""
        if not front.overloads:
            return ""
        named = {word.partition(":")[0]: word for word in words}
        bodies = []
        for each in front.overloads:
            narrowed = {name: f"{name}: {kind}" for name, kind in each.options.items()}
            if unknown := narrowed.keys() - named.keys():
                raise ProtocolError(
                    f"{front.owner}.{front.name} has no option called {unknown.pop()} to narrow",
                    remedy=f"mend the overloads of {front.name} under [[front]] in release/protocol.toml",
                )
            narrowed |= {name: f"{word} = None" for name, word in narrowed.items() if each.options[name] == "None"}
            self.annotations += [*each.options.values(), "overload"]
            stub = self._stub(
                front, front.name, _first(front), {**named, **narrowed}.values(), self._result(each.result)
            )
            bodies.append(f"    @overload\n{stub}")
        return "    if TYPE_CHECKING:\n\n" + textwrap.indent("\n".join(bodies), "    ") + "\n"

    def _behind(self, front: FrontMethod, result: str) -> str:
        words = [*_first(front), "options: Mapping[str, object]"]
        if front.result is not None:
            words.append("own: ClientOptions")
        self.annotations += words
        return f"    @abstractmethod\n{self._stub(front, f'_{front.name}', words, (), result)}"

    def _stub(self, front: FrontMethod, name: str, first: Iterable[str], options: Iterable[str], result: str) -> str:
        """A signature without a body."""
        return signature(name, first, options, result, is_async=self._awaits(front), end=": ...")

    def _awaits(self, front: FrontMethod) -> bool:
        """Whether a method is a coroutine in this twin."""
        return self.is_async and not front.is_plain

    def _own(self, front: FrontMethod) -> list[Option]:
        """The options of a method that are never sent."""
        name = f"{front.owner}.{front.name}"
        return [
            Option(
                option, "", each.type, is_required=False, is_experimental=False, about=each.about, default=each.default
            )
            for option, each in self.layer.rules.client_options.items()
            if name in each.methods
        ]

    def _known(self, front: FrontMethod) -> tuple[list[Option], str]:
        """The options of a method, those that are never sent first, and what it returns; what they need is noted."""
        request = next((each for each in self.layer.protocol.client_requests if each.method == front.method), None)
        options = self.layer.options.of(request.params) if request else []
        missing = set(front.given) - {each.wire for each in options}
        if request is None or not request.params or missing:
            why = f"takes no {', '.join(sorted(missing))}" if request and request.params else "is not there"
            raise ProtocolError(
                f"{front.owner}.{front.name} does not fit the schema: {front.method} {why}",
                remedy="change what [[front]] in release/protocol.toml says of it, and the client's own code with that",
            )
        own, kept = self._own(front), [each for each in options if each.wire not in front.given]
        if taken := {each.name for each in kept} & {*front.arguments, *(each.name for each in own)}:
            raise ProtocolError(
                f"{front.owner}.{front.name} would have two options called {taken.pop()}",
                remedy="in release/protocol.toml, name that of arguments or [client_options] otherwise, or put the "
                f"protocol's among what is given in {front.name} under [[front]]",
            )
        self.annotations += [each.annotation for each in (*own, *kept)]
        return [*own, *kept], self._result(front.result or request.result)

    def _result(self, words: str) -> str:
        """What a method returns, by the names of this twin."""
        names = self.layer.rules.front_names
        result = re.sub(r"\w+", lambda found: self._twin(found[0]) if found[0] in names else found[0], words)
        self.annotations.append(result)
        return result

    def _class_name(self, owner: str) -> str:
        return f"{'Async' if self.is_async else ''}{owner}Options"

    def _twin(self, name: str) -> str:
        has_twin = len(self.layer.rules.front_names.get(name, ("", ""))) > 1
        return f"Async{name}" if self.is_async and has_twin else name


def _first(front: FrontMethod) -> list[str]:
    """What may be passed by position."""
    return [f"{name}: {kind}" for name, kind in front.arguments.items()]


def _words(front: FrontMethod, options: Sequence[Option]) -> list[str]:
    """The paragraphs of a method's docstring."""
    first, *rest = front.about.strip().split("\n\n")
    prose = [each for each in rest if not _SECTION.match(each)]
    sections = [each for each in rest if _SECTION.match(each)]
    of_options = section("Args", said_of(options), " " * 8)
    if sections and sections[0].startswith("Args:\n"):
        sections[0] += of_options.removeprefix("Args:")
    else:
        sections.insert(0, of_options)
    of_method = f"The options are those of ``{front.method}``."
    return [first, *prose, of_method, *experimental_note(options), *sections]
