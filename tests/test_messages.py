"""Messages become routing text by one rule, and malformed ones are named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onehead.errors import UsageError
from onehead.messages import (
    GAP,
    IMAGE_CHARS,
    MAX_CHARS,
    MAX_SYSTEM_CHARS,
    chars_read,
    clip_middle,
    routing_text,
    times_read,
)


def message(role, content, **more):
    return {"role": role, "content": content, **more}


def test_a_string_is_its_own_routing_text():
    assert routing_text("  what?\n") == "  what?\n"
    assert routing_text("") == ""


def test_system_first_and_last_user_turn_in_order():
    text = routing_text(
        [
            message("system", "Be brief."),
            message("user", "Plan a bridge."),
            message("assistant", "A long plan."),
            message("user", "Cheaper."),
            message("assistant", "A shorter plan."),
            message("user", "yes"),
        ]
    )
    assert text == "Be brief.\n\nPlan a bridge.\n\nyes"


def test_one_user_turn_counts_once_and_developer_is_a_system_prompt():
    assert routing_text([message("developer", "D"), message("user", "Q")]) == "D\n\nQ"


@pytest.mark.parametrize(
    ("part", "shown"),
    [
        ({"type": "image_url", "image_url": {"url": "data:…"}}, "[image]"),
        ({"type": "input_image"}, "[image]"),
        ({"type": "input_audio", "input_audio": {}}, "[audio]"),
        ({"type": "file"}, "[file]"),
        ({"type": "hologram"}, "[hologram]"),
        ({"type": "input_text", "text": "spoken"}, "spoken"),
        ("bare", "bare"),
    ],
)
def test_parts_are_noted_by_kind(part, shown):
    content = [{"type": "text", "text": "Look:"}, part]
    assert routing_text([message("user", content)]) == f"Look:\n{shown}"


def test_tool_calls_and_results_are_tolerated():
    call = message("assistant", None, tool_calls=[{"id": "1", "function": {"name": "f"}}])
    result = message("tool", "42", tool_call_id="1")
    item = {"type": "function_call_output", "output": "42"}
    assert routing_text([message("user", "Compute."), call, result, item]) == "Compute."
    assert routing_text([call, result]) == "42"
    assert routing_text([message("system", "S"), call]) == "S"


def test_what_is_read_is_never_less_than_the_routing_text():
    talk = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    assert times_read(talk, routing_text(talk)) == 1.0
    assert times_read("", "") == 1.0
    assert times_read("x" * 2 * MAX_CHARS, routing_text("x" * 2 * MAX_CHARS)) == 2.0
    image = [{"role": "user", "content": [{"type": "image_url"}]}]
    assert times_read(image, routing_text(image)) == IMAGE_CHARS / len("[image]")
    called = {"role": "assistant", "content": None, "tool_calls": [{"arguments": "y" * 90}]}
    assert chars_read(called) > 90
    asked = [talk[1], called, {"type": "function_call_output", "output": "z" * 500}]
    assert times_read(asked, routing_text(asked)) > 100


def test_the_last_user_turn_counts_behind_a_huge_history():
    text = routing_text(
        [
            message("system", "s" * 100_000),
            message("user", "f" * 100_000),
            message("user", "start " + "m" * 100_000 + " the question?"),
        ]
    )
    assert len(text) == MAX_CHARS
    assert text.endswith(" the question?")
    assert "start m" in text
    assert text.count("s") <= MAX_SYSTEM_CHARS + 10
    assert text.count("f") > MAX_CHARS // 5


def test_a_short_last_turn_leaves_its_room_to_the_first():
    text = routing_text([message("user", "f" * 100_000), message("user", "yes")])
    assert len(text) == MAX_CHARS
    assert text.endswith("\n\nyes")


@given(st.text(), st.integers(0, 40))
def test_clipping_keeps_both_ends(text, limit):
    clipped = clip_middle(text, limit)
    assert len(clipped) == min(len(text), limit)
    if len(text) > limit > len(GAP) + 1:
        half = (limit - len(GAP)) // 2
        assert clipped.startswith(text[:half])
        assert clipped.endswith(text[len(text) - half :])


@given(
    st.lists(
        st.builds(message, st.sampled_from(["system", "user", "assistant"]), st.text()), min_size=1
    )
)
def test_any_conversation_gives_bounded_text(messages):
    assert len(routing_text(messages)) <= MAX_CHARS


@pytest.mark.parametrize(
    ("messages", "says"),
    [
        ([], "empty"),
        (None, "not NoneType"),
        (b"text", "not bytes"),
        ({"role": "user"}, "not dict"),
        (["hello"], "message 0 is of type str"),
        ([message("user", "ok"), {"content": "x"}], "message 1 has no 'role'"),
        ([message("user", None)], r"message 0 \(user\): 'content' is missing"),
        ([message("user", 5)], "'content' is of type int"),
        ([message("user", [7])], "message 0, part 0"),
        ([message("user", [{"type": "text"}])], "'text' is missing"),
        ([message("user", [{"text": "x"}])], "without a 'type'"),
    ],
)
def test_malformed_messages_are_named(messages, says):
    with pytest.raises(UsageError, match=says):
        routing_text(messages)
