"""``run`` and ``resume``: one turn, watched.

The agent's text is on stdout as it comes, what it does beside that on stderr; or every event is a line of JSON.
Whatever breaks the turn off interrupts it, and the runtime is gone when this ends.
"""

from __future__ import annotations

import json
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from codex_app_server.approvals.asking import AskOnTerminal, told_changes
from codex_app_server.approvals.requests import changes_of
from codex_app_server.config import AppServerConfig
from codex_app_server.errors import AppServerError
from codex_app_server.inputs import TextInput
from codex_app_server.streaming import Words
from codex_app_server.sync.codex import Codex
from codex_app_server.terminal import shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from codex_app_server.events import Notification
    from codex_app_server.protocol.messages import JsonValue
    from codex_app_server.results import TurnResult
    from codex_app_server.sync.thread import Thread
    from codex_app_server.sync.turn import Turn
    from codex_app_server.terminal import Terminal

__all__ = ["RunOptions", "configured", "run"]

_EMBEDDED_S = 2.0
"""How long the embedded model takes at most to say its answer, in seconds."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What to run, and how.

    Attributes:
        prompt: what Codex is to do.
        is_json: whether events are printed, instead of text.
        is_embedded: whether a scripted model answers.
        cwd: where to work; the current directory if not given.
        model: which model; that of Codex's settings if not given.
        sandbox: a sandbox mode of the protocol; that of Codex's settings if not given.
        codex_bin: another executable than the installed one.
        schema: the JSON schema that the answer has to fit.
        thread_id: the thread to go on with; the last one of the directory if it is empty, a new one if None.
    """

    prompt: str
    is_json: bool
    is_embedded: bool
    cwd: Path | None
    model: str | None
    sandbox: str | None
    codex_bin: str | None
    schema: Mapping[str, object] | None = None
    thread_id: str | None = None


def run(options: RunOptions, terminal: Terminal) -> int:
    """Run one turn and show it; returns the exit code.

    Raises:
        AppServerError: if there is no turn to show, or the connection ends before it does.
        BrokenPipeError: if nobody reads the output any more; the turn is interrupted then, as with Ctrl-C.
    """
    show: Callable[[Notification], None] = partial(_show_as_json, terminal) if options.is_json else _Text(terminal).show
    with ExitStack() as stack:
        codex = stack.enter_context(Codex(configured(options, terminal, stack)))
        thread = _thread(codex, options)
        if thread is None:
            terminal.note("error: no thread was begun in this directory")
            return 1
        result = _watched(thread.turn(TextInput(options.prompt), output_schema=options.schema), show)
    if not result.is_completed:
        terminal.note(f"error: the turn {shortened(result.failure or '')}")
        return 1
    if options.schema is not None and not _is_json(result.final_response):
        terminal.note("error: the answer is no JSON")
        return 1
    return 0


def _thread(codex: Codex, options: RunOptions) -> Thread | None:
    ways: dict[str, Any] = {"cwd": options.cwd, "model": options.model, "sandbox": options.sandbox}
    if options.thread_id is None:
        return codex.thread_start(**ways)
    thread_id = options.thread_id
    if not thread_id:
        last = codex.thread_last(cwd=options.cwd)
        if last is None:
            return None
        thread_id = last.id
    return codex.thread_resume(thread_id, **ways)


def _is_json(text: str | None) -> bool:
    try:
        json.loads(text or "")
    except (ValueError, RecursionError):
        return False
    return True


def configured(options: RunOptions, terminal: Terminal, stack: ExitStack) -> AppServerConfig:
    """How to start the runtime; with an embedded model, that is started, and stopped with the stack."""
    approvals = [AskOnTerminal(terminal)]
    if not options.is_embedded:
        return AppServerConfig(codex_bin=options.codex_bin, approvals=approvals)
    from codex_app_server.testing import ModelServer, Text

    answer = (
        f"Hello! You said: {options.prompt}\n\nI am the scripted model that this package brings for trying things out. "
        "The Codex around me is the real one; without --embedded a real model answers."
    )
    words = answer.count(" ") + 1
    model = stack.enter_context(ModelServer(default=Text(answer, delay_s=min(0.03, _EMBEDDED_S / words))))
    terminal.note("the model is embedded: its answer is scripted, no account is used and nothing is sent anywhere")
    return model.config(codex_bin=options.codex_bin, approvals=approvals)


def _watched(turn: Turn, show: Callable[[Notification], None]) -> TurnResult[None]:
    """Show a turn to its end; if that is broken off, the turn is interrupted."""
    try:
        for event in turn.stream():
            show(event)
    except BaseException:
        with suppress(AppServerError):  # it may have ended, and the runtime too
            turn.interrupt()
        raise
    return turn.result()


def _show_as_json(terminal: Terminal, event: Notification) -> None:
    terminal.say(json.dumps({"method": event.method, "params": event.params}) + "\n")


class _Text:
    """The agent's text as it comes, and a line for each command and file change."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._words = Words()
        self._trouble = ""

    def show(self, event: Notification) -> None:
        """The next event."""
        self._terminal.say(self._words.of(event))
        params = event.params if isinstance(event.params, dict) else {}
        item = params.get("item")
        if event.method == "item/started" and isinstance(item, dict):
            self._began(item)
        elif event.method == "item/completed" and isinstance(item, dict):
            self._ended(item)
        elif event.method == "error" and params.get("willRetry"):
            error = params.get("error")
            self._retries(str(error.get("message") if isinstance(error, dict) else error))

    def _began(self, item: dict[str, JsonValue]) -> None:
        if item.get("type") == "commandExecution":
            self._terminal.note(f"$ {shortened(str(item.get('command')))}")
        elif item.get("type") == "fileChange":
            self._terminal.note(f"files: {shortened(told_changes(changes_of(item.get('changes'))))}")

    def _ended(self, item: dict[str, JsonValue]) -> None:
        kind, status = item.get("type"), item.get("status")
        if kind == "agentMessage":
            self._terminal.end_line()
        elif kind in {"commandExecution", "fileChange"} and status != "completed":
            code = item.get("exitCode")
            self._terminal.note(f"  {status}" if code is None else f"  {status}, exit code {code}")

    def _retries(self, trouble: str) -> None:
        # Without a network Codex says the same every few seconds, for ever.
        if trouble != self._trouble:
            self._trouble = trouble
            self._terminal.note(f"trying again: {shortened(trouble)}")
