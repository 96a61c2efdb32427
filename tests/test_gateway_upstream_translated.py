"""Models that a translation library calls, with a stand-in for the library."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import pytest
from stub_upstream import running_stub
from translation import HELLO, STREAM, WORKING, Chunks, Library, delta, run, send, translated
from upstream_calls import KEY, model, outcomes, read

from onehead.config import UpstreamConfig
from onehead.errors import ConfigError, MissingExtraError
from onehead.gateway.upstream import AllFailed, StreamBroken, Upstreams


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    made = Library()
    monkeypatch.setitem(sys.modules, "any_llm", made)
    monkeypatch.setitem(sys.modules, "any_llm.exceptions", made.exceptions)
    return made


def failing(upstream_options: dict[str, Any], body: dict[str, Any], **where: str) -> AllFailed:
    async def do(upstreams: Upstreams) -> AllFailed:
        with pytest.raises(AllFailed) as caught:
            await send(upstreams, body, **where)
        return caught.value

    return run(do, **upstream_options)


def test_a_whole_answer_comes_in_openais_shape(library: Library) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    answer = run(lambda all_: send(all_, {**HELLO, "tools": tools, "temperature": 0.5}))
    document = json.loads(answer.body)
    assert document["choices"][0]["message"]["content"] == "Paris"
    assert document["choices"][0]["finish_reason"] is None
    assert document["usage"] == WORKING["usage"]
    assert (answer.status, answer.content_type) == (200, "application/json")
    assert outcomes(answer) == [("claude", "ok", 200)]
    provider, options = library.created[0]
    assert provider == "anthropic"
    assert (options["api_key"], options["api_base"], options["max_retries"]) == (KEY, None, 0)
    assert library.calls == [
        {**HELLO, "model": "claude", "tools": tools, "temperature": 0.5, "timeout": 10.0}
    ]
    assert library.closed == 1


def test_a_stream_is_told_in_events_and_ends_with_done(library: Library) -> None:
    usage = {"id": "c", "choices": [], "usage": WORKING["usage"]}
    library.answers = [Chunks(delta("Pa"), delta("ris"), usage)]

    async def do(upstreams: Upstreams) -> bytes:
        return await read(await send(upstreams, STREAM))

    events = run(do).decode().split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    documents = [json.loads(event.removeprefix("data: ")) for event in events[:-2]]
    texts = [one["delta"]["content"] for part in documents[:2] for one in part["choices"]]
    assert texts == ["Pa", "ris"]
    assert documents[2] == usage
    assert library.calls[0]["stream_options"] == {"include_usage": True}


FAULTS = {
    "rate limit": ("RateLimitError", {"status_code": 429, "retry_after": "7"}, "status", 429, 1),
    "wrong key": ("AuthenticationError", {"status_code": 400}, "status", 400, 1),
    "no such model": ("ModelNotFoundError", {}, "status", 404, 1),
    "outage": ("ProviderError", {"status_code": 503}, "status", 503, 2),
    "no connection": (
        "ProviderError",
        {"original_exception": ConnectionError()},
        "connect",
        None,
        2,
    ),
    "late": ("ProviderError", {"original_exception": TimeoutError()}, "timeout", None, 1),
    "unreadable": ("ProviderError", {"status_code": 200}, "garbage", 200, 2),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("body", [HELLO, STREAM], ids=["whole", "stream"])
def test_errors_fall_through_by_what_they_mean(
    library: Library, fault: str, body: dict[str, Any]
) -> None:
    name, fields, outcome, status, tries = FAULTS[fault]
    library.answers = [library.error(name, f"secret {KEY}", **fields)]
    with running_stub() as stub:
        answer = run(
            lambda all_: send(all_, body, "claude", "ok"),
            translated(),
            model("json", stub.url, id="ok"),
        )
    assert outcomes(answer) == [("claude", outcome, status)] * tries + [("ok", "ok", 200)]
    assert KEY not in repr(answer.attempts)
    if fault == "rate limit":
        assert answer.attempts[0].retry_after == 7


def test_our_own_mistakes_are_told_without_the_providers_words(library: Library) -> None:
    library.answers = [library.error("AuthenticationError", f"bad key {KEY}", status_code=401)]
    error = failing({}, HELLO)
    assert (error.status, error.code, error.body) == (502, "upstream_refused_us", None)
    assert "bad key" not in str(error)


def test_the_callers_mistake_is_told_to_the_caller_without_the_key(library: Library) -> None:
    library.answers = [
        library.error("ContextLengthExceededError", f"too long for {KEY}", status_code=400)
    ]
    answer = run(lambda all_: send(all_, HELLO))
    error = json.loads(answer.body)["error"]
    assert (answer.status, error["code"]) == (400, "context_length_exceeded")
    assert error["message"] == "too long for ***"
    assert len(library.calls) == 1


@pytest.mark.parametrize(
    ("body", "path", "said"),
    [
        (HELLO, "/responses", "chat completions only"),
        (HELLO, "/embeddings", "chat completions only"),
        ({**HELLO, "extra_headers": {"x-api-key": "other"}}, "/chat/completions", "extra_headers"),
        ({**HELLO, "api_base": "http://evil"}, "/chat/completions", "api_base"),
    ],
)
def test_what_cannot_be_translated_is_refused_and_asks_nobody(
    library: Library, body: dict[str, Any], path: str, said: str
) -> None:
    error = failing({"breaker_failures": 1}, body, path=path)
    assert (error.status, error.code) == (400, "unsupported_by_model")
    assert said in str(error)
    assert library.calls == []


def test_refusing_a_request_is_no_failure_of_the_model(library: Library) -> None:
    library.answers = [library.error("UnsupportedParameterError", "n"), WORKING]

    async def do(upstreams: Upstreams) -> str:
        with pytest.raises(AllFailed):
            await send(upstreams, {**HELLO, "n": 2})
        return upstreams.state("claude")

    assert run(do, breaker_failures=1) == "closed"


def test_what_the_operator_set_is_passed_and_not_what_a_caller_says_for_it(
    library: Library,
) -> None:
    own = {"extra_headers": {"beta": "1"}, "temperature": 0.1}
    body = {**HELLO, "extra_headers": {"beta": "2"}, "temperature": 0.9}
    run(lambda all_: send(all_, body), translated(body=own))
    assert library.calls[0]["extra_headers"] == {"beta": "1"}
    assert library.calls[0]["temperature"] == 0.9


def test_failures_in_a_row_open_the_breaker(library: Library) -> None:
    library.answers = [library.error("ProviderError", status_code=503)]

    async def do(upstreams: Upstreams) -> str:
        with pytest.raises(AllFailed):
            await send(upstreams, HELLO)
        return upstreams.state("claude")

    assert run(do, breaker_failures=2, retries=1) == "open"


@pytest.mark.parametrize("answer", [None, Chunks(None)], ids=["whole", "stream"])
def test_a_silent_provider_is_given_up_in_time(library: Library, answer: Chunks | None) -> None:
    library.answers = [answer]
    error = failing({"first_byte_timeout_s": 0.02, "retries": 0}, STREAM)
    assert (error.status, error.code) == (504, "upstream_timeout")
    assert answer is None or answer.closed


@pytest.mark.parametrize(
    ("piece", "said"),
    [(RuntimeError("text of theirs"), "cut off (RuntimeError)"), (None, "no byte")],
)
def test_a_stream_that_breaks_says_so(library: Library, piece: Any, said: str) -> None:
    chunks = Chunks(delta("Pa"), piece)
    library.answers = [chunks]

    async def do(upstreams: Upstreams) -> list[tuple[str, str, int | None]]:
        answer = await send(upstreams, STREAM)
        with pytest.raises(StreamBroken) as caught:
            await read(answer)
        assert said in str(caught.value)
        return outcomes(answer)

    assert run(do, idle_timeout_s=0.02) == [("claude", "broken", 200)]
    assert chunks.closed


def test_an_empty_stream_is_none(library: Library) -> None:
    library.answers = [Chunks(), Chunks(delta("Paris"))]
    answer = run(lambda all_: send(all_, STREAM))
    assert [one[1] for one in outcomes(answer)] == ["broken", "ok"]


def test_a_client_that_goes_closes_the_providers_stream(library: Library) -> None:
    chunks = Chunks(delta("Pa"), None)
    library.answers = [chunks]

    async def do(upstreams: Upstreams) -> None:
        answer = await send(upstreams, STREAM)
        await answer.close()
        await answer.close()

    run(do)
    assert chunks.closed


def test_a_hedge_overtakes_a_slow_library(library: Library) -> None:
    library.answers = [None]
    with running_stub() as stub:
        answer = run(
            lambda all_: send(all_, HELLO, "claude", "ok"),
            translated(), model("ok", stub.url), hedge_after_s=0.01,
        )  # fmt: skip
    assert answer.model == "ok"
    assert [one[:2] for one in outcomes(answer)] == [("claude", "cancelled"), ("ok", "ok")]


def test_what_a_demonstration_says_needs_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "any_llm", None)
    upstreams = Upstreams(UpstreamConfig(), [translated()], demo=True)
    answer = asyncio.run(send(upstreams, HELLO))
    assert b"sent to any-llm" in (answer.body or b"")


def test_a_missing_library_is_named_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "any_llm", None)
    with pytest.raises(MissingExtraError, match=r"'claude'.*onehead\[translate\]"):
        Upstreams(UpstreamConfig(), [translated()])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("UnsupportedProviderError", r"anthropic, gemini"),
        ("MissingApiKeyError", r"\$\{THE_KEY\}"),
        ("ProviderError", r"cannot be set up"),
    ],
)
def test_what_the_library_refuses_at_the_start_says_how_to_mend_it(
    library: Library, name: str, said: str
) -> None:
    library.refusing = library.error(name, f"planted {KEY}")
    with pytest.raises(ConfigError, match=said) as caught:
        Upstreams(UpstreamConfig(), [translated()])
    assert "planted" not in str(caught.value)
