"""An app-server that only says what a real one once said, as fast as anybody reads it.

    python replay.py [--turns N] [--deltas N] [--question] [--websocket]

The first turn that is started is for warming up: it has a few deltas, and ends. Then `--turns` turns are gathered, each
in its thread; when all are started, their deltas go out in turn, one of each, until each has had `--deltas`. And so on
with the next. Every line is built before the clock of whoever measures runs; blocks of them are then written as they
are. The words of a turn tell whether one was lost, doubled or put elsewhere (`words`).

With `--question`, every turn but the last of the gathered ones gets its deltas; then the runtime's question whether a
command may run is asked in the last one, whose only delta says how many seconds the answer took.

With `--websocket` it does so on a loopback port, whose URL it prints, for the first that connects.

Nothing but the standard library is imported, and of that little: this program's start is not what is measured.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

CYCLE = 10
"""After how many deltas the words of a turn come again."""

WARM_UP = 8
"""How many deltas the first turn has."""

BLOCK = 64 * 1024
"""How many bytes are written at a time, about; as many as a pipe holds."""

_DIGITS = 12


def words(turn: int, number: int) -> str:
    """What a delta of a turn says: words long, as a model's are, and its own."""
    return f"word{number % CYCLE} of{turn} "


class Transcript:
    """What a real runtime said, for any turn.

    Args:
        path: the file that `capture` wrote.
    """

    def __init__(self, path: str) -> None:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - importing pathlib takes longer than all the rest
            self._said: dict[str, Any] = json.load(file)
        answers, question = self._said["answers"], self._said["question"]["params"]
        self._thread: str = answers["thread/start"]["thread"]["id"]
        self._turns: list[str] = [answers["turn/start"]["turn"]["id"], question["turnId"]]
        before, self._after_delta = self._line(self._said["delta"]).split(_text(self._said["delta"]["params"]["delta"]))
        self._before_delta = before

    def answer(self, request_id: object, method: str, number: int) -> bytes:
        """The answer to a request."""
        result = self._said["answers"].get(method, {})
        return self._of(number, self._line({"id": request_id, "result": result}))

    def before(self, number: int) -> bytes:
        """What a turn begins with."""
        return self._of(number, b"".join(map(self._line, self._said["before"])))

    def after(self, number: int) -> bytes:
        """What it ends with."""
        return self._of(number, b"".join(map(self._line, self._said["after"])))

    def deltas(self, number: int, texts: list[str]) -> list[bytes]:
        """Lines that say something, in a turn."""
        before, after = self._of(number, self._before_delta), self._of(number, self._after_delta)
        return [before + _text(text) + after for text in texts]

    def question(self, number: int) -> bytes:
        """The question whether a command may run."""
        return self._of(number, self._line(self._said["question"]))

    def _of(self, number: int, said: bytes) -> bytes:
        """The same of another thread and turn; ids keep their length."""
        for found, kind in ((self._thread, self._thread), *((turn, self._turns[0]) for turn in self._turns)):
            said = said.replace(found.encode(), f"{kind[:-_DIGITS]}{number:0{_DIGITS}d}".encode())
        return said

    @staticmethod
    def _line(message: object) -> bytes:
        return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _text(text: str) -> bytes:
    return json.dumps(text, ensure_ascii=False).encode()


