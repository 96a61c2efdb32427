"""Who may look: keys, sessions, other sites, other names."""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest
from dashboards import dashboard, send_traffic

from onehead.config import KeyConfig
from onehead.dashboard import session
from onehead.dashboard.patience import MOST, Patience
from onehead.dashboard.session import COOKIE, safe_next, token
from onehead.gateway.errors import GatewayError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateways import Gateway

KEYS = """
[[keys]]
name = "ann"
key = "${ANN}"
[[keys]]
name = "bob"
key = "${BOB}"
"""
SECRETS = {"ANN": "sk-ann-0123456789abcdef", "BOB": "sk-bob-0123456789abcdef"}


def sha256(name: str) -> str:
    return hashlib.sha256(SECRETS[name].encode()).hexdigest()


ANN = KeyConfig(name="ann", sha256=sha256("ANN"))
BEARER = {"authorization": f"Bearer {SECRETS['ANN']}"}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("keys")
    with dashboard(
        folder, keys=KEYS, environment=SECRETS, store='prompts = "full"'
    ) as gateway:  # fmt: skip
        gateway.client.headers.update(BEARER)
        ids = send_traffic(gateway, 1)
        gateway.row(ids[-1])
        gateway.ids = ids  # type: ignore[attr-defined]
        del gateway.client.headers["authorization"]
        yield gateway


@pytest.fixture
def browser(kept: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=kept.url, timeout=20) as client:
        yield client


def log_in(
    client: httpx.Client, key: str = SECRETS["ANN"], following: str = "/ui/models"
) -> httpx.Response:
    return client.post("/ui/login", data={"key": key, "next": following})


def test_pages_lead_to_the_login_and_back(browser: httpx.Client) -> None:
    away = browser.get("/ui/models?range=7d")
    assert away.status_code == 303
    assert away.headers["location"] == "/ui/login?next=%2Fui%2Fmodels%3Frange%3D7d"
    form = browser.get(away.headers["location"])
    assert form.status_code == 200
    assert 'value="/ui/models?range=7d"' in form.text
    back = log_in(browser, following="/ui/models?range=7d")
    assert back.status_code == 303
    assert back.headers["location"] == "/ui/models?range=7d"
    assert browser.get("/ui/models").status_code == 200
    assert browser.get("/ui/login").status_code == 303


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(browser: httpx.Client) -> None:
    cookie = log_in(browser).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/ui" in cookie
    assert SECRETS["ANN"] not in cookie


def test_behind_tls_the_cookie_is_for_tls_only(browser: httpx.Client) -> None:
    response = browser.post(
        "/ui/login", data={"key": SECRETS["ANN"]}, headers={"x-forwarded-proto": "https"}
    )
    assert "; secure" in response.headers["set-cookie"].lower()
    browser.cookies.clear()
    assert "; secure" not in log_in(browser).headers["set-cookie"].lower()


@pytest.mark.parametrize("name", ["overview", "models", "router", "frontier", "shadow"])
def test_data_needs_a_session_or_a_key(browser: httpx.Client, name: str) -> None:
    assert browser.get(f"/ui/api/{name}").status_code == 401
    assert (
        browser.get(f"/ui/api/{name}", headers={"authorization": "Bearer sk-wrong"}).status_code
        == 401
    )
    assert browser.get(f"/ui/api/{name}", headers=BEARER).status_code == 200


@pytest.mark.parametrize("key", ["", "sk-wrong", "<script>", "x" * 5000])
def test_a_wrong_key_gives_no_session(browser: httpx.Client, key: str) -> None:
    response = log_in(browser, key)
    assert response.status_code == 401
    assert COOKIE not in response.cookies
    assert "<script>" not in response.text.replace("<script src", "")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x",
        "a.b.c",
        "YW5u.99999999999." + "0" * 64,
        "YW5u.²." + "0" * 64,
        "!!.1.x",
        "YW5u.999999999999999999.x",
    ],
)
def test_a_forged_session_opens_nothing(browser: httpx.Client, value: str) -> None:
    headers = {"cookie": f"{COOKIE}={value}".encode()}
    assert browser.get("/ui/api/overview", headers=headers).status_code == 401


def test_sessions_end_with_time_and_with_the_key(browser: httpx.Client) -> None:
    old = token(ANN, now=time.time() - session.LASTS_S - 1)
    other = token(KeyConfig(name="ann", sha256="0" * 64))
    gone = token(KeyConfig(name="eve", sha256=ANN.sha256))
    for value in (old, other, gone):
        assert (
            browser.get("/ui/api/overview", headers={"cookie": f"{COOKIE}={value}"}).status_code
            == 401
        )
    fine = browser.get("/ui/api/overview", headers={"cookie": f"{COOKIE}={token(ANN)}"})
    assert fine.status_code == 200, "any worker takes a session that another gave"


def test_logging_out_ends_the_session(browser: httpx.Client) -> None:
    log_in(browser)
    assert browser.post("/ui/logout").status_code == 303
    assert browser.get("/ui/api/overview").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"},
     {"origin": "null"}],
)  # fmt: skip
def test_other_sites_change_nothing(browser: httpx.Client, kept: Gateway, headers: dict) -> None:
    log_in(browser)
    body = {"decision_id": kept.ids[0], "quality": 0}
    asked = browser.post("/ui/api/feedback", json=body, headers={**headers, "x-onehead-ui": "1"})
    assert asked.status_code == 403
    assert browser.post("/ui/logout", headers=headers).status_code == 403
    assert (
        browser.post("/ui/login", data={"key": SECRETS["BOB"]}, headers=headers).status_code == 403
    )
    assert browser.get("/ui/").status_code == 200


