"""A login that a person has to confirm in a browser, for asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_app_server.errors import LoginFailedError, WaitTimeoutError
from codex_app_server.protocol.log import Topic
from codex_app_server.protocol.pacing import PROBE
from codex_app_server.protocol.request import Request
from codex_app_server.protocol.streams import EVERYTHING, LAST
from codex_app_server.timeouts import end_after, left_until, seconds

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from typing_extensions import Self

    from codex_app_server.aio.driver import AsyncDriver
    from codex_app_server.generated.events import Event
    from codex_app_server.protocol.messages import JsonValue

__all__ = ["AsyncLogin"]


class AsyncLogin:
    """A login that has begun: a person has to open `url`.

        async with await codex.login_chatgpt() as login:
            print("Open", login.url)
            await login.wait(timeout=300)

    At the end of an ``async with`` block the login is cancelled, if it has not ended.

    Attributes:
        url: the address to open in a browser.
        code: the code to type there; None if none is needed.
    """

    def __init__(self, driver: AsyncDriver, server: str | None = None) -> None:
        self.url = ""
        self.code: str | None = None
        self._driver = driver
        self._server = server
        self._id: str | None = None
        # Before it begins, for it may end at once; of which login that is, only its answer says.
        self._cursor = driver.listen(EVERYTHING)
        self._told: list[Event] = []

    async def wait(self, *, timeout: float | None = None) -> None:
        """Wait until the person is logged in.

        Args:
            timeout: how long to wait, in seconds; then the login is cancelled. It is also cancelled when the wait is,
                e.g. by Ctrl-C, or when the wait fails.

        Raises:
            LoginFailedError: if the login ends without success.
            WaitTimeoutError: if the login takes longer than `timeout`.
            TransportClosedError: if the connection ends first.
        """
        end = end_after(seconds(timeout, "timeout"))
        try:
            said = await self._end(end)
        except TimeoutError:
            await self._stop()
            raise WaitTimeoutError("nobody has logged in in time") from None
        except BaseException:
            await self._stop()
            raise
        self._driver.drop(self._cursor)
        if said.get("success") is not True:
            raise LoginFailedError(f"the login did not succeed: {said.get('error') or 'it was cancelled'}")

    async def cancel(self) -> None:
        """Cancel the login; a `wait` for it raises `LoginFailedError`.

        A login at an MCP server cannot be cancelled in the runtime, where it ends by itself some time later.
        """
        if self._server is None:
            await self._driver.call("account/login/cancel", {"loginId": self._id})
        else:
            self._driver.drop(self._cursor)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stop()

    def __repr__(self) -> str:
        """Where; what stands behind the question mark may be secret."""
        return f"<{type(self).__name__} at {self.url.partition('?')[0]}>"

    async def _start(self, method: str, params: Mapping[str, JsonValue]) -> Self:
        early = self._cursor
        try:
            answer = await self._driver.call(method, params)
            members = answer.items() if isinstance(answer, dict) else ()
            said = {name: value for name, value in members if isinstance(value, str)}
            self._id = said.get("loginId")
            self.url = said.get("authUrl") or said.get("verificationUrl") or said.get("authorizationUrl") or ""
            self.code = said.get("userCode")
            if self._id is not None:
                self._cursor = self._driver.listen(Topic("login", self._id))
                await self._driver.call(PROBE, {})  # whoever has the answer to that is listened to
        except BaseException:
            await self._stop()
            self._driver.drop(early)
            raise
        if early is not self._cursor:
            while batch := self._driver.taken(early):
                self._told += filter(self._is_end, batch)
            self._driver.drop(early)
        return self

    async def _end(self, end: float | None) -> Mapping[str, JsonValue]:
        """What was said at its end; nothing if nobody listens any more."""
        while not (ends := [event for event in self._told if self._is_end(event)]):
            self._told = await self._driver.take(self._cursor, left_until(end))
            if not self._told:
                return {}
        said = ends[0].params
        return said if isinstance(said, dict) else {}

    async def _stop(self) -> None:
        """Have it broken off, without waiting for that."""
        if self._server is None and self._id is not None and not self._cursor.log.is_complete:
            await self._driver.post(Request("account/login/cancel", {"loginId": self._id}))
        self._driver.drop(self._cursor)

    def _is_end(self, event: Event) -> bool:
        said = event.params
        if event.method not in LAST["login"] or not isinstance(said, dict):
            return False
        return said.get("loginId") == self._id if self._id is not None else said.get("name") == self._server
