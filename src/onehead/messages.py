"""OpenAI-style messages to routing text: the one text that an encoder sees of a conversation.

The rule. Routing text is, each between blank lines:

1. the system prompt (all ``system`` and ``developer`` messages), at most `MAX_SYSTEM_CHARS`;
2. the first user turn, which says what the conversation is about;
3. the last user turn, which asks the question at hand (once, where it is also the first).

Assistant and tool messages are skipped: a decision belongs to a user turn. Where no user turn
exists, the last message that says anything stands in for it. Parts that are not text are noted by
kind, for instance ``[image]``. Texts over their limit keep their beginning and their end; of
`MAX_CHARS` the last user turn may take all that the system prompt leaves but a quarter, which the
first user turn is sure of. A plain string is its own routing text, clipped to `MAX_CHARS`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from onehead.errors import UsageError

MAX_CHARS: Final = 16_000
MAX_SYSTEM_CHARS: Final = 2_000
IMAGE_CHARS: Final = 4_000
"""A part without text counts as this many: an image is about a thousand tokens, as providers bill a large one."""
GAP: Final = "\n…\n"
_BREAK: Final = "\n\n"

_SYSTEM_ROLES: Final = frozenset({"system", "developer"})
_TEXT_PARTS: Final = frozenset({"text", "input_text", "output_text"})
_CALLS: Final = ("tool_calls", "arguments", "output")
_KINDS: Final = {
    "image_url": "image",
    "input_image": "image",
    "image": "image",
    "input_audio": "audio",
    "audio_url": "audio",
    "input_file": "file",
    "file": "file",
    "video_url": "video",
    "input_video": "video",
}


def routing_text(prompt: str | Sequence[Mapping[str, Any]]) -> str:
    """The text to encode for a prompt or a conversation, at most `MAX_CHARS` long.

    UsageError names the message that is malformed, by position, and says why.
    """
    if isinstance(prompt, str):
        return clip_middle(prompt, MAX_CHARS)
    if isinstance(prompt, bytes | Mapping) or not isinstance(prompt, Sequence):
        raise UsageError(
            f"a prompt is text or a list of messages, not {type(prompt).__name__}; "
            'give for instance [{"role": "user", "content": "…"}].'
        )
    if not prompt:
        raise UsageError("the list of messages is empty; give at least one user message.")
    turns = [_turn(message, place) for place, message in enumerate(prompt)]
    system = _BREAK.join(text for role, text in turns if role in _SYSTEM_ROLES and text)
    users = [text for role, text in turns if role == "user"]
    if not users:
        users = [text for role, text in turns if role not in _SYSTEM_ROLES and text][-1:]
    return _assemble(clip_middle(system, MAX_SYSTEM_CHARS), users)


def times_read(prompt: str | Sequence[Mapping[str, Any]], text: str) -> float:
    """How many times the length of its routing text a model reads of a prompt, at least once.

    The routing text leaves out what says little about the question; the model is paid to read all.
    """
    chars = len(prompt) if isinstance(prompt, str) else sum(map(chars_read, prompt))
    return max(1.0, chars / max(len(text), 1))


def chars_read(message: Mapping[str, Any]) -> int:
    """Characters that a model reads of a message that `routing_text` took, calls of tools among them."""
    content = message.get("content")
    parts = content if isinstance(content, list | tuple) else [content or ""]
    called = (str(message[name]) for name in _CALLS if name in message)
    return sum(map(_part_chars, parts)) + sum(map(len, called))


def _part_chars(part: str | Mapping[str, Any]) -> int:
    text = part if isinstance(part, str) else part.get("text")
    return len(text) if isinstance(text, str) else IMAGE_CHARS


def clip_middle(text: str, limit: int) -> str:
    """`text` itself, or its beginning and its end around a gap, `limit` characters in all."""
    if len(text) <= limit:
        return text
    kept = max(limit - len(GAP), 0)
    head = (kept + 1) // 2
    return f"{text[:head]}{GAP}{text[len(text) - (kept - head) :]}"[:limit]


def _assemble(system: str, users: list[str]) -> str:
    """Share `MAX_CHARS` out: the first turn is sure of a quarter, the last takes what is left."""
    room = MAX_CHARS - (len(system) + len(_BREAK) if system else 0)
    parts = [system] if system else []
    if len(users) > 1 and users[0]:
        spare = room - len(_BREAK) - len(users[-1])
        first = clip_middle(users[0], max(room // 4, spare))
        parts.append(first)
        room -= len(first) + len(_BREAK)
    if users:
        parts.append(clip_middle(users[-1], room))
    return _BREAK.join(part for part in parts if part)


def _turn(message: object, place: int) -> tuple[str, str]:
    """Role and text of one message; items without a role (tool calls as items) count as tools."""
    if not isinstance(message, Mapping):
        raise UsageError(
            f"message {place} is {_kind(message)}, not an object with 'role' and 'content'."
        )
    role = message.get("role")
    if role is None and isinstance(message.get("type"), str) and message["type"] != "message":
        return "tool", ""
    if not isinstance(role, str) or not role:
        raise UsageError(
            f"message {place} has no 'role'; give user, system, developer, assistant or tool."
        )
    return role, _content(message.get("content"), role, place)


def _content(content: object, role: str, place: int) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list | tuple):
        return "\n".join(
            _part(part, f"message {place}, part {number}") for number, part in enumerate(content)
        )
    if content is None and role != "user" and role not in _SYSTEM_ROLES:
        return ""  # an assistant that only calls tools says nothing
    raise UsageError(
        f"message {place} ({role}): 'content' is {_kind(content)}; give text or a list of parts."
    )


def _part(part: object, where: str) -> str:
    if isinstance(part, str):
        return part
    kind = part.get("type") if isinstance(part, Mapping) else None
    if not isinstance(part, Mapping) or not isinstance(kind, str) or not kind:
        raise UsageError(f"{where} is {_kind(part)} without a 'type', such as text or image_url.")
    if kind in _TEXT_PARTS:
        text = part.get("text")
        if not isinstance(text, str):
            raise UsageError(f"{where}: 'text' is {_kind(text)}; a {kind} part holds a string.")
        return text
    return f"[{_KINDS.get(kind, kind)}]"


def _kind(value: object) -> str:
    return "missing" if value is None else f"of type {type(value).__name__}"
