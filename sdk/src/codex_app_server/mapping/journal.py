"""A file of what is done, a line of JSON for each prompt: whoever is stopped goes on from there.

A prompt is known by what was said and asked for, so their order may change, and others may come in between. The same
prompt twice is two. Failures are noted too, and are tried again. What a program that was killed left of a line is
passed over.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from codex_app_server.inputs import input_items
from codex_app_server.models.encoding import encode_options
from codex_app_server.results import TurnResult

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from typing import IO, TypeAlias

    from codex_app_server.inputs import RunInput
    from codex_app_server.mapping.outcomes import MapOutcome
    from codex_app_server.mapping.parts import Parts

    _Appended: TypeAlias = "IO[bytes] | Parts"

__all__ = ["Journal", "Keys"]


class Keys:
    """Tells prompts apart.

    Args:
        asked: what all prompts are asked with: the protocol's options of threads and turns. Others make other prompts
            of them.
        output_type: what the outputs are.
    """

    def __init__(self, asked: Mapping[str, object], output_type: Any) -> None:
        self._asked = asked
        self._output_type = output_type
        self._seen: Counter[str] = Counter()

    def key(self, prompt: RunInput) -> str:
        """What a prompt is known by; to be called once for each, in their order."""
        asked = {"input": input_items(prompt), "asked": self._asked, "output": repr(self._output_type or None)}
        digest = sha256(json.dumps(encode_options(asked), sort_keys=True).encode()).hexdigest()
        self._seen[digest] += 1
        return f"{digest}-{self._seen[digest]}"


class Journal:
    """Reads what was done, and adds to it.

    Args:
        path: of the file; it is made if it does not exist. With a scheme it is a URL, see `mapping.parts`.
        output_type: what the outputs are.

    Raises:
        OSError: if the file cannot be read or written.
        ImportError: if it is a URL, and what reads that is not installed.
    """

    def __init__(self, path: str | os.PathLike[str], output_type: Any) -> None:
        self._output_type = output_type
        self._file: _Appended
        if isinstance(path, str) and "://" in path:
            from codex_app_server.mapping.parts import Parts

            self._file = Parts(path)
            text = self._file.read()
        else:
            self._file = open(path, "a+b")  # noqa: SIM115, PTH123 - open as long as this; `close` closes it
            self._file.seek(0)
            text = self._file.read()
        self._done = dict(filter(None, map(_read, text.splitlines())))
        self._lacks_end = bool(text) and not text.endswith(b"\n")

    def done(self, key: str) -> TurnResult[Any] | None:
        """What came of a prompt before, if it succeeded and is still what is asked for."""
        if (result := self._done.get(key)) is None:
            return None
        try:
            return TurnResult.from_dict(result, self._output_type)
        except ValueError:  # the type has changed under its name
            return None

    def add(self, key: str, outcome: MapOutcome[Any]) -> None:
        """Note an outcome; in a file, it is with the system when this returns, behind a URL some seconds later."""
        line: dict[str, Any] = {"key": key, "index": outcome.index, "prompt": input_items(outcome.prompt)}
        line["attempts"] = outcome.attempts
        if outcome.result is not None:
            line["result"] = outcome.result.to_dict()
        else:
            line["error"] = {"type": type(outcome.error).__name__, "message": str(outcome.error)}
        data = (b"\n" if self._lacks_end else b"") + json.dumps(line).encode() + b"\n"
        self._lacks_end = False
        with suppress(ValueError):  # it is closed: whoever stopped did not wait for this one
            # One write of a file that is opened to append, so that nobody's lines mix.
            self._file.write(data)
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _read(line: bytes) -> tuple[str, Mapping[str, Any]] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    if (
        not isinstance(found, dict)
        or not isinstance(found.get("key"), str)
        or not isinstance(found.get("result"), dict)
    ):
        return None
    return found["key"], found["result"]
