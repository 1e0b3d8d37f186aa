"""What a handle knows of its thread, and what it does with it beside turns, for asyncio."""

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

    Its properties are what the runtime said when the thread was last started, resumed, forked, listed or read. To look
    at them asks the runtime nothing.
    """

    _driver: AsyncDriver
    _id: str
    _known: Known = NOTHING_KNOWN

    @property
    def name(self) -> str | None:
        """The thread's name, if somebody gave it one; as the runtime said it last."""
        return text_of(self._known, "name")

    @property
    def cwd(self) -> str | None:
        """The directory that the thread works in, as the runtime said it last."""
        return text_of(self._known, "cwd")

    @property
    def model(self) -> str | None:
        """The model that the thread uses, as the runtime said it last."""
        return text_of(self._known, "model")

    @property
    def preview(self) -> str:
        """The beginning of the conversation, for lists, as the runtime said it last; empty before the first turn."""
        return text_of(self._known, "preview") or ""

    @property
    def status(self) -> str | None:
        """The thread's state, as the runtime said it last: ``idle``, ``active``, ``systemError`` or ``notLoaded``.

        A thread of a list may be ``notLoaded``: it is stored, and is loaded for its next turn.
        """
        return state_of(self._known)

    @property
    def info(self) -> ThreadInfo:
        """Everything that the runtime said of the thread, as the protocol's model."""
        from codex_app_server.models.model import decode
        from codex_app_server.models.renamed import ThreadInfo

        return decode(ThreadInfo, {"id": self._id, **self._known})

    async def archive(self) -> None:
        """Archive the thread: lists leave it out. The client's `thread_unarchive` brings it back."""
        await self._driver.call("thread/archive", {"threadId": self._id})

    async def delete(self) -> None:
        """Delete the thread and everything in it, for good.

        Raises:
            JsonRpcError: if the thread is not stored. An ephemeral one is not; it ends with the runtime.
        """
        await self._driver.call("thread/delete", {"threadId": self._id})

    async def revert(self, *, before: str | HasId) -> None:
        """Remove a turn, and all turns after it, from the thread. Files stay as they are.

        A turn that is running is interrupted.

        Args:
            before: the first turn to remove, or its id.

        Raises:
            JsonRpcError: if the thread has no such turn.
        """
        await self._load()
        self._known = known_from(
            await self._driver.call("thread/revert", {"threadId": self._id, "beforeTurnId": id_of(before)})
        )

    async def turns(self, *, newest_first: bool = False) -> AsyncGenerator[TurnInfo, None]:
        """The thread's turns with their items, oldest first. The iteration reads them from the runtime page by page.

        Args:
            newest_first: whether to begin with the last turn instead.

        Raises:
            JsonRpcError: if the thread is not stored; an ephemeral one is not.
        """
        from codex_app_server.models.model import decode
        from codex_app_server.models.renamed import TurnInfo

        params: dict[str, JsonValue] = {
            "threadId": self._id,
            "itemsView": "full",
            "limit": PAGE,
            "sortDirection": "desc" if newest_first else "asc",
        }
        pages: set[str] = set()
        cursor: str | None = ""
        while cursor is not None:
            try:
                answer = await self._driver.call("thread/turns/list", params)
            except InvalidRequestError as error:
                if has_no_turns_yet(error.message):
                    return
                raise
            found, cursor = page_of(answer, pages)
            params["cursor"] = cursor
            for each in found:
                yield decode(TurnInfo, each)

    async def review(self, target: ReviewTarget | str | None = None, *, timeout: float | None = None) -> ReviewResult:
        """Have changes reviewed, in a turn of this thread.

        Args:
            target: what to review: a `BaseBranchReviewTarget`, a `CommitReviewTarget`, or a description in words;
                without it, the changes that are not committed.
            timeout: how long the review may take, in seconds; then it is interrupted. It is also interrupted when the
                wait for it is cancelled, e.g. by Ctrl-C, or fails.

        Raises:
            TurnFailedError: if the review failed or was interrupted; its `result` is the turn, as far as it came.
            WaitTimeoutError: if the review takes longer than `timeout`.
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
        """Set a goal: the runtime begins turns by itself until the goal is reached.

        Args:
            objective: what to reach.
            token_budget: how many tokens may be used; after that, the goal ends without being reached.

        Raises:
            JsonRpcError: if the runtime refuses.
            RequestTimeoutError: if the runtime does not answer within `AppServerConfig.request_timeout_s`. The time for
                that is not part of the `timeout` of the goal's `wait`.
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
            arguments: the arguments of the call, as JSON values.

        Returns:
            the answer of the tool; its `is_error` says whether the tool itself failed.

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
        """Have the runtime load the thread if it is only stored, because a turn needs a loaded one.

        Args:
            timeout: how long that may take, in seconds.
            watching: what watches the turn that the thread is loaded for; its limits count for the loading, too.
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
