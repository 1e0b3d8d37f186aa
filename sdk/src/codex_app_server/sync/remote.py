"""An app-server that somebody else runs, over a WebSocket: one thread reads, and another one writes.

The same promises as `sync.transport`, which it stands in for: sending never blocks, a forked child keeps nothing open,
there is no lock that a caller could hold, and the end is reported once. To close is to hang up; the server goes on.

A connection that breaks is made again; what stands above sees one conversation (`protocol.rejoining`). The thread that
reads sees to that; the lock is between these two threads alone, and nobody waits while they hold it.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
from queue import SimpleQueue
from typing import TYPE_CHECKING

from codex_app_server._log import logger
from codex_app_server.ending import MOMENT, Ending
from codex_app_server.errors import ConnectError
from codex_app_server.forking import open_here
from codex_app_server.protocol.rejoining.session import Session
from codex_app_server.remote.address import Address
from codex_app_server.remote.backoff import Backoff, may_pass
from codex_app_server.remote.lines import as_lines, split_lines
from codex_app_server.remote.tokens import current_token
from codex_app_server.remote.websocket import WebSocket, closing, framed, ping
from codex_app_server.sync.link import Link
from codex_app_server.sync.waiting import Latch
from codex_app_server.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable

    from codex_app_server.config import AppServerConfig

__all__ = ["RemoteTransport"]


class RemoteTransport:
    """Connects to an app-server and moves lines to and from it.

    Args:
        config: where, and how.
        receive: called with lines as they come, in a thread; what it raises ends the connection. If it returns a time,
            in seconds, and nothing follows within that, it is called again with nothing.
        finish: called once, in the same thread, when there will be no more; not if `receive` raised.
        leaving: called, in whichever thread, when the connection is to end without anybody waiting for that.
        ended: called once, when all is over.
    """

    stderr_tail: tuple[str, ...] = ()
    _link: Link  # there is none before there are threads

    def __init__(
        self,
        config: AppServerConfig,
        *,
        receive: Callable[[bytes], float],
        finish: Callable[[], None],
        leaving: Callable[[], None],
        ended: Callable[[Ending], None],
    ) -> None:
        self._config = config
        self._address = Address.read(config.url or "")
        self._receive = receive
        self._finish = finish
        self._leaving = leaving
        self._ended = ended
        self._outbox: SimpleQueue[tuple[bytes, Link | None] | None] = SimpleQueue()
        self._session = Session()
        self._lock = threading.Lock()
        self._backoff = Backoff(config.reconnect_timeout_s)
        self._closing = Latch()
        self._gone = Latch()
        self._failure: BaseException | None = None
        self._making: socket.socket | None = None
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Connect, and begin to move lines.

        Raises:
            ConnectError: if the server is not reached within `AppServerConfig.startup_timeout_s`, or refuses.
        """
        open_here.add(self)
        self._link = self._connected()
        self._threads = [
            threading.Thread(target=target, name=f"codex-app-server {self._address.url} {name}", daemon=True)
            for target, name in ((self._read, "in"), (self._write, "out"))
        ]
        if warning := self._address.warning(has_token=self._config.token is not None):
            logger().warning(warning)
        try:
            for thread in self._threads:
                thread.start()
        except BaseException:
            self._link.hang_up()
            self._gone.set()
            raise

    def is_own_thread(self) -> bool:
        """Whether this is one of the threads that move lines: a finalizer may run there, and must not wait for any."""
        return threading.current_thread() in self._threads

    def send(self, data: bytes) -> None:
        """Send lines, some time; never blocks. After the end it does nothing."""
        self._outbox.put((data, None))

    def close(self) -> None:
        """Hang up. May be called again, by several threads, and in the midst of itself; returns when that is done."""
        self.let_go()
        if self.is_own_thread() or sys.is_finalizing() or not self._threads:
            return
        try:
            self._gone.wait(MOMENT)
        finally:
            self._link.hang_up()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(MOMENT)
        self._link.close()

    def let_go(self) -> None:
        """Hang up, without waiting for anything."""
        self._closing.set()
        if (making := self._making) is not None:
            with contextlib.suppress(OSError):  # it is not that far yet
                making.shutdown(socket.SHUT_RDWR)
        self._leaving()
        self._outbox.put(None)

    def forget(self) -> None:
        """In a forked child: keep nothing of it open, and do nothing to it."""
        if self._threads:
            self._link.close()
        if self._making is not None:
            self._making.close()

    def _connected(self) -> Link:
        config = self._config
        try:
            token = self._token()
        except Exception as error:
            raise ConnectError(f"there is no token for {self._address.url}: {error}") from error
        websocket = WebSocket(self._address, token, config.max_line_bytes)
        try:
            return Link(self._address, websocket, config.ssl_context, config.startup_timeout_s, self._begun)
        finally:
            self._making = None

    def _token(self) -> str | None:
        """The token for a new connection; a function is asked in a thread, for it may never answer."""
        token = self._config.token
        if not callable(token):
            return current_token(token)
        given: list[str | BaseException | None] = []
        answered = Latch()

        def ask() -> None:
            try:
                given.append(current_token(token))
            except BaseException as error:
                given.append(error)
            answered.set()

        workers = Workers("codex-app-server token", 1)
        try:
            if not workers.put(ask):
                raise RuntimeError("no thread can be started to ask for it")
            if not answered.wait(self._config.startup_timeout_s):
                raise TimeoutError("the function gives none in time")
        finally:
            workers.close()
        (found,) = given
        if isinstance(found, BaseException):
            raise found
        return found

    def _begun(self, made: socket.socket) -> None:
        self._making = made
        if self._closing.is_set:  # before it could be ended
            raise ConnectError("the client was closed")

    # The thread that reads.

    def _read(self) -> None:
        reason = ""
        try:
            reason = self._follow()
            self._finish()
        except BaseException as error:
            logger().exception("reading what the server says failed")
            self._failure = error
            reason = f"reading what the server says failed: {error!r}"
        self._link.hang_up()
        self._outbox.put(None)
        open_here.discard(self)
        self._gone.set()
        self._ended(Ending(f"the connection to {self._address.url} is over: {reason}", failure=self._failure))
        self._threads[1].join(MOMENT)
        self._link.close()

    def _follow(self) -> str:
        """Take what comes, over one connection after another, until that is over: why, as a clause."""
        while True:
            reason = self._pump(self._link)
            self._receive(b"")  # what was gathered last
            if not (self._is_wanted() and self._config.reconnect_timeout_s and self._session.is_greeted):
                return reason
            logger().warning("the connection to %s broke: %s", self._address.url, reason)
            self._link.hang_up()
            with self._lock:
                lines = self._session.lost()
            self._hand_on(lines, self._link)
            self._receive(b"")
            if (failed := self._reconnect()) is not None:
                return failed or reason

    def _is_wanted(self) -> bool:
        return not self._closing.is_set and self._session.refusal is None

    def _reconnect(self) -> str | None:
        """Connect again, and repeat the handshake: why that failed, if it did."""
        reason = ""
        while self._is_wanted() and (delay := self._backoff.wait_s()) is not None:
            if self._closing.wait(delay):
                break
            try:
                link = self._connected()
            except ConnectError as error:
                reason = str(error)
                if not may_pass(error):
                    break
                continue
            self._link.close()
            with self._lock:
                self._link = link
                lines = self._session.reopened()
            if not self._is_wanted():  # it was closed meanwhile
                break
            self._post(lines, link)
            return None
        return reason

    def _pump(self, link: Link) -> str:
        """Take what comes, until it is over: why, as a clause."""
        was_heard = True
        end = time.monotonic() + self._config.startup_timeout_s
        while self._session.refusal is None:
            try:
                left = end - time.monotonic()
                if not self._session.is_open and (left <= 0 or not link.is_readable(left)):
                    return f"the server did not answer initialize within {self._config.startup_timeout_s:g} s"
                messages = link.read()
                was_heard = True
            except TimeoutError:
                if not was_heard:
                    return "the server did not answer a ping in time"
                was_heard = False
                self._outbox.put((ping(), link))
                continue
            except (EOFError, OSError, ValueError, ConnectError) as error:
                return str(error)
            if data := link.outgoing():
                self._outbox.put((data, link))
            if messages:
                with self._lock:
                    step = self._session.incoming(messages)
                self._post(step.send, link)
                self._hand_on(step.deliver, link)
                if self._session.is_settled:
                    self._backoff.restart()
        return self._session.refusal or ""

    def _post(self, lines: list[bytes], link: Link) -> None:
        for line in lines:
            self._outbox.put((framed(line), link))

    def _hand_on(self, lines: list[bytes], link: Link) -> None:
        data = as_lines(lines)
        while lines and (patience := self._receive(data)) and not link.is_readable(patience):
            data = b""

    # The thread that writes.

    def _write(self) -> None:
        while (item := self._outbox.get()) is not None:
            data, link = item
            if link is None:
                with self._lock:
                    lines, link = self._session.outgoing(split_lines(data)), self._link
                data = b"".join(map(framed, lines))
            if data and link is self._link:
                self._put(data, link)
        self._put(closing(), self._link)
        if not self._gone.wait(MOMENT):
            self._link.hang_up()

    def _put(self, data: bytes, link: Link) -> None:
        try:
            link.write(data)
        except OSError as error:  # who reads hears of it too
            logger().debug("the server no longer reads: %s", error)
            link.hang_up()
