"""What is saved of lines that cannot be read, and of a runtime that says them."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from codex_app_server import AppServerConfig, AppServerError, AsyncCodex, Codex
from codex_app_server.protocol.messages import Junk, parse
from codex_app_server.protocol.rescue import rescue

if TYPE_CHECKING:
    from collections.abc import Callable

DEEP = b"[" * 100_000


@pytest.mark.parametrize(
    ("line", "request_id"),
    [
        (b'{"id":7,"result":' + DEEP, 7),
        (b' { "id" : "a\\"b" , "error" : ', 'a"b'),
        (b'{"jsonrpc":"2.0","id":7,"result":{"text":"\xff"}}', 7),
        (b'{"result":{"text":"\xff"},"id":7}', 7),
        (b'{"id":7}', 7),
        (b'{"id":7', 7),
    ],
)
def test_the_caller_of_an_answer_is_found(line: bytes, request_id: object) -> None:
    junk = parse(line)
    assert isinstance(junk, Junk)
    assert rescue(junk) == request_id


def test_a_question_is_refused() -> None:
    junk = parse(b'{"id":7,"method":"item/tool/call","params":' + DEEP)
    assert isinstance(junk, Junk)
    reply = rescue(junk)
    assert isinstance(reply, bytes)
    assert json.loads(reply)["id"] == 7
    assert json.loads(reply)["error"]["code"] == -32700


@pytest.mark.parametrize(
    "line",
    [
        b"garbage",
        b"",
        b'{"method":"x","params":{"id":7,',
        b'{"method":"x","params":{"a":{},"id":7}',
        b'{"id":true,"result":1}',
        b'{"id":7.5,"result":1}',
        b'{"id":"\\x","result":',
    ],
)
def test_nothing_is_guessed(line: bytes) -> None:
    junk = parse(line)
    assert isinstance(junk, Junk)
    assert rescue(junk) is None


SCRIPT = """
greet()
first = read()
sys.stdout.flush()
# In one piece, so that nothing comes between.
answer = b'{"id":%d,"result":"\\xff"}\\n' % first["id"]
os.write(1, answer + b'{"id":"q","method":"item/tool/call","params":"\\xff"}\\n')
refused = read()
second = read()
write({"id": second["id"], "result": refused})
wait_for_end()
"""


@pytest.mark.parametrize("is_async", [False, True])
def test_a_call_whose_answer_cannot_be_read_ends(peer: Callable[..., AppServerConfig], is_async: bool) -> None:
    async def scene() -> object:
        async with AsyncCodex(peer(SCRIPT)) as codex:
            with pytest.raises(AppServerError, match="the answer to first cannot be read: not JSON"):
                await codex.client.request("first")
            return await codex.client.request("second")

    if is_async:
        refused = asyncio.run(scene())
    else:
        with Codex(peer(SCRIPT)) as codex:
            with pytest.raises(AppServerError, match="the answer to first cannot be read: not JSON"):
                codex.client.request("first")
            refused = codex.client.request("second")
    assert isinstance(refused, dict)
    assert refused["id"] == "q"
    assert "error" in refused
