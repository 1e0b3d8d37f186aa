"""How many requests may be on their way at a time, so that the runtime loses none.

The runtime keeps 128 messages that it has not begun to work on. It refuses what comes beyond them ("Server
overloaded"), and where refusals pile up too, it drops a request without a word: nobody would ever hear of it. It takes
requests up in their order, so an answer tells that everything sent before that one was taken up as well. What takes
long to answer is therefore in nobody's way, but may leave nothing that tells; then a request that is answered at once
asks.

Requests have increasing ids from 1, are sent in about that order, and this knows nothing of what they say. `admit`,
`withdraw` and `probe` may be called from anywhere at any time, as in `connection`; what is counted may then be wrong by
those that are just being sent, for which the window leaves as much room again.
"""

from __future__ import annotations

from collections import deque

__all__ = ["PROBE", "WINDOW", "Pacing"]

WINDOW = 64
"""How many requests may have been sent since the last one of which it is known that it was taken up."""

PROBE = "thread/loaded/list"
"""The request that asks: every runtime answers it at once."""


class Pacing:
    """Holds back what would be too much."""

    def __init__(self) -> None:
        self._taken_up = 0  # the highest id of which that is known
        self._held: deque[tuple[int, bytes]] = deque()
        self._idle_probe = deque([None], maxlen=1)  # taken while a probe is on its way
        self._probed = 0

    def admit(self, request_id: int, data: bytes) -> bytes:
        """What to send now for a request: its bytes, or none if it has to wait."""
        if request_id - self._taken_up <= WINDOW:
            return data
        self._held.append((request_id, data))
        # There may just have come an answer that saw nothing to release.
        return data if request_id - self._taken_up <= WINDOW and self.withdraw(request_id) else b""

    def probe(self) -> bool:
        """Whether to send a `PROBE`, with an id of its own: something is held back, and no other is on its way."""
        if not self._held:
            return False
        try:
            self._idle_probe.popleft()
        except IndexError:
            return False
        self._probed = self._taken_up + WINDOW
        return True

    def doubt(self, request_id: int) -> None:
        """A request has waited for long: if it is held back, the probe may be lost, with who was about to send it."""
        if any(held == request_id for held, _ in list(self._held)):
            self._idle_probe.append(None)

    def probed(self) -> bytes:
        """The probe was answered: what to send now."""
        self._idle_probe.append(None)
        return self.answered(self._probed)

    def answered(self, request_id: int) -> bytes:
        """A request was answered, or refused: what to send now. For the one who reads."""
        if request_id <= self._taken_up:
            return b""
        self._taken_up = request_id
        return self._release() if self._held else b""

    def withdraw(self, request_id: int) -> bool:
        """Forget a request if it is held back; whether it was."""
        for each in list(self._held):
            if each[0] == request_id:
                try:
                    self._held.remove(each)
                except ValueError:  # it was released meanwhile
                    return False
                return True
        return False

    def _release(self) -> bytes:
        released = []
        while True:
            last = self._taken_up + WINDOW
            try:
                first = self._held.popleft()
            except IndexError:
                break
            if first[0] <= last:
                released.append(first[1])
                continue
            self._held.appendleft(first)
            if last == self._taken_up + WINDOW:  # else whoever changed it did not see this one
                break
        return b"".join(released)
