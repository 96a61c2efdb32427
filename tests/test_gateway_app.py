"""The gateway as its clients see it: real sockets, a real router, an upstream that misbehaves."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from gateways import USAGE, Gateway, Upstream, running_gateway, running_upstream, toml

from onehead import Router
from onehead.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODELS: dict[str, dict[str, Any]] = {
    "good-cheap": {"like": "gpt-3.5-turbo-1106"},
    "good-dear": {
        "like": "gpt-4o-2024-05",
        "input_usd_per_million": 5.0,
        "output_usd_per_million": 15.0,
        "cached_input_usd_per_million": 0.5,
    },
    "renamed": {"upstream_model": "good-inner", "body": {"temperature": 0.5}, "auto": False},
    "echo": {"auto": False},
    "tool": {"auto": False},
    "quiet": {"auto": False},
    "unnamed": {"auto": False, "upstream_model": "unnamed-x"},
    "hang": {"auto": False},
    "pause": {"auto": False},
    "cut": {"auto": False},
    "raw-text/html|<html>": {"auto": False},
    "status-400": {"auto": False},
    "status-401": {"auto": False},
    "status-500": {"auto": False},
}
QUICK = """
[upstreams]
retries = 0
retry_base_s = 0.001
breaker_failures = 1000
"""


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with running_upstream() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    with running_gateway(toml(upstream.url, folder, MODELS, QUICK)) as running:
        yield running


def error(response: httpx.Response) -> dict[str, Any]:
    document = response.json()
    assert set(document) == {"error"}
    assert set(document["error"]) == {"message", "type", "code", "param"}
    found: dict[str, Any] = document["error"]
    return found


def events(response: httpx.Response) -> list[Any]:
    data = [line[6:] for line in response.text.splitlines() if line.startswith("data: ")]
    return [one if one == "[DONE]" else json.loads(one) for one in data]


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


# --- when upstreams fail


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", ["status-500", "later-429-1", "status-401", "raw-text/html|<h>",
                                   "cutearly", "flaky-9"])  # fmt: skip
def test_the_next_best_model_takes_over(
    upstream: Upstream, tmp_path: Path, fault: str, stream: bool
) -> None:
    models = {
        "first": {**MODELS["good-dear"], "upstream_model": fault},
        "second": {**MODELS["good-cheap"], "upstream_model": "good"},
    }
    with running_gateway(toml(upstream.url, tmp_path, models, QUICK)) as gateway:
        response = gateway.chat("auto@1000", "Prove Fermat's last theorem.", stream=stream)
        assert response.status_code == 200
        assert response.headers["x-onehead-model"] == "second"
        row = gateway.logged(response)
        assert (row["chosen"], row["model"], row["outcome"]) == ("first", "second", "ok")
        assert row["cost_usd"] == pytest.approx(28e-6)  # the failed attempt is not billed
        *failed, last = [one["outcome"] for one in row["attempts"]]
        assert failed
        assert "ok" not in failed
        assert last == "ok"
        assert response.headers["x-onehead-attempts"] == str(len(row["attempts"]))


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [("status-500", 502, None), ("status-401", 502, None), ("raw-text/html|<html>", 502, None)],
)
def test_what_no_model_answers_is_one_clear_error(
    gateway: Gateway, model: str, status: int, code: str | None
) -> None:
    response = gateway.chat(model)
    assert response.status_code in {status, 500}
    told = error(response)
    assert "sk-upstream-secret" not in response.text
    assert told["message"]
    row = gateway.logged(response)
    assert row["outcome"] == "error"
    assert not row["cost_usd"]


def test_a_callers_own_mistake_comes_back_as_it_is(gateway: Gateway) -> None:
    response = gateway.chat("status-400")
    assert response.status_code == 400
    assert error(response)["message"] == "stub 400"


def test_a_router_that_fails_hands_over_to_the_fallback(
    upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = QUICK + '[routing]\nfallback = "good-dear"\n'
    with running_gateway(toml(upstream.url, tmp_path, MODELS, extra)) as gateway:

        def broken(texts: object, **options: object) -> None:
            raise RuntimeError("the network is damaged; prompt: secret text")

        monkeypatch.setattr(gateway.app.state.router, "represent", broken)
        response = gateway.chat("auto:cheap")
        assert response.status_code == 200
        assert response.headers["x-onehead-model"] == "good-dear"
        row = gateway.logged(response)
        assert (row["mode"], row["error"]) == ("fallback", "router_failed: RuntimeError")


# --- what is asked wrongly


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"", 400, "not JSON"),
        (b"{", 400, "not JSON"),
        (b"[]", 400, "not an object"),
        (b'{"model": 1}', 400, "of type int"),
        (b'{"messages": []}', 400, "no 'model'"),
        (b'{"model": "auto", "messages": []}', 400, "at least one message"),
        (b'{"model": "auto", "messages": "hi"}', 400, "must be a list"),
        (b'{"model": "auto\xff"}', 400, "not UTF-8"),
        (b'{"model": "auto:dear", "messages": [{"role":"user","content":"x"}]}', 400, "'dear'"),
        (b'{"model": "auto@x", "messages": [{"role":"user","content":"x"}]}', 400, "not a number"),
        (b'{"model": "auto@-1", "messages": [{"role":"user","content":"x"}]}', 400, "positive"),
        (b'{"model": "nobody", "messages": []}', 404, "does not exist"),
        (b'{"model": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", 400, "nested too deeply"),
        (
            b'{"model": "auto", "messages": [{"role":"user","content":' + b"[" * 50_000,
            400,
            "nested",
        ),
    ],
)
def test_bad_bodies_are_refused_in_openais_shape(
    gateway: Gateway, content: bytes, status: int, words: str
) -> None:
    response = gateway.client.post("/v1/chat/completions", content=content)
    assert response.status_code == status
    assert words in error(response)["message"]
    assert response.headers["x-request-id"]


def test_nobody_eligible_says_why(gateway: Gateway) -> None:
    response = gateway.chat("auto", onehead={"max_cost_usd": 1e-12})
    assert response.status_code == 422
    assert "good-cheap costs about" in error(response)["message"]


def test_large_bodies_are_refused(upstream: Upstream, tmp_path: Path) -> None:
    text = toml(upstream.url, tmp_path, {"good": {}}, "[gateway]\nmax_body_mb = 1\n")
    with running_gateway(text) as gateway:
        assert gateway.chat("auto", "x" * 2_000_000).status_code == 413
        assert gateway.chat("auto", "x" * 900_000).status_code == 200


def test_unknown_paths_and_methods(gateway: Gateway) -> None:
    assert error(gateway.client.get("/nowhere"))["code"] == "not_found"
    assert gateway.client.get("/v1/decision").status_code == 405
    assert error(gateway.client.get("/v1/files"))["param"] == "model"


def test_a_web_page_cannot_use_an_open_gateway(gateway: Gateway) -> None:
    cross = gateway.chat("auto", headers={"origin": "https://evil.example"})
    assert cross.status_code == 403
    rebound = gateway.chat("auto", headers={"host": "evil.example"})
    assert rebound.status_code == 403
    assert gateway.client.get("/v1/models", headers={"host": "evil.example"}).status_code == 403


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
        assert error(gateway.chat("auto"))["code"] == "invalid_api_key"
        assert gateway.chat("auto", headers={"authorization": "Bearer no"}).status_code == 401
        assert gateway.client.get("/metrics").status_code == 401
        assert gateway.client.get("/v1/models").status_code == 401
        assert gateway.client.get("/health").status_code == 200
        poor, picky = ({"authorization": f"Bearer {key}"} for key in environment.values())
        assert gateway.chat("good-cheap", headers=poor).status_code == 200
        spent = gateway.chat("good-cheap", headers=poor)
        while spent.status_code == 200:
            spent = gateway.chat("good-cheap", headers=poor)
        assert (spent.status_code, error(spent)["code"]) == (429, "insufficient_quota")
        assert spent.headers["x-should-retry"] == "false"
        assert gateway.chat("good-dear", headers=picky).status_code == 403
        dear = gateway.chat("auto@1000", "Prove it.", headers=picky)
        assert dear.headers["x-onehead-model"] == "good-cheap"
        listed = gateway.client.get("/v1/models", headers=picky).json()["data"]
        assert "good-dear" not in {one["id"] for one in listed}


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
