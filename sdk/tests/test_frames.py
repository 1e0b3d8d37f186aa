"""Whole text messages are cut out of a stream of frames; what is odd goes to the full implementation, as it came."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Close, Frame, Opcode

from codex_app_server.protocol.frames import FrameSplitter
from codex_app_server.protocol.framing import LineTooLongError
from codex_app_server.remote.address import Address
from codex_app_server.remote.websocket import WebSocket, framed

TEXT, PING, CONT = Opcode.TEXT, Opcode.PING, Opcode.CONT
SIZES = st.sampled_from([0, 1, 5, 125, 126, 127, 300, 65_535, 65_536])


def frame(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=False)


def opened() -> WebSocket:
    """A connection after its handshake, whose answer came with the first frames."""
    websocket = WebSocket(Address.read("ws://127.0.0.1:1"), "token", 1 << 20)
    request = websocket.outgoing().decode()
    assert "Authorization: Bearer token" in request
    assert "Origin" not in request
    assert "Extensions" not in request
    key = request.partition("Sec-WebSocket-Key: ")[2].partition("\r\n")[0]
    from websockets.utils import accept_key

    answer = f"HTTP/1.1 101 Ok\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept_key(key)}"
    assert websocket.receive(answer.encode() + b"\r\n\r") == []
    assert websocket.receive(b"\n" + frame(TEXT, b"first")) == [b"first"]
    assert websocket.is_open
    return websocket


@settings(deadline=None)
@given(
    messages=st.lists(st.tuples(st.sampled_from(["whole", "parts", "ping"]), SIZES), max_size=8),
    cuts=st.lists(st.integers(min_value=0, max_value=200_000), max_size=12),
)
def test_any_split_of_the_stream_gives_the_same_messages(messages: list[tuple[str, int]], cuts: list[int]) -> None:
    stream, expected, pongs = b"", [], 0
    for number, (kind, size) in enumerate(messages):
        text = (b"%d" % number * size)[:size]
        if kind == "ping":
            stream += frame(PING, b"?")
            pongs += 1
        elif kind == "parts":
            stream += frame(TEXT, text[:3], fin=False) + frame(PING, b"!") + frame(CONT, text[3:])
            pongs += 1
            expected.append(text)
        else:
            stream += frame(TEXT, text)
            expected.append(text)
    edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    websocket = opened()

    assert [each for start, stop in pairwise(edges) for each in websocket.receive(stream[start:stop])] == expected
    assert len(websocket.outgoing()) == 7 * pongs  # two bytes, the mask, and what was asked
    assert not websocket.is_ending


def test_a_close_is_answered_and_said_in_words() -> None:
    websocket = opened()

    assert websocket.receive(frame(Opcode.CLOSE, Close(1001, "bye").serialize())) == []
    assert websocket.is_ending
    assert websocket.outgoing()
    assert websocket.end() == "it was closed by the server (1001 (going away) bye)"


@pytest.mark.parametrize(
    "data", [b"\xc1\x00", b"\x81\x81mask!", b"\x83\x00", frame(CONT, b"?")], ids=["bits", "mask", "opcode", "no begin"]
)
def test_what_is_no_websocket_ends_it(data: bytes) -> None:
    websocket = opened()

    assert websocket.receive(data) == []
    assert websocket.is_ending
    assert "what the server sent breaks the rules of WebSocket" in websocket.end()


def test_a_message_that_says_it_is_too_long_is_not_waited_for() -> None:
    with pytest.raises(LineTooLongError, match="1,048,577"):
        opened().receive(b"\x81\x7f" + (1_048_577).to_bytes(8, "big"))


def test_a_message_goes_out_masked_as_one_whole_text() -> None:
    data = framed(b"{}")

    assert data[0] == 0x81
    assert data[1] == 0x80 | 2
    assert len(data) == 8


def test_the_cost_of_a_message_does_not_grow_with_the_number_of_its_chunks() -> None:
    splitter = FrameSplitter(lambda _: [], 1 << 28)
    size = 64 << 20
    splitter.feed(b"\x81\x7f" + size.to_bytes(8, "big"))
    chunk = bytes(4096)

    for _ in range(size // 4096 - 1):
        assert not splitter.feed(chunk)
    (message,) = splitter.feed(chunk)
    assert len(message) == size
