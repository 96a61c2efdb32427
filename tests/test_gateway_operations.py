"""Keys, budgets, limits, shadow, reloads, metrics of a running gateway."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from gateways import (
    MODELS,
    QUICK,
    Gateway,
    Upstream,
    error,
    running_gateway,
    running_upstream,
    toml,
)

from onehead.errors import ConfigError, UnknownDecision

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with running_upstream() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    with running_gateway(toml(upstream.url, folder, MODELS, QUICK)) as running:
        yield running


# --- operations


def test_health_readiness_and_metrics(gateway: Gateway) -> None:
    gateway.chat("auto")
    assert gateway.client.get("/health").status_code == 200
    assert gateway.client.get("/ready").status_code == 200
    metrics = gateway.client.get("/metrics").text
    for name in ("onehead_requests_total", "onehead_overhead_seconds_bucket", "onehead_cost_usd_total"):  # fmt: skip
        assert name in metrics


def test_requests_beyond_the_limit_are_told_to_come_back(
    upstream: Upstream, tmp_path: Path
) -> None:
    text = toml(upstream.url, tmp_path, {"hang": {}}, "[gateway]\nmax_concurrency = 1\n")
    upstream.reset()
    body = {"model": "hang", "stream": True, "messages": [{"role": "user", "content": "hi"}]}

    async def two(url: str) -> httpx.Response:
        async with httpx.AsyncClient(base_url=url, timeout=20) as client:
            first = asyncio.ensure_future(client.post("/v1/chat/completions", json=body))
            await asyncio.to_thread(upstream.reached["hang"].wait, 10)
            second = await client.post("/v1/chat/completions", json=body)
            first.cancel()
            return second

    with running_gateway(text) as gateway:
        response = asyncio.run(two(gateway.url))
        assert response.status_code == 503
        assert response.headers["retry-after"] == "1"
        assert error(response)["code"] == "overloaded"


def test_shadow_leaves_the_traffic_alone(upstream: Upstream, tmp_path: Path) -> None:
    extra = QUICK + '[routing]\nshadow = "good-dear"\nwillingness_to_pay = "cheap"\n'
    with running_gateway(toml(upstream.url, tmp_path, MODELS, extra)) as gateway:
        response = gateway.chat("auto", "What is 2 + 2?")
        assert response.headers["x-onehead-model"] == "good-dear"
        row = gateway.logged(response)
        assert (row["mode"], row["chosen"], row["model"]) == ("shadow", "good-cheap", "good-dear")


def test_shadow_behind_the_callers_own_choice(upstream: Upstream, tmp_path: Path) -> None:
    extra = QUICK + '[routing]\nshadow = "caller"\nwillingness_to_pay = "cheap"\n'
    with running_gateway(toml(upstream.url, tmp_path, MODELS, extra)) as gateway:
        row = gateway.logged(gateway.chat("good-dear", "What is 2 + 2?"))
        assert (row["mode"], row["chosen"], row["model"]) == ("shadow", "good-cheap", "good-dear")
        odd = gateway.chat("good-dear", messages=[{"role": "user"}])  # upstream's to judge
        assert odd.status_code == 200


def test_keys_budgets_and_lists(upstream: Upstream, tmp_path: Path) -> None:
    extra = (
        QUICK
        + """
[[keys]]
name = "poor"
key = "${POOR}"
budget_usd = 0.00004
[[keys]]
name = "picky"
key = "${PICKY}"
deny = ["good-dear"]
"""
    )
    environment = {"POOR": "sk-poor", "PICKY": "sk-picky"}
    with running_gateway(toml(upstream.url, tmp_path, MODELS, extra), environment) as gateway:
        stranger = gateway.chat("auto")
        assert error(stranger)["code"] == "invalid_api_key"
        assert gateway.chat("auto", headers={"authorization": "Bearer no"}).status_code == 401
        assert gateway.client.get("/metrics").status_code == 401
        assert gateway.client.get("/v1/models").status_code == 401
        assert gateway.client.get("/health").status_code == 200
        poor, picky = ({"authorization": f"Bearer {key}"} for key in environment.values())
        assert gateway.chat("good-cheap", headers=poor, max_tokens=8).status_code == 200
        spent = gateway.chat("good-cheap", headers=poor, max_tokens=8)
        while spent.status_code == 200:
            spent = gateway.chat("good-cheap", headers=poor, max_tokens=8)
        assert (spent.status_code, error(spent)["code"]) == (429, "insufficient_quota")
        assert spent.headers["x-should-retry"] == "false"
        assert gateway.chat("good-dear", headers=picky).status_code == 403
        dear = gateway.chat("auto@1000", "Prove it.", headers=picky)
        assert dear.headers["x-onehead-model"] == "good-cheap"
        listed = gateway.client.get("/v1/models", headers=picky).json()["data"]
        assert "good-dear" not in {one["id"] for one in listed}
        gateway.logged(dear)  # later than the stranger's, which is not kept
        with pytest.raises(UnknownDecision):
            gateway.app.state.parts.reading.store().decision(
                stranger.headers["x-onehead-decision-id"]
            )


def test_a_reload_swaps_all_or_nothing(upstream: Upstream, tmp_path: Path) -> None:
    from onehead.config import parse_config

    def config(text: str) -> Any:
        return parse_config(text, environment={}, where="test.toml")

    before = toml(upstream.url, tmp_path, {"good-cheap": {}}, QUICK)
    with running_gateway(before) as gateway:
        loop = gateway.app.loop
        after = toml(upstream.url, tmp_path, {"good-new": {}}, QUICK)
        asyncio.run_coroutine_threadsafe(gateway.app.reload(config(after)), loop).result(30)
        assert gateway.chat("auto").headers["x-onehead-model"] == "good-new"
        unknown = toml(upstream.url, tmp_path, {"bad": {"like": "nobody"}}, QUICK)
        with pytest.raises(ConfigError, match="knows nothing of 'nobody'"):
            asyncio.run_coroutine_threadsafe(gateway.app.reload(config(unknown)), loop).result(30)
        assert gateway.chat("auto").headers["x-onehead-model"] == "good-new"


def test_nothing_secret_is_logged(gateway: Gateway, caplog: pytest.LogCaptureFixture) -> None:
    gateway.chat("status-500", "my secret prompt", headers={"authorization": "Bearer sk-secret"})
    gateway.client.post("/v1/chat/completions", content=b'{"model": "auto", "secret": ')
    assert "secret" not in caplog.text
