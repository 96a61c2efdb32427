"""`onehead models import`, against a pretended upstream, and the price tables that it reads."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from onehead.cli import models_import
from onehead.cli.run import run
from onehead.config import parse_config
from onehead.config.prices import SHIPPED, read_prices, shipped_prices

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Upstream:
    """Answers `GET …/models` and remembers what it was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.requests: list[httpx.Request] = []
        self.answer: Callable[[], httpx.Response] = lambda: httpx.Response(200, json={"data": []})
        monkeypatch.setattr("onehead.cli.models_import._client", self.client)

    def client(self) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(self.handle))

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.answer()

    def offers(self, *rows: Any) -> None:
        self.answer = lambda: httpx.Response(200, json={"object": "list", "data": list(rows)})


@pytest.fixture
def upstream(monkeypatch: pytest.MonkeyPatch) -> Upstream:
    return Upstream(monkeypatch)


def imported(url: str, *words: str) -> int:
    return run(["models", "import", "--base-url", url, *words])


OPENROUTER = {
    "id": "vendor/model",
    "context_length": 131072,
    "pricing": {
        "prompt": "0.00000015",
        "completion": "0.0000006",
        "input_cache_read": "0.000000075",
        "request": "0",
    },
    "top_provider": {"max_completion_tokens": 16384},
    "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
    "supported_parameters": ["tools", "structured_outputs", "temperature"],
}


