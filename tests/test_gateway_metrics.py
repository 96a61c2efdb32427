"""What /metrics tells, against the records that went in."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from onehead.gateway.metrics import Metrics
from onehead.store import DecisionRecord

if TYPE_CHECKING:
    from pathlib import Path


def attempt(model: str, outcome: str = "ok", seconds: float = 0.2) -> dict[str, Any]:
    return {"model": model, "outcome": outcome, "status": None, "seconds": seconds}


def record(**given: Any) -> DecisionRecord:
    usual: dict[str, Any] = {
        "decision_id": "dec_1",
        "at": 1.0,
        "chosen": "small",
        "model": "small",
        "attempts": [attempt("small")],
        "input_tokens": 10,
        "output_tokens": 5,
        "cost_usd": 0.25,
        "overhead_s": 0.0004,
        "total_s": 0.3,
    }
    return DecisionRecord(**usual | given)


def told(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Every sample: (name, label values in the order of their names) → value."""
    text = metrics.render()[0].decode()
    return {
        (one.name, *(value for _, value in sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def test_a_request_is_counted_in_every_family() -> None:
    metrics = Metrics(["small", "strong"])
    metrics.request(record())
    metrics.request(record(stream=True, first_byte_s=0.04, cached_tokens=4, reasoning_tokens=3))
    seen = told(metrics)
    assert seen["onehead_requests_total", "auto", "ok"] == 2
    assert seen["onehead_choices_total", "auto", "small"] == 2
    assert seen["onehead_attempts_total", "small", "ok"] == 2
    assert seen["onehead_tokens_total", "input", "small"] == 20
    assert seen["onehead_tokens_total", "output", "small"] == 10
    assert seen["onehead_tokens_total", "cached", "small"] == 4
    assert seen["onehead_tokens_total", "reasoning", "small"] == 3
    assert seen["onehead_cost_usd_total", "small"] == 0.5
    assert seen["onehead_overhead_seconds_count",] == 2
    assert seen["onehead_overhead_seconds_bucket", "0.0003"] == 0
    assert seen["onehead_overhead_seconds_bucket", "0.0005"] == 2
    assert seen["onehead_upstream_seconds_count", "small"] == 2
    assert seen["onehead_first_byte_seconds_count",] == 1
    assert not any(name[0] == "onehead_fallbacks_total" for name in seen)


def test_overhead_is_told_from_a_tenth_of_a_millisecond() -> None:
    metrics = Metrics([])
    metrics.request(record(overhead_s=0.00009))
    assert told(metrics)["onehead_overhead_seconds_bucket", "0.0001"] == 1


def test_falling_through_is_counted_with_its_reason_and_retries_are_not() -> None:
    metrics = Metrics(["small", "strong"])
    tried = [attempt("small", "timeout"), attempt("small", "status"), attempt("strong")]
    metrics.request(record(model="strong", attempts=tried))
    seen = told(metrics)
    fallbacks = {
        name: value for name, value in seen.items() if name[0] == "onehead_fallbacks_total"
    }
    # labels sorted by name: from, reason, to
    assert fallbacks == {("onehead_fallbacks_total", "small", "status", "strong"): 1}
    assert seen["onehead_attempts_total", "small", "timeout"] == 1
    assert seen["onehead_upstream_seconds_count", "small"] == 2


def test_a_router_that_failed_is_a_fallback_too() -> None:
    metrics = Metrics(["strong"])
    metrics.request(
        record(mode="fallback", chosen=None, model="strong", attempts=[attempt("strong")])
    )
    assert told(metrics)["onehead_fallbacks_total", "router", "routing", "strong"] == 1


def test_refusals_and_bare_decisions_have_neither_model_nor_cost() -> None:
    metrics = Metrics(["small"])
    nobody = {"model": None, "attempts": (), "input_tokens": None, "cost_usd": None}
    metrics.request(record(**nobody, chosen=None, outcome="refused", overhead_s=None))
    metrics.request(record(**nobody, mode="decision"))
    seen = told(metrics)
    assert seen["onehead_requests_total", "auto", "refused"] == 1
    assert seen["onehead_requests_total", "decision", "ok"] == 1
    assert seen["onehead_choices_total", "decision", "small"] == 1
    assert not any(name[0] == "onehead_cost_usd_total" for name in seen)


def test_no_caller_can_make_up_a_label() -> None:
    metrics = Metrics(["small"])
    for number in range(50):
        name = f'made-up-{number}"\n'
        metrics.request(record(chosen=name, model=name, attempts=[attempt(name)], asked_model=name))
    text = metrics.render()[0].decode()
    assert "made-up" not in text
    assert told(metrics)["onehead_choices_total", "auto", "other"] == 50


def test_models_that_a_reload_brings_are_labels_from_then_on() -> None:
    metrics = Metrics(["small"])
    metrics.request(record(chosen="new", model="new", attempts=[attempt("new")]))
    metrics.allow(["new"])
    metrics.request(record(chosen="new", model="new", attempts=[attempt("new")]))
    seen = told(metrics)
    assert seen["onehead_choices_total", "auto", "other"] == 1
    assert seen["onehead_choices_total", "auto", "new"] == 1


def test_states_are_read_off_and_counts_of_the_log_only_rise() -> None:
    metrics = Metrics(["small", "strong"])
    stats = SimpleNamespace(queued=7, written=100, spilled=3, dropped=0)
    metrics.sample({"small": "closed", "strong": "open"}, stats, 4)
    stats.written, stats.dropped = 150, 2
    metrics.sample({"small": "half-open", "strong": "open"}, stats, 5)
    seen = told(metrics)
    assert seen["onehead_breaker_state", "small"] == 1
    assert seen["onehead_breaker_state", "strong"] == 2
    assert seen["onehead_in_flight",] == 5
    assert seen["onehead_log_queue",] == 7
    assert seen["onehead_log_written_total",] == 150
    assert seen["onehead_log_spilled_total",] == 3
    assert seen["onehead_log_dropped_total",] == 2


def test_the_router_in_force_is_the_one_with_1() -> None:
    metrics = Metrics([])
    metrics.router("bundled", "abc")
    metrics.router("mine", "def")
    seen = told(metrics)
    assert seen["onehead_router_info", "bundled", "abc"] == 0
    assert seen["onehead_router_info", "mine", "def"] == 1


WORKER = """
import sys
sys.path.insert(0, sys.argv[1])
from test_gateway_metrics import Metrics, record
from types import SimpleNamespace
metrics = Metrics(["small"])
for _ in range(int(sys.argv[2])):
    metrics.request(record())
stats = SimpleNamespace(queued=1, written=10, spilled=0, dropped=0)
metrics.sample({"small": sys.argv[3]}, stats, 2)
metrics.router("bundled", "abc")
metrics.flush()
if sys.argv[4] == "tell":
    print(metrics.render()[0].decode())
else:
    sys.stdout.write("ready\\n"); sys.stdout.flush(); sys.stdin.readline()
"""


@pytest.fixture
def shared(tmp_path: Path) -> dict[str, str]:
    return dict(os.environ) | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}


def test_workers_add_up_in_one_exposition(shared: dict[str, str]) -> None:
    def command(*arguments: str) -> list[str]:
        return [sys.executable, "-c", WORKER, os.path.dirname(__file__), *arguments]  # noqa: PTH120

    with subprocess.Popen(
        command("30", "open", "wait"),
        env=shared, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        done = subprocess.run(
            command("12", "closed", "tell"), env=shared, capture_output=True, text=True, check=True
        )
        other.communicate("\n")
    seen = {
        (one.name, *sorted(value for name, value in one.labels.items() if name != "pid")): one.value
        for family in text_string_to_metric_families(done.stdout)
        for one in family.samples
    }
    assert seen["onehead_requests_total", "auto", "ok"] == 42
    assert seen["onehead_overhead_seconds_count",] == 42
    assert seen["onehead_log_written_total",] == 20
    assert seen["onehead_in_flight",] == 4
    assert seen["onehead_breaker_state", "small"] == 2
    assert seen["onehead_router_info", "abc", "bundled"] == 1


def test_the_exposition_is_what_prometheus_reads() -> None:
    body, content_type = Metrics(["a"]).render()
    assert content_type.startswith("text/plain")
    assert list(text_string_to_metric_families(body.decode()))
