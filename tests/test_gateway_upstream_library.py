"""Models that a translation library calls: what a configuration says of them, and the real library."""

from __future__ import annotations

import importlib.util
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from stub_upstream import Stub, running_stub, whole
from translation import HELLO, STREAM, WORKING, run, send
from upstream_calls import KEY, model, read

from onehead.config import parse_config
from onehead.config.describe import describe, lines
from onehead.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onehead.gateway.upstream import Answer, Upstreams

VIA = '[[models]]\nid = "claude"\nvia = "any-llm"\nfree = true\n'


def configured(text: str) -> Any:
    return parse_config(text, environment={"K": KEY}, where="f.toml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (VIA, "provider/model"),
        (VIA.replace("any-llm", "anyllm"), "not one of: any-llm"),
        (VIA + 'upstream_model = "a/b"\nquery = { v = "1" }\n', "not sent with via"),
        (VIA + 'upstream_model = "a/b"\ncapabilities = ["responses"]\n', "name chat"),
    ],
)
def test_a_configuration_that_no_library_could_follow_is_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        configured(text)


def test_a_model_without_an_address_has_an_upstream_through_a_library() -> None:
    config = configured(VIA + 'upstream_model = "anthropic:claude-x"\napi_key = "${K}"\n')
    claude = config.models[0]
    assert claude.has_upstream
    assert claude.capabilities == frozenset(type(claude)(id="x").capabilities) - {"responses"}
    assert "anthropic:claude-x through any-llm" in "\n".join(lines(config))
    told = describe(config)
    assert (told["models"][0]["via"], told["models"][0]["upstream"]) == ("any-llm", None)
    assert not any("nobody answers" in one for one in told["warnings"])


def real_library() -> None:
    if importlib.util.find_spec("any_llm") is None:
        assert not os.environ.get("CI"), "CI has to install the extra `translate`"
        pytest.skip("the extra `translate` is not installed")


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    real_library()
    with running_stub() as running:
        yield running


def real(stub: Stub, behaviour: str) -> Any:
    return model(f"openai/{behaviour}", stub.url, id=behaviour, via="any-llm")


@pytest.mark.parametrize("body", [HELLO, STREAM], ids=["whole", "stream"])
def test_the_real_library_answers_and_falls_through(
    stub: Stub, monkeypatch: pytest.MonkeyPatch, body: dict[str, Any]
) -> None:
    chunk = b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":%s%s}\n\n'
    choice = b'[{"index":0,"delta":{"role":"assistant","content":"Paris"},"finish_reason":null}]'
    usage = b',"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}'
    events = chunk % (choice, b"") + chunk % (b"[]", usage) + b"data: [DONE]\n\n"
    document = json.dumps({**WORKING, "created": 1}).replace(
        '"}}]', '"}, "finish_reason": "stop"}]'
    )
    stub.reset()
    respond = stub.respond

    async def answers(name: str, asked: dict, receive: Any, put: Any) -> None:
        if name != "good":
            await respond(name, asked, receive, put)
        elif asked.get("stream"):
            await whole(put, 200, events, {"content-type": "text/event-stream"})
        else:
            await whole(put, 200, document.encode(), {"content-type": "application/json"})

    monkeypatch.setattr(stub, "respond", answers)
    bad = ("status-401", "status-503", "later-429-7")

    async def do(upstreams: Upstreams) -> tuple[Answer, bytes]:
        answer = await send(upstreams, body, *bad, "good")
        return answer, await read(answer)

    answer, text = run(do, *(real(stub, one) for one in (*bad, "good")), max_attempts=9)
    expected = [("status-401", 401), ("status-503", 503), ("status-503", 503), ("later-429-7", 429)]
    assert [(one.model, one.status) for one in answer.attempts] == [*expected, ("good", 200)]
    assert answer.attempts[3].retry_after == 7
    assert b"Paris" in text
    assert b'"prompt_tokens":3' in text
    assert text.endswith(b"data: [DONE]\n\n") is bool(body.get("stream"))
    assert stub.requests[-1]["headers"]["authorization"] == f"Bearer {KEY}"
    assert stub.count["status-503"] == 2  # the library's own repeats are off


def test_the_real_library_tells_the_callers_mistake(stub: Stub) -> None:
    answer = run(lambda all_: send(all_, HELLO, "status-400"), real(stub, "status-400"))
    assert answer.status == 400
    assert json.loads(answer.body)["error"]["message"] == "stub 400"
