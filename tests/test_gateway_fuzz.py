"""Anything may be sent to the gateway: it is answered soon, in OpenAI's error shape, and stays private."""

from __future__ import annotations

import json
import logging
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from gateways import Gateway, Upstream, running_gateway, running_upstream, toml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Iterator

CHAT, RESPONSES, DECISION, FEEDBACK = (
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/decision",
    "/v1/feedback",
)
MODELS: dict[str, dict[str, Any]] = {
    "good-cheap": {},
    "good-dear": {"like": "gpt-4o-2024-05", "input_usd_per_million": 5.0, "context_window": 8000},
    "bytes": {"auto": False, "upstream_model": 'raw-application/json|{"choices": "BAD"}'},
}
LIMIT_S = 5.0
"""Far more than any answer takes, far less than a hang."""
SECRET = "wombat-4711"
"""Stands in every prompt, name and comment; must stand in no log."""
FUZZ = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with running_upstream() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    extra = "[upstreams]\nretries = 0\nbreaker_failures = 10000\n[gateway]\nmax_body_mb = 8\n"
    with running_gateway(toml(upstream.url, folder, MODELS, extra)) as running:
        yield running


@pytest.fixture(autouse=True)
def private(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Whatever a test sends, no log and no stream of the process has it."""
    caplog.set_level(logging.DEBUG, "onehead")
    yield
    told = caplog.text + "".join(capfd.readouterr())
    assert SECRET not in told
    assert "Traceback" not in told


def send(gateway: Gateway, path: str, content: bytes, **options: Any) -> httpx.Response:
    """Post and check what holds for every answer."""
    before = time.monotonic()
    response = gateway.client.request(
        options.pop("method", "POST"), path, content=content, **options
    )
    assert time.monotonic() - before < LIMIT_S
    assert response.status_code < 500, response.text[:500]
    if response.status_code >= 400:
        assert_error(response)
    return response


def assert_error(response: httpx.Response) -> dict[str, Any]:
    document = response.json()
    assert set(document) == {"error"}
    error: dict[str, Any] = document["error"]
    assert set(error) == {"message", "type", "code", "param"}
    assert error["message"]
    assert len(response.content) < 40_000  # a caller's words are quoted, not sent back whole
    assert response.headers["content-type"] == "application/json"
    return error


# --- what is sent

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(min_value=-(10**25), max_value=10**400),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20).map(lambda text: text + SECRET),
    st.sampled_from(["", "\0", "auto", "auto:cheap", "auto@1", "user", "text", "1e999", "nan", "-0"]),
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def sometimes(right: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """What is right, mostly, or anything."""
    return st.one_of(right, right, right, values)


parts = st.fixed_dictionaries(
    {"type": sometimes(st.sampled_from(["text", "image_url", "input_text", "input_audio", "file"]))},
    optional={"text": sometimes(st.just(SECRET)), "image_url": values, "input_audio": values},
)  # fmt: skip
contents = sometimes(st.one_of(st.just(SECRET), st.none(), st.lists(sometimes(parts), max_size=3)))
messages = st.fixed_dictionaries(
    {},
    optional={
        "role": sometimes(st.sampled_from(["user", "system", "assistant", "tool", "developer"])),
        "content": contents,
        "tool_calls": values,
        "type": values,
        "output": values,
        "arguments": values,
    },
)
own = st.fixed_dictionaries(
    {},
    optional={
        "willingness_to_pay": sometimes(st.sampled_from(["cheap", 0.01, "$1"])),
        "reward": sometimes(st.just("linear")),
        "max_cost_usd": sometimes(st.just(1.0)),
        "min_quality": sometimes(st.floats(0, 1)),
        "models": sometimes(st.lists(st.sampled_from(sorted(MODELS)), max_size=2)),
        "session": sometimes(st.text(max_size=300)),
        "debug": sometimes(st.booleans()),
        "surplus": values,
    },
)
bodies = st.fixed_dictionaries(
    {"model": sometimes(st.sampled_from(["auto", "auto:best", "auto@0.01", "good-cheap"]))},
    optional={
        "messages": sometimes(st.lists(sometimes(messages), max_size=4)),
        "input": sometimes(st.one_of(st.just(SECRET), st.lists(sometimes(messages), max_size=3))),
        "prompt": sometimes(st.just(SECRET)),
        "instructions": values,
        "previous_response_id": sometimes(st.just("resp_1")),
        "onehead": sometimes(own),
        "stream": sometimes(st.booleans()),
        "stream_options": sometimes(st.just({"include_usage": True})),
        "n": sometimes(st.integers(1, 3)),
        "max_tokens": sometimes(st.integers(1, 100)),
        "max_output_tokens": values,
        "max_completion_tokens": values,
        "tools": values,
        "functions": values,
        "response_format": values,
        "text": values,
        "modalities": values,
        SECRET: values,
    },
)
feedbacks = st.fixed_dictionaries(
    {},
    optional={
        "decision_id": sometimes(st.just("dec_" + "0" * 32)),
        "quality": sometimes(st.floats(0, 1)),
        "comment": sometimes(st.just(SECRET)),
        SECRET: values,
    },
)
header_values = st.one_of(
    st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=30),
    st.sampled_from(["cheap", "0.01", "true", "nan", "inf", "-1", "1e-400", ",", "good-cheap,good-dear"]),
)  # fmt: skip
option_headers = st.dictionaries(
    st.sampled_from(
        [
            "x-onehead-willingness-to-pay",
            "x-onehead-reward",
            "x-onehead-max-cost-usd",
            "x-onehead-min-quality",
            "x-onehead-models",
            "x-onehead-session",
            "x-onehead-debug",
            "x-onehead-model",
            "x-onehead-else",
            "x-request-id",
            "traceparent",
            "content-type",
        ]
    ),
    header_values.map(lambda value: value.encode("latin-1").strip()),
)


@FUZZ
@given(path=st.sampled_from([CHAT, RESPONSES, DECISION]), body=bodies)
def test_any_json_is_answered_or_refused(gateway: Gateway, path: str, body: dict[str, Any]) -> None:
    content = json.dumps(body).encode("utf-8", "surrogatepass")
    response = send(gateway, path, content)
    if path == DECISION and response.status_code == 200:
        assert response.json()["model"] in MODELS


@FUZZ
@given(body=sometimes(feedbacks))
def test_any_feedback_is_taken_or_refused(gateway: Gateway, body: Any) -> None:
    response = send(gateway, FEEDBACK, json.dumps(body).encode())
    assert response.status_code in {400, 404}  # nobody made these decisions


@FUZZ
@given(path=st.sampled_from([CHAT, RESPONSES, DECISION]), headers=option_headers)
def test_any_headers_are_answered_or_refused(
    gateway: Gateway, path: str, headers: dict[str, bytes]
) -> None:
    body = {"model": "auto", "input" if path == RESPONSES else "messages": [
        {"role": "user", "content": SECRET}
    ]}  # fmt: skip
    send(gateway, path, json.dumps(body).encode(), headers=headers)


@FUZZ
@given(path=st.sampled_from([CHAT, RESPONSES, DECISION, FEEDBACK]), content=st.binary(max_size=60))
def test_any_bytes_are_refused(gateway: Gateway, path: str, content: bytes) -> None:
    assert send(gateway, path, content).status_code == 400


@FUZZ
@given(data=st.data(), path=st.sampled_from([CHAT, RESPONSES, DECISION, FEEDBACK]))
def test_bodies_that_were_damaged_on_the_way(
    gateway: Gateway, data: st.DataObject, path: str
) -> None:
    """Some byte of a good body is another one, or the end is missing."""
    whole = json.dumps(
        {"model": "auto", "messages": [{"role": "user", "content": [{"type": "text", "text": SECRET}]}],
         "onehead": {"max_cost_usd": 1.5}, "stream": False}
    ).encode()  # fmt: skip
    place = data.draw(st.integers(0, len(whole) - 1))
    other = data.draw(st.binary(max_size=2))
    end = data.draw(st.sampled_from([len(whole), place]))
    send(gateway, path, whole[:place] + other + whole[place + 1 : end])


def no_dots(name: str) -> bool:
    """Not a name that clients take out of a path before they send it (RFC 3986, 5.2.4)."""
    return name not in (".", "..")


@FUZZ
@given(
    name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40).filter(no_dots),
    method=st.sampled_from(["GET", "DELETE", "PUT", "PATCH", "OPTIONS"]),
    place=st.sampled_from(["models", "files", "responses", "assistants/x", "embeddings"]),
)
def test_any_path_is_answered_or_refused(
    gateway: Gateway, upstream: Upstream, name: str, method: str, place: str
) -> None:
    from urllib.parse import quote

    path = f"/v1/{place}/{quote(name, safe='')}"
    response = send(gateway, path, b"", method=method, headers={"x-onehead-model": "good-cheap"})
    if response.status_code < 400 and not (place == "models" and method == "GET"):
        arrived = upstream.requests[-1]["raw_path"]
        assert arrived == path  # as it was escaped: what was a name there must not become a query


# --- what a fuzzer found, or would take long to find


@pytest.mark.parametrize("option", ["willingness_to_pay", "max_cost_usd", "min_quality"])
@pytest.mark.parametrize("path", [CHAT, RESPONSES, DECISION])
def test_numbers_beyond_all_floats(gateway: Gateway, path: str, option: str) -> None:
    turns = '"input": "x"' if path == RESPONSES else '"messages": [{"role":"user","content":"x"}]'
    for number in ("1" + "0" * 400, "1e999", '"' + "9" * 400 + '"'):
        content = f'{{"model": "auto", {turns}, "onehead": {{"{option}": {number}}}}}'
        assert send(gateway, path, content.encode()).status_code in {400, 422}


@pytest.mark.parametrize(
    "body",
    [
        {"model": "LONG"},
        {"model": "auto:LONG"},
        {"model": "auto@LONG"},
        {"model": "auto", "onehead": {"LONG": 1}},
        {"model": "auto", "onehead": {"models": ["LONG"]}},
        {"model": "auto", "onehead": {"reward": "LONG"}},
        {"model": "auto", "onehead": {"willingness_to_pay": "LONG"}},
        {"model": "auto", "messages": [{"role": "user", "content": [{"type": "LONG"}]}]},
    ],
)
def test_megabytes_for_a_name_cost_little(gateway: Gateway, body: dict[str, Any]) -> None:
    """They are neither compared with known names, nor sent back, nor logged."""
    content = json.dumps({"messages": [{"role": "user", "content": "x"}], **body})
    response = send(gateway, CHAT, content.replace("LONG", "x" * 4_000_000).encode())
    decision_id = response.headers["x-onehead-decision-id"]
    assert len(gateway.row(decision_id)["asked_model"]) <= 256
    feedback = json.dumps({"LONG": 1}).replace("LONG", "x" * 4_000_000)
    assert send(gateway, FEEDBACK, feedback.encode()).status_code == 400


def test_a_misspelt_header_is_no_silent_absence_of_a_ceiling(gateway: Gateway) -> None:
    response = gateway.chat("auto", headers={"x-onehead-max-cost": "0.0000001"})
    assert response.status_code == 400
    assert "Did you mean 'x-onehead-max-cost-usd'" in assert_error(response)["message"]


@pytest.mark.parametrize("stream", ["true", 1, [], {}])
def test_a_stream_flag_that_upstreams_may_read_otherwise(
    gateway: Gateway, upstream: Upstream, stream: Any
) -> None:
    before = len(upstream.requests)
    assert gateway.chat("auto", stream=stream).status_code == 400
    assert gateway.chat("good-cheap", stream=stream).status_code == 400
    assert len(upstream.requests) == before


def test_an_answer_that_is_no_utf8_passes_as_it_came(
    gateway: Gateway, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was paid for; what the gateway cannot read, its client may."""
    import stub_upstream

    sent = stub_upstream.whole

    async def with_bad_bytes(send: Any, status: int, body: bytes, headers: Any) -> None:
        await sent(send, status, body.replace(b"BAD", b"\xff\xfe"), headers)

    monkeypatch.setattr(stub_upstream, "whole", with_bad_bytes)
    response = gateway.chat("bytes")
    assert response.status_code == 200
    assert b"\xff\xfe" in response.content
    assert gateway.logged(response)["usage_estimated"]


def test_queries_pass_whole(gateway: Gateway, upstream: Upstream) -> None:
    gateway.client.get("/v1/files?model=good-cheap&a=1&a=2&empty=&after=x%26y")
    assert upstream.requests[-1]["query"] == "a=1&a=2&empty=&after=x%26y"


@pytest.mark.parametrize("path", ["/files/../../secret", "/files/..%2f..%2fsecret", "/%2e%2e/x"])
def test_no_path_leads_out_of_an_upstream(gateway: Gateway, upstream: Upstream, path: str) -> None:
    before = len(upstream.requests)
    url = httpx.URL(gateway.url).copy_with(raw_path=b"/v1" + path.encode())
    response = gateway.client.get(url, headers={"x-onehead-model": "good-cheap"})
    assert response.status_code == 404
    assert len(upstream.requests) == before


def test_what_nobody_foresaw_is_told_in_shape_and_logged_without_words(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(f"the prompt was {SECRET}")

    monkeypatch.setattr("onehead.gateway.deciding.asked_of", broken)
    monkeypatch.setattr("onehead.gateway.exchange.asked_of", broken)
    for path in (DECISION, CHAT):
        body = {"model": "auto", "messages": [{"role": "user", "content": SECRET}]}
        response = gateway.post(path, body, headers={"x-request-id": f"mine-{path[4:8]}"})
        assert response.status_code == 500
        error = assert_error(response)
        assert (error["type"], error["code"]) == ("server_error", "internal_error")
        assert response.headers["x-request-id"] == f"mine-{path[4:8]}"
    assert "RuntimeError" in caplog.text


def test_many_turns_and_deep_nesting_stay_quick(gateway: Gateway) -> None:
    turns = [{"role": "user", "content": f"turn {n}"} for n in range(10_000)]
    assert gateway.chat("auto", messages=turns).status_code in {200, 400}
    for field in ("tools", "messages", "onehead", "future"):
        for depth in (500, 5_000, 200_000):
            content = '{"model": "auto", "messages": [{"role": "user", "content": "x"}], "%s": %s}'
            deep = content % (field, "[" * depth + "]" * depth)
            assert send(gateway, CHAT, deep.encode()).status_code in {200, 400, 422}
