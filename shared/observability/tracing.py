"""W3C trace context: carried over HTTP, outbox rows and Kafka headers."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR = TraceContextTextMapPropagator()
_TRACER = trace.get_tracer("tenure")


def configure_tracing(service: str) -> None:
    """Give every span of this process an id; exporters are added by OpenTelemetry's own means."""
    trace.set_tracer_provider(
        TracerProvider(resource=Resource.create({"service.name": f"tenure-{service}"}))
    )


def current_traceparent() -> str | None:
    """Return the ``traceparent`` of the current span, or None outside of one."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def span(name: str, traceparent: str | None = None) -> Iterator[None]:
    """Run a block in a span that continues the given trace, or starts one."""
    context = _PROPAGATOR.extract({"traceparent": traceparent}) if traceparent else None
    with _TRACER.start_as_current_span(name, context=context):
        yield
