"""Bytes that wait: kept as they came, and never so that an answer waits behind events."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from codex_app_server.protocol.inbox import Inbox

DELTA = b'{"method":"item/agentMessage/delta","params":{"turnId":"t","itemId":"i","delta":"say \\"id\\": 1"}}\n'


def test_lines_are_taken_in_their_order() -> None:
    inbox = Inbox()
    inbox.feed(b"one\ntwo\nthree\nfo")

    assert len(inbox) == 3
    assert inbox.size == len(b"onetwothree")
    assert inbox.take(2) == [b"one", b"two"]
    assert inbox.size == len(b"three")
    assert inbox.take(9) == [b"three"]
    assert (inbox.take(9), inbox.size, len(inbox)) == ([], 0, 0)
    inbox.end()
    assert inbox.take(9) == [b"fo"]


def test_events_are_not_urgent_whatever_their_text_says() -> None:
    inbox = Inbox()
    inbox.feed(DELTA * 3)

    assert not inbox.urgent


def test_an_event_about_something_with_an_id_is_not_urgent() -> None:
    inbox = Inbox()
    inbox.feed(b'{"method":"item/started","params":{"item":{"id":"i"},"turnId":"t"}}\n' + DELTA)
    assert not inbox.urgent

    inbox.feed(b'{"method":"ask","params":{"item":{"id":"i"}},"id":7}\n')  # in an order that no runtime writes
    assert inbox.urgent


def test_an_answer_and_a_question_are_urgent_until_they_are_taken() -> None:
    for line in (b'{"id":1,"result":{}}\n', b'{"method":"ask", "id" : "x"}\n'):
        inbox = Inbox()
        seen = []
        for data in (DELTA * 3 + line[:7], line[7:] + DELTA):
            inbox.feed(data)
            seen.append(inbox.urgent)
        for count in (2, 100):
            inbox.take(count)
            seen.append(inbox.urgent)
        assert seen == [False, True, True, False]


@settings(deadline=None)
@given(
    lines=st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")), max_size=12),
    cuts=st.lists(st.integers(min_value=0, max_value=400), max_size=12),
    counts=st.lists(st.integers(min_value=1, max_value=5), min_size=1, max_size=12),
)
def test_no_split_and_no_pace_loses_a_line(lines: list[bytes], cuts: list[int], counts: list[int]) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    inbox, taken = Inbox(), []
    for number, (start, stop) in enumerate(pairwise(edges)):
        inbox.feed(stream[start:stop])
        taken += inbox.take(counts[number % len(counts)])
    while len(inbox):
        taken += inbox.take(counts[0])

    assert taken == lines
    assert inbox.size == 0
