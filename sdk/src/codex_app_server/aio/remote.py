"""An app-server that somebody else runs, over a WebSocket, for an event loop: the twin of `sync.remote`.

The same promises as `aio.transport`, which it stands in for: sending never waits, and the end is reported once. To
close is to hang up; the server goes on. A connection that breaks is made again; what stands above sees one conversation
(`protocol.rejoining`).
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING

from codex_app_server._log import logger
from codex_app_server.aio.link import Link
from codex_app_server.ending import MOMENT, Ending
from codex_app_server.errors import ConnectError
from codex_app_server.forking import open_here
from codex_app_server.protocol.rejoining.session import Session
from codex_app_server.remote.address import Address
from codex_app_server.remote.backoff import Backoff, may_pass
from codex_app_server.remote.lines import as_lines, split_lines
from codex_app_server.remote.tokens import current_token
from codex_app_server.remote.websocket import WebSocket
from codex_app_server.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable

    from codex_app_server.config import AppServerConfig

__all__ = ["AsyncRemoteTransport"]


class AsyncRemoteTransport:
    """Connects to an app-server and moves lines to and from it.

    Args:
        config: where, and how.
        receive: called with lines as they come; what it raises ends the connection.
        finish: called once, when there will be no more; not if `receive` raised.
        ended: called once, after that.
    """

    stderr_tail: tuple[str, ...] = ()

    def __init__(
        self,
        config: AppServerConfig,
        *,
        receive: Callable[[bytes], None],
        finish: Callable[[], None],
        ended: Callable[[Ending], None],
    ) -> None:
        self._config = config
        self._address = Address.read(config.url or "")
        self._receive = receive
        self._finish = finish
        self._ended = ended
        self._link: Link | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failure: BaseException | None = None
        self._session = Session()
        self._backoff = Backoff(config.reconnect_timeout_s)
        self._connecting: asyncio.Task[None] | None = None
        self._reconnecting: asyncio.Task[None] | None = None
        self._gone = asyncio.Event()
        self._is_paused = False
        self._is_closing = False

    async def start(self) -> None:
        """Connect.

        Raises:
            ConnectError: if the server is not reached within `AppServerConfig.startup_timeout_s`, or refuses.
        """
        open_here.add(self)
        self._loop = asyncio.get_running_loop()
        if self._is_closing:
            raise ConnectError(f"cannot connect to {self._address.url}: the client was closed")
        self._connecting = self._loop.create_task(self._connect())
        await self._connecting
        if warning := self._address.warning(has_token=self._config.token is not None):
            logger().warning(warning)

    def give_up(self) -> None:
        """Its start is not wanted any more: it ends cancelled."""
        self._is_closing = True
        if self._connecting is not None:
            self._connecting.cancel()

    def send(self, data: bytes) -> None:
        """Send lines, some time. After the end it does nothing."""
        self._post(self._session.outgoing(split_lines(data)))

    def pause(self) -> None:
        """Let the server wait with what it has to say until `resume`."""
        self._is_paused = True
        if self._link is not None:
            self._link.pause()

    def resume(self) -> None:
        """Take it again."""
        self._is_paused = False
        if self._link is not None:
            self._link.resume()

    async def close(self) -> None:
        """Hang up. May be called again, and by several tasks; each returns when that is done."""
        self._is_closing = True
        if (reconnecting := self._reconnecting) is not None:
            reconnecting.cancel()
            await asyncio.wait([reconnecting])
        if (link := self._link) is None:
            return
        self.resume()
        link.close()
        try:
            await asyncio.wait_for(self._gone.wait(), MOMENT)
        except (TimeoutError, asyncio.TimeoutError):  # two classes until Python 3.11
            pass
        finally:
            link.abort()

    def let_go(self) -> None:
        """Hang up, without waiting for anything; from any thread, whatever became of the loop."""
        self._is_closing = True
        if self._loop is None or self._loop.is_closed():
            self.forget()
            return
        with contextlib.suppress(RuntimeError):  # it may just be closed
            self._loop.call_soon_threadsafe(self._break_off)

    def _break_off(self) -> None:
        if self._reconnecting is not None:
            self._reconnecting.cancel()
        if self._link is not None:
            self._link.abort()

    async def close_from_elsewhere(self, loop: asyncio.AbstractEventLoop) -> None:
        """As `close`, in another event loop than the one it was made in, which may be closed."""
        if loop.is_running():  # in another thread
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self.close(), loop))
        else:
            self._is_closing = True
            self.forget()

    def forget(self) -> None:
        """In a forked child, and where the loop is not there any more: keep nothing of it open."""
        if self._link is not None:
            self._link.forget()

    def attempt(self, step: Callable[..., None], *arguments: object) -> None:
        """Take a step of reading; if it fails, the connection is ended, and none follows."""
        if self._failure is not None:
            return
        try:
            step(*arguments)
        except BaseException as error:
            self._fail(error)
            if self._link is not None:
                self._link.abort()

    def _fail(self, error: BaseException) -> None:
        logger().exception("reading what the server says failed")
        self._failure = error

    async def _connect(self) -> None:
        config, address = self._config, self._address
        try:
            token = await self._token()
            socket = WebSocket(address, token, config.max_line_bytes)
            link = Link(socket, self._take, self._lost)
            self._link = link
            await asyncio.wait_for(link.open(address, config.ssl_context), config.startup_timeout_s)
        except (TimeoutError, asyncio.TimeoutError):
            self._hang_up()
            raise ConnectError(f"cannot connect to {address.url} within {config.startup_timeout_s:g} s") from None
        except OSError as error:
            self._hang_up()
            raise ConnectError(f"cannot connect to {address.url}: {error}") from error
        except BaseException:
            self._hang_up()
            raise
        if self._is_paused:
            link.pause()

    async def _token(self) -> str | None:
        """The token for a new connection; a function is asked in a thread, for it may ask somebody else."""
        token = self._config.token
        if not callable(token):
            return current_token(token)
        workers = Workers("codex-app-server token", 1)
        try:
            if (called := workers.call(partial(current_token, token))) is None:
                raise ConnectError(f"there is no token for {self._address.url}: no thread can be started to ask for it")
            given, error = await asyncio.wait_for(called, self._config.startup_timeout_s)
        except (TimeoutError, asyncio.TimeoutError):
            raise ConnectError(f"there is no token for {self._address.url}: the function gives none in time") from None
        finally:
            workers.close()
        if error is not None:
            raise ConnectError(f"there is no token for {self._address.url}: {error}") from error
        return given

    def _take(self, messages: list[bytes]) -> None:
        self.attempt(self._heard, messages)

    def _heard(self, messages: list[bytes]) -> None:
        step = self._session.incoming(messages)
        self._post(step.send)
        self._hand_on(step.deliver)
        if self._session.is_settled:
            self._backoff.restart()
        elif self._session.refusal is not None and self._link is not None:
            self._link.abort()

    def _post(self, lines: list[bytes]) -> None:
        if self._link is not None:
            for line in lines:
                self._link.send(line)

    def _hand_on(self, lines: list[bytes]) -> None:
        if lines:
            self._receive(as_lines(lines))

    def _is_wanted(self) -> bool:
        return self._failure is None and not self._is_closing and self._session.refusal is None

    def _lost(self, reason: str) -> None:
        """The connection is over."""
        session = self._session
        self._link = None
        if self._reconnecting is not None:  # it broke as soon as it was made, and who made it goes on
            return
        if not (self._is_wanted() and session.is_greeted and self._config.reconnect_timeout_s):
            self._end(session.refusal or reason)
            return
        logger().warning("the connection to %s broke: %s", self._address.url, reason)
        self.attempt(self._hand_on, session.lost())
        self._reconnecting = asyncio.get_running_loop().create_task(self._reconnect(reason))

    async def _reconnect(self, reason: str) -> None:
        """Connect again, and repeat the handshake; if that fails, it is the end."""
        try:
            while self._is_wanted() and (delay := self._backoff.wait_s()) is not None:
                await asyncio.sleep(delay)
                try:
                    await self._connect()
                except ConnectError as error:
                    reason = str(error)
                    if not may_pass(error):
                        break
                    continue
                if self._link is None:
                    continue
                self._reconnecting = None
                self._post(self._session.reopened())
                asyncio.get_running_loop().call_later(self._config.startup_timeout_s, self._see_greeted, self._link)
                return
        except asyncio.CancelledError:
            self._end(reason)
            raise
        except Exception as error:  # whatever it is, somebody waits
            self._fail(error)
        self._end(reason)

    def _see_greeted(self, link: Link) -> None:
        """By now the handshake should have been answered."""
        if link is self._link and not self._session.is_open:
            link.abort(f"the server did not answer initialize within {self._config.startup_timeout_s:g} s")

    def _end(self, reason: str) -> None:
        """There will be no other connection."""
        self._reconnecting = None
        self._gone.set()
        open_here.discard(self)
        if self._failure is not None:
            reason = f"reading what the server says failed: {self._failure!r}"
        self.attempt(self._finish)
        self._ended(Ending(f"the connection to {self._address.url} is over: {reason}", failure=self._failure))

    def _hang_up(self) -> None:
        if self._link is not None:
            self._link.abort()
            self._link = None
