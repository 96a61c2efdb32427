"""The gateway through OpenAI's own client."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import openai
import pytest
from client_gateways import COST_USD, KEY, QUESTION, Person, Weather, model_gateway, model_upstream  # noqa: F401
from gateways import Gateway, running_gateway
from model_upstream import PERSON, WEATHER, Model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"type": "string"}},
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}
PIXEL = "data:image/png;base64,iVBORw0KGgo="


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[Any]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=KEY, max_retries=0) as one:
        yield one


def test_a_completion(client: Any) -> None:
    answer = client.chat.completions.create(model="auto", messages=QUESTION)
    assert answer.choices[0].message.content == "The capital is Paris."
    assert answer.model in {"small", "large"}
    assert answer.usage.prompt_tokens_details.cached_tokens == 100


def test_headers_and_cost_come_with_the_raw_response(client: Any, gateway: Gateway) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="auto@1000", messages=[{"role": "user", "content": "Prove that √2 is irrational."}]
    )
    answer = raw.parse()
    assert raw.headers["x-onehead-model"] == answer.model == "large"
    assert float(raw.headers["x-onehead-cost-usd"]) == pytest.approx(COST_USD, abs=1e-15)
    assert raw.headers["x-upstream-request-id"] == "req-up"
    assert raw.request_id == raw.headers["x-request-id"]  # the client's own idea of it: ours
    row = gateway.row(raw.headers["x-onehead-decision-id"])
    assert (row["key"], row["cached_tokens"], row["reasoning_tokens"]) == ("team", 100, 30)


def test_extra_body_and_extra_headers_are_options(client: Any, upstream: Model) -> None:
    def ask(**extra: Any) -> Any:
        raw = client.chat.completions.with_raw_response.create(
            model="auto", messages=QUESTION, **extra
        )
        return raw.headers["x-onehead-model"]

    assert ask(extra_body={"onehead": {"models": ["large"]}}) == "large"
    assert "onehead" not in json.loads(upstream.requests[-1]["body"])
    assert ask(extra_headers={"x-onehead-models": "small"}) == "small"
    with pytest.raises(openai.BadRequestError) as caught:
        ask(extra_body={"onehead": {"modles": ["large"]}})
    assert caught.value.param == "onehead.modles"
    assert "Did you mean 'models'" in str(caught.value)
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        ask(extra_body={"onehead": {"max_cost_usd": 1e-15}})
    assert refused.value.code == "no_eligible_model"


def test_debug_comes_as_an_extra_field(client: Any) -> None:
    answer = client.chat.completions.create(
        model="auto", messages=QUESTION, extra_body={"onehead": {"debug": True}}
    )
    assert {one["model"] for one in answer.onehead["estimates"]} == {"small", "large"}


def test_a_stream(client: Any) -> None:
    stream = client.chat.completions.create(model="auto", messages=QUESTION, stream=True)
    chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == "The capital is Paris."
    assert stream.response.headers["x-onehead-model"] == chunks[0].model
    assert not any(chunk.usage for chunk in chunks)


def test_a_stream_with_usage(client: Any) -> None:
    *_, last = client.chat.completions.create(
        model="auto", messages=QUESTION, stream=True, stream_options={"include_usage": True}
    )
    assert (last.choices, last.usage.total_tokens) == ([], 160)


def test_debug_of_a_stream_disturbs_no_client(client: Any) -> None:
    chunks = list(
        client.chat.completions.create(
            model="auto", messages=QUESTION, stream=True, extra_body={"onehead": {"debug": True}}
        )
    )
    assert chunks[0].choices


def test_the_stream_helper(client: Any) -> None:
    with client.chat.completions.stream(model="auto", messages=QUESTION) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert final.choices[0].message.content == "The capital is Paris."


def test_the_stream_helper_with_a_schema_and_with_tools(client: Any) -> None:
    with client.chat.completions.stream(
        model="auto", messages=QUESTION, response_format=Person
    ) as stream:
        assert stream.get_final_completion().choices[0].message.parsed == Person(**PERSON)
    tool = openai.pydantic_function_tool(Weather)
    with client.chat.completions.stream(model="auto", messages=QUESTION, tools=[tool]) as stream:
        call = stream.get_final_completion().choices[0].message.tool_calls[0]
    assert call.function.parsed_arguments == Weather(**WEATHER)


def test_a_whole_tool_loop_stays_with_its_model(client: Any, gateway: Gateway) -> None:
    messages: list[Any] = [{"role": "user", "content": "What is the weather in Paris?"}]
    raw = client.chat.completions.with_raw_response.create(
        model="auto", messages=messages, tools=[TOOL]
    )
    message = raw.parse().choices[0].message
    call = message.tool_calls[0]
    assert json.loads(call.function.arguments) == WEATHER
    messages += [message, {"role": "tool", "tool_call_id": call.id, "content": "18 degrees"}]
    second = client.chat.completions.with_raw_response.create(
        model="auto", messages=messages, tools=[TOOL]
    )
    assert second.parse().choices[0].message.content == "The tool says 18 degrees"
    assert second.headers["x-onehead-model"] == raw.headers["x-onehead-model"]
    assert gateway.row(second.headers["x-onehead-decision-id"])["outcome"] == "ok"


def test_streamed_tool_arguments_come_in_pieces(client: Any) -> None:
    arguments = ""
    for chunk in client.chat.completions.create(
        model="auto", messages=QUESTION, tools=[TOOL], stream=True
    ):
        for call in chunk.choices[0].delta.tool_calls or []:
            arguments += call.function.arguments or ""
    assert json.loads(arguments) == WEATHER


def test_images_as_parts(client: Any, upstream: Model) -> None:
    content = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
    ]
    answer = client.chat.completions.create(
        model="auto", messages=[{"role": "user", "content": content}]
    )
    assert answer.choices[0].message.content == "I see 1 picture."
    assert json.loads(upstream.requests[-1]["body"])["messages"][0]["content"] == content


def test_structured_output_is_parsed(client: Any, upstream: Model) -> None:
    answer = client.chat.completions.parse(model="auto", messages=QUESTION, response_format=Person)
    assert answer.choices[0].message.parsed == Person(**PERSON)
    assert json.loads(upstream.requests[-1]["body"])["response_format"]["json_schema"]["strict"]


def test_several_answers_and_logprobs(client: Any) -> None:
    answer = client.chat.completions.create(
        model="auto", messages=QUESTION, n=3, logprobs=True, top_logprobs=2, seed=7
    )
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert answer.choices[2].logprobs.content[0].logprob == -0.1


def test_responses(client: Any, gateway: Gateway) -> None:
    answer = client.responses.create(model="auto", input="What is the capital of France?")
    assert answer.output_text == "The capital is Paris."
    again = client.responses.with_raw_response.create(
        model="auto", input="Are you sure?", previous_response_id=answer.id
    )
    assert again.headers["x-onehead-model"] == answer.model
    parsed = client.responses.parse(model="auto", input="Who?", text_format=Person)
    assert parsed.output_parsed == Person(**PERSON)


def test_responses_call_tools(client: Any) -> None:
    tool = {"type": "function", "name": "weather", "parameters": TOOL["function"]["parameters"], "strict": True}  # fmt: skip
    turns: list[Any] = [{"role": "user", "content": "What is the weather in Paris?"}]
    answer = client.responses.create(model="auto", input=turns, tools=[tool])
    call = answer.output[0]
    assert json.loads(call.arguments) == WEATHER
    turns += [call, {"type": "function_call_output", "call_id": call.call_id, "output": "18"}]
    final = client.responses.create(model="auto", input=turns, tools=[tool])
    assert final.output_text == "The tool says 18"
    assert final.model == answer.model


def test_responses_stream(client: Any) -> None:
    kinds = [e.type for e in client.responses.create(model="auto", input="hi", stream=True)]
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    with client.responses.stream(model="auto", input="hi") as stream:
        for _ in stream:
            pass
        final = stream.get_final_response()
    assert final.output_text == "The capital is Paris."
    assert final.usage.input_tokens_details.cached_tokens == 100


def test_embeddings_in_both_encodings(client: Any) -> None:
    packed = client.embeddings.create(model="vectors", input=["a", "abc"])
    plain = client.embeddings.create(model="vectors", input=["a", "abc"], encoding_format="float")
    assert [one.embedding for one in packed.data] == [[1.0, 0.5], [3.0, 0.5]]
    assert [one.embedding for one in plain.data] == [[1.0, 0.5], [3.0, 0.5]]


def test_models(client: Any) -> None:
    listed = {one.id: one for one in client.models.list()}
    assert {"auto", "auto:cheap", "small", "large"} <= set(listed)
    assert client.models.retrieve("auto:cheap").id == "auto:cheap"
    assert client.models.retrieve("large").pricing["input_usd_per_million"] == 5.0
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nobody")


def test_many_at_once(gateway: Gateway) -> None:
    async def ask() -> tuple[list[Any], list[str]]:
        async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=KEY) as one:

            async def streamed() -> str:
                text = ""
                async for chunk in await one.chat.completions.create(
                    model="auto", messages=QUESTION, stream=True
                ):
                    text += chunk.choices[0].delta.content or ""
                return text

            whole = asyncio.gather(
                *(one.chat.completions.create(model="auto", messages=QUESTION) for _ in range(20))
            )
            return await whole, await asyncio.gather(*(streamed() for _ in range(20)))

    answers, texts = asyncio.run(ask())
    assert {one.choices[0].message.content for one in answers} == {"The capital is Paris."}
    assert set(texts) == {"The capital is Paris."}


# --- errors as the client's classes, and its own retries


@pytest.mark.parametrize(
    ("key", "model", "kind", "code"),
    [
        ("sk-wrong", "auto", "AuthenticationError", "invalid_api_key"),
        ("sk-spent", "large", "RateLimitError", "insufficient_quota"),
        ("sk-narrow", "large", "PermissionDeniedError", "model_not_allowed"),
        (KEY, "nobody", "NotFoundError", "model_not_found"),
        (KEY, "auto:dear", "BadRequestError", None),
        (KEY, "status-400", "BadRequestError", None),
        (KEY, "status-500", "InternalServerError", None),
        (KEY, "later-429-0", "RateLimitError", None),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_have_the_clients_classes(
    client: Any, key: str, model: str, kind: str, code: str | None, stream: bool
) -> None:
    with pytest.raises(getattr(openai, kind)) as caught:
        client.with_options(api_key=key).chat.completions.create(
            model=model, messages=QUESTION, stream=stream
        )
    assert isinstance(caught.value, openai.APIStatusError)
    assert caught.value.code == code
    assert caught.value.body["message"]
    assert caught.value.request_id


def test_a_wrong_type_is_the_callers_mistake(client: Any) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="auto", messages="hi")
    assert caught.value.param == "messages"
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="auto", messages=QUESTION, n="two")


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_a_stream_that_breaks_is_an_api_error(client: Any, upstream: Model, api: str) -> None:
    ask: Any = {
        "chat": lambda: client.chat.completions.create(model="cut", messages=QUESTION, stream=True),
        "responses": lambda: client.responses.create(model="cut", input="hi", stream=True),
    }[api]
    stream = ask()
    with pytest.raises(openai.APIError) as caught:
        list(stream)
    assert "cut broke off its answer" in str(caught.value)
    assert caught.value.code == "stream_broken"


def retried(call: Callable[[], object], upstream: Model, model: str) -> int:
    """How many calls reach the upstream."""
    before = upstream.count[model]
    call()
    return upstream.count[model] - before


def test_the_clients_own_retries(client: Any, upstream: Model) -> None:
    """What may pass is tried again; what needs a person is not."""
    patient = client.with_options(max_retries=2)

    def ask(model: str) -> Any:
        return patient.chat.completions.create(model=model, messages=QUESTION)

    assert ask("flaky-1").choices
    assert upstream.count["flaky-1"] == 2

    def fails(model: str, kind: Any) -> Callable[[], None]:
        def call() -> None:
            with pytest.raises(kind):
                ask(model)

        return call

    assert retried(fails("status-400", openai.BadRequestError), upstream, "status-400") == 1
    assert retried(fails("later-429-0", openai.RateLimitError), upstream, "later-429-0") == 3
    spent = patient.with_options(api_key="sk-spent", timeout=5)
    with pytest.raises(openai.RateLimitError):  # at once: a spent budget is not waited for
        spent.chat.completions.create(model="large", messages=QUESTION)


# --- without any key or model: the demonstration


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    store = f'[store]\nurl = "sqlite:///{tmp_path_factory.mktemp("demo")}/log.db"\n'
    with (
        running_gateway(store, demo=True) as running,
        openai.OpenAI(base_url=f"{running.url}/v1", api_key="any", max_retries=0) as one,
    ):
        yield one


def test_the_demonstration_speaks_to_real_clients(demo: Any) -> None:
    answer = demo.chat.completions.create(model="auto", messages=QUESTION, n=2)
    assert "demonstration" in answer.choices[1].message.content
    with demo.chat.completions.stream(model="auto:best", messages=QUESTION) as stream:
        said = stream.get_final_completion().choices[0].message.content
    assert "demonstration" in said
    assert "demonstration" in demo.responses.create(model="auto", input="hi").output_text
    with demo.responses.stream(model="auto", input="hi") as events:
        for _ in events:
            pass
        assert "demonstration" in events.get_final_response().output_text
    model = demo.models.list().data[-1].id
    assert len(demo.embeddings.create(model=model, input=["a", "b"]).data) == 2
