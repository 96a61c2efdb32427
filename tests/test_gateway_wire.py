"""Bodies, options, events and usage: what passes through the gateway and what it reads of it."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onehead.config import ModelConfig
from onehead.gateway.errors import GatewayError
from onehead.gateway.wire import Body, Usage, asked_of, options_of, usage_of
from onehead.gateway.wire.events import EventRelay, error_event


def body(**fields: object) -> Body:
    defaults = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}
    return Body(json.dumps({**defaults, **fields}).encode())


# --- bodies


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(st.dictionaries(st.text().filter(lambda name: name not in ("model", "onehead")), JSON))
def test_only_the_model_changes(fields: dict[str, object]) -> None:
    data = json.dumps({**fields, "model": "auto", "onehead": {"debug": True}}).encode()
    sent = json.loads(Body(data).forward("strong"))
    assert sent == {**fields, "model": "strong"}


def test_values_keep_the_bytes_that_came() -> None:
    odd = b'{"model":"a","seed": 123456789012345678901234567890 ,"t":1.50e0,"x":{"b" :1,"a":2}}'
    sent = Body(odd).forward("b")
    for value in (b"123456789012345678901234567890", b"1.50e0", b'{"b" :1,"a":2}'):
        assert value in sent


def test_defaults_fill_what_is_missing_only() -> None:
    sent = json.loads(body(temperature=0).forward("m", {"temperature": 1, "top_p": 0.5}))
    assert (sent["temperature"], sent["top_p"]) == (0, 0.5)


def test_usage_is_asked_for_beside_other_options() -> None:
    sent = json.loads(body(stream_options={"x": 1}).forward("m", ask_usage=True))
    assert sent["stream_options"] == {"x": 1, "include_usage": True}
    assert json.loads(body().forward("m", ask_usage=True))["stream_options"] == {
        "include_usage": True
    }


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[1]", "not an object"),
        (b'"auto"', "not an object"),
        (b'{"model": 3}', "'model' is of type int"),
        (b'{"messages": []}', "no 'model'"),
        (b'{"model": "a\xff"}', "not UTF-8: byte 0xff"),
        (b'{"model": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"model": "a"} {}', "not JSON"),
        (b'{"model": NaN}', "not JSON"),
    ],
)
def test_a_bad_body_is_one_clear_error(data: bytes, words: str) -> None:
    with pytest.raises(GatewayError, match=words) as caught:
        Body(data)
    assert caught.value.status == 400
    assert caught.value.document()["error"]["type"] == "invalid_request_error"


# --- options


def test_options_come_by_name_key_and_header() -> None:
    assert options_of(body(model="auto:cheap"), {}).willingness_to_pay == "cheap"
    assert options_of(body(model="auto@0.002"), {}).willingness_to_pay == 0.002
    own = options_of(body(onehead={"models": ["a", "b"], "debug": True, "max_cost_usd": 1}), {})
    assert (own.models, own.debug, own.max_cost_usd) == (("a", "b"), True, 1.0)
    headers = {"x-onehead-min-quality": "0.5", "x-onehead-models": "a, b", "x-onehead-debug": "1"}
    by_header = options_of(body(), headers)
    assert (by_header.min_quality, by_header.models, by_header.debug) == (0.5, ("a", "b"), True)


def test_a_concrete_model_takes_options_but_no_suffix() -> None:
    assert options_of(body(model="gpt:cheap"), {}).willingness_to_pay is None


def test_equal_answers_in_two_places_agree() -> None:
    options = options_of(
        body(model="auto@0.002", onehead={"willingness_to_pay": "0.002"}),
        {"x-onehead-willingness-to-pay": "$0.002"},
    )
    assert options.willingness_to_pay == 0.002


@pytest.mark.parametrize(
    ("fields", "headers", "words"),
    [
        ({"model": "auto:cheap", "onehead": {"willingness_to_pay": 1}}, {}, "give it once"),
        ({"onehead": {"debug": True}}, {"x-onehead-debug": "0"}, "give it once"),
        ({"model": "auto:"}, {}, "names no preset"),
        ({"model": "auto@much"}, {}, "not a number"),
        ({"onehead": []}, {}, "not an object"),
        ({"onehead": {"willingness_to_pa": 1}}, {}, "Did you mean 'willingness_to_pay'"),
        ({"onehead": {"max_cost_usd": "x"}}, {}, "not a number"),
        ({"onehead": {"max_cost_usd": True}}, {}, "not a number"),
        ({"onehead": {"models": []}}, {}, "at least one"),
        ({"onehead": {"models": [1]}}, {}, "list of model ids"),
        ({"onehead": {"session": ""}}, {}, "1 to 256"),
        ({"onehead": {"debug": "perhaps"}}, {}, "true or false"),
        ({}, {"x-onehead-max-cost-usd": "NaN"}, "not a number"),
    ],
)
def test_bad_options_name_themselves(
    fields: dict[str, object], headers: dict[str, str], words: str
) -> None:
    with pytest.raises(GatewayError, match=words) as caught:
        options_of(body(**fields), headers)
    assert caught.value.status == 400


# --- what is asked


def test_needs_are_read_from_the_body() -> None:
    parts = [{"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": "what?"}]
    asked = asked_of(
        body(
            messages=[{"role": "user", "content": parts}],
            tools=[{"type": "function"}],
            stream=True,
            response_format={"type": "json_schema"},
        ),
        "chat",
    )
    assert asked.needs == {"chat", "vision", "tools", "streaming", "json_schema"}
    assert asked.chars > 4_000  # an image is not free


def test_a_tool_turn_follows_its_user_turn() -> None:
    messages = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "look it up"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
        {"role": "tool", "content": "found"},
    ]
    asked = asked_of(body(messages=messages), "chat")
    assert (asked.last_user, asked.follows_tools) == (1, True)
    first = asked_of(body(messages=messages[:2]), "chat")
    assert first.keys[1] == asked.keys[1]
    assert not first.follows_tools


def test_responses_input_is_a_conversation() -> None:
    data = {"model": "auto", "input": "hi", "instructions": "be kind", "max_output_tokens": 5}
    asked = asked_of(Body(json.dumps(data).encode()), "responses")
    assert asked.whole == "be kind\n\nhi"
    assert asked.output_tokens == 5
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
        {"type": "function_call_output", "call_id": "1", "output": "x"},
    ]
    asked = asked_of(Body(json.dumps({"model": "auto", "input": items}).encode()), "responses")
    assert asked.follows_tools


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"messages": []}, "at least one message"),
        ({"messages": "hi"}, "must be a list"),
        ({"messages": None}, "must be a list"),
        ({"messages": ["hi"]}, "message 0 is of type str"),
        ({"messages": [{"content": "x"}]}, "no 'role'"),
        ({"messages": [{"role": "user"}]}, "'content' is missing"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "without a 'type'"),
        ({"max_tokens": "many"}, "whole number of tokens"),
        ({"n": 0}, "'n' must be"),
    ],
)
def test_bad_messages_are_one_clear_error(fields: dict[str, object], words: str) -> None:
    with pytest.raises(GatewayError, match=words):
        asked_of(body(**fields), "chat")


# --- events


def event(document: object) -> bytes:
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def chunk(content: str, **more: object) -> dict[str, object]:
    return {"id": "c1", "model": "m", "choices": [{"delta": {"content": content}}], **more}


USAGE = {"prompt_tokens": 12, "completion_tokens": 8}


@given(st.lists(st.integers(1, 40), max_size=30))
def test_a_stream_passes_byte_for_byte_however_it_is_cut(cuts: list[int]) -> None:
    stream = b"".join(event(chunk(text)) for text in "abcäö") + b": note\r\n\r\ndata: [DONE]\n\n"
    relay = EventRelay(asked_usage=True, model="m")
    passed, start = b"", 0
    for cut in cuts:
        passed += relay.feed(stream[start : start + cut])
        start += cut
    passed += relay.feed(stream[start:]) + relay.finish()
    assert passed == stream
    assert relay.answer_id == "c1"


def test_usage_is_read_and_hidden_from_who_did_not_ask() -> None:
    told = event({"id": "c1", "model": "m", "choices": [], "usage": USAGE})
    for asked in (True, False):
        relay = EventRelay(asked_usage=asked, model="m")
        passed = relay.feed(event(chunk("a", usage=None)) + told + b"data: [DONE]\n\n")
        assert relay.usage == Usage(12, 8)
        assert (told in passed) == asked
        assert passed.endswith(b"data: [DONE]\n\n")


def test_usage_beside_content_is_never_hidden() -> None:
    relay = EventRelay(asked_usage=False, model="m")
    last = event(chunk("end", usage=USAGE))
    assert relay.feed(last) == last


@pytest.mark.parametrize("stated", [None, "", "auto", "auto:cheap"])
def test_an_unnamed_stream_gets_the_real_model(stated: str | None) -> None:
    relay = EventRelay(asked_usage=True, model="strong")
    passed = relay.feed(event(chunk("a", model=stated)) + event(chunk("b", model=stated)))
    names = [json.loads(line[6:])["model"] for line in passed.splitlines() if line]
    assert names == ["strong", "strong"]


def test_responses_events_tell_usage_inside() -> None:
    relay = EventRelay(asked_usage=True, model="m")
    relay.feed(b"event: response.created\n" + event({"response": {"id": "resp_1", "model": "m"}}))
    done = {"type": "response.completed", "response": {"id": "resp_1", "usage": {
        "input_tokens": 3, "output_tokens": 4, "output_tokens_details": {"reasoning_tokens": 2}}}}  # fmt: skip
    relay.feed(event(done))
    assert relay.usage == Usage(3, 4, reasoning=2)
    assert relay.answer_id == "resp_1"


def test_an_error_event_of_upstream_is_noticed() -> None:
    relay = EventRelay(asked_usage=True, model="m")
    relay.feed(event(chunk("a")) + event({"error": {"message": "overloaded"}}))
    assert relay.failed


def test_a_broken_stream_ends_in_the_words_of_its_api() -> None:
    document = GatewayError("it broke", code="stream_broken").document()
    chat = error_event(document, responses=False)
    assert json.loads(chat.removeprefix(b"data: "))["error"]["code"] == "stream_broken"
    own = error_event(document, responses=True, sequence=7)
    assert own.startswith(b"event: error\ndata: ")
    assert json.loads(own.split(b"data: ")[1])["sequence_number"] == 7


# --- usage and money


@pytest.mark.parametrize(
    ("stated", "usage"),
    [
        (USAGE, Usage(12, 8)),
        ({**USAGE, "prompt_tokens_details": {"cached_tokens": 5}}, Usage(12, 8, 5)),
        ({**USAGE, "completion_tokens_details": {"reasoning_tokens": 3}}, Usage(12, 8, 0, 3)),
        ({"input_tokens": 3, "output_tokens": 4, "cache_read_input_tokens": 10}, Usage(13, 4, 10)),
        ({"prompt_tokens": 3, "total_tokens": 3}, Usage(3, 0)),
        ({"prompt_tokens": "3"}, None),
        ({}, None),
        (None, None),
        ("much", None),
    ],
)
def test_usage_is_read_in_every_shape(stated: object, usage: Usage | None) -> None:
    assert usage_of({"usage": stated}) == usage


def test_cached_and_reasoning_tokens_are_priced() -> None:
    model = ModelConfig(
        id="m",
        input_usd_per_million=2.0,
        output_usd_per_million=10.0,
        cached_input_usd_per_million=0.5,
        request_usd=0.001,
    )
    # 600 fresh and 400 cached tokens read, 100 written, of which 60 were reasoning.
    cost = Usage(1000, 100, cached=400, reasoning=60).cost_usd(model)
    assert cost == pytest.approx((600 * 2.0 + 400 * 0.5 + 100 * 10.0) / 1e6 + 0.001, rel=1e-12)
    assert Usage(1000, 100).cost_usd(ModelConfig(id="f", free=True)) == 0.0


def test_errors_have_openais_shape() -> None:
    document = msgspec.json.decode(GatewayError("no", code="c", param="p").body())
    assert document == {
        "error": {"message": "no", "type": "invalid_request_error", "code": "c", "param": "p"}
    }
