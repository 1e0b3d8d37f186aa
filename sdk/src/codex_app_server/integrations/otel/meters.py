"""What is measured in numbers: how long things take, how many tokens, and how much waits for how long."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, ClassVar

from opentelemetry.metrics import Observation, get_meter

from codex_app_server._version import __version__
from codex_app_server.integrations.otel import names as n

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider

    from codex_app_server.integrations.otel.spans import Spans

__all__ = ["Meters"]


class Meters:
    """The instruments of all clients that measure for the same provider: a second one of a name would not be read.

    Args:
        meter: who makes them.
    """

    _known: ClassVar[weakref.WeakKeyDictionary[MeterProvider, Meters]] = weakref.WeakKeyDictionary()
    _global: ClassVar[Meters | None] = None
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, meter: Meter) -> None:
        self._operations = meter.create_histogram(
            n.DURATION, "s", "How long turns and calls of tools take", explicit_bucket_boundaries_advisory=n.SECONDS
        )
        self._tokens = meter.create_histogram(
            n.TOKENS, "{token}", "How many tokens turns take", explicit_bucket_boundaries_advisory=n.COUNTS
        )
        self._requests = meter.create_histogram(
            n.RPC_DURATION, "s", "How long requests take", explicit_bucket_boundaries_advisory=n.SECONDS
        )
        self._waits = meter.create_histogram(
            n.QUEUE_DURATION, "s", "How long it takes to begin", explicit_bucket_boundaries_advisory=n.SECONDS
        )
        self._clients: dict[int, weakref.ref[Spans]] = {}
        meter.create_observable_up_down_counter(n.QUEUE_SIZE, [self._sizes], "{request}", "How many wait for an answer")

    @classmethod
    def of(cls, provider: MeterProvider | None) -> Meters:
        """Those of a provider; without one, of the global one, which may be set later on."""
        with cls._lock:
            found = cls._global if provider is None else cls._known.get(provider)
            if found is None:
                found = cls(get_meter("codex_app_server", __version__, provider))
                if provider is None:
                    cls._global = found
                else:
                    cls._known[provider] = found
            return found

    def look_at(self, client: Spans) -> None:
        """Have it counted, as long as it is there, what waits in a client."""
        clients, key = self._clients, id(client)
        clients[key] = weakref.ref(client, lambda _: clients.pop(key, None))

    def operation(self, seconds: float, what: dict[str, str], error: str) -> None:
        """A turn, or the call of a tool, has ended."""
        self._operations.record(seconds, {**what, n.ERROR: error} if error else what)

    def tokens(self, usage: Mapping[str, int], what: dict[str, str]) -> None:
        """What a turn has taken."""
        for kind in ("input", "output"):
            if count := usage.get(f"{kind}Tokens"):
                self._tokens.record(count, {**what, n.TOKEN_TYPE: kind})

    def request(self, seconds: float, method: str, error: str) -> None:
        """A request has ended."""
        what = {n.RPC_SYSTEM: "jsonrpc", n.RPC_METHOD: method}
        self._requests.record(seconds, {**what, n.ERROR: error} if error else what)

    def waited(self, queue: str, seconds: float) -> None:
        """Something has begun that was asked for so long ago: a ``turn``, or the function of a ``tool``."""
        self._waits.record(seconds, {n.QUEUE: queue})

    def _sizes(self, _: CallbackOptions) -> Iterator[Observation]:
        total: dict[str, int] = {}
        for reference in list(self._clients.values()):
            if (client := reference()) is not None:
                for queue, size in client.waiting().items():
                    total[queue] = total.get(queue, 0) + size
        for queue, size in total.items():
            yield Observation(size, {n.QUEUE: queue})
