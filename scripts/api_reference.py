#!/usr/bin/env python3
"""Writes ``sdk/docs/api-reference.md`` from the client's code: every public name, its signature, types and words.

    python3 scripts/api_reference.py            writes it
    python3 scripts/api_reference.py --check    writes nothing, and fails if it would change

It needs nothing but a Python (3.10 or newer), and writes the same with each of them.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from api_markdown import anchor, apart, code, experimental_names, parameters, prose, signature, table
from api_source import Alias, Class, Function, Parameter, Source

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["main"]

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "sdk" / "src" / "codex_app_server"
PAGE = ROOT / "sdk" / "docs" / "api-reference.md"

SECTIONS = {
    "Codex, threads and turns": ("sync.codex", "sync.thread", "sync.turn", "sync.stream"),
    "Several runtimes": ("sync.pool", "pooling.members"),
    "Goals, commands and logins": ("sync.goal", "sync.command", "sync.login"),
    "Inputs and results": (
        "inputs",
        "results",
        "prices",
        "mapping.outcomes",
        "handles.reviews",
        "handles.goals",
        "handles.commands",
        "handles.settings",
    ),
    "Settings and handlers": ("config", "remote.tokens", "handlers"),
    "Approvals": ("approvals.rules", "approvals.asking", "approvals.requests"),
    "Python functions as tools": ("tools.tool", "tools.context"),
    "Watching and limiting": ("observers", "limits"),
    "Events": ("generated.events", "events", "protocol.handshake", "sync.subscription"),
    "Every method of the protocol": ("sync.client",),
    "Errors": ("errors", "retry"),
    "Models of the protocol": ("generated", "models.renamed"),
}
"""The modules of the public names, by the section they are described in."""

_TWINS = ("codex", "thread", "turn", "stream", "pool", "goal", "command", "login", "client", "subscription")
TWINS = {f"sync.{name}": f"aio.{name}" for name in _TWINS}
OWN_TWINS = {"RayPool": "AsyncRayPool"}
"""The modules of synchronous classes, and of their twins for asyncio: the same names, of which tests see to it."""

VERSION = ("_version", "__version__")
OWN_MODULES = {
    "testing": "Testing",
    "integrations.pydantic_ai": "PydanticAI",
    "integrations.agents": "OpenAI Agents SDK",
    "integrations.otel": "OpenTelemetry",
    "telemetry": "Telemetry of your own",
    "integrations.acp": "Editors",
    "integrations.ray": "Ray",
}
"""Modules whose names are imported from them, and the titles of their sections."""

HEAD = """\
# API reference

Written by `scripts/api_reference.py` from the code: do not edit.

All names of this page are imported from `codex_app_server`, but for those of the sections that name a module.
`__version__` is the version of the client. Options that a table lists are passed by name; one that may be left out is
not sent then, one in bold must be given. Options that are objects take the models of `codex_app_server.generated`;
enums take their strings too, and paths any path object. What is marked as experimental needs
`AppServerConfig(experimental_api=True)`.
"""

_UNION = re.compile(r"\b_(?=[A-Z])")
"""What stubs put before the name of a union that is a class, where they mean all that there can be."""

_UNSAID = (None, "None", "...")
"""Defaults that say nothing."""

FEW = 4
"""So many options stand in the signature; more of them get a table."""


def main() -> int:
    """Write the page, or compare it; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, and fail if something would change")
    options = parser.parse_args()
    text = Page(Source(PACKAGE)).text()
    if PAGE.is_file() and PAGE.read_bytes() == text.encode():
        return 0
    if options.check:
        sys.stderr.write(f"{PAGE} is not what the code says: run python3 scripts/api_reference.py\n")
        return 1
    PAGE.write_bytes(text.encode())
    return 0