class Pipe:
    """Standard input and output."""

    def lines(self) -> Iterator[bytes]:
        """What comes."""
        yield from sys.stdin.buffer

    def write(self, data: bytes) -> None:
        """Say some lines."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(1, rest) :]


class Socket:
    """A WebSocket, as short as can be, for one client that does nothing odd."""

    def __init__(self) -> None:
        import base64
        import hashlib
        import socket

        with socket.create_server(("127.0.0.1", 0)) as listening:
            print(f"ws://127.0.0.1:{listening.getsockname()[1]}", flush=True)
            self._socket, _ = listening.accept()
        self._file = self._socket.makefile("rb")
        key = b""
        while (line := self._file.readline()) != b"\r\n":
            name, _, value = line.partition(b":")
            key = value.strip() if name.lower() == b"sec-websocket-key" else key
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        self._socket.sendall(head + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        self._said: tuple[bytes, bytes] = b"", b""

    def lines(self) -> Iterator[bytes]:
        """What comes, but for what is said of the connection."""
        while len(head := self._file.read(2)) == len(b"??"):
            size = head[1] & 0x7F
            if size >= 126:
                size = int.from_bytes(self._file.read(2 if size == 126 else 8), "big")
            mask = self._file.read(4)
            data = self._file.read(size)
            if head[0] == 0x81:
                yield bytes(byte ^ mask[n % 4] for n, byte in enumerate(data))

    def write(self, data: bytes) -> None:
        """Say some lines, each as a message."""
        if data is not self._said[0]:  # mostly it is the same block again
            self._said = data, b"".join(map(self._framed, data.splitlines()))
        self._socket.sendall(self._said[1])

    @staticmethod
    def _framed(line: bytes) -> bytes:
        size = len(line)
        if size < 126:
            return bytes([0x81, size]) + line
        if size < 1 << 16:
            return b"\x81\x7e" + size.to_bytes(2, "big") + line
        return b"\x81\x7f" + size.to_bytes(8, "big") + line


class Server:
    """Answers requests, and plays turns.

    Args:
        transcript: what to say.
        turns: how many are played side by side.
        deltas: how many each has.
        asks: whether the last one has a question instead.
        wire: over what.
    """

    def __init__(self, transcript: Transcript, turns: int, deltas: int, *, asks: bool, wire: Pipe | Socket) -> None:
        self._wire = wire
        self._transcript = transcript
        self._deltas = deltas
        self._asks = asks
        self._threads = itertools.count()
        self._started = 0
        self._gathered: list[int] = []
        # Those of the first round are built before the first of them is started.
        self._turns = turns
        self._blocks = self._build(range(1, turns + 1))

    def serve(self) -> None:
        """Until nobody asks any more."""
        for line in self._wire.lines():
            request = json.loads(line)
            if "method" in request and "id" in request:
                self._answer(request)

    def _answer(self, request: dict[str, Any]) -> None:
        method = request["method"]
        if method == "turn/start":
            number = int(request["params"]["threadId"][-_DIGITS:])
            self._wire.write(self._transcript.answer(request["id"], method, number) + self._transcript.before(number))
            self._begin(number)
            return
        number = next(self._threads) if method == "thread/start" else 0
        self._wire.write(self._transcript.answer(request["id"], method, number))

    def _begin(self, number: int) -> None:
        self._started += 1
        if self._started == 1:
            self._wire.write(b"".join(self._transcript.deltas(number, [words(number, n) for n in range(WARM_UP)])))
            self._wire.write(self._transcript.after(number))
            return
        self._gathered.append(number)
        if len(self._gathered) == self._turns:
            gathered, self._gathered = self._gathered, []
            self._play(gathered)

    def _build(self, turns: range) -> list[bytes]:
        """The lines of `CYCLE` deltas of all turns, in blocks; a round is one delta of each."""
        talking = turns[:-1] if self._asks else turns
        lines = [self._transcript.deltas(turn, [words(turn, n) for n in range(CYCLE)]) for turn in talking]
        return [b"".join(line[n] for line in lines) for n in range(CYCLE)]

    def _play(self, gathered: list[int]) -> None:
        rounds = self._blocks if gathered[0] == 1 else self._build(range(gathered[0], gathered[-1] + 1))
        for block in _blocks(rounds, self._deltas):
            self._wire.write(block)
        talking, asking = (gathered[:-1], gathered[-1:]) if self._asks else (gathered, [])
        for number in asking:
            self._ask(number)
        for number in talking:
            self._wire.write(self._transcript.after(number))

    def _ask(self, number: int) -> None:
        begun = time.perf_counter()  # the deltas are written: the client has them, but for what a pipe holds
        self._wire.write(self._transcript.question(number))
        next(self._wire.lines())
        waited = time.perf_counter() - begun
        self._wire.write(self._transcript.deltas(number, [str(waited)])[0] + self._transcript.after(number))


def _blocks(rounds: list[bytes], count: int) -> Iterator[bytes]:
    """So many rounds, in blocks of a good size."""
    cycle = b"".join(rounds)
    at_once = max(1, BLOCK // len(cycle)) if cycle else 1
    block = cycle * at_once
    whole, rest = divmod(count, CYCLE * at_once)
    for _ in range(whole):
        yield block
    cycles, rest = divmod(rest, CYCLE)
    yield cycle * cycles + b"".join(rounds[:rest])


def main() -> None:
    """Read the options, and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--deltas", type=int, default=1)
    parser.add_argument("--question", action="store_true")
    parser.add_argument("--websocket", action="store_true")
    options = parser.parse_args()
    transcript = Transcript(os.path.join(os.path.dirname(os.path.abspath(__file__)), "transcript.json"))  # noqa: PTH118, PTH120, PTH100 - as above
    wire = Socket() if options.websocket else Pipe()
    Server(transcript, options.turns, options.deltas, asks=options.question, wire=wire).serve()


if __name__ == "__main__":
    main()
