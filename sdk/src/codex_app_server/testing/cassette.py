"""A cassette: what a real model answered once, replayed ever after, with no account and no network.

The first time it stands between the runtime and the model and writes down what both say; from then on it is the model.
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codex_app_server.testing.answers import Failure
from codex_app_server.testing.recording import Exchange, events_in, named, packed, read, scrubber, written
from codex_app_server.testing.server import ModelServer, said

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Literal

    from codex_app_server.testing.answers import Pause
    from codex_app_server.testing.requests import ModelRequest

__all__ = ["Cassette"]

_TIMEOUT_S = 300.0
"""How long a real model may be silent, in seconds."""

_PASSED_ON = ("accept", "content-type", "openai-beta")


class Cassette(ModelServer):
    """A model that says what a real one said when the cassette was recorded.

        with Cassette("tests/cassettes/summary.json", model="gpt-5.5") as model, Codex(model.config()) as codex:
            ...

    If there is no such file, the session is recorded: the requests go to `upstream`, and the file is written when the
    ``with`` block ends without an error.

    If there is one, it is replayed: each request gets the first answer not given yet that was recorded for the same
    model, the same words of the program and the same number of tool outputs. So turns may run side by side, and what
    tools give back may change. If there is no such answer, the turn fails, and the end of the block raises.

    What is never written: headers, what `secrets` names, the values of environment variables with names like those of
    keys, and what looks like a key of a well-known service. Look at the file before you share it all the same.

    Args:
        path: the path of the file.
        model: the model that is asked.
        upstream: the address of the API that is asked when the session is recorded, without ``/responses``.
        headers: headers to send there; without them, the key in ``OPENAI_API_KEY``. The runtime never sees them.
        record: when to record: ``"once"``, if there is no file; ``"never"``, e.g. on machines that only test;
            ``"always"``, to begin anew.
        secrets: texts and patterns, e.g. a temporary path, to leave out of what is written and of what is compared.

    Raises:
        FileNotFoundError: if there is no file, and it must not be recorded.
        ValueError: if the file is no cassette, or there is nothing to record with: no `headers` and no key.
        TypeError: if `secrets` is a single text, or one of them is neither a text nor a pattern.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        model: str,
        upstream: str = "https://api.openai.com/v1",
        headers: Mapping[str, str] | None = None,
        record: Literal["once", "never", "always"] = "once",
        secrets: Sequence[str | re.Pattern[str]] = (),
    ) -> None:
        if record not in ("once", "never", "always"):
            raise ValueError(f"record must be 'once', 'never' or 'always', not {record!r}")
        secrets = named(secrets)
        self._path = Path(path)
        self.is_recording = record == "always" or (record == "once" and not self._path.exists())
        self._exchanges: list[Exchange] = []
        if self.is_recording:
            self._headers = _with_key(headers)
        else:
            self._exchanges = _read(self._path)
        tokens = [each for text in (headers or {}).values() for each in text.split() if len(each) > 7]
        self._scrub = scrubber([*secrets, *tokens], os.environ)
        self._url = f"{upstream.rstrip('/')}/responses"
        self._left = list(self._exchanges)
        super().__init__()
        self._model = model

    def assert_used_up(self) -> None:
        """Check that every recorded answer was asked for.

        Raises:
            AssertionError: if some were not; the message says which.
        """
        super().assert_used_up()
        if self._left:
            asked = [each.asked for each in self._left]
            raise AssertionError(f"of {self._path} these were not asked for: {asked}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, traceback)
        if self.is_recording and error is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            _replace(self._path, written(self._exchanges))

    def _reply(self, request: ModelRequest, *_: object) -> Failure | list[bytes | Pause]:
        asked = Exchange.of(request, self._scrub)
        exchange = self._recorded(request, asked) if self.is_recording else self._found(asked)
        if exchange.status != 200:
            return _failure(exchange)
        return [said(event) for event in exchange.events]

    def _found(self, asked: Mapping[str, Any]) -> Exchange:
        with self._changed:
            for each in self._left:
                if each.asked == asked:
                    self._left.remove(each)
                    return each
            left = [each.asked for each in self._left]
        raise LookupError(
            f"{self._path} has no answer to {asked}; left are {left}. If the program has changed, record it again: "
            'delete the file, or say record="always"'
        )

    def _recorded(self, request: ModelRequest, asked: Mapping[str, Any]) -> Exchange:
        # Not at the top: whoever replays has no use for it.
        from urllib.error import HTTPError
        from urllib.request import Request, urlopen

        headers = {name: text for name, text in request.headers.items() if name in _PASSED_ON}
        data = json.dumps(request.body).encode()
        wanted = Request(self._url, data, {**headers, **self._headers}, method="POST")  # noqa: S310
        try:
            with urlopen(wanted, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - its author's URL
                status, events = 200, packed(events_in(answer.read()), self._scrub)
        except HTTPError as error:
            with error:
                status, events = (
                    error.code,
                    [{"error": {"message": self._scrub(error.read().decode(errors="replace"))}}],
                )
        exchange = Exchange(asked, status, events)
        with self._changed:
            self._exchanges.append(exchange)
        return exchange


def _with_key(headers: Mapping[str, str] | None) -> Mapping[str, str]:
    if headers is not None:
        return headers
    key = os.environ.get("OPENAI_API_KEY")
    if not key:
        raise ValueError("to record, a cassette needs the key of a model: set OPENAI_API_KEY, or say headers={...}")
    return {"Authorization": f"Bearer {key}"}


def _read(path: Path) -> list[Exchange]:
    try:
        return read(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f'{path} is missing, and must not be recorded: record it with record="once"') from None
    except ValueError as error:
        raise ValueError(f"{path} is no cassette: {error}") from error


def _replace(path: Path, data: bytes) -> None:
    """Write a file as a whole or not at all: a part of one would be taken for the cassette from then on."""
    path = path.resolve()  # behind a link, which stays
    part = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _failure(exchange: Exchange) -> Failure:
    error = exchange.events[0]["error"]
    return Failure(exchange.status, error["message"], error.get("code"))
