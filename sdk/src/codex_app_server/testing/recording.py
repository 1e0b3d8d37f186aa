"""What a cassette holds: exchanges between the runtime and a model, without what is secret or says nothing."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codex_app_server.secrecy import KEYS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from codex_app_server.testing.requests import ModelRequest

__all__ = ["SCRUBBED", "Exchange", "events_in", "named", "packed", "read", "scrubber", "written"]

SCRUBBED = "[scrubbed]"
"""What stands where a secret was."""

_VERSION = 1
_OK = 200

_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)
_SHORTEST_SECRET = 8

_KEPT_OF_RESPONSE = ("id", "status", "usage", "error", "incomplete_details")
"""The rest of a ``response`` repeats the request."""

_NOISE = ("logprobs", "obfuscation", "sequence_number")


@dataclass(frozen=True)
class Exchange:
    """A request and its answer.

    Attributes:
        asked: what of the request tells it from others.
        status: of the answer.
        events: of the answer; of a failure, its body.
    """

    asked: Mapping[str, Any]
    status: int
    events: Sequence[Any]

    @staticmethod
    def of(request: ModelRequest, scrub: Callable[[str], str]) -> dict[str, Any]:
        """What tells a request from others: the model, what the program said, and how many tools have answered."""
        said = [scrub(text) for text in request.said]
        return {"model": request.model, "said": said, "tool_outputs": len(request.tool_outputs)}


def named(secrets: Iterable[str | re.Pattern[str]]) -> list[str | re.Pattern[str]]:
    """The same as a list.

    Raises:
        TypeError: if they are a single one, or one of them is neither a text nor a pattern; it does not say what it is.
    """
    given: object = secrets
    if isinstance(given, str | bytes | re.Pattern):  # a text would be taken for a list of its characters
        raise TypeError("secrets are a list of texts and patterns, not a single one: put it into [...]")
    found = [*secrets]
    for each in found:
        if not isinstance(each if isinstance(each, str) else getattr(each, "pattern", None), str):
            raise TypeError(f"a secret is a str or a pattern of one, not of the type {type(each).__name__}")
    return found


def scrubber(secrets: Iterable[str | re.Pattern[str]], environment: Mapping[str, str]) -> Callable[[str], str]:
    """What takes secrets out of a text.

    Args:
        secrets: texts and patterns that are secret.
        environment: variables; what those hold whose names sound like it is secret too.
    """
    plain = {each for each in secrets if isinstance(each, str) and each}
    plain |= {v for name, v in environment.items() if _SECRET_NAME.search(name) and len(v) >= _SHORTEST_SECRET}
    plain |= {json.dumps(each)[1:-1] for each in plain} | {json.dumps(each, ensure_ascii=False)[1:-1] for each in plain}
    # The longest first: one may be the beginning of another.
    texts = [re.compile(re.escape(each)) for each in sorted(plain, key=len, reverse=True)]
    patterns = [*texts, *(each for each in secrets if not isinstance(each, str))]
    patterns += [re.compile(each, re.DOTALL) for each in KEYS]

    def scrub(text: str) -> str:
        for pattern in patterns:
            text = pattern.sub(SCRUBBED, text)
        return text

    return scrub


def events_in(stream: bytes) -> list[Any]:
    """The events of a stream of server-sent ones."""
    # Of bytes: in a text there are more ends of a line, some of which may stand in JSON as themselves.
    lines = [line.decode("utf-8", errors="replace") for line in stream.splitlines()]
    found = [line.removeprefix("data:").strip() for line in lines if line.startswith("data:")]
    return [json.loads(each) for each in found if each and each != "[DONE]"]


def packed(events: Iterable[Any], scrub: Callable[[str], str]) -> list[Any]:
    """Events as they are kept: scrubbed, with pieces of a text joined, for a secret may be cut in two."""
    joined: list[Any] = []
    for each in events:
        event = {name: value for name, value in each.items() if name not in _NOISE}
        if isinstance(event.get("response"), dict):
            event["response"] = {
                name: event["response"][name] for name in _KEPT_OF_RESPONSE if name in event["response"]
            }
        item = event.get("item")
        if isinstance(item, dict) and item.get("type") == "reasoning":
            event["item"] = {name: value for name, value in item.items() if name != "encrypted_content"}
        before = joined[-1] if joined else {}
        if isinstance(event.get("delta"), str) and _without_delta(before) == _without_delta(event):
            before["delta"] += event["delta"]
        else:
            joined.append(event)
    return [_scrubbed(each, scrub) for each in joined]


def read(text: str) -> list[Exchange]:
    """The exchanges of a file.

    Raises:
        ValueError: if it is none of ours.
    """
    try:
        data = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if not isinstance(data, dict) or data.get("version") != _VERSION:
        raise ValueError(f"it has no version {_VERSION} of exchanges")
    exchanges = data.get("exchanges")
    if not isinstance(exchanges, list):
        raise ValueError("its exchanges are no list")  # noqa: TRY004 - of a file, not of an argument
    return [_exchange(each, number) for number, each in enumerate(exchanges)]


def _exchange(value: Any, number: int) -> Exchange:
    """One of a file, with all that replaying it takes.

    Raises:
        ValueError: if it is none.
    """
    wrong = f"exchange {number}, counted from 0,"
    if not isinstance(value, dict) or value.keys() != Exchange.__dataclass_fields__.keys():
        raise ValueError(f"{wrong} is none of {', '.join(Exchange.__dataclass_fields__)}")
    asked, status, events = value["asked"], value["status"], value["events"]
    if not isinstance(asked, dict) or type(status) is not int:
        raise ValueError(f"{wrong} has no object in asked, or no number in status")
    if not isinstance(events, list) or not all(isinstance(each, dict) for each in events):
        raise ValueError(f"{wrong} has no list of objects in events")
    if status == _OK and not all(isinstance(each.get("type"), str) for each in events):
        raise ValueError(f"{wrong} has an event without a type")
    error = events[0].get("error") if status != _OK and events else None
    if status != _OK and not (isinstance(error, dict) and isinstance(error.get("message"), str)):
        raise ValueError(f"{wrong} has the status {status}, and no message of an error in its events")
    return Exchange(asked, status, events)


def written(exchanges: Iterable[Exchange]) -> bytes:
    """The exchanges as a file: for people too, who look at what changed."""
    data = {"version": _VERSION, "exchanges": [vars(each) for each in exchanges]}
    text = json.dumps(data, indent=1, ensure_ascii=False) + "\n"
    # A half of a character, as a model may send it, is an escape of JSON and so of Python.
    return text.encode("utf-8", errors="backslashreplace")


def _without_delta(event: Mapping[str, Any]) -> dict[str, Any] | None:
    return {name: value for name, value in event.items() if name != "delta"} if "delta" in event else None


def _scrubbed(value: Any, scrub: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, list):
        return [_scrubbed(each, scrub) for each in value]
    if isinstance(value, dict):
        return {scrub(name): _scrubbed(each, scrub) for name, each in value.items()}
    return value
