"""Remote app-servers in tests: a real one with a token, a scripted one, and what stands between."""

from __future__ import annotations

import asyncio
import json
import os
import select
import socket
import threading
from collections import deque
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from awaited import connected
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

from codex_app_server import AppServerConfig
from codex_app_server.remote.serving import AppServer, write_token

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from typing_extensions import Self
    from websockets.http11 import Request, Response
    from websockets.sync.server import ServerConnection

    from codex_app_server.testing import ModelServer

__all__ = ["Relay", "Remote", "free_port", "greeted", "plays", "scripted_server"]


class Remote:
    """A real app-server with an embedded model, that can be killed and started again: same home, same port.

    Args:
        model: whom it asks.
        codex_binary: the runtime.
        directory: for the token.
    """

    def __init__(self, model: ModelServer, codex_binary: Path, directory: Path) -> None:
        self.token_file = directory / "token"
        write_token(self.token_file)
        self.token = self.token_file.read_text().strip()
        self._config = model.config(codex_bin=codex_binary)
        self.server = AppServer(self._config, "ws://127.0.0.1:0", self.token_file)
        self.url = self.server.url

    def config(self, **options: Any) -> AppServerConfig:
        """How to connect to it."""
        return AppServerConfig(**{"url": self.url, "token": self.token, **options})

    def kill(self) -> None:
        """End it without a word."""
        self.server.process.kill()
        self.server.close()

    def start(self) -> None:
        """Start it again."""
        self.server = AppServer(self._config, self.url, self.token_file)

    def close(self) -> None:
        """End it."""
        self.server.close()


def plays(kind: str, config: AppServerConfig, scene: Callable[[Any], Any]) -> None:
    """Play a scene with a client of that kind."""

    async def acted() -> None:
        async with connected(kind, config) as codex:
            await asyncio.wait_for(scene(codex), 60)

    asyncio.run(acted())


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@contextmanager
def scripted_server(
    script: Callable[[ServerConnection], None],
    *,
    tls: ssl.SSLContext | None = None,
    statuses: Iterable[int] = (),
) -> Iterator[AppServerConfig]:
    """An app-server on loopback that does what a function says with each connection.

    Args:
        script: the function.
        tls: how TLS is spoken there.
        statuses: what one connection after another is answered first, as by a proxy; 101 lets it in, as after these.
    """
    left = deque(statuses)

    def gate(connection: ServerConnection, _: Request) -> Response | None:
        status = left.popleft() if left else 101
        return None if status == 101 else connection.respond(status, "said by a proxy")

    def handle(connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            script(connection)

    with serve(handle, "127.0.0.1", 0, ssl=tls, compression=None, max_size=None, process_request=gate) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.socket.getsockname()[1]
        try:
            yield AppServerConfig(url=f"{'wss' if tls else 'ws'}://127.0.0.1:{port}", token="any")
        finally:
            server.shutdown()
            thread.join()
    for descriptor in (server.shutdown_watcher, server.shutdown_notifier) if os.name != "nt" else ():
        if isinstance(descriptor, int):  # before 17, it leaves them open
            os.close(descriptor)


def greeted(connection: ServerConnection) -> None:
    """The handshake, from the server's side."""
    request = json.loads(connection.recv())
    assert request["method"] == "initialize"
    connection.send(json.dumps({"id": request["id"], "result": {"userAgent": "peer/1.2.3 (Test)"}}))
    assert json.loads(connection.recv()) == {"method": "initialized"}


class Relay:
    """Stands between a client and an app-server, and can cut what goes through it.

    Args:
        url: where the server is.
    """

    def __init__(self, url: str) -> None:
        self._port = int(url.rpartition(":")[2])
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self.url = f"ws://127.0.0.1:{self._listening.getsockname()[1]}"
        self.connections = 0
        self._is_held = False
        self._frozen: list[tuple[socket.socket, socket.socket]] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def cut(self) -> None:
        """End all connections without a word."""
        for pair in list(self._pairs):
            for end in pair:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def hold(self) -> None:
        """Cut, and let nobody come back until `release`."""
        self._is_held = True
        self.cut()

    def release(self) -> None:
        """Let them come back."""
        self._is_held = False

    def freeze(self) -> None:
        """Pass nothing on of the connections that there are, as a network does that is cut without a word."""
        self._frozen.extend(self._pairs)

    def close(self) -> None:
        """End it."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            if self._is_held:
                client.close()
                continue
            self.connections += 1
            try:
                server = socket.create_connection(("127.0.0.1", self._port))
            except OSError:  # it is gone
                client.close()
                continue
            self._pairs.append((client, server))
            thread = threading.Thread(target=self._pass_on, args=(client, server))
            self._threads.append(thread)
            thread.start()

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        other = {client: server, server: client}
        with client, server, suppress(OSError):
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    if not (data := ready.recv(65536)):
                        self._pairs.remove((client, server))
                        return
                    if (client, server) not in self._frozen:
                        other[ready].sendall(data)
        with suppress(ValueError):
            self._pairs.remove((client, server))
