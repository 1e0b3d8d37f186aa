"""Compressing in memory: what comes out is the file, and what is at work at a time stays within the budget."""

from __future__ import annotations

import mmap
import random
import threading
import zlib
from concurrent.futures import CancelledError

import pytest

from codex_release.wheels.buffer import Buffer
from codex_release.wheels.deflater import Deflater
from codex_release.wheels.zipwriter import DEFLATED, STORED

TEXT = b"to be or not to be, " * 5_000
NOISE = random.Random(7).randbytes(5_000)


def filled(buffer: Buffer, data: bytes) -> Buffer:
    """The buffer with these bytes, written in pieces."""
    for at in range(0, len(data), 1_000):
        buffer.write(data[at : at + 1_000])
    return buffer


class TestBuffer:
    def test_it_is_read_anywhere_once_it_is_written(self) -> None:
        buffer = filled(Buffer(len(TEXT)), TEXT)
        buffer.seek(3)
        assert buffer.read(5) == TEXT[3:8]
        assert buffer.read(len(TEXT)) == TEXT[8:]
        assert buffer.read(1) == b""
        with buffer.view() as view:
            assert bytes(view) == TEXT
        buffer.close()

    def test_more_than_was_announced_is_refused(self) -> None:
        with pytest.raises(ValueError, match="more bytes than the 10 that were announced"):
            filled(Buffer(10), TEXT)

    def test_of_unknown_size_it_grows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("codex_release.wheels.buffer._UNKNOWN", 1_500)
        buffer = filled(Buffer(None), TEXT)
        assert buffer.capacity >= len(TEXT)
        assert buffer.read(len(TEXT) + 1) == TEXT

    def test_a_cleared_one_holds_another_file(self) -> None:
        buffer = filled(Buffer(len(TEXT)), TEXT)
        buffer.clear()
        filled(buffer, NOISE)
        with buffer.view() as view:
            assert bytes(view) == NOISE

    @pytest.mark.skipif(not hasattr(mmap, "MADV_DONTNEED"), reason="the system takes back whole buffers only")
    def test_a_trimmed_one_keeps_the_memory_of_a_smaller_file(self) -> None:
        page = 2 << 20
        buffer = filled(Buffer(4 * page), b"x" * 3 * page)
        buffer.clear()

        buffer.trim(page + 1)
        assert (buffer.memory, buffer.capacity) == (2 * page, 4 * page)

        filled(buffer, b"y" * 4 * page)
        with buffer.view() as data:
            assert data == b"y" * 4 * page
        buffer.close()


