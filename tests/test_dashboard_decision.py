"""The page of one decision: its words for everything that a record can hold."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from dashboards import PAYLOADS, dashboard

from onehead.store import DecisionRecord, new_decision_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateways import Gateway

ESTIMATES = [
    ("ok-small", 0.6, 1e-4, 0.59, None),
    ("ok-large", 0.9, 2e-2, 0.3, None),
    ("blind", 0.99, 1e-5, 0.9, "does not take images"),
]
CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "plain": ({}, ["ok-small, quality 0.60 for about $0.0001, is the best trade", "blind would have been worth more, but could not be chosen: does not take images"]),
    "floor": (
        {"constraints": {"min_quality": 0.8}, "chosen": "ok-large", "model": "ok-large"},
        ["is the cheapest that reaches the floor of 0.8", "min_quality 0.8"],
    ),
    "beyond the floor": (
        {"constraints": {"min_quality": 0.95}, "chosen": "ok-large"},
        ["comes nearest to the floor of 0.95"],
    ),
    "allow-list": ({"constraints": {"models": ["ok-small", "ok-large"]}}, ["models ok-small, ok-large"]),
    "incumbent": ({"chosen": "ok-large"}, ["Yet ok-large was chosen, to stay with the conversation"]),
    "held": ({"estimates": (), "confidence": None}, ["The conversation stayed with the model"]),
    "named": ({"chosen": None, "mode": "named", "estimates": ()}, ["The caller named the model"]),
    "failed routing": ({"chosen": None, "mode": "fallback", "estimates": ()}, ["did not get to decide"]),
    "stood in": ({"model": "ok-large"}, ["answered by"]),
    "nobody": ({"model": None, "outcome": "error", "status": 502, "error": "upstream_failed"}, ["nobody", "error 502", "upstream_failed"]),
    "tokens": (
        {"input_tokens": 1200, "output_tokens": 30, "cached_tokens": 1000, "reasoning_tokens": 7, "usage_estimated": True},
        ["1,200 in, 30 out", "1,000 cached", "7 reasoning", "estimated"],
    ),
    "attempts": (
        {"attempts": [{"model": "ok-large", "outcome": "timeout", "status": None, "seconds": 5.0}, {"model": "ok-small"}]},
        ["timeout", "5.0 s"],
    ),
    "hash": ({"prompt_hash": "ab" * 32}, ["Only its hash is kept", "ab" * 32]),
    "nothing kept": ({}, ["Nothing of the prompt is kept"]),
    "full": ({"prompt": PAYLOADS[0] * 3, "prompt_hash": "0"}, ["&lt;script&gt;window.ran = 1"]),
    "hostile names": (
        {"chosen": None, "model": PAYLOADS[0], "asked_model": PAYLOADS[1], "session": PAYLOADS[2], "error": PAYLOADS[0],
         "request_id": PAYLOADS[1], "router": PAYLOADS[0], "path": PAYLOADS[1], "mode": PAYLOADS[0], "reward": PAYLOADS[1],
         "attempts": [{"model": PAYLOADS[0], "outcome": PAYLOADS[1]}], "constraints": {"models": [PAYLOADS[0]]}},
        ["&lt;img src=x"],
    ),
    "not a number": ({"estimates": [("ok-small", None, None, None, None)], "willingness_to_pay": None}, ["stayed with"]),
}  # fmt: skip


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with dashboard(tmp_path_factory.mktemp("decision")) as running:
        yield running


@pytest.mark.parametrize("name", list(CASES))
def test_a_decision_in_words(gateway: Gateway, name: str) -> None:
    fields, told = CASES[name]
    now = time.time()
    known: dict[str, Any] = {
        "at": now, "path": "/v1/chat/completions", "asked_model": "auto", "chosen": "ok-small",
        "model": "ok-small", "willingness_to_pay": 0.01, "reward": "exponential",
        "estimates": ESTIMATES, "confidence": 0.5, "cost_usd": 1e-4, "total_s": 0.2,
        "predicted_quality": 0.6, "predicted_cost_usd": 1e-4, "router": "abc",
    }  # fmt: skip
    record = DecisionRecord(decision_id=new_decision_id(now), **{**known, **fields})
    gateway.app.state.parts.reading.store().write([record])
    response = gateway.client.get(f"/ui/decisions/{record.decision_id}")
    assert response.status_code == 200
    for words in told:
        assert words in response.text
    listed = gateway.client.get("/ui/decisions").text
    assert record.decision_id in listed
    for payload in PAYLOADS[:3]:
        assert payload not in response.text
        assert payload not in listed


def test_hostile_names_leave_every_page_whole(gateway: Gateway) -> None:
    """After the records above: names that are scripts in every sum and table."""
    for page in ("/ui/", "/ui/models", "/ui/router", "/ui/frontier", "/ui/shadow"):
        text = gateway.client.get(f"{page}?range=1h").text
        for payload in PAYLOADS[:3]:
            assert payload not in text
