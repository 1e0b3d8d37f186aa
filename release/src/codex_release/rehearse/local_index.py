"""A real package index on 127.0.0.1, for rehearsals and tests: devpi-server, which comes with the extra ``rehearse``.

It starts empty, asks no other index, and ends with the block, also on Ctrl-C and even if this process is killed. What
is uploaded to it and how is the business of others; this room only knows how to have one.
"""

from __future__ import annotations

import base64
import contextlib
import importlib.util
import secrets
import socket
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from codex_release.base.errors import RehearsalError
from codex_release.base.http import Web
from codex_release.base.programs import python_argv

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from codex_release.base.patience import RetryPolicy
    from codex_release.base.progress import Progress

__all__ = ["IndexStage", "LocalIndex", "local_index"]

_READY_S = 60.0
"""It takes a second; on a busy machine, several."""
_ANSWER_S = 30.0
_HELLO_S = 2.0
"""How long to wait for what may be another program that took the port."""
_STOP_S = 10.0
_POLL_S = 0.03
_PORTS = 3
"""How many ports to try: another program may take a free one before the server does."""


@dataclass(frozen=True)
class IndexStage:
    """One index of the server; anybody on this machine may upload to it, with an empty name and password.

    Attributes:
        upload_url: for uploads, with a slash at the end.
        simple_url: of the simple API (PEP 503), with a slash at the end.
    """

    upload_url: str
    simple_url: str


@dataclass(frozen=True)
class LocalIndex:
    """A running server.

    Attributes:
        url: its root, without a slash at the end.
        process_id: of the server.
    """

    url: str
    process_id: int
    _client: httpx.Client

    def web(self, progress: Progress) -> Web:
        """A client for it that goes through no proxy."""
        return Web(progress, connect=_direct)

    def stage(self, name: str, *, bases: Sequence[str] = ()) -> IndexStage:
        """Make a new, empty index on the server.

        Args:
            name: what to call it.
            bases: the names of others whose projects it serves too, as long as it has none of the same name.

        Raises:
            RehearsalError: if the server refuses, e.g. because there is one of that name.
        """
        said = self._client.put(
            f"/root/{name}",
            json={
                "type": "stage",
                "volatile": False,  # nothing can be replaced or deleted, as on a public index
                "bases": [f"root/{base}" for base in bases],
                "acl_upload": [":ANONYMOUS:"],
            },
        )
        if not said.is_success:
            raise RehearsalError(
                f"the local index cannot create {name}: it answered {said.status_code} {said.text}",
                remedy="rehearse again; if it stays so, look whether devpi-server is the pinned one",
            )
        upload = f"{self.url}/root/{name}/"
        return IndexStage(upload, f"{upload}+simple/")


@contextlib.contextmanager
def local_index(directory: Path) -> Iterator[LocalIndex]:
    """A server of one's own until the block ends.

    Args:
        directory: where it keeps its files, below a subdirectory that must not exist yet; they are left there.

    Raises:
        RehearsalError: if devpi-server is not installed, or does not start within a minute.
    """
    if importlib.util.find_spec("devpi_server") is None:
        raise RehearsalError(
            "a local index needs devpi-server, which is not installed",
            remedy="install the extra: pip install codex-release[rehearse], or -r requirements/rehearse.txt",
        )
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / "devpi.log"
    for attempt in range(1, _PORTS + 1):
        port, password = _free_port(), secrets.token_hex(16)
        url = f"http://127.0.0.1:{port}"
        # No proxy of the environment may come between.
        with (
            _running(directory / f"devpi-{attempt}", port, password, log) as process,
            httpx.Client(base_url=url, timeout=_ANSWER_S, trust_env=False) as client,
        ):
            if _is_ready(process, client, password):
                yield LocalIndex(url, process.pid, client)
                return
    said = _last_line(log) or "it says nothing"
    raise RehearsalError(f"devpi-server does not start on 127.0.0.1: {said}", remedy=f"look at {log}")


def _direct(policy: RetryPolicy) -> httpx.Client:
    timeout = httpx.Timeout(policy.read_timeout_s, connect=policy.connect_timeout_s)
    return httpx.Client(follow_redirects=True, timeout=timeout, trust_env=False)


@contextlib.contextmanager
def _running(directory: Path, port: int, password: str, log: Path) -> Iterator[subprocess.Popen[str]]:
    """The server's process until the block ends, in a group of its own: Ctrl-C is ours to answer."""
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            python_argv("codex_release.rehearse.index_server", str(directory), str(port)),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            encoding="utf-8",
            start_new_session=True,  # ignored on Windows, which has the flag below instead
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
    try:
        if process.stdin is not None:
            with contextlib.suppress(OSError):  # it died already; who waits for its answer will see
                process.stdin.write(f"{password}\n")
                process.stdin.flush()
        yield process
    finally:
        process.kill()  # nothing that it holds is worth tidying up
        process.communicate(timeout=_STOP_S)


def _is_ready(process: subprocess.Popen[str], client: httpx.Client, password: str) -> bool:
    """Wait until the server takes its administrator's password, which no other program on its port would know."""
    deadline = time.monotonic() + _READY_S
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError, ValueError, KeyError, TypeError):
            said = client.post("/+login", json={"user": "root", "password": password}, timeout=_HELLO_S)
            if said.is_success:
                token = base64.b64encode(f"root:{said.json()['result']['password']}".encode()).decode()
                client.headers["X-Devpi-Auth"] = token
                return True
        time.sleep(_POLL_S)
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _last_line(log: Path) -> str:
    """The last thing the server said."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
