"""The gateway as its clients see it: real sockets, a real router, an upstream behind it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import pytest
from gateways import (
    MODELS,
    QUICK,
    USAGE,
    Gateway,
    Upstream,
    error,
    events,
    running_gateway,
    running_upstream,
    toml,
)

from onehead import Router
from onehead.router.decision import INTERVAL

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


# --- the way of a request


def test_auto_is_routed_and_says_how(gateway: Gateway) -> None:
    response = gateway.chat("auto:cheap", "What is the capital of France?")
    assert response.status_code == 200
    headers = response.headers
    assert response.json()["model"] == headers["x-onehead-model"] == "good-cheap"
    assert headers["x-onehead-attempts"] == "1"
    assert 0 < float(headers["x-onehead-predicted-quality"]) < 1
    assert float(headers["x-onehead-predicted-cost-usd"]) > 0
    assert 0 < float(headers["x-onehead-overhead-ms"]) < 1000
    # 12 tokens in at 1 USD a million, 8 out at 2.
    assert float(headers["x-onehead-cost-usd"]) == pytest.approx(28e-6)


def test_presets_and_amounts_move_the_choice(gateway: Gateway) -> None:
    hard = "Prove that there are infinitely many primes congruent to 3 modulo 4."
    assert gateway.chat("auto@0.000001", hard).headers["x-onehead-model"] == "good-cheap"
    assert gateway.chat("auto@1000", hard).headers["x-onehead-model"] == "good-dear"
    dear = gateway.chat("auto", hard, onehead={"willingness_to_pay": 1000})
    assert dear.headers["x-onehead-model"] == "good-dear"
    by_header = gateway.chat("auto", hard, headers={"x-onehead-models": "good-cheap"})
    assert by_header.headers["x-onehead-model"] == "good-cheap"


def test_bodies_pass_but_for_the_model_and_our_key(gateway: Gateway, upstream: Upstream) -> None:
    odd = (
        b'{"model": "echo", "onehead": {"debug": false}, "future": {"b": 1.50, "a": [1e3]},'
        b'"messages": [{"role": "user", "content": "h\\u00e9"}], "seed": 123456789012345678901}'
    )
    response = gateway.client.post("/v1/chat/completions", content=odd)
    assert response.status_code == 200
    sent = upstream.requests[-1]["body"]
    for kept in (b'{"b": 1.50, "a": [1e3]}', b"123456789012345678901", b"h\\u00e9"):
        assert kept in sent
    assert b"onehead" not in sent


def test_upstream_names_and_defaults(gateway: Gateway, upstream: Upstream) -> None:
    gateway.chat("renamed", top_p=0.9)
    sent = json.loads(upstream.requests[-1]["body"])
    assert (sent["model"], sent["temperature"], sent["top_p"]) == ("good-inner", 0.5, 0.9)


def test_an_answer_passes_byte_for_byte(gateway: Gateway) -> None:
    response = gateway.chat("tool", tools=[{"type": "function", "function": {"name": "lookup"}}])
    call = response.json()["choices"][0]["message"]["tool_calls"][0]
    assert call["function"]["arguments"] == '{"q": 1}'


def test_an_unnamed_answer_gets_the_models_name(gateway: Gateway) -> None:
    assert gateway.chat("unnamed").json()["model"] == "unnamed"
    streamed = events(gateway.chat("unnamed", stream=True))
    assert {one["model"] for one in streamed[:-1]} == {"unnamed"}


def test_client_headers_stay_here(gateway: Gateway, upstream: Upstream) -> None:
    gateway.chat("echo", headers={"authorization": "Bearer mine", "cookie": "a=b", "x-odd": "1",
                                  "traceparent": "00-1-2-01"})  # fmt: skip
    sent = upstream.requests[-1]["headers"]
    assert "cookie" not in sent
    assert "x-odd" not in sent
    assert "mine" not in sent.get("authorization", "")
    assert sent["traceparent"] == "00-1-2-01"


def test_debug_tells_the_whole_decision(gateway: Gateway) -> None:
    told = gateway.chat("auto", onehead={"debug": True}).json()["onehead"]
    assert {one["model"] for one in told["estimates"]} == {"good-cheap", "good-dear"}
    assert told["reason"]
    streamed = gateway.chat("auto", stream=True, headers={"x-onehead-debug": "true"})
    comment = streamed.text.splitlines()[0]
    assert comment.startswith(": onehead ")
    assert json.loads(comment[10:])["decision_id"] == streamed.headers["x-onehead-decision-id"]


# --- streams


def test_a_stream_passes_event_by_event(gateway: Gateway) -> None:
    response = gateway.chat("good-cheap", stream=True)
    assert response.headers["content-type"].startswith("text/event-stream")
    told = events(response)
    assert told[-1] == "[DONE]"
    text = "".join(one["choices"][0]["delta"]["content"] for one in told[:-1])
    assert text == "The capital of France is Paris."
    assert {one["model"] for one in told[:-1]} == {"good-cheap"}


def test_usage_of_a_stream_is_asked_for_and_hidden(gateway: Gateway, upstream: Upstream) -> None:
    response = gateway.chat("good-cheap", stream=True)
    assert json.loads(upstream.requests[-1]["body"])["stream_options"] == {"include_usage": True}
    assert not any(one.get("usage") for one in events(response)[:-1])
    assert gateway.logged(response)["cost_usd"] == pytest.approx(28e-6)
    asked = gateway.chat("good-cheap", stream=True, stream_options={"include_usage": True})
    assert events(asked)[-2]["usage"] == USAGE


def test_usage_that_is_not_told_is_estimated_and_marked(gateway: Gateway) -> None:
    row = gateway.logged(gateway.chat("quiet", "word " * 100))
    assert row["usage_estimated"]
    assert row["cost_usd"] > 100e-6


def test_a_broken_stream_ends_with_an_error_event(gateway: Gateway) -> None:
    response = gateway.chat("cut", stream=True)
    last = events(response)[-1]
    assert last["error"]["code"] == "stream_broken"
    row = gateway.logged(response)
    assert (row["outcome"], row["error"]) == ("broken", "stream_broken")


def test_a_client_that_goes_is_no_longer_worked_for(gateway: Gateway, upstream: Upstream) -> None:
    body = {"model": "pause", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    with gateway.client.stream("POST", "/v1/chat/completions", json=body) as response:
        next(response.iter_raw())
        decision_id = response.headers["x-onehead-decision-id"]
    assert upstream.gone["pause"].wait(10)
    assert gateway.row(decision_id)["outcome"] == "cancelled"


def test_a_client_that_goes_before_the_answer(gateway: Gateway, upstream: Upstream) -> None:
    with pytest.raises(httpx.ReadTimeout):
        gateway.client.post(
            "/v1/chat/completions",
            json={"model": "hang", "messages": [{"role": "user", "content": "hi"}]},
            timeout=0.3,
        )
    assert upstream.gone["hang"].wait(10)


# --- the other paths


def test_decisions_alone_in_a_batch_and_here_agree(tmp_path: Path) -> None:
    router = Router.load()
    prompts = [
        "What is 2 + 2?",
        "Prove that the square root of 2 is irrational.",
        "Write a haiku on rain.",
        "def f(x):\n    return x +",
        "Wie heißt die Hauptstadt von Österreich? 🎉",
        "Translate to French: good morning " * 50,
    ]
    text = f'[store]\nurl = "sqlite:///{tmp_path}/log.db"\n'
    with running_gateway(text) as gateway:
        for wtp in ("cheap", "balanced", 0.02):
            batch = router.route_many(prompts, willingness_to_pay=wtp)
            for prompt, together in zip(prompts, batch, strict=True):
                alone = router.route(prompt, willingness_to_pay=wtp)
                told = gateway.post(
                    "/v1/decision",
                    {"prompt": prompt, "onehead": {"willingness_to_pay": wtp}},
                ).json()
                assert told["model"] == alone.model == together.model
                here = {one["model"]: one for one in told["estimates"]}
                for one in alone.estimates:
                    assert here[one.model]["quality"] == one.quality
                    assert here[one.model]["cost_usd"] == pytest.approx(one.cost_usd, rel=1e-5)
                    ends = [getattr(one, name) for name in INTERVAL]
                    assert None not in ends[:2]
                    found = [here[one.model][name] for name in INTERVAL]
                    assert found == [end and pytest.approx(end, rel=1e-4) for end in ends]


def test_a_decision_needs_no_upstream_but_an_answer_does(tmp_path: Path) -> None:
    with running_gateway(f'[store]\nurl = "sqlite:///{tmp_path}/log.db"\n') as gateway:
        decision = gateway.post("/v1/decision", {"messages": [{"role": "user", "content": "hi"}]})
        assert decision.status_code == 200
        assert gateway.row(decision.json()["decision_id"])["mode"] == "decision"
        response = gateway.chat("auto")
        assert response.status_code == 503
        assert error(response)["code"] == "no_upstream"


def test_models_are_listed_with_what_they_take(gateway: Gateway) -> None:
    listed = {one["id"]: one for one in gateway.client.get("/v1/models").json()["data"]}
    assert {"auto", "auto:cheap", "auto:balanced", "auto:best"} <= set(listed)
    dear = listed["good-dear"]
    assert dear["pricing"]["cached_input_usd_per_million"] == 0.5
    assert "tools" in dear["capabilities"]
    assert listed["auto:cheap"]["willingness_to_pay"] < listed["auto:best"]["willingness_to_pay"]
    assert gateway.client.get("/v1/models/good-dear").json() == dear
    assert gateway.client.get("/v1/models/nobody").status_code == 404


def test_responses_are_routed_priced_and_followed_up(gateway: Gateway, upstream: Upstream) -> None:
    first = gateway.post("/v1/responses", {"model": "auto@1000", "input": "Prove it."})
    assert first.status_code == 200
    chosen = first.headers["x-onehead-model"]
    row = gateway.logged(first)
    assert (row["input_tokens"], row["output_tokens"]) == (5, 3)
    follow = {"model": "auto:cheap", "input": "Go on", "previous_response_id": first.json()["id"]}
    assert gateway.post("/v1/responses", follow).headers["x-onehead-model"] == chosen
    streamed = gateway.post("/v1/responses", {"model": "auto", "input": "hi", "stream": True})
    assert gateway.logged(streamed)["output_tokens"] == 3


def test_an_answer_is_followed_up_after_a_restart(upstream: Upstream, tmp_path: Path) -> None:
    config = toml(upstream.url, tmp_path, MODELS, QUICK)
    with running_gateway(config) as before:
        first = before.post("/v1/responses", {"model": "auto@1000", "input": "Prove it."})
        chosen = first.headers["x-onehead-model"]
        before.logged(first)
    follow = {"model": "auto:cheap", "input": "Go on", "previous_response_id": first.json()["id"]}
    fresh = {"model": "auto:cheap", "input": "Go on"}
    with running_gateway(config) as after:  # which has only the log to know it from
        assert after.post("/v1/responses", follow).headers["x-onehead-model"] == chosen
        assert after.post("/v1/responses", fresh).headers["x-onehead-model"] != chosen


def test_other_paths_pass_to_the_model_they_name(gateway: Gateway, upstream: Upstream) -> None:
    vectors = gateway.post("/v1/embeddings", {"model": "renamed", "input": ["a"]})
    assert vectors.status_code == 200
    assert json.loads(upstream.requests[-1]["body"])["model"] == "good-inner"
    assert gateway.logged(vectors)["cost_usd"] == pytest.approx(9e-6)
    sound = gateway.post("/v1/audio/speech", {"model": "good-cheap", "input": "hi"})
    assert (sound.content, sound.headers["content-type"]) == (b"\x00sound\xff", "audio/mpeg")
    assert (
        error(gateway.post("/v1/embeddings", {"model": "auto", "input": "a"}))["param"] == "model"
    )


@pytest.mark.parametrize("kind", [None, "application/x-www-form-urlencoded", "text/plain"])
def test_json_is_read_whatever_it_is_called(
    gateway: Gateway, upstream: Upstream, kind: str | None
) -> None:
    headers = {"content-type": kind} if kind else {}
    content = b'{"model": "renamed", "input": "a"}'
    vectors = gateway.client.post("/v1/embeddings", content=content, headers=headers)
    assert vectors.status_code == 200
    assert json.loads(upstream.requests[-1]["body"])["model"] == "good-inner"
    assert upstream.requests[-1]["headers"]["content-type"] == "application/json"


def test_a_forms_model_field_is_renamed(gateway: Gateway, upstream: Upstream) -> None:
    gateway.client.post(
        "/v1/audio/transcriptions",
        data={"model": "renamed", "language": "en"},
        files={"file": ("a.wav", b"\x00\x01model\r\n", "audio/wav")},
    )
    sent = upstream.requests[-1]
    assert b'name="model"\r\n\r\ngood-inner\r\n' in sent["body"]
    assert b"\x00\x01model\r\n" in sent["body"]
    assert sent["headers"]["content-type"].startswith("multipart/form-data; boundary=")


def test_feedback_is_kept_once_and_checked(gateway: Gateway) -> None:
    decision_id = gateway.chat("auto").headers["x-onehead-decision-id"]
    for quality in (0.0, 1.0):
        sent = {"decision_id": decision_id, "quality": quality, "comment": "fine"}
        assert gateway.post("/v1/feedback", sent).status_code == 200
    bad = [
        ({"decision_id": decision_id, "quality": 7}, 400, "0 to 1"),
        ({"decision_id": decision_id}, 400, "quality"),
        ({"quality": 1}, 400, "decision_id"),
        ({"decision_id": decision_id, "quality": 1, "qualty": 1}, 400, "Did you mean 'quality'"),
    ]
    for body, status, words in bad:
        response = gateway.post("/v1/feedback", body)
        assert response.status_code == status
        assert words in error(response)["message"]
    unknown = gateway.post("/v1/feedback", {"decision_id": "dec_" + "0" * 32, "quality": 1})
    assert unknown.status_code == 404