def test_import_takes_what_the_upstream_states(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROUTER_KEY", "sk-planted")
    zero = {"prompt": "0", "completion": "0"}
    upstream.offers(OPENROUTER, {"id": "vendor/model:free", "pricing": zero})
    words = ["--api-key-env", "ROUTER_KEY", "--like", "gpt-4o-2024-05"]
    assert imported("https://openrouter.ai/api/v1/", *words) == 0
    out, err = capsys.readouterr()
    assert "planted" not in out + err
    assert str(upstream.requests[0].url) == "https://openrouter.ai/api/v1/models"
    assert upstream.requests[0].headers["authorization"] == "Bearer sk-planted"
    config = parse_config(out, environment={"ROUTER_KEY": "k"}, where="out")
    paid, free = config.models
    assert (paid.input_usd_per_million, paid.output_usd_per_million) == (0.15, 0.6)
    assert paid.cached_input_usd_per_million == 0.075
    assert (paid.context_window, paid.max_output_tokens) == (131072, 16384)
    assert {"tools", "vision", "json_schema", "streaming"} <= paid.capabilities
    assert "audio" not in paid.capabilities
    assert (paid.like, free.like, free.free) == ("gpt-4o-2024-05", "gpt-4o-2024-05", True)
    assert "# Prices: the upstream's list. Check them." in out


OURS = {
    "id": "m",
    "context_window": 8192,
    "capabilities": ["tools", "chat", "streaming"],
    "pricing": {
        "input_usd_per_million": 1.0,
        "cached_input_usd_per_million": None,
        "output_usd_per_million": 2.0,
        "request_usd": 0.0,
    },
}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (OURS, {"input_usd_per_million": 1.0, "output_usd_per_million": 2.0}),
        (OURS, {"context_window": 8192, "capabilities": ["tools", "streaming", "chat"]}),
        ({"id": "m", "max_model_len": 4096}, {"context_window": 4096}),
        ({"id": "m", "meta": {"n_ctx": 2048}}, {"context_window": 2048}),
        ({"id": "m", "pricing": {"input": 0.88, "output": 0.9}}, {"output_usd_per_million": 0.9}),
        (
            {"id": "m", "capabilities": {"function_calling": True, "vision": False}},
            {"capabilities": ["tools", "json_schema", "streaming"]},
        ),
        ({"id": "m", "context_length": "many"}, {}),
        ({"id": "m", "context_length": -1, "context_window": True}, {}),
        ({"id": "m", "pricing": {"prompt": "-1", "completion": "-1"}}, {}),
        ({"id": "m", "pricing": {"prompt": "NaN", "completion": "x"}}, {}),
        ({"id": "m", "pricing": {"prompt": "0.1"}}, {}),
        ({"id": "m", "pricing": {"input": 0, "output": 0}}, {}),
        ({"id": "m", "pricing": 3, "meta": [], "architecture": "x"}, {}),
    ],
)
def test_import_reads_every_dialect(
    row: dict[str, Any],
    expected: dict[str, Any],
    upstream: Upstream,
    capsys: pytest.CaptureFixture[str],
) -> None:
    upstream.offers(row)
    assert imported("http://h/v1", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    (model,) = document["models"]
    known = {name: value for name, value in model.items() if name not in ("id", "base_url")}
    assert expected.items() <= known.items()
    if not expected:
        assert known == {"source": None}
        assert document["missing_prices"] == ["m"]


def test_unknown_prices_are_comments_that_check_refuses(
    upstream: Upstream, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upstream.offers({"id": "some-${odd}-model"}, {"id": "gpt-4o-mini"})
    path = tmp_path / "new.toml"
    assert imported("http://127.0.0.1:8000/v1", "--out", str(path)) == 0
    assert "no price known for 1 of 2" in capsys.readouterr().err
    text = path.read_text("utf-8")
    assert "# input_usd_per_million =" in text
    assert "OpenAI list prices, as of 20" in text
    assert run(["config", "check", str(path)]) == 2
    err = capsys.readouterr().err
    assert "models[0].input_usd_per_million (model 'some-${odd}-model'): missing" in err
    assert imported("http://127.0.0.1:8000/v1", "--out", str(path)) == 2
    assert "exists; name a new file" in capsys.readouterr().err
    assert path.read_text("utf-8") == text


def test_own_prices_come_first(
    upstream: Upstream, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"model": "gpt-4o", "input_usd_per_million": 9, "output_usd_per_million": 10},
        {"model": "vendor/model", "free": True, "context_window": 5},
    ]
    path = tmp_path / "prices.json"
    path.write_text(json.dumps({"prices": rows, "as_of": "2026-11"}), "utf-8")
    upstream.offers({"id": "gpt-4o"}, OPENROUTER)
    assert imported("http://h/v1", "--prices", str(path), "--json") == 0
    paid, free = json.loads(capsys.readouterr().out)["models"]
    assert (paid["input_usd_per_million"], paid["source"]) == (9, "prices.json, as of 2026-11")
    assert "cached_input_usd_per_million" not in paid
    assert (free["free"], free["context_window"]) == (True, 5)


def test_prices_of_open_weights_hold_at_their_host_only(
    upstream: Upstream, capsys: pytest.CaptureFixture[str]
) -> None:
    upstream.offers({"id": "llama-3.1-8b-instant"}, {"id": "models/gemini-2.5-flash"})
    for url, missing in (
        ("https://api.groq.com/openai/v1", []),
        ("http://h/v1", ["llama-3.1-8b-instant"]),
        ("http://notapi.groq.com.evil/v1", ["llama-3.1-8b-instant"]),
    ):
        assert imported(url, "--json") == 0
        assert json.loads(capsys.readouterr().out)["missing_prices"] == missing


def test_models_that_cannot_be_used_are_left_out(
    upstream: Upstream, capsys: pytest.CaptureFixture[str]
) -> None:
    upstream.offers(
        {"id": "good"},
        {"id": "good"},
        {"id": "auto:best"},
        {"id": "a\x1b[31m"},
        {"id": 7},
        "x",
        {"id": "pictures", "type": "image"},
        {"id": "vectors", "capabilities": {"completion_chat": False}},
        {"id": "sound", "architecture": {"output_modalities": ["audio"]}},
    )
    assert imported("http://h/v1", "--json") == 0
    out, err = capsys.readouterr()
    assert [model["id"] for model in json.loads(out)["models"]] == ["good"]
    assert err.count("left out:") == 7
    assert "\x1b" not in err
    upstream.offers({"id": "good"}, {"id": "better"})
    assert imported("http://h/v1", "--models", "better", "--json") == 0
    assert [one["id"] for one in json.loads(capsys.readouterr().out)["models"]] == ["better"]
    assert imported("http://h/v1", "--models", "beter") == 2
    assert "Did you mean 'better'?" in capsys.readouterr().err


def fail_with(error: Exception) -> Callable[[], httpx.Response]:
    def answer() -> httpx.Response:
        raise error

    return answer


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (fail_with(httpx.ConnectError("refused")), "cannot be reached (ConnectError)"),
        (fail_with(httpx.ReadTimeout("slow")), "did not answer in 30 s"),
        (lambda: httpx.Response(401), "answered 401: the key was refused"),
        (lambda: httpx.Response(302, headers={"location": "http://x"}), "leads elsewhere"),
        (lambda: httpx.Response(404), "answered 404. Check the base URL"),
        (lambda: httpx.Response(500), "answered 500. Try later"),
        (lambda: httpx.Response(200, text="<html>"), "did not answer with JSON"),
        (lambda: httpx.Response(200, content=b"[" * 100_000), "did not answer with JSON"),
        (lambda: httpx.Response(200, content=b"\xff\xfe\x00"), "did not answer with JSON"),
        (lambda: httpx.Response(200, json={"models": []}), "is not a list of models"),
        (lambda: httpx.Response(200, json=7), "is not a list of models"),
        (lambda: httpx.Response(200, json={"data": []}), "offers no model"),
    ],
)
def test_import_says_what_the_upstream_answered(
    answer: Callable[[], httpx.Response],
    says: str,
    upstream: Upstream,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("KEY", "sk-planted")
    upstream.answer = answer
    assert imported("http://h/v1", "--api-key-env", "KEY", "--json") == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert says in err
    assert "planted" not in err


def test_import_does_not_follow_redirects_with_a_key() -> None:
    with models_import._client() as client:
        assert not client.follow_redirects
        assert client.timeout.read == 30.0


def test_import_stops_reading_what_is_no_list(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(models_import, "_LARGEST", 100)
    upstream.answer = lambda: httpx.Response(200, content=b" " * 1000)
    assert imported("http://h/v1") == 2
    assert "is it the list?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["h/v1"], "--base-url: a URL begins with http"),
        (["http://u:planted@h/v1"], "holds a user or password"),
        (["http://h/v1", "--api-key-env", "NOT_SET_1"], "NOT_SET_1 is empty or not set"),
        (["http://h/v1", "--api-key-env", "sk-planted"], "not the key itself"),
        (["http://h/v1", "--prices", "nowhere.toml"], "nowhere.toml: No such file"),
    ],
)
def test_import_refuses(
    words: list[str], says: str, upstream: Upstream, capsys: pytest.CaptureFixture[str]
) -> None:
    upstream.offers({"id": "m"})
    assert imported(*words) == 2
    err = capsys.readouterr().err
    assert says in err
    assert "planted" not in err


