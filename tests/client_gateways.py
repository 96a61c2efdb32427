"""A gateway for real clients: an upstream that answers like a model, keys of several kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from gateways import Gateway, running_gateway, toml
from model_upstream import Model, running_model
from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "sk-onehead-test"
MODELS: dict[str, dict[str, Any]] = {
    "small": {},
    "large": {
        "like": "gpt-4o-2024-05",
        "input_usd_per_million": 5.0,
        "output_usd_per_million": 15.0,
        "cached_input_usd_per_million": 0.5,
    },
    "vectors": {"auto": False},
    "status-400": {"auto": False},
    "status-500": {"auto": False},
    "later-429-0": {"auto": False},
    "flaky-1": {"auto": False},
    "cut": {"auto": False},
}
EXTRA = """
[upstreams]
retries = 0
retry_base_s = 0.001
breaker_failures = 10000
[[keys]]
name = "team"
key = "${KEY}"
[[keys]]
name = "spent"
key = "${SPENT}"
budget_usd = 0.0000001
[[keys]]
name = "narrow"
key = "${NARROW}"
deny = ["large"]
"""
COST_USD = (20 * 5.0 + 100 * 0.5 + 40 * 15.0) / 1e6
"""Of one answer of `large`: 120 tokens read, 100 of them from its cache, 40 written."""
QUESTION: Any = [{"role": "user", "content": "What is the capital of France?"}]


class Person(BaseModel):
    name: str
    age: int


class Weather(BaseModel):
    city: str
    unit: str


@pytest.fixture(scope="module", name="upstream")
def model_upstream() -> Iterator[Model]:
    with running_model() as running:
        yield running


@pytest.fixture(scope="module", name="gateway")
def model_gateway(upstream: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    text = toml(upstream.url, tmp_path_factory.mktemp("gateway"), MODELS, EXTRA)
    keys = {"KEY": KEY, "SPENT": "sk-spent", "NARROW": "sk-narrow"}
    with running_gateway(text, keys) as running:
        yield running
