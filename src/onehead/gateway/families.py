"""The names, labels and buckets of the gateway's metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

OVERHEAD_S: Final = (
    0.0001, 0.0002, 0.0003, 0.0005, 0.00075, 0.001, 0.0015, 0.0025, 0.005, 0.01, 0.025, 0.1, 1.0,
)  # fmt: skip
UPSTREAM_S: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 600.0)
BATCH: Final = (1, 2, 4, 8, 16, 32, 64)
BREAKER: Final = {"closed": 0, "half-open": 1, "open": 2}

COUNTERS: Final = {
    "requests": ("Requests that have ended.", ("mode", "outcome")),
    "choices": ("Models that were chosen, or named by callers.", ("model", "mode")),
    "fallbacks": ("Changes to another model.", ("from", "to", "reason")),
    "attempts": ("Calls of upstreams.", ("model", "outcome")),
    "tokens": ("Tokens by what they were used for.", ("model", "kind")),
    "cost_usd": ("What answers cost.", ("model",)),
    "log_written": ("Records of the decision log that were written.", ()),
    "log_spilled": ("Records that went to disk while the store was away.", ()),
    "log_dropped": ("Records that were lost.", ()),
}
"""Name without onehead_ and _total → help, labels."""


class Families:
    """Everything that is measured, in a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

        disable_created_metrics()  # type: ignore[no-untyped-call]  # twice the lines, read by nobody
        self.counters = {
            name: Counter(f"onehead_{name}_total", text, labels, registry=registry)
            for name, (text, labels) in COUNTERS.items()
        }
        self.overhead = Histogram(
            "onehead_overhead_seconds",
            "Time of a request that was spent here, not upstream.",
            buckets=OVERHEAD_S,
            registry=registry,
        )
        self.upstream = Histogram(
            "onehead_upstream_seconds",
            "Time of a call of an upstream.",
            ["model"],
            buckets=UPSTREAM_S,
            registry=registry,
        )
        self.first_byte = Histogram(
            "onehead_first_byte_seconds",
            "Time to the first byte of a streamed answer.",
            buckets=UPSTREAM_S,
            registry=registry,
        )
        self.batch = Histogram(
            "onehead_decision_batch_size",
            "Prompts that were decided together.",
            buckets=BATCH,
            registry=registry,
        )
        self.breaker = Gauge(
            "onehead_breaker_state",
            "0 closed, 1 half-open, 2 open; of several workers the worst.",
            ["model"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.in_flight = Gauge(
            "onehead_in_flight",
            "Requests that are being answered.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.log_queue = Gauge(
            "onehead_log_queue",
            "Records that wait to be written.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.router_info = Gauge(
            "onehead_router_info",
            "1 for the router that decides.",
            ["router", "version"],
            registry=registry,
            multiprocess_mode="livemax",
        )
