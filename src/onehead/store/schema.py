"""The tables, as migrations in order; each is run once, and its name is then on record.

A released migration is never changed: what comes later is a new one at the end. Types are words that
both databases know; SQLite takes any. Truth values are 0 and 1.
"""

from __future__ import annotations

from typing import Final

WIDTHS: Final = (60, 600, 3600, 86_400)
"""Widths, in seconds, of the spans over which sums are kept."""
OVERHEAD_EDGES_S: Final = tuple(1e-4 * 2**i for i in range(11))
"""Upper edges of the first bins of overhead, 0.1 ms to 0.1 s; one more bin has the rest."""
LATENCY_EDGES_S: Final = tuple(0.05 * 2**i for i in range(13))
"""Upper edges of the first bins of whole requests, 50 ms to 205 s; one more bin has the rest."""
OVERHEAD_BINS: Final = tuple(f"overhead_{i}" for i in range(len(OVERHEAD_EDGES_S) + 1))
LATENCY_BINS: Final = tuple(f"latency_{i}" for i in range(len(LATENCY_EDGES_S) + 1))

RESPONSES: Final = "/v1/responses"
"""The path whose answers a later request names, by their ids."""
ROLLUP_KEY: Final = ("width", "start", "model", "mode", "outcome")
ROLLUP_SUMS: Final = (
    "requests",
    "fallbacks",
    "attempts",
    "priced",
    "cost_usd",
    "predicted",
    "predicted_cost_usd",
    "predicted_quality",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "reasoning_tokens",
    *OVERHEAD_BINS,
    *LATENCY_BINS,
)
_REAL: Final = {"cost_usd", "predicted_cost_usd", "predicted_quality"}

DECISIONS: Final = """
CREATE TABLE decisions (
    decision_id TEXT NOT NULL PRIMARY KEY,
    at DOUBLE PRECISION NOT NULL,
    request_id TEXT NOT NULL,
    key TEXT,
    path TEXT NOT NULL,
    asked_model TEXT NOT NULL,
    stream INTEGER NOT NULL,
    mode TEXT NOT NULL,
    willingness_to_pay DOUBLE PRECISION,
    reward TEXT,
    constraints TEXT NOT NULL,
    session TEXT,
    router TEXT NOT NULL,
    chosen TEXT,
    model TEXT,
    confidence DOUBLE PRECISION,
    probability DOUBLE PRECISION NOT NULL,
    estimates TEXT NOT NULL,
    predicted_quality DOUBLE PRECISION,
    predicted_cost_usd DOUBLE PRECISION,
    attempts TEXT NOT NULL,
    outcome TEXT NOT NULL,
    status INTEGER NOT NULL,
    error TEXT,
    input_tokens BIGINT,
    output_tokens BIGINT,
    cached_tokens BIGINT,
    reasoning_tokens BIGINT,
    usage_estimated INTEGER NOT NULL,
    cost_usd DOUBLE PRECISION,
    overhead_s DOUBLE PRECISION,
    first_byte_s DOUBLE PRECISION,
    total_s DOUBLE PRECISION,
    prompt_hash TEXT,
    prompt TEXT,
    embedding BYTEA,
    answer_id TEXT
)
"""
FEEDBACK: Final = """
CREATE TABLE feedback (
    decision_id TEXT NOT NULL,
    source TEXT NOT NULL,
    quality DOUBLE PRECISION NOT NULL,
    comment TEXT,
    at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (decision_id, source)
)
"""
SPEND: Final = """
CREATE TABLE spend (
    key TEXT NOT NULL,
    day TEXT NOT NULL,
    usd DOUBLE PRECISION NOT NULL,
    requests BIGINT NOT NULL,
    tokens BIGINT NOT NULL,
    PRIMARY KEY (key, day)
)
"""
ROLLUP: Final = f"""
CREATE TABLE rollup (
    width INTEGER NOT NULL,
    start BIGINT NOT NULL,
    model TEXT NOT NULL,
    mode TEXT NOT NULL,
    outcome TEXT NOT NULL,
    {
    " ".join(
        f"{name} {'DOUBLE PRECISION' if name in _REAL else 'BIGINT'} NOT NULL,"
        for name in ROLLUP_SUMS
    )
}
    PRIMARY KEY (width, start, model, mode, outcome)
)
"""
EXPECTED: Final = """
CREATE TABLE expected (
    width INTEGER NOT NULL,
    start BIGINT NOT NULL,
    model TEXT NOT NULL,
    requests BIGINT NOT NULL,
    eligible BIGINT NOT NULL,
    quality DOUBLE PRECISION NOT NULL,
    cost_usd DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (width, start, model)
)
"""
_FILTER_INDEX: Final = """
CREATE INDEX decisions_filter ON decisions (decision_id, model, key, mode, outcome, cost_usd)
"""
MIGRATIONS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    (
        "0001_log",
        (
            DECISIONS,
            FEEDBACK,
            SPEND,
            ROLLUP,
            EXPECTED,
            "CREATE INDEX decisions_model ON decisions (model, decision_id)",
            "CREATE INDEX decisions_mode ON decisions (mode, decision_id)",
            "CREATE INDEX decisions_key ON decisions (key, decision_id)",
            "CREATE INDEX decisions_session ON decisions (session, decision_id) WHERE session IS NOT NULL",
            "CREATE INDEX decisions_answer ON decisions (answer_id) WHERE answer_id IS NOT NULL",
            "CREATE INDEX decisions_failed ON decisions (decision_id, outcome) WHERE outcome <> 'ok'",
            _FILTER_INDEX,
            "CREATE INDEX feedback_at ON feedback (at)",
        ),
    ),
    (
        "0002_answers",
        (
            "DROP INDEX decisions_answer",
            # Ids of answers come in no order, so each new one changes a page of its own; only these are
            # ever looked for.
            f"CREATE INDEX decisions_response ON decisions (answer_id) WHERE path = '{RESPONSES}'",
        ),
    ),
)