class Page:
    """The page.

    Args:
        source: the code of the client.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        by_home = {home: name for name, home in source.homes.items()}
        self._twins = {**{by_home[home]: by_home[twin] for home, twin in TWINS.items()}, **OWN_TWINS}
        self._sections = {title: list(self._members(homes)) for title, homes in SECTIONS.items()}
        self._check_completeness()
        for module, title in OWN_MODULES.items():
            names = sorted(source.exported(module))
            self._sections[f"{title}: codex_app_server.{module}"] = [
                source.read(home, name) for name, home in names if name not in OWN_TWINS.values()
            ]
        self._linked = set(self._headings())

    def text(self) -> str:
        """All of it."""
        parts = [HEAD.strip()]
        for title, members in self._sections.items():
            parts.append(f"## {title}")
            for member in members:
                parts += self._described(member)
        return "\n\n".join(part for part in parts if part) + "\n"

    def _members(self, homes: tuple[str, ...]) -> list[Class | Function | Alias]:
        """What is described of some modules, in their order."""
        names = self._source.homes.items()
        return [
            self._source.read(self._source.room_of(name) if home == "generated" else home, name)
            for wanted in homes
            for name, home in names
            if home == wanted
        ]

    def _check_completeness(self) -> None:
        described = {member.name for members in self._sections.values() for member in members}
        missing = self._source.homes.keys() - described - set(self._twins.values()) - {VERSION[1]}
        if missing:
            sys.exit(f"SECTIONS and TWINS name no section for {', '.join(sorted(missing))}")

    def _headings(self) -> list[str]:
        """Everything that has a heading of its own."""
        found = [member for members in self._sections.values() for member in members]
        methods = [
            f"{member.name}.{method.name}"
            for member in found
            if isinstance(member, Class)
            for method in member.methods
            if not method.is_property
        ]
        return [member.name for member in found] + methods

    def _described(self, member: Class | Function | Alias) -> list[str]:
        if member.name == "Event":
            return self._events(member)
        if isinstance(member, Alias | Function):
            stands_for = member.type if isinstance(member, Alias) else signature(member)
            names = {each.name for each in member.parameters} if isinstance(member, Function) else set()
            return [f"### {member.name}", f"`{stands_for}`", prose(member.doc, self._linked - names)]
        if member.values:
            one_of = f"One of {', '.join(f'`{value}`' for value in member.values)}."
            return [f"### {member.name}", prose(member.doc, self._linked), one_of]
        return self._class(member)

    def _class(self, member: Class) -> list[str]:
        parts = [f"### {member.name}"]
        is_model = member.bases in {("_Model",), ("_TaggedModel",)}
        if member.constructor and "Args:" in member.doc:  # without it, a class is not for users to make
            parts.append(f"`{member.name}({parameters(member.constructor)})`")
        if member.bases and member.bases[0].endswith("Error"):
            parts.append(f"Under {' and '.join(f'`{base}`' for base in member.bases)}.")
        if member.name in self._twins:
            parts.append(self._told_twin(member))
        both = {member.name, self._twins.get(member.name)}
        if others := [f"`{other}`" for other, name in self._source.second_names.items() if name in both]:
            parts.append(f"Also {' and '.join(others)}, from the SDK before this one.")
        linked = self._linked - {member.name, *(each.name for each in (*member.constructor, *member.fields))}
        if is_model:
            doc, said = apart("Attributes", member.doc, linked)
            what = "option" if member.name.endswith("Params") else "field"
            shown = _options(member.fields, experimental_names(member.doc), said, what)
            parts += [prose(doc, linked), shown if member.fields else ""]
        elif member.fields:
            doc, said = apart("Attributes", member.doc, linked)
            parts += [prose(doc, linked), _fields(member.fields, said)]
        else:
            parts.append(prose(member.doc, linked))
        properties = [each for each in member.methods if each.is_property]
        if properties:
            rows = [
                (f"`{each.name}`", code(each.result), prose(each.doc.partition("\n\n")[0], self._linked))
                for each in properties
            ]
            parts.append(table(("property", "type", "what it is"), rows))
        described: dict[frozenset[Parameter], str] = {}
        for method in member.methods:
            if not method.is_property:
                parts += self._method(member.name, method, described)
        if member.name == "AppServerClient":
            parts += self._protocol()
        return parts

    def _told_twin(self, member: Class) -> str:
        """Which class it is for asyncio, and which of its methods are not awaited."""
        twin = self._twins[member.name]
        awaited = self._source.awaited(self._source.homes.get(twin, "integrations.ray.aio"), twin)
        methods = [each.name for each in member.methods if not each.is_property]
        plain = [f"`{name}`" for name in methods if name not in awaited]
        told = "are awaited" if len(plain) < len(methods) else "are not awaited"
        if 0 < len(plain) < len(methods):
            told += f", but for {' and '.join(plain)}: what they return is for `async for` or `async with`"
        return f"For asyncio: `{twin}`, with the same names; its methods {told}."

    def _method(self, owner: str, method: Function, described: dict[frozenset[Parameter], str]) -> list[str]:
        """A method; `described` are the long lists of options of those before it."""
        options = [each for each in method.parameters if each.is_keyword_only]
        heading = [f"#### {owner}.{method.name}"]
        linked = self._linked - {f"{owner}.{method.name}", *(each.name for each in method.parameters)}
        if len(options) <= FEW:
            return [*heading, f"`{signature(method)}`", prose(method.doc, linked)]
        same = next((known for known in described if known <= set(options)), None)
        shown = [each for each in options if same is None or each not in same]
        rest = [each for each in method.parameters if not each.is_keyword_only]
        inner = ", ".join([*map(str, rest), "*", *(map(str, shown) if same else []), "…"])
        doc, said = apart("Args", method.doc, linked, {each.name for each in options if not same or each in same})
        parts = [*heading, f"`{method.name}({inner}) -> {method.result}`", prose(doc, linked)]
        if same is not None:
            return [*parts, f"Its other options are those of [`{described[same]}`](#{anchor(described[same])})."]
        described[frozenset(options)] = f"{owner}.{method.name}"
        return [*parts, _options(options, experimental_names(method.doc), said)]

    def _events(self, event: Class | Function | Alias) -> list[str]:
        """The union of all events, as a table of what each says."""
        rows = []
        for method, payload in re.findall(r"Notification\[Literal\['(.+?)'\], (\w+)\]", getattr(event, "type", "")):
            if payload == "JsonValue":
                continue
            doc = getattr(self._source.read(self._source.room_of(payload), payload), "doc", "")
            rows.append((f"`{method}`", f"`{payload}`", re.split(r"(?<=\.)\s|\n", doc)[0]))
        return [
            f"### {event.name}",
            prose(event.doc, self._linked),
            table(("method", "payload", "what it tells"), rows),
        ]

    def _protocol(self) -> list[str]:
        """The typed methods, by subject."""
        parts = [
            "#### The typed methods",
            "*Experimental* stands beside a method, a star (\\*) beside an option.",
        ]
        for room, methods in self._source.rooms_of_methods().items():
            rows = [_row(each) for each in methods]
            parts += [f"##### {room.replace('_', ' ').capitalize()}", table(("method", "options", "result"), rows)]
        return parts


def _row(method: Function) -> tuple[str, str, str]:
    """A typed method as a row: what it is called, its options, and what it gives."""
    names = experimental_names(method.doc)
    options = [
        ("**`{}`**" if each.default is None else "`{}`").format(each.name) + ("\\*" if each.name in names else "")
        for each in sorted(method.parameters, key=lambda each: each.default is not None)
    ]
    note = " *experimental*" if "Experimental: needs" in method.doc else ""
    return f"`{method.name}`{note}", " ".join(options), f"`{method.result}`"


def _options(
    options: Sequence[Parameter], experimental: set[str], said: Mapping[str, str], what: str = "option"
) -> str:
    """The options of a method, or the fields of a model, which are the same."""
    rows = []
    for each in options:
        about = said.get(each.name, "")
        words = [f"*Experimental{':' if about else '.'}*"] if each.name in experimental else []
        words.append(about)
        if what == "option" and each.default not in _UNSAID:
            words.append(f"Without it {code(each.default)}.")
        rows.append(
            (
                f"`{each.name}`" if each.default is not None else f"**`{each.name}`**",
                code(_UNION.sub("", each.type.removesuffix(" | None"))),
                " ".join(words).strip(),
            )
        )
    return table((what, "type", "what it is"), rows)


def _fields(fields: Sequence[Parameter], said: Mapping[str, str]) -> str:
    """The fields of a dataclass, with their defaults and what the docstring says of them."""
    public = [each for each in fields if not each.name.startswith("_")]
    rows = [(f"`{each.name}`", code(each.type), _default(each), said[each.name]) for each in public]
    return table(("field", "type", "default", "what it is"), rows)


def _default(field: Parameter) -> str:
    """The default of a field, where it has one; what a call of ``field`` makes is nothing or empty."""
    if field.default is None:
        return ""
    if field.default.startswith("field("):
        if "init=False" in field.default:
            return ""
        return "`None`" if "default=None" in field.default else "empty"
    return code(field.default)


if __name__ == "__main__":
    sys.exit(main())
