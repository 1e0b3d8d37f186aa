"""Sending one file to an index with twine, and telling from what twine says what became of it.

twine has no public API and no timeouts, and its exit code says 0 or 1: it runs in a process of its own, with a
deadline, one file at a time. Whether a failed upload arrived all the same is for the index to say, not for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from codex_release.base.errors import PublishError
from codex_release.base.programs import module_argv, run, said_last
from codex_release.base.shown import shown_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codex_release.index.repository import Repository
    from codex_release.publish.plan import Candidate

__all__ = ["Fate", "Sent", "Uploader"]

_TRANSIENT_STATUS = frozenset({408, 425, 429})
_SERVER_ERRORS = 500
_CONFLICT = 409
_BAD_REQUEST = 400
_LONGEST = 300
"""How much of twine's words a message holds, in characters."""
_STATUS = re.compile(r"HTTPError: (\d{3})\b")
_EXISTS = re.compile(r"already exists?|file exists|conflict", re.IGNORECASE)
_DELETED = re.compile(r"deleted|previously been used|already been used", re.IGNORECASE)
"""What an index says of the name of a file that was there once, and is no more."""
_BROKEN = re.compile(
    r"(?:ConnectionError|ConnectTimeout|ReadTimeout|ChunkedEncodingError|ProtocolError|ConnectionResetError"
    r"|BrokenPipeError|RemoteDisconnected|SSLError)\b"
)
"""What requests and urllib3 raise when a connection breaks; twine lets it through as a traceback."""


class Fate(Enum):
    """What became of an upload, as far as twine tells."""

    ACCEPTED = "accepted"
    EXISTS = "exists"
    """The index says that it has a file of that name; of which bytes, it does not say."""
    TRANSIENT = "transient"
    """Another try may help."""
    REFUSED = "refused"


@dataclass(frozen=True)
class Sent:
    """One try.

    Attributes:
        fate: what became of it.
        said: why, as one line; empty if it was accepted.
    """

    fate: Fate
    said: str = ""


@dataclass(frozen=True)
class Uploader:
    """Sends files to one repository.

    Attributes:
        repository: where they go.
        environ: twine's environment, which may hold its credentials.
        attested: whether attestations (PEP 740) go along.
        start_s: how long an upload may take however small it is, in seconds.
        slowest: the slowest rate that is waited for, in bytes a second.
    """

    repository: Repository
    environ: Mapping[str, str] = field(repr=False)
    attested: bool = False
    start_s: float = 120.0
    slowest: int = 200_000

    def send(self, file: Candidate) -> Sent:
        """Send a file once; twine itself repeats what is answered with 5xx, five times at once.

        Raises:
            PublishError: if twine cannot be started.
        """
        words = ["--non-interactive", "--disable-progress-bar", *self.repository.words]
        if self.attested and file.attestation:
            words += ["--attestations", str(file.attestation)]
        ran = run(
            module_argv("twine", "--no-color", "upload", *words, str(file.path)),
            timeout_s=self.start_s + file.digest.size / self.slowest,
            error=PublishError,
            name="twine",
            # Wide, so that no message is broken into lines where we look for words.
            environ={**self.environ, "PYTHONUTF8": "1", "COLUMNS": "1000"},
        )
        if ran.code is None:
            return Sent(Fate.TRANSIENT, f"no end after {ran.timeout_s:.0f} s: {said_last(ran.said) or 'not a word'}")
        return Sent(Fate.ACCEPTED) if ran.code == 0 else judged(ran.said)


def judged(output: str) -> Sent:
    """What a failed twine means by what it printed."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    first = next((number for number, line in enumerate(lines) if line.startswith("ERROR")), len(lines) - 1)
    said = shown_text(" ".join(lines[max(first, 0) :]).removeprefix("ERROR"))[:_LONGEST] or "twine does not say why"
    status = _STATUS.search(output)
    if status is None:
        return Sent(Fate.TRANSIENT if _BROKEN.search(output) else Fate.REFUSED, said)
    code = int(status[1])
    if code in _TRANSIENT_STATUS or code >= _SERVER_ERRORS:
        return Sent(Fate.TRANSIENT, said)
    if _DELETED.search(said):
        return Sent(Fate.REFUSED, f"{said}; the name of a deleted file cannot be used again: release another version")
    if code == _CONFLICT or (code == _BAD_REQUEST and _EXISTS.search(said)):
        return Sent(Fate.EXISTS, said)
    return Sent(Fate.REFUSED, said)