class TestDeflater:
    @pytest.mark.parametrize("announced", [True, False])
    def test_what_comes_out_is_the_file(self, announced: bool) -> None:
        with Deflater(3) as deflater:
            results = {
                data: deflater.submit(filled(deflater.buffer(len(data) if announced else None), data))
                for data in (TEXT, NOISE, b"")
            }
            text, noise, empty = (results[data].result() for data in (TEXT, NOISE, b""))
        assert (text.method, text.size, text.crc32) == (DEFLATED, len(TEXT), zlib.crc32(TEXT))
        assert zlib.decompress(text.data, wbits=-15) == TEXT
        assert (noise.method, noise.data) == (STORED, NOISE)  # deflate would only make it larger
        assert (empty.method, empty.data, empty.size) == (STORED, b"", 0)

    def test_stored_is_as_it_was(self) -> None:
        with Deflater(1) as deflater:
            entry = deflater.submit(filled(deflater.buffer(len(TEXT)), TEXT), store=True).result()
        assert (entry.method, entry.data) == (STORED, TEXT)

    def test_nobody_gets_room_that_the_budget_does_not_have(self) -> None:
        with Deflater(2, budget=1_000) as deflater:
            first = deflater.buffer(600)
            waiter = threading.Thread(target=lambda: deflater.discard(deflater.buffer(600)))
            waiter.start()
            waiter.join(0.1)
            assert waiter.is_alive()
            deflater.discard(first)
            waiter.join(5)
            assert not waiter.is_alive()

    def test_there_are_no_more_files_on_their_way_than_threads(self) -> None:
        with Deflater(2) as deflater:
            first, second = deflater.buffer(10), deflater.buffer(10)
            waiter = threading.Thread(target=lambda: deflater.discard(deflater.buffer(10)))
            waiter.start()
            waiter.join(0.1)
            assert waiter.is_alive()
            deflater.discard(first)
            waiter.join(5)
            assert not waiter.is_alive()
            deflater.discard(second)

    def test_of_those_there_is_room_for_the_one_whose_turn_it_is_comes(self) -> None:
        came: list[str] = []

        def come(deflater: Deflater, name: str, size: int, turn: int) -> None:
            buffer = deflater.buffer(size, turn)
            came.append(name)
            deflater.discard(buffer)

        with Deflater(2, budget=1_000) as deflater:
            first, second = deflater.buffer(400), deflater.buffer(10)
            waiting = [
                threading.Thread(target=come, args=(deflater, *each))
                for each in (("later", 10, 2), ("sooner", 10, 1), ("too large by now", 600, 0))
            ]
            for thread in waiting:
                thread.start()
                thread.join(0.1)
            deflater.discard(second)  # there is room for one on its way, and for the large one in no case
            for thread in waiting[:2]:
                thread.join(5)
            assert came == ["sooner", "later"]
            deflater.discard(first)
            waiting[2].join(5)
            assert came == ["sooner", "later", "too large by now"]

    def test_a_result_takes_memory_until_it_is_released(self) -> None:
        with Deflater(2, budget=len(NOISE) * 2) as deflater:
            result = deflater.submit(filled(deflater.buffer(len(NOISE)), NOISE))
            result.result()
            blocking = deflater.buffer(10)  # so that there is somebody to wait for
            waiter = threading.Thread(target=lambda: deflater.discard(deflater.buffer(len(NOISE))))
            waiter.start()
            waiter.join(0.1)
            assert waiter.is_alive()
            deflater.release(result)
            waiter.join(5)
            assert not waiter.is_alive()
            deflater.discard(blocking)

    def test_one_file_larger_than_the_budget_still_passes(self) -> None:
        with Deflater(1, budget=10) as deflater:
            assert deflater.submit(filled(deflater.buffer(len(TEXT)), TEXT)).result().size == len(TEXT)

    def test_large_buffers_are_used_again_and_give_way(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("codex_release.wheels.deflater._SPARED", 1_000)
        monkeypatch.setattr("codex_release.wheels.deflater._ROOMS", (len(TEXT), 300_000))
        with Deflater(1, budget=400_000) as deflater:
            first = deflater.buffer(len(TEXT))
            result = deflater.submit(filled(first, TEXT))
            result.result()
            deflater.release(result)
            second = deflater.buffer(len(TEXT) - 1)
            assert second is first
            assert zlib.decompress(deflater.submit(filled(second, TEXT[1:])).result().data, wbits=-15) == TEXT[1:]
            large = deflater.buffer(250_000)  # does not fit beside the spare one
            with pytest.raises(ValueError, match="closed"):
                first.capacity  # noqa: B018
            deflater.discard(large)

    def test_closing_ends_whoever_waits(self) -> None:
        ended: list[bool] = []

        def wait() -> None:
            try:
                deflater.buffer(600)
            except CancelledError:
                ended.append(True)

        with Deflater(1, budget=1_000) as deflater:
            deflater.buffer(600)
            waiter = threading.Thread(target=wait)
            waiter.start()
            waiter.join(0.1)
        waiter.join(5)
        assert ended == [True]

    def test_what_comes_to_a_closed_one_is_refused(self) -> None:
        with Deflater(1) as deflater:
            buffer = filled(deflater.buffer(len(NOISE)), NOISE)
        with pytest.raises(CancelledError):  # a result would never come
            deflater.submit(buffer)
        with pytest.raises(ValueError, match="closed"):
            buffer.capacity  # noqa: B018
