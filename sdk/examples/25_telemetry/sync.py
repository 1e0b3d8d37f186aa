"""See what an agent does as spans: its turn, the calls of its tools, and what these do themselves."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

from codex_app_server import AppServerConfig, Codex, ToolError
from codex_app_server.integrations.otel import OpenTelemetry

tracer = trace.get_tracer("example")


def line(span: ReadableSpan) -> str:
    about = span.attributes or {}
    shown = {name: about[name] for name in ("gen_ai.usage.output_tokens", "error.type") if name in about}
    return f"{'  ' * (span.parent is not None)}{span.name} {shown or ''}".rstrip() + "\n"


def weather(city: str) -> str:
    """Say how the weather is."""
    with tracer.start_as_current_span("look out of the window"):  # below the call of the tool
        if city == "Atlantis":
            raise ToolError("it has no windows")
        return "sunny"


def main(config: AppServerConfig) -> None:
    # The SDK is the program's: here spans are printed as they end. A collector wants an OTLP exporter instead, and a
    # BatchSpanProcessor around it.
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(formatter=line)))
    trace.set_tracer_provider(provider)
    config = replace(config, telemetry=OpenTelemetry(), experimental_api=True)  # which tools need
    with Codex(config) as codex, tracer.start_as_current_span("the example"):
        thread = codex.thread_start(tools=[weather])
        print(thread.run("How is the weather in Lisbon, and in Atlantis?").final_response)


if __name__ == "__main__":
    with example_config(__file__) as config:
        main(config)
