"""Upstreams that fail, requests that are wrong: what clients of the gateway are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
