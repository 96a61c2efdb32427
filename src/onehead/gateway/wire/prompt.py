"""What a request asks of a model: its text for routing, its turns, what it needs, how much it reads."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from onehead.errors import UsageError
from onehead.gateway.errors import GatewayError
from onehead.messages import MAX_CHARS, chars_read, clip_middle, routing_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onehead.gateway.wire.body import Body

Api = Literal["chat", "responses"]

_IMAGES = frozenset({"image_url", "input_image", "image"})
_AUDIO = frozenset({"input_audio", "audio_url", "audio"})
_FILES = frozenset({"input_file", "file"})
_USUAL_OUTPUT = 500
_CHARS_PER_TOKEN = 4
_WRITE = ("/completions", "/responses")
_LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")


class Asked(msgspec.Struct, frozen=True):
    """One request in the eyes of the router.

    messages: the conversation as messages, a system prompt among them; `whole` its routing text,
        which answers and tools that follow the last user turn do not change
    needs: capabilities that a model must have
    sizes: characters of each message, `tool_chars` of the tools, which are read before them
    output_tokens: the most tokens the client will take, where it says; `answers` how many at once
    last_user: position of the last user turn; `follows_tools` when something follows it
    keys: one digest for each message: of the conversation up to and with it
    """

    api: Api
    messages: Sequence[dict[str, Any]]
    whole: str
    needs: frozenset[str]
    sizes: Sequence[int]
    tool_chars: int
    output_tokens: int | None
    answers: int
    last_user: int
    follows_tools: bool
    keys: Sequence[str] = ()
    previous_answer: str | None = None

    def text(self, turn: int) -> str:
        """The routing text of the conversation up to and with the user turn at `turn`."""
        return self.whole if turn == self.last_user else routing_text(self.messages[: turn + 1])

    @property
    def chars(self) -> int:
        """Characters that the model will read."""
        return sum(self.sizes) + self.tool_chars

    def prefix_chars(self, turn: int) -> int:
        """Characters before message `turn`, which a prompt cache may hold; 0 for a first turn."""
        before = sum(self.sizes[:turn])
        return before + self.tool_chars if before else 0

    @property
    def user_turns(self) -> list[int]:
        """Positions of the user turns."""
        return [place for place, one in enumerate(self.messages) if one.get("role") == "user"]

    def sample(self) -> str:
        """At most `MAX_CHARS` of all that the model reads, for counting tokens per character."""
        return clip_middle("\n".join(_texts(self.messages)), MAX_CHARS)


def asked_of(body: Body, api: Api) -> Asked:
    """Read what a request asks; GatewayError says which part of it cannot be taken."""
    messages, raw = _conversation(body, api)
    try:
        text = routing_text(messages)
    except UsageError as error:
        raise GatewayError(str(error), param="messages" if api == "chat" else "input") from None
    users = [place for place, one in enumerate(messages) if one.get("role") == "user"]
    last_user = users[-1] if users else len(messages) - 1
    return Asked(
        api=api,
        messages=messages,
        whole=text,
        needs=_needs(body, api, _kinds(messages), messages),
        sizes=[chars_read(message) for message in messages],
        tool_chars=body.size_of("tools") + body.size_of("functions"),
        output_tokens=_limit(body),
        answers=_answers(body),
        last_user=last_user,
        follows_tools=last_user < len(messages) - 1,
        keys=_keys(raw),
        previous_answer=_previous(body) if api == "responses" else None,
    )


def _conversation(body: Body, api: Api) -> tuple[list[dict[str, Any]], list[bytes]]:
    """The messages, and the bytes of each (one digest is made of them)."""
    if api == "chat":
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages:
            raise GatewayError(
                "'messages' must be a list with at least one message, such as "
                '[{"role": "user", "content": "…"}].',
                param="messages",
            )
        return messages, body.items_of("messages")
    given = body.get("input")
    if isinstance(given, str):
        messages, raw = [{"role": "user", "content": given}], [given.encode("utf-8", "replace")]
    elif isinstance(given, list) and given:
        messages, raw = given, body.items_of("input")
    else:
        raise GatewayError(
            "'input' must be a text or a list with at least one item.", param="input"
        )
    instructions = body.get("instructions")
    if isinstance(instructions, str) and instructions:
        system = {"role": "system", "content": instructions}
        return [system, *messages], [instructions.encode("utf-8", "replace"), *raw]
    return messages, raw


def _keys(raw: list[bytes]) -> list[str]:
    """The digest of the conversation up to and with each message."""
    digest, keys = blake2b(digest_size=16), []
    for message in raw:
        digest.update(b"%d:%b" % (len(message), message))
        keys.append(digest.hexdigest())
    return keys


def _kinds(messages: Sequence[dict[str, Any]]) -> set[str]:
    """The kinds of parts there are."""
    contents = [one["content"] for one in messages if isinstance(one.get("content"), list)]
    return {
        str(part.get("type")) for content in contents for part in content if isinstance(part, dict)
    }


def _texts(messages: Sequence[dict[str, Any]]) -> list[str]:
    texts = []
    for message in messages:
        content = message.get("content")
        if isinstance(content, str):
            texts.append(content)
        elif isinstance(content, list):
            texts += [p["text"] for p in content if isinstance(p, dict) and "text" in p]
    return [text for text in texts if isinstance(text, str)]


def _needs(
    body: Body, api: Api, kinds: set[str], messages: Sequence[dict[str, Any]]
) -> frozenset[str]:
    """The capabilities that this request needs of a model."""
    tools = body.get("tools") or body.get("functions")
    shape = body.get("text") if api == "responses" else body.get("response_format")
    shape = shape.get("format") if api == "responses" and isinstance(shape, dict) else shape
    modalities = body.get("modalities")
    needs: list[str] = [api]
    if body.stream:
        needs.append("streaming")
    if tools or any("tool_calls" in m or m.get("role") == "tool" for m in messages):
        needs.append("tools")
    if isinstance(modalities, list) and "audio" in modalities:
        needs.append("audio")
    if isinstance(shape, dict) and shape.get("type") == "json_schema":
        needs.append("json_schema")
    if kinds:
        parts = (("vision", _IMAGES), ("audio", _AUDIO), ("files", _FILES))
        needs += [name for name, those in parts if not kinds.isdisjoint(those)]
    return frozenset(needs)


def _limit(body: Body) -> int | None:
    """The most tokens the client takes for one answer; GatewayError where that is no number."""
    for name in _LIMITS:
        value = body.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise GatewayError(f"{name!r} must be a whole number of tokens.", param=name)
        return value
    return None


def likely_tokens(asked: Asked | None, body: Body | None, path: str) -> tuple[float, float]:
    """Tokens read and written to reckon with where the router estimated nothing."""
    if body is None:
        return 0.0, 0.0
    read = (body.chars() if asked is None else asked.chars) / _CHARS_PER_TOKEN
    return read, float(_likely_output(body)) if path.endswith(_WRITE) else 0.0


def _likely_output(body: Body) -> int:
    """A usual answer, or less where less is asked for."""
    stated = [body.get(name) for name in _LIMITS]
    limits = [n for n in stated if isinstance(n, int) and not isinstance(n, bool) and n > 0]
    return min([_USUAL_OUTPUT, *limits])


def _answers(body: Body) -> int:
    value = body.get("n")
    if value is None:
        return 1
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1024:
        raise GatewayError("'n' must be a whole number of answers, 1 or more.", param="n")
    return value


def _previous(body: Body) -> str | None:
    value = body.get("previous_response_id")
    return value if isinstance(value, str) and value else None
