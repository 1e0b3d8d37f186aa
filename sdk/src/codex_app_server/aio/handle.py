"""What a thread's handle knows of it, and what is done with it beside turns, for asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_app_server.errors import InvalidRequestError, TurnFailedError
from codex_app_server.handles.threads import (
    NOTHING_KNOWN,
    PAGE,
    has_no_turns_yet,
    id_of,
    known_from,
    page_of,
    state_of,
    text_of,
)
from codex_app_server.timeouts import end_after, left_until, seconds

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from codex_app_server.aio.driver import AsyncDriver
    from codex_app_server.aio.goal import AsyncGoal
    from codex_app_server.aio.watching import AsyncWatching
    from codex_app_server.generated import McpServerToolCallResponse, ReviewTarget
    from codex_app_server.handles.reviews import ReviewResult
    from codex_app_server.handles.threads import HasId, Known
    from codex_app_server.models.renamed import ThreadInfo, TurnInfo
    from codex_app_server.protocol.messages import JsonValue

__all__ = ["AsyncHandle"]


class AsyncHandle:
    """What an `AsyncThread` has beside turns that it runs.

    Its properties are what the runtime said when the thread was started, resumed, forked, listed or read. To look at
    them asks the runtime nothing.
    """

    _driver: AsyncDriver
    _id: str
    _known: Known = NOTHING_KNOWN

    @property
    def name(self) -> str | None:
        """What a person calls it, as of when it was last asked about."""
        return text_of(self._known, "name")

    @property
    def cwd(self) -> str | None:
        """The directory it works in, likewise."""
        return text_of(self._known, "cwd")

    @property
    def model(self) -> str | None:
        """Which model it asks, likewise."""
        return text_of(self._known, "model")

    @property
    def preview(self) -> str:
        """How it begins, for lists, likewise; empty if nothing was said yet."""
        return text_of(self._known, "preview") or ""

    @property
    def status(self) -> str | None:
        """How it is, likewise: ``idle``, ``active``, ``systemError``, or ``notLoaded``, until it is spoken to."""
        return state_of(self._known)

    @property
    def info(self) -> ThreadInfo:
        """All that was said of it, as the protocol's model."""
        from codex_app_server.models.model import decode
        from codex_app_server.models.renamed import ThreadInfo

        return decode(ThreadInfo, {"id": self._id, **self._known})

    async def archive(self) -> None:
        """Put it away: lists leave it out; `thread_unarchive` of the client brings it back."""
        await self._driver.call("thread/archive", {"threadId": self._id})

    async def delete(self) -> None:
        """Delete it, and all that was said in it, for good.

        Raises:
            JsonRpcError: if it is not stored: an ephemeral one ends with the runtime.
        """
        await self._driver.call("thread/delete", {"threadId": self._id})

    async def revert(self, *, before: str | HasId) -> None:
        """Forget a turn and all that came after it; a turn that is under way is interrupted. Files stay as they are.

        Args:
            before: the turn, or its id.

        Raises:
            JsonRpcError: if it has no such turn.
        """
        await self._load()
        self._known = known_from(
            await self._driver.call("thread/revert", {"threadId": self._id, "beforeTurnId": id_of(before)})
        )

    async def turns(self, *, newest_first: bool = False) -> AsyncGenerator[TurnInfo, None]:
        """Its turns with their items, oldest first; they are asked for as they are iterated over, some at a time.

        Args:
            newest_first: begin with the last one.

        Raises:
            JsonRpcError: if it is not stored, as an ephemeral one.
        """
        from codex_app_server.models.model import decode
        from codex_app_server.models.renamed import TurnInfo

        params: dict[str, JsonValue] = {
            "threadId": self._id,
            "itemsView": "full",
            "limit": PAGE,
            "sortDirection": "desc" if newest_first else "asc",
        }
        cursor: str | None = ""
        while cursor is not None:
            try:
                answer = await self._driver.call("thread/turns/list", params)
            except InvalidRequestError as error:
                if has_no_turns_yet(error.message):
                    return
                raise
            found, cursor = page_of(answer)
            params["cursor"] = cursor
            for each in found:
                yield decode(TurnInfo, each)

    async def review(self, target: ReviewTarget | str | None = None, *, timeout: float | None = None) -> ReviewResult:
        """Have changes reviewed, in a turn of this thread.

        Args:
            target: what: a `BaseBranchReviewTarget` or `CommitReviewTarget`, or words that say it; without it, what is
                not committed.
            timeout: how long it may take, in seconds; then it is interrupted. It is too when the wait is broken off.

        Raises:
            TurnFailedError: if it failed or was interrupted; it carries what there is of the turn.
            WaitTimeoutError: if it takes longer.
            JsonRpcError: if the runtime refuses.
            TransportClosedError: if the connection ends.
        """
        from codex_app_server.aio.reviewing import review

        limit = seconds(timeout, "timeout")
        end = end_after(limit)
        await self._load(limit)
        result = await review(self._driver, self._id, target, left_until(end))
        if not result.turn.is_completed:
            raise TurnFailedError(result.turn)
        return result

    async def goal(self, objective: str, *, token_budget: int | None = None) -> AsyncGoal:
        """Set a goal: turns begin by themselves until it is reached.

        Args:
            objective: what is to be reached.
            token_budget: after how many tokens it ends unreached.

        Raises:
            JsonRpcError: if the runtime refuses.
            RequestTimeoutError: if it does not answer within `AppServerConfig.request_timeout_s`; a time that `wait` of
                the goal is given begins there.
            TransportClosedError: if the connection ends.
        """
        from codex_app_server.aio.goal import AsyncGoal

        await self._load()
        options: dict[str, JsonValue] = {"objective": objective, "status": "active"}
        if token_budget is not None:
            options["tokenBudget"] = token_budget
        return await AsyncGoal(self._driver, self._id)._start(options)  # noqa: SLF001 - a twin's constructor cannot wait

    async def mcp_call(
        self, server: str, tool: str, arguments: Mapping[str, object] | None = None
    ) -> McpServerToolCallResponse:
        """Call a tool of an MCP server yourself, without the agent.

        Args:
            server: the server's name in the settings.
            tool: the tool's own name.
            arguments: of JSON values.

        Returns:
            what it gave; `is_error` says whether the tool itself failed.

        Raises:
            JsonRpcError: if there is no such server or tool, or the call cannot be made.
            TransportClosedError: if the connection ends.
        """
        from codex_app_server.generated import McpServerToolCallResponse
        from codex_app_server.models.model import decode

        await self._load()
        params = {"threadId": self._id, "server": server, "tool": tool, "arguments": arguments or {}}
        return decode(McpServerToolCallResponse, await self._driver.call("mcpServer/tool/call", params))

    async def _load(self, timeout: float | None = None, watching: AsyncWatching | None = None) -> None:
        """Have the runtime take up a thread that it has only stored: it speaks in no other.

        Args:
            timeout: how long that may take, in seconds.
            watching: who watches the turn that it is for; no longer than its limits leave either.
        """
        if state_of(self._known) != "notLoaded":
            return

        async def resume(longest: float | None) -> None:
            params = {"threadId": self._id, "excludeTurns": True}
            self._known = known_from(await self._driver.call("thread/resume", params, longest))

        if watching is None:
            await resume(timeout)
        else:
            await watching.held(resume, timeout)