def test_a_plain_form_changes_nothing(browser: httpx.Client, kept: Gateway) -> None:
    log_in(browser)
    body = {"decision_id": kept.ids[0], "quality": 0}
    assert browser.post("/ui/api/feedback", json=body).status_code == 403
    assert browser.post("/ui/api/estimate", json={"prompt": "x"}).status_code == 403


def test_texts_and_judgements_are_of_the_key_that_sent_them(
    browser: httpx.Client, kept: Gateway
) -> None:
    log_in(browser)
    mine = browser.get(f"/ui/decisions/{kept.ids[0]}").text
    assert "merges two sorted lists" in mine
    assert "data-quality" in mine
    said = {"decision_id": kept.ids[0], "quality": 1, "comment": "a secret remark"}
    assert (
        browser.post("/ui/api/feedback", json=said, headers={"x-onehead-ui": "1"}).status_code
        == 200
    )
    pause, turns = threading.Event(), iter(range(200))
    while "a secret remark" not in browser.get(f"/ui/decisions/{kept.ids[0]}").text:
        assert next(turns, None) is not None, "the feedback was never shown"
        pause.wait(0.02)
    log_in(browser, SECRETS["BOB"])
    theirs = browser.get(f"/ui/decisions/{kept.ids[0]}").text
    assert "merges two sorted lists" not in theirs
    assert "another key" in theirs
    assert "data-quality" not in theirs
    assert "a secret remark" not in theirs
    listed = browser.get("/ui/decisions").text
    assert "merges two sorted lists" not in listed
    assert "dec_" in listed
    searched = browser.get("/ui/decisions?text=merges").text
    assert f"/ui/decisions/{kept.ids[0]}" not in searched
    body = {"decision_id": kept.ids[0], "quality": 0}
    judged = browser.post("/ui/api/feedback", json=body, headers={"x-onehead-ui": "1"})
    assert judged.status_code == 404


@pytest.mark.parametrize(
    ("wanted", "place"),
    [("/ui/models", "/ui/models"), (None, "/ui/"), ("https://evil.example", "/ui/"), ("//evil.example", "/ui/"),
     ("/ui//evil", "/ui/"), ("/ui/\\evil", "/ui/"), ("/v1/models", "/ui/"), ("/ui/logout", "/ui/")],
)  # fmt: skip
def test_a_login_leads_into_the_dashboard_only(wanted: str | None, place: str) -> None:
    assert safe_next(wanted) == place


def test_an_open_gateway_answers_under_its_own_names_only(tmp_path: Path) -> None:
    with dashboard(tmp_path) as gateway:
        for host in ("localhost", "127.0.0.1:99", "[::1]:8080", "127.9.9.9"):
            assert gateway.client.get("/ui/", headers={"host": host}).status_code == 200
        for host in ("evil.example", "localhost.evil.example", ""):
            response = gateway.client.get("/ui/", headers={"host": host})
            assert response.status_code in (400, 403)
            assert "evil.example</" not in response.text or "Set gateway.keys" in response.text
        assert gateway.client.get("/ui/login").status_code == 303


def test_a_body_that_is_no_form(browser: httpx.Client) -> None:
    response = browser.post("/ui/login", content=b"\xff\xfe=%zz&" + b"a&" * 50)
    assert response.status_code == 400
    assert browser.post("/ui/login", content=b"key=" + b"x" * 20_000).status_code == 413


def test_keys_cannot_be_guessed_at_the_login(tmp_path: Path) -> None:
    with (
        dashboard(tmp_path, keys=KEYS, environment=SECRETS) as gateway,
        httpx.Client(base_url=gateway.url, timeout=20) as browser,
    ):
        assert [log_in(browser, f"sk-{n}").status_code for n in range(MOST)] == [401] * MOST
        late = log_in(browser)  # the right key, but who knows that it was not guessed
        assert late.status_code == 429
        assert 0 < int(late.headers["retry-after"]) <= 61
        assert "too many wrong keys" in late.text
        assert COOKIE not in browser.cookies
        assert browser.get("/ui/models", headers=BEARER).status_code == 200


def test_patience_comes_back_and_is_for_each_address() -> None:
    now = 1000.0
    patience = Patience(lambda: now)
    for _ in range(MOST):
        patience.check("one")
        patience.wrong("one")
    with pytest.raises(GatewayError, match="in 61 seconds"):
        patience.check("one")
    patience.check("other")
    now += 61
    patience.check("one")


def test_a_key_may_be_kept_from_what_all_keys_do(tmp_path: Path) -> None:
    keys = f"{KEYS}dashboard = false\n"  # bob's
    bob = {"authorization": f"Bearer {SECRETS['BOB']}"}
    with (
        dashboard(tmp_path, keys=keys, environment=SECRETS) as gateway,
        httpx.Client(base_url=gateway.url, timeout=20) as browser,
    ):
        for path in ("/ui/", "/ui/decisions", "/ui/api/overview", "/metrics"):
            refused = browser.get(path, headers=bob)
            assert refused.status_code == 403, path
            assert "dashboard = false" in refused.text
            assert browser.get(path, headers=BEARER).status_code == 200, path
        assert log_in(browser, SECRETS["BOB"]).status_code == 403
        assert COOKIE not in browser.cookies
        browser.cookies.set(COOKIE, token(replace(ANN, name="bob", sha256=sha256("BOB"))))
        assert browser.get("/ui/models").status_code == 403
        assert browser.get("/v1/models", headers=bob).status_code == 200
