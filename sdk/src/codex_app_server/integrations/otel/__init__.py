"""Spans and metrics by OpenTelemetry, in its conventions for generative AI.

    from codex_app_server import AppServerConfig, Codex
    from codex_app_server.integrations.otel import OpenTelemetry

    with Codex(AppServerConfig(telemetry=OpenTelemetry())) as codex:
        ...

It needs only ``opentelemetry-api``, which is the extra ``otel``. The program decides where spans go: it sets up the SDK
of OpenTelemetry, or something that brings one, such as Logfire.
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

    Each turn is a span ``invoke_agent codex``. Its parent is the span that is current where the turn is begun; its
    children are its request, its items, the calls of its tools, and the questions that the runtime asks. The function
    of a tool, or the handler of a question, runs inside the span of that call or question. Each request carries its
    trace context, so that the runtime's own spans and its requests to the model are below it, too.

    Attributes:
        content: whether spans have the content, too: prompts, replies, the arguments and results of tools, and the
            messages of exceptions.
        tracer_provider: the provider of tracers; without it, the global one, which may also be set later.
        meter_provider: the provider of meters; without it, the global one, which may also be set later.
    """

    content: bool = False
    tracer_provider: TracerProvider | None = field(default=None, repr=False)
    meter_provider: MeterProvider | None = field(default=None, repr=False)

    def tracing(self) -> Tracing:
        """The measurements of a new client, which calls this."""
        from codex_app_server._version import __version__
        from codex_app_server.integrations.otel.meters import Meters
        from codex_app_server.integrations.otel.spans import Spans

        tracer = opentelemetry.trace.get_tracer("codex_app_server", __version__, self.tracer_provider)
        return Spans(tracer, Meters.of(self.meter_provider), with_content=self.content)
