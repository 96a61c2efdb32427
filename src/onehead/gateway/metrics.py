"""What Prometheus is told of the gateway: ``onehead_*``.

Recording a request adds to plain numbers; a scrape, `observe`, or a hundred requests bring the sums into
prometheus-client's counters. With several workers its multiprocess mode adds up what each of them
wrote into the folder that ``PROMETHEUS_MULTIPROC_DIR`` names. Labels come from the configuration or
from fixed words alone: no client can make one up.
"""

from __future__ import annotations

import os
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from onehead.gateway.families import BREAKER, Families

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from prometheus_client import CollectorRegistry, Counter, Histogram

    from onehead.gateway.app import App
    from onehead.store import DecisionRecord

OTHER: Final = "other"
"""Stands for models that are not configured."""
_MOST_PENDING: Final = 100
_KINDS: Final = (
    ("input", "input_tokens"),
    ("output", "output_tokens"),
    ("cached", "cached_tokens"),
    ("reasoning", "reasoning_tokens"),
)


class Metrics:
    """The metrics of one worker.

    models: ids that may be labels; more can be allowed later with `allow`
    registry: where to register; a new one where none is given
    """

    def __init__(self, models: Iterable[str], registry: CollectorRegistry | None = None) -> None:
        from prometheus_client import CollectorRegistry, ProcessCollector

        self._shared = bool(os.environ.get("PROMETHEUS_MULTIPROC_DIR"))
        self._registry = registry or CollectorRegistry()
        self._families = Families(self._registry)
        if not self._shared:
            ProcessCollector(registry=self._registry)
        self._models: set[str] = set()
        self._sums: dict[Counter, float] = defaultdict(float)
        self._pending = 0
        self._counters: dict[tuple[str, ...], Counter] = {}
        self._upstream: dict[str, Histogram] = {}
        self._written: dict[str, float] = {}
        self._info: tuple[str, ...] | None = None
        self._overhead = self._families.overhead.observe
        self._first_byte = self._families.first_byte.observe
        self.batch: Callable[[float], None] = self._families.batch.observe
        self.allow(models)

    def allow(self, models: Iterable[str]) -> None:
        """Let further models be labels, as a reload brings them."""
        self._models.update(models)

    def request(self, record: DecisionRecord) -> None:
        """Count a request that has ended, or a decision that was only asked for."""
        sums, counter, mode = self._sums, self._counter, record.mode
        sums[counter("requests", mode, record.outcome)] += 1
        chosen = record.chosen or record.model
        if chosen is not None:
            sums[counter("choices", self._label(chosen), mode)] += 1
        if record.overhead_s is not None:
            self._overhead(record.overhead_s)
        if record.first_byte_s is not None and record.stream:
            self._first_byte(record.first_byte_s)
        if record.attempts:
            self._attempts(record)
        elif mode == "fallback" and record.model is not None:
            sums[counter("fallbacks", "router", self._label(record.model), "routing")] += 1
        if record.model is not None:
            self._usage(record, self._label(record.model))
        self._pending += 1
        if self._pending >= _MOST_PENDING:
            self.flush()

    def _attempts(self, record: DecisionRecord) -> None:
        sums, counter = self._sums, self._counter
        before = "router" if record.mode == "fallback" else None
        reason = "routing"
        for attempt in record.attempts:
            model, outcome = self._label(attempt["model"]), attempt["outcome"]
            sums[counter("attempts", model, outcome)] += 1
            upstream = self._upstream.get(model)
            if upstream is None:
                upstream = self._upstream[model] = self._families.upstream.labels(model)
            upstream.observe(attempt["seconds"])
            if before is not None and before != model:
                sums[counter("fallbacks", before, model, reason)] += 1
            before, reason = model, outcome

    def _usage(self, record: DecisionRecord, model: str) -> None:
        sums = self._sums
        for kind, name in _KINDS:
            tokens = getattr(record, name)
            if tokens:
                sums[self._counter("tokens", model, kind)] += tokens
        if record.cost_usd:
            sums[self._counter("cost_usd", model)] += record.cost_usd

    def _label(self, model: str) -> str:
        return model if model in self._models else OTHER

    def _counter(self, *name: str) -> Counter:
        """The counter of a family and labels, looked up once."""
        child = self._counters.get(name)
        if child is None:
            family = self._families.counters[name[0]]
            child = self._counters[name] = family.labels(*name[1:]) if name[1:] else family
        return child

    def flush(self) -> None:
        """Bring the sums into the counters."""
        for child, amount in self._sums.items():
            child.inc(amount)
        self._sums.clear()
        self._pending = 0

    def observe(self, app: App) -> None:
        """Read off what is a state rather than an event; with several workers once a second."""
        state = app.state
        states = {model: state.upstreams.state(model) for model in state.fleet.models}
        stats = state.parts.writer.stats()
        self.sample(states, stats, state.in_flight)
        self.router(state.config.routing.router, state.version)
        self.flush()

    def sample(self, breakers: Mapping[str, str], stats: Any, in_flight: int) -> None:
        """Set the gauges; `stats` are those of the log's writer."""
        families = self._families
        for model, state in breakers.items():
            families.breaker.labels(self._label(model)).set(BREAKER[state])
        families.in_flight.set(in_flight)
        if stats is None:
            return
        families.log_queue.set(stats.queued)
        for name in ("written", "spilled", "dropped"):
            now = float(getattr(stats, name))
            before = self._written.get(name, 0.0)
            if now > before:
                self._sums[self._counter(f"log_{name}")] += now - before
            self._written[name] = now

    def router(self, place: str, version: str) -> None:
        """Say which router decides; one that was replaced is shown with 0."""
        info = (place, version)
        if info == self._info:
            return
        if self._info is not None:
            self._families.router_info.labels(*self._info).set(0)
        self._families.router_info.labels(*info).set(1)
        self._info = info

    def render(self) -> tuple[bytes, str]:
        """The exposition and its content type, of all workers where they share a folder."""
        from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

        self.flush()
        registry = self._registry
        if self._shared:
            from prometheus_client.multiprocess import MultiProcessCollector

            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry), CONTENT_TYPE_LATEST
