"""Spans and metrics by OpenTelemetry, in its conventions for generative AI.

    from codex_app_server import AppServerConfig, Codex
    from codex_app_server.integrations.otel import OpenTelemetry

    with Codex(AppServerConfig(telemetry=OpenTelemetry())) as codex:
        ...

It stands on ``opentelemetry-api`` alone, the extra ``otel``. Where spans go is the program's business: it sets up the
SDK, or what brings one, as Logfire.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from codex_app_server.extras import lacking

try:
    import opentelemetry.trace
except ImportError as error:
    raise lacking("otel", error) from error

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from codex_app_server.telemetry import Tracing

__all__ = ["OpenTelemetry"]


@dataclass(frozen=True, kw_only=True)
class OpenTelemetry:
    """Spans and metrics of a client, for `AppServerConfig.telemetry`; one may serve any number of clients.

    Each turn is a span ``invoke_agent codex`` below the current span of whoever began it, and below it are its request,
    its items, the calls of its tools, and the questions that the runtime asks. The function of a tool, and whoever
    answers a question, runs within its span. With each request goes its trace context, so that the runtime's own spans
    and its requests to the model are below it too.

    Attributes:
        content: whether what is said goes along: prompts, replies, the arguments and results of tools, and the words of
            exceptions.
        tracer_provider: who makes spans; without it, the global one, whenever that is set.
        meter_provider: who makes metrics, likewise.
    """

    content: bool = False
    tracer_provider: TracerProvider | None = field(default=None, repr=False)
    meter_provider: MeterProvider | None = field(default=None, repr=False)

    def tracing(self) -> Tracing:
        """What a new client tells; the client calls this."""
        from codex_app_server._version import __version__
        from codex_app_server.integrations.otel.meters import Meters
        from codex_app_server.integrations.otel.spans import Spans

        tracer = opentelemetry.trace.get_tracer("codex_app_server", __version__, self.tracer_provider)
        return Spans(tracer, Meters.of(self.meter_provider), with_content=self.content)
