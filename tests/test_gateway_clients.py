"""The gateway through LangChain's and LiteLLM's clients."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from client_gateways import KEY, Person, Weather, model_gateway, model_upstream  # noqa: F401
from langchain_openai import ChatOpenAI
from model_upstream import PERSON, WEATHER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gateways import Gateway

# --- LangChain


@pytest.fixture(scope="module")
def langchain(gateway: Gateway) -> Callable[..., Any]:

    def make(**options: Any) -> Any:
        options = {"model": "auto", "max_retries": 0, **options}
        return ChatOpenAI(base_url=f"{gateway.url}/v1", api_key=KEY, **options)

    return make


def test_langchain_asks_and_streams(langchain: Callable[..., Any]) -> None:
    answer = langchain().invoke("What is the capital of France?")
    assert answer.content == "The capital is Paris."
    assert answer.response_metadata["model_name"] in {"small", "large"}
    assert answer.usage_metadata["input_token_details"]["cache_read"] == 100
    chunks = list(langchain(stream_usage=True).stream("What is the capital of France?"))
    assert "".join(chunk.content for chunk in chunks) == "The capital is Paris."
    assert sum(c.usage_metadata["total_tokens"] for c in chunks if c.usage_metadata) == 160


def test_langchain_options(langchain: Callable[..., Any]) -> None:
    one = langchain(extra_body={"onehead": {"models": ["large"]}}, include_response_headers=True)
    answer = one.invoke("hi")
    assert answer.response_metadata["headers"]["x-onehead-model"] == "large"


def test_langchain_tools_and_schemas(langchain: Callable[..., Any]) -> None:
    from langchain_core.messages import HumanMessage, ToolMessage

    armed = langchain().bind_tools([Weather])
    turns: list[Any] = [HumanMessage("What is the weather in Paris?")]
    first = armed.invoke(turns)
    call = first.tool_calls[0]
    assert (call["name"], call["args"]) == ("Weather", WEATHER)
    turns += [first, ToolMessage("18 degrees", tool_call_id=call["id"])]
    assert armed.invoke(turns).content == "The tool says 18 degrees"
    assert langchain().with_structured_output(Person).invoke("Who?") == Person(**PERSON)
    by_tool = langchain().with_structured_output(Weather, method="function_calling")
    assert by_tool.invoke("Where?") == Weather(**WEATHER)


def test_langchain_over_responses_and_async(langchain: Callable[..., Any]) -> None:
    answer = langchain(use_responses_api=True).invoke("hi")
    assert answer.text == "The capital is Paris."

    async def stream() -> str:
        return "".join([chunk.content async for chunk in langchain().astream("hi")])

    assert asyncio.run(stream()) == "The capital is Paris."


# --- LiteLLM, in a process of its own: its import takes seconds and warns

LITELLM = """
import json, sys, litellm
litellm.telemetry = False
base, key = sys.argv[1:]
ask = {"model": "openai/auto", "api_base": base, "api_key": key, "num_retries": 0,
       "messages": [{"role": "user", "content": "What is the capital of France?"}]}
whole = litellm.completion(**ask)
pieces = list(litellm.completion(**ask, stream=True))
routed = litellm.completion(**ask, extra_body={"onehead": {"models": ["large"]}})
tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
# Else it asks for the package mcp as soon as there are tools.
called = litellm.completion(**ask, tools=[tool], _skip_mcp_handler=True)
try:
    litellm.completion(**{**ask, "api_key": "sk-wrong"})
except litellm.AuthenticationError as error:
    refused = type(error).__name__
print(json.dumps({
    "whole": whole.choices[0].message.content,
    "pieces": "".join(p.choices[0].delta.content or "" for p in pieces),
    "routed": routed.model,
    "called": called.choices[0].message.tool_calls[0].function.name,
    "refused": refused,
    "tokens": whole.usage.total_tokens,
}))
"""


@pytest.mark.slow
def test_litellm(gateway: Gateway, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", LITELLM, f"{gateway.url}/v1", KEY],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"LITELLM_LOCAL_MODEL_COST_MAP": "True"},
    )
    assert run.returncode == 0, run.stderr[-2000:]
    told = json.loads(run.stdout.splitlines()[-1])
    assert told == {
        "whole": "The capital is Paris.",
        "pieces": "The capital is Paris.",
        "routed": "large",
        "called": "weather",
        "refused": "AuthenticationError",
        "tokens": 160,
    }
