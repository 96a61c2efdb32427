"""Spans of requests and of their calls, as a collector would get them."""

from __future__ import annotations

import builtins
from typing import Any

import pytest

from onehead.errors import ConfigError, MissingExtraError
from onehead.gateway.tracing import Tracing, tracing_from_environment
from onehead.store import DecisionRecord

pytest.importorskip("opentelemetry.sdk", reason="the extra 'otel' is not installed")

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PATH = "/v1/chat/completions"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


def record(**given: Any) -> DecisionRecord:
    usual: dict[str, Any] = {
        "decision_id": "dec_1",
        "at": 1.0,
        "path": PATH,
        "asked_model": "auto",
        "model": "strong",
        "prompt": "a secret",
        "input_tokens": 10,
        "cost_usd": 0.25,
        "attempts": [
            {"model": "small", "outcome": "status", "status": 500, "seconds": 0.5},
            {"model": "strong", "outcome": "ok", "status": 200, "seconds": 0.25},
        ],
    }
    return DecisionRecord(**usual | given)


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracing(spans: InMemorySpanExporter) -> Tracing:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    return Tracing(provider)


def test_a_callers_trace_is_continued_and_passed_on(
    tracing: Tracing, spans: InMemorySpanExporter
) -> None:
    trace = tracing.begin({"traceparent": PARENT, "tracestate": "vendor=1"}, PATH)
    onward = trace.upstream_headers()
    trace.end(record())
    first, second, whole = spans.get_finished_spans()
    assert whole.name == "chat strong"
    assert whole.kind is SpanKind.SERVER
    assert whole.parent is not None
    assert f"{whole.parent.span_id:016x}" == "b7ad6b7169203331"
    version, trace_id, span_id, _ = onward["traceparent"].split("-")
    assert (version, trace_id) == ("00", "0af7651916cd43dd8448eb211c80319c")
    assert span_id == f"{whole.context.span_id:016x}"
    assert onward["tracestate"] == "vendor=1"
    for span in (first, second):
        assert span.kind is SpanKind.CLIENT
        assert span.parent is not None
        assert span.parent.span_id == whole.context.span_id


def test_each_call_has_its_span_with_its_time_and_outcome(
    tracing: Tracing, spans: InMemorySpanExporter
) -> None:
    trace = tracing.begin({}, PATH)
    trace.upstream_headers()
    trace.end(record())
    first, second, whole = spans.get_finished_spans()
    assert whole.parent is None
    assert (first.name, second.name) == ("upstream small", "upstream strong")
    assert first.status.status_code is StatusCode.ERROR
    assert first.end_time - first.start_time == 500_000_000
    assert second.start_time == first.end_time
    assert second.status.status_code is StatusCode.UNSET
    assert dict(second.attributes)["http.response.status_code"] == 200


def test_a_span_tells_the_decision_and_never_the_prompt(
    tracing: Tracing, spans: InMemorySpanExporter
) -> None:
    tracing.begin({}, PATH).end(record(outcome="error", error="all_failed", status=502))
    whole = spans.get_finished_spans()[-1]
    attributes = dict(whole.attributes)
    assert attributes["gen_ai.response.model"] == "strong"
    assert attributes["gen_ai.usage.input_tokens"] == 10
    assert attributes["onehead.cost_usd"] == 0.25
    assert whole.status.status_code is StatusCode.ERROR
    assert "a secret" not in whole.to_json()


def test_paths_of_callers_make_no_names(tracing: Tracing, spans: InMemorySpanExporter) -> None:
    tracing.begin({}, "/v1/anything/42").end(record(path="/v1/anything/42", attempts=[]))
    assert spans.get_finished_spans()[0].name == "request strong"


def test_what_the_caller_does_not_sample_is_not_recorded(
    tracing: Tracing, spans: InMemorySpanExporter
) -> None:
    trace = tracing.begin({"traceparent": PARENT[:-1] + "0"}, PATH)
    assert trace.upstream_headers()["traceparent"].endswith("-00")
    trace.end(record())
    assert not spans.get_finished_spans()


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {ENDPOINT: ""},
        {ENDPOINT: "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "true"},
        {ENDPOINT: "http://127.0.0.1:4318", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_nobody_asks_for_it_and_nothing_is_imported(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid_opentelemetry(monkeypatch)
    assert tracing_from_environment(environment) is None


def test_it_is_asked_for_and_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    forbid_opentelemetry(monkeypatch)
    with pytest.raises(MissingExtraError, match=rf"{ENDPOINT}.*onehead\[otel\]"):
        tracing_from_environment({ENDPOINT: "http://127.0.0.1:4318"})


def test_a_protocol_that_is_not_spoken_is_refused() -> None:
    with pytest.raises(ConfigError, match="http/protobuf"):
        tracing_from_environment(
            {ENDPOINT: "http://127.0.0.1:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
        )


def test_the_environment_sets_it_up(monkeypatch: pytest.MonkeyPatch) -> None:
    tracing = tracing_from_environment({ENDPOINT: "http://127.0.0.1:9"})
    assert tracing is not None
    tracing.begin({}, PATH)  # never ended, so that nothing is sent
    tracing.close()


def forbid_opentelemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def importing(name: str, *rest: Any) -> Any:
        if name.startswith("opentelemetry"):
            raise ImportError(name)
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", importing)
