"""What a configuration holds. Each field says beside itself how it is read and what it means.

docs/configuration.md is generated from these descriptions. Checks that need several fields are in
`onehead.config.checks`, so that code may build any of these by hand.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from onehead.config.model import SECONDS, ModelConfig, about
from onehead.config.secret import Secret
from onehead.config.secrets import Sha256
from onehead.config.urls import StoreUrl, in_memory
from onehead.config.values import (
    Choice,
    Flag,
    Name,
    Names,
    Number,
    Text,
    Whole,
    WillingnessToPay,
)
from onehead.policy import PRESET_NAMES

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class UpstreamConfig:
    """`[upstreams]`: how upstreams are called and what happens when they fail."""

    connect_timeout_s: float = field(
        default=5.0, metadata=about(SECONDS, "Seconds to reach the upstream.")
    )
    first_byte_timeout_s: float = field(
        default=300.0, metadata=about(SECONDS, "Seconds to the first byte of the answer.")
    )
    idle_timeout_s: float = field(
        default=60.0, metadata=about(SECONDS, "Seconds between two pieces of an answer.")
    )
    total_timeout_s: float = field(
        default=600.0, metadata=about(SECONDS, "Seconds for the whole answer.")
    )
    retries: int = field(
        default=1,
        metadata=about(Whole(0, 20), "Repeats at the same model, for failures worth repeating."),
    )
    retry_base_s: float = field(
        default=0.25, metadata=about(SECONDS, "Wait before the first repeat; it doubles.")
    )
    retry_max_s: float = field(default=8.0, metadata=about(SECONDS, "Longest such wait."))
    max_attempts: int = field(
        default=6, metadata=about(Whole(1, 100), "Calls for one request over all models.")
    )
    breaker_failures: int = field(
        default=5,
        metadata=about(Whole(1, 10_000), "Failures in a row after which a model is left alone."),
    )
    breaker_open_s: float = field(
        default=10.0, metadata=about(SECONDS, "Seconds for which it is left alone; they double.")
    )
    breaker_max_s: float = field(
        default=120.0, metadata=about(SECONDS, "Longest time to leave it alone.")
    )
    hedge_after_s: float | None = field(
        default=None,
        metadata=about(
            SECONDS,
            "Seconds without a byte after which the next model is asked as well; the slower call is billed too.",
            "never",
        ),
    )
    connections: int = field(
        default=512, metadata=about(Whole(1, 100_000), "Open connections of one worker.")
    )
    max_answer_mb: int = field(
        default=64, metadata=about(Whole(1, 4096), "Longest answer that is not streamed, in MB.")
    )


@dataclass(frozen=True, kw_only=True)
class RoutingConfig:
    """`[routing]`: how a model is chosen."""

    router: str = field(
        default="bundled", metadata=about(Text(), "`bundled`, or the directory of a router.")
    )
    willingness_to_pay: str | float = field(
        default="balanced",
        metadata=about(
            WillingnessToPay(PRESET_NAMES),
            "What quality is worth where a request does not say: a preset, or USD.",
        ),
    )
    reward: str = field(
        default="exponential",
        metadata=about(Choice("exponential", "linear"), "How cost counts against quality."),
    )
    fallback: str | None = field(
        default=None,
        metadata=about(Name(), "Model that answers when routing itself fails.", "an error then"),
    )
    max_cost_usd: float | None = field(
        default=None, metadata=about(Number(above=0), "Ceiling for the expected cost of a request.")
    )
    min_quality: float | None = field(
        default=None, metadata=about(Number(0, 1), "Least expected quality, 0 to 1.")
    )
    sticky: bool = field(
        default=True,
        metadata=about(Flag(), "Whether a conversation keeps its model unless changing pays."),
    )
    shadow: str | None = field(
        default=None,
        metadata=about(
            Name(),
            "A model that gets all traffic while choices are only logged; `caller`: the model that the caller named.",
            "off: choices are followed",
        ),
    )


@dataclass(frozen=True, kw_only=True)
class KeyConfig:
    """`[[keys]]`: a key that clients may use, with its budget and limits."""

    name: str = field(metadata=about(Name(), "Name in logs, metrics and the dashboard."))
    sha256: str = field(
        repr=False, metadata=about(Sha256(), "SHA-256 of the key, instead of `key`.", "of `key`")
    )
    budget_usd: float | None = field(
        default=None, metadata=about(Number(least=0), "USD that it may spend in a period.")
    )
    period: str = field(
        default="month",
        metadata=about(
            Choice("day", "week", "month", "total"), "Period of the budget; periods begin in UTC."
        ),
    )
    warn_at: float = field(
        default=0.8, metadata=about(Number(0, 1), "Share of the budget from which answers warn.")
    )
    requests_per_minute: int | None = field(
        default=None, metadata=about(Whole(1, 10**9), "Requests in a minute.")
    )
    tokens_per_minute: int | None = field(
        default=None, metadata=about(Whole(1, 10**12), "Tokens in a minute, read and written.")
    )
    models: tuple[str, ...] | None = field(
        default=None, metadata=about(Names(), "The only models that it may use.", "all")
    )
    deny: tuple[str, ...] = field(
        default=(), metadata=about(Names(), "Models that it may not use.", "none")
    )
    max_cost_usd: float | None = field(
        default=None, metadata=about(Number(above=0), "Ceiling for the expected cost of a request.")
    )
    willingness_to_pay: str | float | None = field(
        default=None,
        metadata=about(
            WillingnessToPay(PRESET_NAMES),
            "What quality is worth where a request does not say.",
            "that of `[routing]`",
        ),
    )
    dashboard: bool = field(
        default=True,
        metadata=about(
            Flag(), "Whether it opens the dashboard and the metrics, which show what all keys do."
        ),
    )


@dataclass(frozen=True, kw_only=True)
class GatewayConfig:
    """`[gateway]`: where it listens, and its limits."""

    host: str = field(
        default="127.0.0.1",
        metadata=about(Text(), "Address to listen on; beyond this machine only with keys."),
    )
    port: int = field(default=8080, metadata=about(Whole(0, 65_535), "Port; 0 takes a free one."))
    workers: int = field(default=1, metadata=about(Whole(1, 256), "Processes that answer."))
    max_body_mb: float = field(
        default=32, metadata=about(Number(above=0, most=4096), "Longest request body in MB.")
    )
    max_header_kb: float = field(
        default=64, metadata=about(Number(above=0, most=4096), "Longest request headers in kB.")
    )
    body_timeout_s: float = field(
        default=30, metadata=about(SECONDS, "Seconds for a client to send the body.")
    )
    header_timeout_s: float = field(
        default=15, metadata=about(SECONDS, "Seconds for a client to send the headers.")
    )
    max_concurrency: int = field(
        default=1024,
        metadata=about(Whole(1, 10**6), "Requests of one worker at a time; more get a 503."),
    )
    drain_s: float = field(
        default=30,
        metadata=about(Number(0, 86_400), "Seconds for open requests to end at shutdown."),
    )
    log_format: str = field(
        default="text", metadata=about(Choice("text", "json"), "Form of the log on stderr.")
    )
    log_level: str = field(
        default="info",
        metadata=about(Choice("debug", "info", "warning", "error"), "Least level that is logged."),
    )


@dataclass(frozen=True, kw_only=True)
class StoreConfig:
    """`[store]`: where decisions, feedback and spend are kept."""

    url: Secret = field(
        default=Secret("sqlite:///onehead.db"),
        metadata=about(
            StoreUrl(),
            "`sqlite:///path` (from the working directory; four slashes: absolute) or `postgresql://user:${PASSWORD}@host/database`.",
            "sqlite:///onehead.db",
        ),
    )
    prompts: str = field(
        default="hash",
        metadata=about(
            Choice("none", "hash", "full"), "What is kept of a prompt: nothing, its hash, its text."
        ),
    )
    retention_days: float | None = field(
        default=None,
        metadata=about(
            Number(above=0, most=36_500), "Days after which records are deleted.", "never"
        ),
    )
    queue: int = field(
        default=20_000,
        metadata=about(Whole(1, 10**7), "Records that wait in memory while the store is slow."),
    )
    spill: str | None = field(
        default=None,
        metadata=about(
            Text(),
            "Folder for records while the store is away.",
            "beside the SQLite file, else `onehead-spill`",
        ),
    )

    @property
    def in_memory(self) -> bool:
        """Whether nothing is kept after the process; no place for what several workers share."""
        return in_memory(self.url.reveal())


@dataclass(frozen=True, kw_only=True)
class Config:
    """A whole configuration.

    demo: whether upstreams are pretended; set by ``onehead serve --demo``, never by a file
    """

    gateway: GatewayConfig = field(default_factory=GatewayConfig)
    routing: RoutingConfig = field(default_factory=RoutingConfig)
    upstreams: UpstreamConfig = field(default_factory=UpstreamConfig)
    store: StoreConfig = field(default_factory=StoreConfig)
    keys: tuple[KeyConfig, ...] = ()
    models: tuple[ModelConfig, ...] = ()
    path: Path | None = None
    demo: bool = False
