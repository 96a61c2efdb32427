"""OpenTelemetry: one span for each request and one below it for each call of an upstream.

The standard ``OTEL_*`` variables turn it on and configure it; without them, or without the extra
``otel``, nothing here runs. A caller's trace is continued and passed on to upstreams. Spans carry
ids, models, tokens and costs, never a prompt, an answer or a key.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Final

from onehead.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

    from onehead.store import DecisionRecord

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_OPERATIONS: Final = {
    "/v1/chat/completions": "chat",
    "/v1/responses": "responses",
    "/v1/decision": "decision",
}
"""Other paths are the caller's words and make no name of a span."""
_FAILED: Final = {"error", "broken"}
_MAX_CHARS: Final = 100
_SECOND: Final = 1_000_000_000


def tracing_from_environment(environment: Mapping[str, str] = os.environ) -> Tracing | None:
    """Tracing as the ``OTEL_*`` variables say; None where they do not ask for it.

    Raises MissingExtraError where they do and the extra is not installed.
    """
    asked = next((name for name in _ENDPOINTS if environment.get(name)), None)
    if asked is None and environment.get("OTEL_TRACES_EXPORTER") != "otlp":
        return None
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    if environment.get("OTEL_TRACES_EXPORTER", "otlp") != "otlp":
        return None
    protocol = next((environment[name] for name in _PROTOCOLS if environment.get(name)), None)
    if protocol not in (None, "http/protobuf"):
        raise ConfigError(
            f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol!r}; onehead exports by http/protobuf. Set "
            "that, and the collector's HTTP port, usually 4318."
        )
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise MissingExtraError(
            f"tracing, which {asked or 'OTEL_TRACES_EXPORTER'} asks for,", "otel"
        ) from None
    named = environment.get("OTEL_SERVICE_NAME")
    resource = Resource.create({} if named else {SERVICE_NAME: "onehead"})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracing(provider)


class Tracing:
    """Makes the spans of one worker; `close` sends what is left."""

    def __init__(self, provider: TracerProvider) -> None:
        from onehead import __version__

        self._provider = provider
        self._tracer = provider.get_tracer("onehead", __version__)

    def begin(self, headers: Mapping[str, str], path: str) -> Trace:
        """The trace of a request that has just arrived, below the caller's where it has one."""
        return Trace(self._tracer, headers, path)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


class Trace:
    """One request's span while it runs."""

    def __init__(self, tracer: Tracer, headers: Mapping[str, str], path: str) -> None:
        from opentelemetry import propagate
        from opentelemetry.trace import SpanKind

        self._tracer = tracer
        self._called = 0
        self._span = tracer.start_span(
            _OPERATIONS.get(path, "request"),
            context=propagate.extract(dict(headers)),
            kind=SpanKind.SERVER,
        )

    def upstream_headers(self) -> dict[str, str]:
        """Headers that continue this trace upstream; asked for when the first call begins."""
        from opentelemetry import propagate
        from opentelemetry.trace import set_span_in_context

        self._called = self._called or time.time_ns()
        carrier: dict[str, str] = {}
        propagate.inject(carrier, context=set_span_in_context(self._span))
        return carrier

    def end(self, record: DecisionRecord) -> None:
        """Describe the request as it was logged, and end."""
        from opentelemetry.trace import StatusCode

        if self._span.is_recording():
            self._attempts(record)
            operation = _OPERATIONS.get(record.path, "request")
            if record.model is not None:
                self._span.update_name(f"{operation} {record.model}")
            _set(self._span, _attributes(record, operation))
            if record.outcome in _FAILED:
                self._span.set_status(StatusCode.ERROR, record.error or record.outcome)
        self._span.end()

    def _attempts(self, record: DecisionRecord) -> None:
        """A span for each call. Calls follow one another; pauses between them are not known."""
        from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context

        below = set_span_in_context(self._span)
        begun = self._called or time.time_ns()
        for number, attempt in enumerate(record.attempts, 1):
            span = self._tracer.start_span(
                f"upstream {attempt['model']}",
                context=below,
                kind=SpanKind.CLIENT,
                start_time=begun,
            )
            described = {
                "gen_ai.request.model": attempt["model"],
                "http.response.status_code": attempt["status"],
                "onehead.attempt": number,
                "onehead.outcome": attempt["outcome"],
            }
            _set(span, described)
            if attempt["outcome"] != "ok":
                span.set_status(StatusCode.ERROR, attempt["outcome"])
            begun += int(attempt["seconds"] * _SECOND)
            span.end(begun)


def _attributes(record: DecisionRecord, operation: str) -> dict[str, Any]:
    """Attributes by OpenTelemetry's conventions for generative models, and our own."""
    return {
        "gen_ai.operation.name": operation,
        "gen_ai.request.model": record.asked_model[:_MAX_CHARS] or None,
        "gen_ai.response.model": record.model,
        "gen_ai.usage.input_tokens": record.input_tokens,
        "gen_ai.usage.output_tokens": record.output_tokens,
        "http.response.status_code": record.status,
        "error.type": record.error,
        "onehead.decision_id": record.decision_id,
        "onehead.request_id": record.request_id or None,
        "onehead.key": record.key,
        "onehead.mode": record.mode,
        "onehead.outcome": record.outcome,
        "onehead.chosen": record.chosen,
        "onehead.confidence": record.confidence,
        "onehead.willingness_to_pay": record.willingness_to_pay,
        "onehead.predicted_quality": record.predicted_quality,
        "onehead.predicted_cost_usd": record.predicted_cost_usd,
        "onehead.cost_usd": record.cost_usd,
        "onehead.overhead_s": record.overhead_s,
        "onehead.first_byte_s": record.first_byte_s,
    }


def _set(span: Span, attributes: dict[str, Any]) -> None:
    span.set_attributes({name: value for name, value in attributes.items() if value is not None})
