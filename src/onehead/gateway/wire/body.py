"""A request's JSON body, forwarded as it came: only `model` changes, and our own key goes.

The values of the object stay the bytes that arrived. What the gateway does not understand it cannot
damage: an unknown field, a number beyond 64 bits or the order of keys inside a tool all survive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from onehead.gateway.errors import GatewayError

if TYPE_CHECKING:
    from collections.abc import Mapping

OWN_KEY = "onehead"
"""The key of a body that is for the gateway and never forwarded."""

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ENCODER = msgspec.json.Encoder()
_TRUE = b"true"
_INCLUDE_USAGE = msgspec.Raw(b'{"include_usage":true}')


class Body:
    """The object of one request, its values as the bytes that came.

    model: what the request asks for, a name
    stream: whether the answer is to come in events
    """

    __slots__ = ("_raw", "model", "stream")

    def __init__(self, data: bytes, *, model_needed: bool = True) -> None:
        """GatewayError where `data` is not a JSON object in UTF-8 that names a model by text."""
        self._raw = _object(data)
        self.model = self._text("model", needed=model_needed)
        self.stream = self._truth("stream") if model_needed else self.get("stream") is True

    def __contains__(self, name: str) -> bool:
        return name in self._raw

    def get(self, name: str) -> Any:
        """The value of a field, None where there is none; GatewayError where it cannot be read."""
        raw = self._raw.get(name)
        return None if raw is None else _value(raw, name)

    def items_of(self, name: str) -> list[bytes]:
        """The elements of an array field, each as the bytes that came; none for another type."""
        raw = self._raw.get(name)
        if raw is None:
            return []
        try:
            return [bytes(item) for item in msgspec.json.decode(raw, type=list[msgspec.Raw])]
        except (msgspec.MsgspecError, RecursionError):
            return []

    def size_of(self, name: str) -> int:
        """Bytes of a field's value as it came; 0 where there is none."""
        raw = self._raw.get(name)
        return 0 if raw is None else len(memoryview(raw))

    def chars(self) -> int:
        """Bytes of the whole body, a bound on the characters that it has a model read."""
        return sum(map(self.size_of, self._raw))

    def wants_usage(self) -> bool:
        """Whether the client itself asks for usage at the end of a stream."""
        options = self.get("stream_options")
        return isinstance(options, dict) and options.get("include_usage") is True

    def forward(
        self, model: str, defaults: Mapping[str, Any] | None = None, *, ask_usage: bool = False
    ) -> bytes:
        """The body to send upstream under the name `model`.

        defaults: values for fields that the client did not send
        ask_usage: ask for usage at the end of a stream, beside what else its options say
        """
        fields: dict[str, Any] = {**self._raw, "model": model}
        fields.pop(OWN_KEY, None)
        for name, value in (defaults or {}).items():
            fields.setdefault(name, value)
        if ask_usage:
            options = self.get("stream_options")
            own = {**options, "include_usage": True} if isinstance(options, dict) else None
            fields["stream_options"] = own or _INCLUDE_USAGE
        return _ENCODER.encode(fields)

    def _truth(self, name: str) -> bool:
        """A flag. What is neither true nor false would mean one thing here and another upstream."""
        value = self.get(name)
        if value is not None and not isinstance(value, bool):
            raise GatewayError(f"{name!r} is {_kind(value)}; give true or false.", param=name)
        return value is True

    def _text(self, name: str, *, needed: bool) -> str:
        value = self.get(name)
        if value is None or value == "":
            if not needed:
                return ""
            raise GatewayError(
                f"the body has no {name!r}; give 'auto' to let the router choose, or a model's id.",
                param=name,
            )
        if not isinstance(value, str):
            raise GatewayError(f"{name!r} is {_kind(value)}; give a text.", param=name)
        return value


def _object(data: bytes) -> dict[str, msgspec.Raw]:
    """The fields of a JSON object, unread."""
    try:
        data.decode()
        return _OBJECT.decode(data)
    except UnicodeDecodeError as error:
        raise GatewayError(
            f"the body is not UTF-8: byte {data[error.start]:#04x} at {error.start}."
        ) from None
    except msgspec.ValidationError:
        raise GatewayError("the body is JSON but not an object; give {…}.") from None
    except msgspec.DecodeError as error:
        raise GatewayError(f"the body is not JSON: {_lower(str(error))}.") from None
    except RecursionError:
        raise GatewayError("the body is nested too deeply to be read.") from None


def _value(raw: msgspec.Raw, name: str) -> Any:
    """What the bytes of a field say."""
    try:
        return msgspec.json.decode(raw)
    except RecursionError:
        raise GatewayError(f"{name!r} is nested too deeply to be read.", param=name) from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise GatewayError(f"{name!r} cannot be read: {_lower(str(error))}.", param=name) from None


def _kind(value: object) -> str:
    return f"of type {type(value).__name__}"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
