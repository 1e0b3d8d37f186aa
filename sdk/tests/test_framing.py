from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_app_server.protocol.framing import LineSplitter, LineTooLongError


def split(*chunks: bytes) -> list[bytes]:
    splitter = LineSplitter(1 << 28)
    return [line for chunk in chunks for line in splitter.feed(chunk)] + splitter.end()


def test_a_chunk_may_hold_several_lines_and_the_start_of_another() -> None:
    splitter = LineSplitter(1 << 28)

    assert splitter.feed(b"one\ntwo\nthr") == [b"one", b"two"]
    assert splitter.feed(b"ee") == []
    assert splitter.feed(b"\n") == [b"three"]
    assert splitter.end() == []


def test_a_last_line_without_an_end_is_a_line() -> None:
    assert split(b"one\ntwo") == [b"one", b"two"]


def test_a_carriage_return_is_left_to_the_reader_of_the_line() -> None:
    assert split(b"one\r\ntwo\r\n") == [b"one\r", b"two\r"]


@settings(deadline=None)
@given(
    lines=st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"")), max_size=8),
    cuts=st.lists(st.integers(min_value=0, max_value=330), max_size=12),
)
def test_any_split_of_the_stream_gives_the_same_lines(lines: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]

    assert split(*(stream[start:stop] for start, stop in pairwise(edges))) == lines


def test_the_cost_of_a_line_does_not_grow_with_the_number_of_its_chunks() -> None:
    """64 MiB in chunks of 4 KiB: linear is well below a second, searching or copying it all each time takes minutes."""
    chunk = b"x" * 4096
    splitter = LineSplitter(1 << 28)
    began = time.process_time()

    for _ in range(16 * 1024):
        assert not splitter.feed(chunk)
    (line,) = splitter.feed(b"\n")

    assert time.process_time() - began < 5
    assert len(line) == 64 * 1024 * 1024


def test_a_line_that_does_not_end_is_refused_before_it_fills_the_memory() -> None:
    splitter = LineSplitter(100)
    assert splitter.feed(b"x" * 100 + b"\n" + b"y" * 100) == [b"x" * 100]

    with pytest.raises(LineTooLongError, match="a line of more than 100 bytes"):
        splitter.feed(b"y")
