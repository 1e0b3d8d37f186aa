"""An app-server of a few lines of Python: what a real one does when clients come and go, and what they must see.

What is complete is kept, what is not is only told to those who are there; a question waits, and is asked again with its
id; one that is started anew has forgotten what ran, and counts its questions from 0.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from typing import Any, TypeAlias

__all__ = ["PIECE", "Server", "check", "of_turn", "scripted"]

Event: TypeAlias = "dict[str, Any]"

PIECE, WHOLE, INDEX = (
    {
        "agentMessage": ("item/agentMessage/delta", "text", None),
        "commandExecution": ("item/commandExecution/outputDelta", "aggregatedOutput", None),
        "reasoning": ("item/reasoning/summaryTextDelta", "summary", "summaryIndex"),
    },
    None,
    None,
)


class Server:
    """What a real one does, as far as it matters: it goes on while nobody is there, and keeps what is complete.

    Args:
        scripts: what happens in each turn, one after another: items with their pieces, and questions.
    """

    def __init__(self, scripts: list[list[tuple[str, Any]]]) -> None:
        self.scripts = deque(scripts)
        self.threads: dict[str, dict[str, Any]] = {}
        self.to_client: deque[bytes] = deque()
        self.to_server: deque[bytes] = deque()
        self.joined: set[str] = set()
        self.loaded: set[str] = set()
        self.running: dict[str, tuple[dict[str, Any], deque[tuple[str, Any]]]] = {}
        self.questions: dict[int, tuple[str, dict[str, Any]]] = {}
        self.answers: list[tuple[str, str]] = []
        self.done: Counter[str] = Counter()
        self.ids = 0
        self.items = 0

    def say(self, thread_id: str | None, method: str, **params: Any) -> None:
        if thread_id is None or thread_id in self.joined:
            self.put({"method": method, "params": params})

    def put(self, message: dict[str, Any]) -> None:
        self.to_client.append(json.dumps(message, separators=(",", ":")).encode())

    def take(self) -> None:
        """Read what the client said first."""
        if not self.to_server:
            return
        message = json.loads(self.to_server.popleft())
        if "method" not in message:
            self.answered(message)
        elif "id" in message:
            method, params = message["method"], message.get("params", {})
            result = getattr(self, method.replace("/", "_"))(message["id"], **params)
            if result is not None:
                self.put({"id": message["id"], **result})

    def step(self) -> None:
        """Go on with what runs."""
        for thread_id, (turn, script) in list(self.running.items()):
            if any(asked == thread_id for asked, _ in self.questions.values()):
                continue
            if not script:
                turn["status"] = "completed"
                del self.running[thread_id]
                self.say(thread_id, "turn/completed", threadId=thread_id, turn=turn)
                continue
            self.happens(thread_id, turn, *script.popleft())

    def happens(self, thread_id: str, turn: dict[str, Any], kind: str, what: Any) -> None:
        about = {"threadId": thread_id, "turnId": turn["id"]}
        if kind == "begin":
            self.say(thread_id, "item/started", item={**what, **_blank(what)}, **about, startedAtMs=1)
        elif kind == "piece":
            item, index, text = what
            method, _, number = PIECE[item["type"]]
            which = {number: index} if number else {}
            self.say(thread_id, method, **about, itemId=item["id"], delta=text, **which)
        elif kind == "complete":
            turn["items"].append(what)
            self.say(thread_id, "item/completed", item=what, **about, completedAtMs=2)
        else:
            self.questions[self.ids] = (thread_id, {**about, "itemId": what, "command": what})
            if thread_id in self.joined:
                self.ask(self.ids)
            self.ids += 1

    def ask(self, number: int) -> None:
        self.put({"method": "item/commandExecution/requestApproval", "id": number, "params": self.questions[number][1]})

    def answered(self, message: dict[str, Any]) -> None:
        found = self.questions.pop(message["id"], None)
        assert found is not None, f"nothing was asked as {message['id']}"
        thread_id, params = found
        self.answers.append((params["command"], message["result"]["decision"]))
        self.say(thread_id, "serverRequest/resolved", threadId=thread_id, requestId=message["id"])

    def hang_up(self) -> None:
        self.to_client.clear()
        self.to_server.clear()
        self.joined.clear()

    def restart(self) -> None:
        self.hang_up()
        self.loaded.clear()
        for turn, _ in self.running.values():
            turn["status"] = "interrupted"
        self.running.clear()
        self.questions.clear()
        self.ids = 0

    # The methods of the protocol.

    def initialize(self, _: object, **__: object) -> dict[str, Any]:
        return {"result": {"userAgent": "peer/1"}}

    def model_list(self, _: object) -> dict[str, Any]:
        return {"result": {"data": []}}

    def thread_name_set(self, _: object, threadId: str, name: str) -> dict[str, Any]:  # noqa: N803
        self.done[name] += 1
        return {"result": {}}

    def thread_start(self, _: object, **__: object) -> dict[str, Any]:
        thread_id = f"t{len(self.threads)}"
        self.threads[thread_id] = {"id": thread_id, "turns": []}
        self.joined.add(thread_id)
        self.loaded.add(thread_id)
        return {"result": {"thread": {**self.threads[thread_id], "ephemeral": False}}}

    def turn_start(self, call_id: object, threadId: str, input: object, **_: object) -> Any:  # noqa: N803, A002
        self.done[str(input)] += 1
        if threadId not in self.loaded:
            return {"error": {"code": -32600, "message": "thread not found"}}
        thread = self.threads[threadId]
        turn = {"id": f"{threadId}-{len(thread['turns'])}", "status": "inProgress", "items": []}
        thread["turns"].append(turn)
        self.running[threadId] = turn, deque(self.scripts.popleft() if self.scripts else [])
        self.put({"id": call_id, "result": {"turn": {**turn}}})
        self.say(threadId, "turn/started", threadId=threadId, turn=turn)
        return None

    def turn_interrupt(self, _: object, threadId: str, turnId: str) -> dict[str, Any]:  # noqa: N803
        return {"result": {}}

    def thread_resume(self, call_id: object, threadId: str, **_: object) -> Any:  # noqa: N803
        if not self.threads[threadId]["turns"]:
            return {"error": {"code": -32600, "message": f"no rollout found for thread id {threadId}"}}
        self.joined.add(threadId)
        self.loaded.add(threadId)
        self.put({"id": call_id, "result": {"thread": {"id": threadId, "turns": [], "status": self._status(threadId)}}})
        for number, (thread_id, _) in self.questions.items():
            if thread_id == threadId:
                self.ask(number)
        return None

    def thread_read(self, _: object, threadId: str, **__: object) -> dict[str, Any]:  # noqa: N803
        return {"result": {"thread": {**self.threads[threadId], "status": self._status(threadId)}}}

    def _status(self, thread_id: str) -> dict[str, Any]:
        return {"type": "active" if thread_id in self.running else "idle"}


def _blank(item: dict[str, Any]) -> dict[str, Any]:
    whole = PIECE[item["type"]][1]
    return {whole: [] if isinstance(item[whole], list) else ""}


def of_turn(events: list[Event], turn_id: str) -> list[Event]:
    """The events of a turn."""
    return [
        event
        for event in events
        if turn_id in {event["params"].get("turnId"), event["params"].get("turn", {}).get("id")}
    ]


def check(events: list[Event], turn: dict[str, Any]) -> None:
    """All that is told of a turn is told, in order, and once."""
    events = of_turn(events, turn["id"])
    methods = [event["method"] for event in events if event["method"].startswith("turn/")]
    assert methods == ["turn/started", "turn/completed"]
    assert events[0]["method"] == "turn/started"
    assert events[-1]["method"] == "turn/completed"
    assert events[-1]["params"]["turn"]["status"] == turn["status"]
    began = [event["params"]["item"]["id"] for event in events if event["method"] == "item/started"]
    ended = [event["params"]["item"] for event in events if event["method"] == "item/completed"]
    assert len(began) == len(set(began))
    assert ended == turn["items"]
    assert {item["id"] for item in ended} <= set(began)
    for item in ended:
        _check_item(events, item)


def _check_item(events: list[Event], item: dict[str, Any]) -> None:
    method, whole, number = PIECE[item["type"]]
    texts: dict[int, str] = {}
    methods = []
    for event in events:
        params = event["params"]
        if params.get("itemId", params.get("item", {}).get("id")) != item["id"]:
            continue
        methods.append(event["method"])
        if event["method"] == method:
            index = params.get(number, 0) if number else 0
            texts[index] = texts.get(index, "") + params["delta"]
    parts = item[whole] if isinstance(item[whole], list) else [item[whole]]
    assert texts == {index: text for index, text in enumerate(parts) if text}
    assert (methods[0], methods[-1]) == ("item/started", "item/completed")


def scripted(shape: list[tuple[str, list[str]]], name: str) -> list[tuple[str, Any]]:
    """What happens in a turn, of a short description: items with their pieces, and questions."""
    script: list[tuple[str, Any]] = []
    for number, (kind, pieces) in enumerate(shape):
        item_id = f"{name}-{number}"
        if kind == "question":
            script.append(("ask", item_id))
            continue
        whole = PIECE[kind][1]
        halves = [pieces[:2], pieces[2:]] if kind == "reasoning" else [pieces]
        texts = ["".join(half) for half in halves]
        item = {"type": kind, "id": item_id, whole: texts if kind == "reasoning" else texts[0]}
        script.append(("begin", item))
        script += [("piece", (item, index, text)) for index, half in enumerate(halves) for text in half]
        script.append(("complete", item))
    return script
