"""A program that says every public name, for type checkers: nothing here runs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Literal

from codex_app_server import (
    Account,
    AccountLoginCompletedNotification,
    AgentMessageDeltaNotification,
    ApprovalDecision,
    ApprovalMode,
    ApprovalRequest,
    ApprovalRule,
    ApprovalsReviewer,
    AppServerClient,
    AppServerConfig,
    AppServerError,
    AppServerRpcError,
    AskForApproval,
    AsyncAppServerClient,
    AsyncCodex,
    AsyncCodexPool,
    AsyncCommand,
    AsyncGoal,
    AsyncLogin,
    AsyncSubscription,
    AsyncThread,
    AsyncTurn,
    AsyncTurnHandle,
    AsyncTurnStream,
    BaseBranchReviewTarget,
    CancelLoginAccountResponse,
    CancelLoginAccountStatus,
    Codex,
    CodexPool,
    Command,
    CommandApproval,
    CommandOutput,
    CommandResult,
    CommitReviewTarget,
    ConfigConflictError,
    ConfigurationError,
    ConfigValueError,
    ConnectError,
    ConnectionLostError,
    Event,
    EventOverflowError,
    ExperimentalApiError,
    FileChange,
    FileChangeApproval,
    GetAccountResponse,
    Goal,
    GoalResult,
    Handlers,
    ImageInput,
    InitializeResponse,
    InitializeResult,
    Input,
    InputItem,
    InternalRpcError,
    InvalidParamsError,
    InvalidRequestError,
    ItemCompletedNotification,
    JsonRpcError,
    LimitExceededError,
    Limits,
    LocalImageInput,
    Login,
    LoginFailedError,
    MapOutcome,
    MapProgress,
    McpToolApproval,
    MentionInput,
    MethodNotFoundError,
    ModelListResponse,
    Notification,
    Observers,
    OutputValidationError,
    ParseError,
    PermissionsApproval,
    Personality,
    PlanType,
    PoolFullError,
    PoolMember,
    Prices,
    ReasoningEffort,
    ReasoningSummary,
    RequestTimeoutError,
    RetryLimitExceededError,
    ReviewResult,
    RunInput,
    RunResult,
    RuntimeLostError,
    RuntimeNotFoundError,
    RuntimeStartError,
    Sandbox,
    SandboxMode,
    SandboxPolicy,
    ServerBusyError,
    ServiceTier,
    Settings,
    SkillInput,
    SortDirection,
    StartupTimeoutError,
    Subscription,
    TextInput,
    Thread,
    ThreadArchiveResponse,
    ThreadCompactStartResponse,
    ThreadForkParams,
    ThreadInfo,
    ThreadItem,
    ThreadListCwdFilter,
    ThreadListParams,
    ThreadListResponse,
    ThreadReadResponse,
    ThreadResumeParams,
    ThreadSetNameResponse,
    ThreadSortKey,
    ThreadSource,
    ThreadSourceKind,
    ThreadStartParams,
    ThreadStartSource,
    ThreadTokenUsage,
    ThreadTokenUsageUpdatedNotification,
    Tool,
    ToolContext,
    ToolError,
    ToolNamespace,
    TransportClosedError,
    Turn,
    TurnCompletedNotification,
    TurnCompletedNotificationPayload,
    TurnError,
    TurnFailedError,
    TurnHandle,
    TurnInfo,
    TurnInterruptResponse,
    TurnResult,
    TurnStartParams,
    TurnStatus,
    TurnSteerParams,
    TurnSteerResponse,
    TurnStream,
    WaitTimeoutError,
    __version__,
    allow_commands,
    allow_mcp_tools,
    allow_paths,
    approve_all,
    ask_on_terminal,
    decline_all,
    for_session,
    is_retryable_error,
    jwt_token,
    read_only,
    retry_on_overload,
    tool,
)
from codex_app_server.generated import (
    CommandExecutionRequestApprovalParams,
    CommandExecutionThreadItem,
    DynamicToolCallParams,
    ReadOnlySandboxPolicy,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


def decide(request: CommandExecutionRequestApprovalParams) -> Literal["accept", "decline"]:
    return "accept" if request.command == "ls" else "decline"


async def answer(request: DynamicToolCallParams) -> str:
    return request.tool


def rule(request: ApprovalRequest) -> Literal["accept", "cancel"] | bool | None:
    match request:
        case CommandApproval(parts=parts):
            return parts == (("ls",),) and request.thread_id != ""
        case FileChangeApproval(changes=changes):
            first: FileChange = changes[0]
            return "accept" if first.move_to is None and "+" in request.diff else "cancel"
        case McpToolApproval(server="files"):
            return True
        case PermissionsApproval(reason=None) | McpToolApproval():
            return False
        case PermissionsApproval():
            return None


async def later(request: ApprovalRequest) -> bool:
    return request.turn_id is None


def decided(decision: ApprovalDecision) -> str:
    return f"{decision.rule}: {decision.decision} {decision.is_granted} {decision.request.permanent}"


def policies() -> list[ApprovalRule]:
    return [
        read_only,
        allow_commands("git status", "ls *"),
        allow_paths("src"),
        for_session(allow_mcp_tools("files/*")),
        for_session(later),
        rule,
        ask_on_terminal,
        approve_all,
        decline_all,
    ]


@tool
def area(width: float, height: float) -> float:
    return width * height


@tool(namespace=ToolNamespace("shop", "Buying."), deferred=True, timeout=5, concurrency=1, on_turn_end="finish")
async def buy(context: ToolContext, what: str) -> list[str]:
    if context.is_cancelled:
        raise ToolError("Too late.")
    return [what, context.thread_id]


def tools(codex: Codex, plain: Callable[[str], int]) -> Thread:
    product: float = area(2, height=3)
    described: Tool[..., object] = area
    print(product, described.name, described.definition.schema)
    thread = codex.thread_start(tools=[area, buy, plain, described])
    return codex.thread_fork(thread.id, tools=[area])


async def tools_too(codex: AsyncCodex) -> AsyncThread:
    thread = await codex.thread_start(tools=(buy, area))
    bought: list[str] = await buy(ToolContext(), "tea")
    print(bought)
    return await codex.thread_resume(thread.id, tools=[buy])


async def look(item: CommandExecutionThreadItem) -> None:
    print(item.command)


def event(told: Event) -> str:
    return told.method


def observed() -> Observers:
    return Observers(
        on_event=event,
        on_item={CommandExecutionThreadItem: look, "agentMessage": print},
        on_text=print,
        on_usage=lambda usage: usage.token_usage.last.total_tokens,
        on_error=lambda error: error.will_retry,
        on_decision=decided,
    )


def limited(codex: Codex) -> str:
    limits = Limits(turns=1, tokens=100_000, cost=0.5, prices=Prices(input=1.25, output=10), seconds=60)
    try:
        thread = codex.thread_start(limits=limits, observers=observed())
        thread.turn("go", stall_timeout=60.0, observers=Observers(on_text=print))
        return thread.run("go", limits=Limits(tool_calls=3, commands=5, stall_timeout=30)).text
    except LimitExceededError as error:
        return f"{error.limit} {error.used} {error.scope}" if error.result is None else error.result.text


def configured() -> AppServerConfig:
    handlers = Handlers(command_approval=decide, tool_call=answer)
    return AppServerConfig(
        codex_bin="codex",
        handlers=handlers,
        approvals=policies(),
        observers=observed(),
        limits=Limits(seconds=9),
        experimental_api=True,
        request_timeout_s=5,
    )


def inputs() -> list[InputItem]:
    one: Input = TextInput("look")
    run: RunInput = "look"
    assert isinstance(one, TextInput)
    assert isinstance(run, str)
    return [
        one,
        ImageInput("data:"),
        LocalImageInput("a.png"),
        SkillInput("s", "SKILL.md"),
        MentionInput("m", "app://x"),
    ]


def use(codex: Codex) -> None:
    said: InitializeResult = codex.metadata
    same_said: InitializeResponse = said
    print(same_said.user_agent, said.server_version, __version__, codex.skipped_lines)
    policy: SandboxPolicy = ReadOnlySandboxPolicy(network_access=False)
    mode: SandboxMode = SandboxMode("read-only")
    approval: AskForApproval = AskForApproval.model_validate("never")
    effort: ReasoningEffort = ReasoningEffort("beyond")
    tier: ServiceTier = ServiceTier.fast
    thread: Thread = codex.thread_start(sandbox=mode, approval_policy=approval, cwd=".")
    told: ThreadSetNameResponse = thread.set_name("mine")
    begun: ThreadCompactStartResponse = thread.compact()
    away: ThreadArchiveResponse = codex.thread_archive(thread.id)
    print(told, begun, away)
    turn: Turn = thread.turn(inputs(), effort=effort, sandbox_policy=policy, service_tier=tier, summary="concise")
    for event in turn.stream():
        show(event)
    steered: TurnSteerResponse = turn.steer("and more")
    stopped: TurnInterruptResponse = turn.interrupt()
    print(steered.turn_id, stopped, thread.turn(["words", ImageInput("data:")]).id, thread.turn(("a", "b")).id)
    result: RunResult = thread.run("go", timeout=5, personality=Personality("none"))
    same: TurnResult = result
    status: TurnStatus = same.status
    usage: ThreadTokenUsageUpdatedNotification | None = same.usage
    counted: ThreadTokenUsage | None = usage.token_usage if usage else None
    error: TurnError | None = same.error
    cost: float | None = same.cost(Prices(input=1.25, output=10, cached_input=0.125))
    print(cost, same.duration, same.diff, same.tokens.total_tokens if same.tokens else 0, same.to_markdown())
    print([each.command for each in same.commands()], [each.message for each in same.errors()])
    again: TurnResult = TurnResult.from_json(same.to_json())
    number: int = TurnResult.from_dict(same.to_dict(), int).output
    print(again, number)
    print(same == result, same.to_dict(), asdict(same), same.id, same.duration_ms, counted, error)
    print(status.value, usage.token_usage.total.total_tokens if usage else 0, [words(item) for item in same.items])
    listed: ThreadListResponse = codex.thread_list(
        sort_key=ThreadSortKey("created_at"), source_kinds=[ThreadSourceKind("cli")], limit=5
    )
    models: ModelListResponse = codex.models()
    read: ThreadReadResponse = thread.read()
    print([each.preview for each in listed.data], [each.id for each in models.data], read.thread.id)
    print(retry_on_overload(lambda: thread.run("again"), max_attempts=2).text)
    with thread.stream("go", timeout=5) as stream:
        for event in stream:
            show(event)
        print("".join(stream.text()), [words(item) for item in stream.items()], stream.turn.id)
    told_all: TurnStream[None] = stream
    print(told_all.result.output)
    subscription: Subscription = codex.client.subscribe(thread_id=thread.id)
    with subscription:
        for event in subscription:
            show(event)


def lead(codex: Codex) -> None:
    last: Thread | None = codex.thread_last(cwd=".")
    for thread in codex.threads(archived=False, search="wall"):
        info: ThreadInfo = thread.info
        first: TurnInfo | None = next(thread.turns(newest_first=True), None)
        print(thread.name, thread.cwd, thread.model, thread.status, thread.preview, info.git_info)
        if first is not None and last is not None:
            last.revert(before=first)
        review: ReviewResult = thread.fork(model="m").review(BaseBranchReviewTarget(branch="main"), timeout=60)
        print(review.text, review.turn.usage, thread.review(CommitReviewTarget(sha="c0ffee")).text)
        with thread.goal("All tests pass.", token_budget=1000) as goal:
            same: Goal = goal
            for event in same.stream():
                show(event)
            ended: GoalResult = same.wait(timeout=5)
            print(ended.final_response, [turn.status for turn in ended.turns])
        thread.delete()
    with codex.command(["ls"], tty=(80, 24)) as command:
        running: Command = command
        running.write("text")
        piece: CommandOutput
        for piece in running.stream():
            print(piece.text, len(piece.data))
        done: CommandResult = running.wait()
        print(done.exit_code, done.text)
    try:
        with codex.login_chatgpt() as login:
            confirmed: Login = login
            print(confirmed.url, confirmed.code)
            confirmed.wait(timeout=5)
    except LoginFailedError as error:
        print(error)
    settings: Settings = codex.config_read()
    try:
        print(codex.config_write({"model": "m"}, version=settings.version).status, settings.config.model)
    except (ConfigConflictError, ConfigValueError) as refused:
        print(refused.message)
    print([skill.name for skill in codex.skills().skills], [server.tools for server in codex.mcp_servers()])


def connect(secret: bytes) -> Codex:
    return Codex(AppServerConfig(url="wss://agents.example", token=jwt_token(secret, issuer="us")))


async def lead_async(codex: AsyncCodex) -> None:
    async for thread in codex.threads():
        goal: AsyncGoal = await thread.goal("All tests pass.")
        async with goal:
            print((await goal.wait()).status)
        async for turn in thread.turns():
            print(turn.status)
    command: AsyncCommand = await codex.command(["ls"])
    async for piece in command.stream():
        print(piece.text)
    login: AsyncLogin = await codex.mcp_login("server")
    await login.cancel()


def choose(turn: TurnHandle) -> tuple[object, ...]:
    policy: SandboxPolicy = SandboxPolicy.model_validate({"type": "readOnly"})
    print(turn.id, policy.type, ReasoningSummary.model_validate("concise").value)
    reviewer, origin, source = ApprovalsReviewer.user, ThreadStartSource.startup, ThreadSource("user")
    where: ThreadListCwdFilter = "."
    return (reviewer, origin, source, where, SortDirection.asc, ReasoningEffort.high.value, ServiceTier.flex.value)


def show(event: Event) -> None:
    told: Notification = event
    print(told.method)
    payload = event.payload
    if isinstance(payload, AgentMessageDeltaNotification):
        print(payload.delta)
    elif isinstance(payload, (TurnCompletedNotification, TurnCompletedNotificationPayload)):
        print(payload.turn.status)
    elif isinstance(payload, ItemCompletedNotification):
        print(words(payload.item))
    elif isinstance(payload, AccountLoginCompletedNotification):
        print(payload.success)


def words(item: ThreadItem) -> str:
    if item.type == "agentMessage":
        return item.text
    if item.type == "commandExecution":
        return item.command
    return item.id


async def use_async(codex: AsyncCodex) -> None:
    thread: AsyncThread = await codex.thread_start()
    turn: AsyncTurn = await thread.turn(TextInput("go"), summary=ReasoningSummary("auto"))
    async for event in turn.stream():
        show(event)
    print(await turn.steer("and more"), await turn.interrupt(), await thread.set_name("mine"), await thread.compact())
    handle: AsyncTurnHandle = await thread.turn("go")
    print(handle.id, await codex.thread_archive(thread.id))
    result = await retry_on_overload(lambda: thread.run("again"))
    print(result.final_response)
    stream: AsyncTurnStream[int] = thread.stream("go", output_type=int)
    async with stream as entered:
        async for piece in entered.text():
            print(piece)
        async for item in entered.items():
            print(words(item))
    number: int = stream.result.output
    print(number)
    client: AsyncAppServerClient = codex.client
    subscription: AsyncSubscription = client.subscribe()
    async with subscription:
        async for event in subscription:
            show(event)
    account: GetAccountResponse = await client.account_read()
    who: Account | None = account.account
    left: CancelLoginAccountResponse = await client.account_login_cancel(login_id="l")
    gone: CancelLoginAccountStatus = left.status
    print(who, gone)
    plan: PlanType | None = account.account.plan_type if account.account and account.account.type == "chatgpt" else None
    print(plan)


def call(client: AppServerClient) -> None:
    start = ThreadStartParams(cwd=".", sandbox=SandboxMode("read-only"))
    started = client.request("thread/start", start)
    print(started, client.thread_loaded_list(limit=1).data)
    for params in (
        ThreadResumeParams(thread_id="t"),
        ThreadForkParams(thread_id="t"),
        ThreadListParams(limit=1),
        TurnStartParams(thread_id="t", input=[]),
        TurnSteerParams(thread_id="t", expected_turn_id="u", input=[]),
    ):
        print(params.model_dump_json(by_alias=True))


def say(progress: MapProgress) -> None:
    print(progress.done, progress.failed, progress.total)


def mapped(codex: Codex) -> list[int]:
    codex.thread_start(sandbox=Sandbox.read_only, approval_policy=ApprovalMode.never)
    plain: list[MapOutcome[None]] = list(codex.map(["a", ["b"]], thread={"cwd": "."}, progress=say))
    print(plain)
    numbers: list[int] = [outcome.unwrap().output for outcome in codex.map(["a"], output_type=int, journal="j")]
    maybe: int | str = next(iter(codex.map(["a"], output_type=int | str))).unwrap().output
    return [*numbers, int(maybe)]


def pooled(configs: list[AppServerConfig]) -> tuple[int, list[PoolMember]]:
    with CodexPool(configs, on_crash="retry", homes="homes", tenant_config=lambda name: configs[len(name)]) as pool:
        with pool.client(tenant="acme", timeout=60) as codex:
            use(codex)
        thread: Thread = pool.thread_start(sandbox="read-only", limits=Limits(turns=1))
        nothing: None = pool.run("a", thread={"cwd": "."}).output
        number: int = pool.run("a", tenant="acme", output_type=int).output
        numbers: list[int] = [outcome.unwrap().output for outcome in pool.map(["a"], output_type=int, journal="j")]
        print(thread.id, nothing, numbers, pool.waiting)
        return number, [member for member in pool.members if member.home]


async def prompts_async() -> AsyncIterator[RunInput]:
    yield "a"
    yield [TextInput("b"), LocalImageInput("c")]


async def pooled_async() -> list[MapOutcome[None]]:
    async with AsyncCodexPool(configured(), size=4) as pool:
        async with pool.client() as codex:
            await use_async(codex)
        thread: AsyncThread = await pool.thread_start()
        print(thread.id, (await pool.run("a", output_type=int | str)).output)
        async with AsyncCodex() as codex:
            later: list[int] = [each.unwrap().output async for each in codex.map(prompts_async(), output_type=int)]
            print(later, [each async for each in pool.map(prompts_async())])
        return [outcome async for outcome in pool.map(["a"], tenant="acme")]


def far_away() -> str:
    try:
        with Codex(configured()) as codex:
            use(codex)
    except PoolFullError as error:
        return str(error)
    except RuntimeLostError as error:
        return str(error.exit_code)
    except ConnectError as error:
        return f"{error.status or error}"
    except ConnectionLostError as error:
        return error.method or ""
    return ""


def guarded() -> str:
    try:
        with Codex(configured()) as codex:
            use(codex)
    except TurnFailedError as error:
        return error.result.text
    except OutputValidationError as error:
        return error.reply or "\n".join(error.reasons)
    except TransportClosedError as error:
        return "\n".join(error.stderr_tail)
    except (
        RequestTimeoutError,
        StartupTimeoutError,
        WaitTimeoutError,
        EventOverflowError,
        ExperimentalApiError,
    ) as error:
        return str(error)
    except ConfigurationError as error:
        return error.path or ""
    except (RuntimeNotFoundError, RuntimeStartError) as error:
        return str(error)
    except (ParseError, InvalidRequestError, MethodNotFoundError, InvalidParamsError, InternalRpcError) as error:
        return f"{error.method} {error.code}"
    except (RetryLimitExceededError, ServerBusyError, AppServerRpcError, JsonRpcError) as error:
        return "later" if is_retryable_error(error) else error.message
    except AppServerError as error:
        return str(error)
    return ""
