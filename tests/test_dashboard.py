"""The pages and their JSON, before a real gateway with real traffic."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from dashboards import HOSTILE_MODEL, MODELS, PAYLOADS, PROMPTS, dashboard, send_traffic

from onehead import Router
from onehead.artifact import load
from onehead.dashboard.insight import Insight
from onehead.router import bundled_path
from onehead.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateways import Gateway

    from onehead.artifact import Artifact

PAGES = (
    "/ui/",
    "/ui/playground",
    "/ui/frontier",
    "/ui/decisions",
    "/ui/models",
    "/ui/router",
    "/ui/shadow",
)
APIS = ("overview", "frontier", "models", "router", "shadow")
MARK = {"x-onehead-ui": "1"}


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, list[str]]]:
    with dashboard(tmp_path_factory.mktemp("used"), store='prompts = "full"') as gateway:
        ids = send_traffic(gateway)
        gateway.chat(HOSTILE_MODEL, "named")
        gateway.row(ids[-1])
        yield gateway, ids


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Gateway]:
    with dashboard(tmp_path) as gateway:
        yield gateway


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_whole_and_guarded(used: tuple[Gateway, list[str]], path: str) -> None:
    response = used[0].client.get(path)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = response.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "same-origin"
    assert response.headers["cache-control"] == "no-store"
    text = response.text
    assert text.count("<h1>") == 1
    assert '<a class="skip" href="#content">' in text
    assert re.search(r'<html lang="en">', text)
    assert not re.search(r"<script(?![^>]*src=)", text), "an inline script"
    assert not re.search(r'\sstyle="', text), "an inline style"
    for payload in PAYLOADS[:3]:
        assert payload not in text
    for label in re.findall(r'<label for="([^"]+)"', text):
        assert f'id="{label}"' in text


@pytest.mark.parametrize("name", APIS)
@pytest.mark.parametrize("chosen", ["1h", "24h", "7d", "30d", "all"])
def test_documents_over_every_range(
    used: tuple[Gateway, list[str]], name: str, chosen: str
) -> None:
    response = used[0].client.get(f"/ui/api/{name}?range={chosen}&full=640&half=300")
    assert response.status_code == 200, response.text
    document = response.json()
    assert document["empty"] is (name == "shadow")
    for spec in document["charts"].values():
        assert spec is None or spec["$schema"].endswith("v6.json")


def test_the_overview_counts_what_was_sent(used: tuple[Gateway, list[str]]) -> None:
    gateway, ids = used
    cards = gateway.client.get("/ui/api/overview?range=1h").json()["cards"]
    assert cards["requests"]["value"] == str(len(ids) + 1)
    assert cards["errors"]["value"] == "0.0%"
    assert cards["best"]["note"].startswith(("9", "8", "7"))
    assert "less than ok-large, expected quality −0." in cards["best"]["note"]


def test_the_page_shows_what_the_document_says(used: tuple[Gateway, list[str]]) -> None:
    gateway = used[0]
    page, document = (
        gateway.client.get(p).text for p in ("/ui/?range=1h", "/ui/api/overview?range=1h")
    )
    told = json.loads(document)
    assert f'data-shape="{told["shape"]}"' in page
    assert f"<span>{told['cards']['requests']['value']}</span>" in page


@pytest.mark.parametrize(
    "query",
    ["", "?model=ok-small", "?outcome=ok&mode=auto", "?text=primes", "?min_cost=0.0000001",
     "?range=1h", "?session=none", "?failed=1", "?text=%3Cscript%3E"],
)  # fmt: skip
def test_decisions_can_be_searched(used: tuple[Gateway, list[str]], query: str) -> None:
    response = used[0].client.get(f"/ui/decisions{query}")
    assert response.status_code == 200
    assert PAYLOADS[0] not in response.text


def test_pages_of_decisions_are_whole_and_disjoint(used: tuple[Gateway, list[str]]) -> None:
    gateway, ids = used
    for _turn in range(2):
        send_traffic(gateway, 1)
    seen: list[str] = []
    path = "/ui/decisions"
    while path:
        text = gateway.client.get(path).text
        seen += re.findall(r'href="/ui/decisions/(dec_[0-9a-f]{32})"', text)
        following = re.search(r'rel="next" href="([^"]+)"', text)
        path = following[1].replace("&amp;", "&") if following else ""
    assert len(seen) == len(set(seen)) >= len(ids)
    assert seen == sorted(seen, reverse=True)


def test_one_decision_tells_all(used: tuple[Gateway, list[str]]) -> None:
    gateway, ids = used
    text = gateway.client.get(f"/ui/decisions/{ids[7]}").text
    assert "is the best trade at a willingness to pay of" in text
    for model in ("ok-small", "ok-large"):
        assert model in text
    assert "&lt;img src=x" in text
    assert PAYLOADS[1] not in text


@pytest.mark.parametrize("name", ["dec_" + "0" * 32, "nonsense", "<script>"])
def test_an_unknown_decision_says_so(used: tuple[Gateway, list[str]], name: str) -> None:
    response = used[0].client.get(f"/ui/decisions/{name}")
    assert response.status_code == 404
    assert "decision" in response.text
    assert "<script>" not in response.text.replace("<script src", "")


@pytest.mark.parametrize(
    "path",
    [
        "/ui/?range=2h",
        "/ui/decisions?min_cost=x",
        "/ui/decisions?range=soon",
        "/ui/api/overview?range=%3Cb%3E",
    ],
)
def test_a_wrong_query_says_what_is_right(used: tuple[Gateway, list[str]], path: str) -> None:
    response = used[0].client.get(path)
    assert response.status_code == 400
    assert "text/html" not in response.headers["content-type"] or "<b>" not in response.text


@pytest.mark.parametrize("width", ["", "9" * 40, "-5", "abc", "1e9"])
def test_any_width_is_taken_within_reason(used: tuple[Gateway, list[str]], width: str) -> None:
    response = used[0].client.get(f"/ui/api/overview?full={width}&half={width}")
    assert response.status_code == 200
    assert 180 <= response.json()["charts"]["choice"]["width"] <= 1600


@pytest.mark.parametrize(
    "path", ["/ui/nothing", "/ui/%3Cb%3E", "/ui/decisions/", "/ui/api/nothing"]
)
def test_a_path_to_nowhere_says_so(used: tuple[Gateway, list[str]], path: str) -> None:
    response = used[0].client.get(path)
    assert response.status_code == 404
    assert "there is no page" in response.text
    assert "<b>" not in response.text


def test_the_bare_name_leads_to_the_pages(used: tuple[Gateway, list[str]]) -> None:
    response = used[0].client.get("/ui")
    assert response.status_code == 308
    assert response.headers["location"] == "/ui/"
    assert used[0].client.post("/ui/models").status_code == 405


def test_empty_ranges_say_so_and_how_to_fill_them(fresh: Gateway) -> None:
    text = fresh.client.get("/ui/?range=7d").text
    assert "No requests in the last 7 days yet" in text
    assert "/v1/chat/completions" in text
    assert "No decisions yet" in fresh.client.get("/ui/decisions").text
    assert "Shadow mode is off" in fresh.client.get("/ui/shadow").text
    assert "training prompts" in fresh.client.get("/ui/frontier").text
    assert "No feedback in this range" in fresh.client.get("/ui/models").text
    assert "No routed requests in this range" in fresh.client.get("/ui/router").text
    assert "No decision fits" in fresh.client.get("/ui/decisions?model=ok-small").text


def test_a_store_that_is_away_breaks_no_more_than_its_pages(fresh: Gateway, tmp_path: Path) -> None:
    assert fresh.client.get("/ui/").status_code == 200
    with sqlite3.connect(tmp_path / "log.db") as connection:
        connection.execute("ALTER TABLE rollup RENAME TO elsewhere")
    for path in ("/ui/", "/ui/api/overview"):
        response = fresh.client.get(path)
        assert response.status_code == 503
        assert "the decision log cannot be read now" in response.text
    assert fresh.client.get("/ui/playground").status_code == 200
    assert fresh.chat().status_code == 200


@pytest.mark.parametrize("what", ["garbage", "newer"])
def test_a_store_that_cannot_be_read_is_named(tmp_path: Path, what: str) -> None:
    path = tmp_path / "log.db"
    if what == "garbage":
        path.write_bytes(b"no database at all" * 100)
    else:
        Store.open(f"sqlite:///{path}").close()
        with sqlite3.connect(path) as connection:
            connection.execute("INSERT INTO migrations (name, at) VALUES ('9999_later', 0)")
    with dashboard(tmp_path) as gateway:
        for page in ("/ui/", "/ui/decisions", "/ui/models", "/ui/shadow"):
            response = gateway.client.get(page)
            assert response.status_code == 503
            assert "log.db" in response.text
            assert "Skip to the content" in response.text
        assert gateway.client.get("/ui/playground").status_code == 200


def test_feedback_of_the_page_reaches_the_log(used: tuple[Gateway, list[str]]) -> None:
    gateway, ids = used
    body = {"decision_id": ids[0], "quality": 1, "comment": PAYLOADS[0]}
    assert gateway.post("/ui/api/feedback", body, headers=MARK).status_code == 200
    store = gateway.app.state.parts.reading.store()
    pause, turns = threading.Event(), iter(range(200))
    while not store.feedback(ids[0]):
        assert next(turns, None) is not None, "the feedback was never logged"
        pause.wait(0.02)
    assert store.feedback(ids[0])[0].source == "dashboard"
    text = gateway.client.get(f"/ui/decisions/{ids[0]}").text
    assert PAYLOADS[0] not in text
    assert "window.ran = 1" in text
    models = gateway.client.get("/ui/api/models?range=1h").json()
    assert models["charts"]["reliability"] is not None
    assert models["tables"]["calibration"][0][1] == "1"


@pytest.mark.parametrize(
    ("body", "status"),
    [({"decision_id": "dec_" + "0" * 32, "quality": 1}, 404), ({"quality": 1}, 400),
     ({"decision_id": "x", "quality": 7}, 400), ({"decision_id": "x", "quality": 1, "more": 1}, 400)],
)  # fmt: skip
def test_feedback_that_cannot_be_taken(
    used: tuple[Gateway, list[str]], body: dict, status: int
) -> None:
    response = used[0].post("/ui/api/feedback", body, headers=MARK)
    assert response.status_code == status, response.text
    assert response.json()["error"]["message"]


def test_the_playground_estimates_as_the_gateway_decides(used: tuple[Gateway, list[str]]) -> None:
    gateway = used[0]
    prompt = "Prove that the square root of 2 is irrational."
    found = gateway.post("/ui/api/estimate", {"prompt": prompt}, headers=MARK).json()
    decided = gateway.post("/v1/decision", {"prompt": prompt}).json()
    assert [one["model"] for one in found["models"]] == list(MODELS)
    for one, other in zip(found["models"], decided["estimates"], strict=True):
        assert one["quality"] == other["quality"]
        assert one["cost_usd"] == other["cost_usd"]
    assert found["confidence"] == decided["confidence"]
    assert found["kinds"][0]["share"] >= found["kinds"][1]["share"]


@pytest.mark.parametrize("body", [{}, {"prompt": 3}, {"prompt": "x", "more": 1}, []])
def test_the_playground_refuses_what_is_no_prompt(
    used: tuple[Gateway, list[str]], body: object
) -> None:
    assert used[0].post("/ui/api/estimate", body, headers=MARK).status_code == 400


def test_looking_is_not_logged(fresh: Gateway) -> None:
    fresh.post("/ui/api/estimate", {"prompt": "hello"}, headers=MARK)
    fresh.client.get("/ui/")
    assert fresh.app.state.parts.reading.store().count() == 0


def test_shadow_mode_is_told(tmp_path: Path) -> None:
    with dashboard(tmp_path, routing='shadow = "ok-large"') as gateway:
        assert "Shadow mode is on, but no request" in gateway.client.get("/ui/shadow").text
        ids = send_traffic(gateway, 1)
        gateway.row(ids[-1])
        document = gateway.client.get("/ui/api/shadow?range=1h").json()
    assert document["cards"]["requests"]["value"] == str(len(ids))
    assert document["cards"]["share"]["value"].startswith(("8", "9"))
    moves = document["tables"]["moves"]
    assert sum(int(row[2]) for row in moves) == len(ids)
    assert all(row[0] == "ok-large" for row in moves)
    assert document["tables"]["falls"][0][0]["href"].startswith("/ui/decisions/dec_")


def test_evidence_adds_up_to_the_estimate() -> None:
    """The kinds' mean and the anchors' part, calibrated, are the quality that the network gives."""
    artifact = load(bundled_path())
    router, insight = Router.load(), Insight(artifact)
    features = router.represent(["What is the capital of France?", "Which of these is a mammal?"])
    estimates = router.estimate_features(features)
    assert (estimates.confidence > 0.5).all()  # below, estimates lean on what is usual
    quality = estimates.quality
    slope, offset = (np.asarray(artifact.arrays[f"quality.{name}"]) for name in ("slope", "offset"))
    for row, one in enumerate(features):
        found = insight.evidence(one)
        assert found is not None
        mean = np.clip(found.prior + found.anchors, 1e-4, 1 - 1e-4)
        logit = slope * np.log(mean / (1 - mean)) + offset
        assert np.allclose(1 / (1 + np.exp(-logit)), quality[row], atol=2e-4)
        assert found.kinds.sum() == pytest.approx(1)
        assert found.weights.sum() == pytest.approx(1)
    assert len(set(insight.kinds)) == len(insight.kinds) == len(found.kinds)


def test_every_picture_has_its_figures_beside_it(used: tuple[Gateway, list[str]]) -> None:
    for name in ("overview", "router", "models"):
        document = used[0].client.get(f"/ui/api/{name}?range=1h").json()
        drawn = {chart for chart, spec in document["charts"].items() if spec is not None}
        assert drawn
        assert drawn <= {table for table, rows in document["tables"].items() if rows}


def test_shadow_by_the_callers_own_model(tmp_path: Path) -> None:
    with dashboard(tmp_path, routing='shadow = "caller"') as gateway:
        ids = [gateway.chat("ok-large", text).headers["x-onehead-decision-id"] for text in PROMPTS]
        gateway.row(ids[-1])
        document = gateway.client.get("/ui/api/shadow?range=1h").json()
    assert document["cards"]["requests"]["value"] == str(len(PROMPTS))


def test_failing_models_are_seen_to_fail(tmp_path: Path) -> None:
    """A cheap and good model whose upstream breaks: others stand in, and its breaker opens."""
    broken = {"status-500": {**MODELS["ok-small"], "like": "gemini-1.5-pro-002"}, **MODELS}
    with dashboard(tmp_path, models=broken) as gateway:
        ids = send_traffic(gateway, 1)
        refused = gateway.chat("status-500")
        assert refused.status_code >= 500
        gateway.row(ids[-1])
        gateway.row(refused.headers["x-onehead-decision-id"])
        cards = gateway.client.get("/ui/api/overview?range=1h").json()["cards"]
        health = gateway.client.get("/ui/api/models?range=1h").json()["tables"]["health"]
        first = gateway.client.get(f"/ui/decisions/{ids[0]}").text
        failed = gateway.client.get("/ui/decisions?outcome=error").text
    assert cards["errors"]["note"] == "1 requests"
    assert int(cards["fallbacks"]["note"].split()[0]) >= 1
    states = {row[0]["text"]: row[1] for row in health}
    assert states["status-500"] == "resting"
    assert states["ok-small"] == "well"
    assert "Attempts" in first
    assert "status-500" in first
    assert refused.headers["x-onehead-decision-id"] in failed


def test_a_router_of_another_recipe_shows_what_it_has(
    fresh: Gateway, artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    insight = Insight(artifact)
    assert not insight.known
    assert insight.evidence(np.zeros(3, np.float32)) is None
    monkeypatch.setattr("onehead.dashboard.context.Context.insight", insight)
    assert "keeps no quality by kind of prompt" in fresh.client.get("/ui/models").text
    assert "none kept" in fresh.client.get("/ui/router").text
    found = fresh.post("/ui/api/estimate", {"prompt": "hi"}, headers=MARK).json()
    assert found["near"] is None
    assert found["confidence"] is not None


def test_a_router_without_profiles_says_why_there_is_no_curve(
    fresh: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onehead.dashboard.context.Context.profiles", {})
    assert "keeps no profiles of its models" in fresh.client.get("/ui/frontier").text


def test_a_reload_shows_the_new_configuration(tmp_path: Path) -> None:
    with dashboard(tmp_path) as gateway:
        assert "ok-large" in gateway.client.get("/ui/models").text
        config = gateway.app.config
        fewer = replace(config, models=config.models[:1])
        asyncio.run_coroutine_threadsafe(gateway.app.reload(fewer), gateway.app.loop).result(20)
        assert "ok-large" not in gateway.client.get("/ui/models").text