def test_the_shipped_prices_are_sound() -> None:
    table = shipped_prices()
    document = tomllib.loads(SHIPPED.read_text("utf-8"))
    assert len(table.rows) == len(document["prices"]) >= 40
    for source in table.sources.values():
        assert {"name", "url", "as_of", "hosts"} <= set(source)
    for model, row in table.rows.items():
        assert row["source"] in table.sources, model
        assert 0 < row["input_usd_per_million"] <= row["output_usd_per_million"], model
        assert row.get("cached_input_usd_per_million", 0) < row["input_usd_per_million"], model
        assert row.get("max_output_tokens", 0) <= row["context_window"], model
    assert "check every price" in SHIPPED.read_text("utf-8")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a = ", "cannot be read as a price table"),
        ("a = 1", "no price table"),
        ("prices = 1", "prices: a whole number where a list of tables"),
        ("prices = []\nnotes = 1", "notes: unknown key"),
        ("[[prices]]\nmodel = 'a'", "prices[0].input_usd_per_million: missing"),
        ("[[prices]]\nmodel = 'a'\nfree = true\nsource = 'x'", "prices[0].source (model 'a'): no"),
        ("[[prices]]\nmodel = 'a'\nfree = true\n" * 2, "stands in the table twice"),
        ("[[prices]]\nmodel = 'a'\nfree = true\ninput = 1", "unknown key"),
        (
            "[[prices]]\nmodel = 'a'\ninput_usd_per_million = -1\noutput_usd_per_million = 1",
            "out of range",
        ),
    ],
)
def test_price_tables_that_cannot_be_used(
    text: str, says: str, upstream: Upstream, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(text, "utf-8")
    upstream.offers({"id": "m"})
    assert imported("http://h/v1", "--prices", str(path)) == 2
    assert says in capsys.readouterr().err


def test_a_price_table_can_be_read_alone(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text("prices = []", "utf-8")
    assert read_prices(path).rows == {}
