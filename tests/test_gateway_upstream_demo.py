"""The demonstration upstream: OpenAI's shapes, plainly marked, without a socket."""

from __future__ import annotations

import asyncio
import json
import struct
from base64 import b64decode
from typing import Any

import pytest
from upstream_calls import model

from onehead.config import UpstreamConfig
from onehead.gateway.errors import GatewayError
from onehead.gateway.upstream import Answer, Upstreams
from onehead.gateway.upstream.demo import last_user_text

MODELS = [
    model("gpt-large", "https://api.example.com:8443/v1?key=sk-query", id="strong"),
    model("bare", None),
]
CHAT = {"messages": [{"role": "user", "content": "What is the capital of France?"}]}


def demo(body: dict[str, Any] | bytes, path: str = "/chat/completions", **options: Any) -> Answer:
    plan = options.pop("plan", ["strong", "bare"])
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def run() -> Answer:
        async with Upstreams(UpstreamConfig(), MODELS, demo=True) as upstreams:
            stream = not isinstance(body, bytes) and bool(body.get("stream"))
            return await upstreams.answer(
                plan, lambda _: data, path=path, stream=stream, headers={}, **options
            )

    return asyncio.run(run())


def events(answer: Answer) -> list[dict[str, Any]]:
    async def run() -> list[bytes]:
        assert answer.chunks is not None
        return [chunk async for chunk in answer.chunks]

    chunks = asyncio.run(run())
    assert len(chunks) > 4
    data = [line[6:] for chunk in chunks for line in chunk.split(b"\n") if line.startswith(b"data")]
    return [json.loads(one) for one in data if one != b"[DONE]"]


def test_a_chat_completion_says_what_would_have_gone_where() -> None:
    answer = demo(CHAT)
    assert (answer.status, answer.model, answer.attempts[0].outcome) == (200, "strong", "ok")
    document = json.loads(answer.body or b"")
    assert document["onehead"] == {"demo": True}
    assert document["model"] == "strong"
    text = document["choices"][0]["message"]["content"]
    assert "demonstration" in text
    assert "api.example.com:8443" in text
    assert "gpt-large" in text
    assert "What is the capital of France?" in text
    assert "sk-" not in text
    usage = document["usage"]
    assert usage["prompt_tokens"] == len(json.dumps(CHAT)) // 4
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_a_model_without_an_upstream_is_told_what_it_lacks() -> None:
    document = json.loads(demo(CHAT, plan=["bare"]).body or b"")
    assert "set base_url" in document["choices"][0]["message"]["content"]


def test_several_choices() -> None:
    document = json.loads(demo({**CHAT, "n": 3}).body or b"")
    assert [one["index"] for one in document["choices"]] == [0, 1, 2]


@pytest.mark.parametrize("include", [False, True])
def test_a_chat_stream_adds_up_to_the_completion(include: bool) -> None:
    body = {**CHAT, "stream": True, "stream_options": {"include_usage": include}}
    answer = demo(body)
    assert answer.content_type == "text/event-stream"
    found = events(answer)
    text = "".join(one["choices"][0]["delta"].get("content", "") for one in found if one["choices"])
    whole = json.loads(demo({**body, "stream": False}).body or b"")
    words = whole["choices"][0]["message"]["content"].split()
    assert text.split()[:10] == words[:10]
    assert all(one["onehead"] == {"demo": True} for one in found)
    assert found[-1]["choices"] == [] if include else found[-1]["choices"][0]["finish_reason"]
    assert bool(found[-1].get("usage")) == include


def test_the_responses_api_whole_and_streamed() -> None:
    body = {"input": [{"role": "user", "content": [{"type": "input_text", "text": "Hi there"}]}]}
    document = json.loads(demo(body, "/responses").body or b"")
    assert document["status"] == "completed"
    assert "Hi there" in document["output"][0]["content"][0]["text"]
    found = events(demo({**body, "stream": True}, "/responses"))
    assert [one["sequence_number"] for one in found] == list(range(len(found)))
    assert (found[0]["type"], found[-1]["type"]) == ("response.created", "response.completed")
    deltas = [one["delta"] for one in found if one["type"] == "response.output_text.delta"]
    final = found[-1]["response"]["output"][0]["content"][0]["text"]
    assert "".join(deltas) == final


def test_embeddings_follow_their_text() -> None:
    asked = {"input": ["a", "b", "a"], "dimensions": 4}
    rows = json.loads(demo(asked, "/embeddings").body or b"")["data"]
    assert [one["index"] for one in rows] == [0, 1, 2]
    assert rows[0]["embedding"] == rows[2]["embedding"] != rows[1]["embedding"]
    assert len(rows[0]["embedding"]) == 4
    packed = json.loads(demo({**asked, "encoding_format": "base64"}, "/embeddings").body or b"")
    raw = b64decode(packed["data"][0]["embedding"])
    assert list(struct.unpack("<4f", raw)) == pytest.approx(rows[0]["embedding"])


@pytest.mark.parametrize("path", ["/completions", "/audio/speech", "/files?limit=2"])
@pytest.mark.parametrize("body", [b"", b"--form--", b"[]", b'{"prompt": "x", "messages": 3}'])
def test_any_path_and_body_is_marked(path: str, body: bytes) -> None:
    assert json.loads(demo(body, path).body or b"")["onehead"]["demo"] is True


def test_a_closed_demonstration_gives_no_more() -> None:
    answer = demo({**CHAT, "stream": True})

    async def run() -> None:
        assert answer.chunks is not None
        chunks = aiter(answer.chunks)
        assert await anext(chunks)
        await answer.close()
        with pytest.raises(StopAsyncIteration):
            await anext(chunks)

    asyncio.run(run())


def test_an_unknown_model_is_one_here_too() -> None:
    with pytest.raises(GatewayError, match="not configured"):
        demo(CHAT, plan=["unknown"])


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ({"messages": [{"role": "user", "content": "a"}, {"role": "assistant"}]}, "a"),
        ({"messages": [{"role": "user", "content": [{"text": "a"}, {"image_url": {}}]}]}, "a"),
        ({"messages": [{"role": "user", "content": 3}]}, ""),
        ({"messages": [None, "x"]}, "x"),
        ({"messages": [None]}, ""),
        ({"input": "b"}, "b"),
        ({"prompt": ["c"]}, "c"),
        ({}, ""),
    ],
)
def test_the_last_user_turn(sent: dict[str, Any], text: str) -> None:
    assert last_user_text(sent) == text
