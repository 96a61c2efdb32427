"""Which models may answer a request at all, and in words why the others may not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from onehead.features import tokenizer
from onehead.gateway.errors import GatewayError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from onehead.config import KeyConfig, ModelConfig
    from onehead.gateway.wire import Asked

_MOST_PER_CHAR = 2
"""No usual text has more tokens for a character: a window that holds so many needs no count."""
_NAMES = {
    "vision": "images",
    "json_schema": "JSON schemas",
    "responses": "the Responses API",
    "chat": "chat completions",
}


class Obstacles(msgspec.Struct, frozen=True):
    """Why each model may not answer, None where it may; in the order of the models given.

    resting: positions of models that only an open breaker keeps away, the last to be tried
    """

    reasons: tuple[str | None, ...]
    too_long: bool = False
    resting: tuple[int, ...] = ()

    @property
    def none(self) -> bool:
        """Whether every model may answer."""
        return not any(self.reasons)

    @property
    def eligible(self) -> tuple[int, ...]:
        """Positions of the models that may answer."""
        return tuple(place for place, reason in enumerate(self.reasons) if reason is None)

    def roused(self) -> Obstacles:
        """The same with the models that rest among the eligible."""
        reasons = [None if n in self.resting else why for n, why in enumerate(self.reasons)]
        return Obstacles(tuple(reasons), self.too_long)


class Eligibility:
    """Who of a fixed set of models may answer; most requests any of them can, found out at once."""

    def __init__(self, models: Sequence[ModelConfig], *, need_upstream: bool) -> None:
        """Take the models; `need_upstream` says whether one without an address is out."""
        self._models = models
        self._need_upstream = need_upstream
        self._common = frozenset.intersection(*(model.capabilities for model in models))
        windows = [one.context_window for one in models if one.context_window is not None]
        outputs = [one.max_output_tokens for one in models if one.max_output_tokens is not None]
        self._window = min(windows, default=math.inf)
        self._output = min(outputs, default=math.inf)
        self._addressed = not need_upstream or all(one.has_upstream for one in models)
        self._everyone = Obstacles((None,) * len(models))

    def __call__(
        self,
        asked: Asked,
        key: KeyConfig | None,
        allowed: Sequence[str] | None,
        is_open: Callable[[str], bool] | None,
    ) -> Obstacles:
        """What keeps each model from answering `asked`; the arguments are those of `obstacles`."""
        output = asked.output_tokens or 0
        unlisted = key is None or (key.models is None and not key.deny)
        if (
            allowed is None
            and unlisted
            and self._addressed
            and asked.needs <= self._common
            and output <= self._output
            and asked.chars * _MOST_PER_CHAR + output <= self._window
            and (is_open is None or not any(is_open(model.id) for model in self._models))
        ):
            return self._everyone
        return obstacles(
            asked,
            self._models,
            key=key,
            allowed=allowed,
            is_open=is_open,
            need_upstream=self._need_upstream,
        )


def obstacles(
    asked: Asked,
    models: Sequence[ModelConfig],
    *,
    key: KeyConfig | None = None,
    allowed: Sequence[str] | None = None,
    is_open: Callable[[str], bool] | None = None,
    need_upstream: bool = False,
) -> Obstacles:
    """What keeps each of `models` from answering `asked`.

    allowed: the models that the caller allows
    is_open: whether a model's circuit breaker keeps calls away
    need_upstream: whether a model without an address is out
    """
    tokens: int | None = None
    reasons: list[str | None] = []
    unlisted = too_long = 0
    rough = asked.chars * _MOST_PER_CHAR
    asked_output = asked.output_tokens or 0
    for model in models:
        reason = _permission(model.id, key, allowed)
        unlisted += reason is not None
        reason = reason or _capability(model, asked)
        window = model.context_window
        if reason is None and window is not None and rough + asked_output > window:
            tokens = count_tokens(asked) if tokens is None else tokens
            reason = _window(model, tokens, asked_output)
            too_long += reason is not None
        if reason is None and need_upstream and not model.has_upstream:
            reason = "has no upstream here"
        reasons.append(reason)
    # Among those that may be asked at all: a client that is told so shortens its conversation.
    only_length = bool(too_long) and too_long + unlisted == sum(map(bool, reasons))
    resting = () if is_open is None else _keep_off(reasons, models, is_open)
    return Obstacles(tuple(reasons), only_length, resting)


def count_tokens(asked: Asked) -> int:
    """Tokens that a model will read, counted in the bundled word pieces on a sample of the text."""
    sample = asked.sample()
    if not sample:
        return 0
    return round(asked.chars * len(tokenizer().ids(sample)) / len(sample))


def refusal(obstacles: Obstacles, ids: Sequence[str]) -> GatewayError:
    """The error where no model is left, with the reason of each."""
    each = "; ".join(f"{name} {why}" for name, why in zip(ids, obstacles.reasons, strict=True))
    return GatewayError(
        f"no model can answer this request: {each}. Change the request, or allow more models.",
        status=400 if obstacles.too_long else 422,
        code="context_length_exceeded" if obstacles.too_long else "no_eligible_model",
    )


def _permission(name: str, key: KeyConfig | None, allowed: Sequence[str] | None) -> str | None:
    """Whether lists keep a model away."""
    if key is not None and (
        name in key.deny or (key.models is not None and name not in key.models)
    ):
        return "is not allowed for this key"
    if allowed is not None and name not in allowed:
        return "is not among the models allowed"
    return None


def _capability(model: ModelConfig, asked: Asked) -> str | None:
    """The first need that a model does not meet."""
    if not asked.needs <= model.capabilities:
        lacking = min(asked.needs - model.capabilities)
        return f"does not take {_NAMES.get(lacking, lacking)}"
    most = model.max_output_tokens
    if most is not None and asked.output_tokens is not None and asked.output_tokens > most:
        return f"writes at most {most} tokens, {asked.output_tokens} are asked for"
    return None


def _window(model: ModelConfig, tokens: int, output: int) -> str | None:
    """Whether the conversation fits a model's context window."""
    if model.context_window is None or tokens + output <= model.context_window:
        return None
    more = f" and {output} asked for" if output else ""
    return f"reads at most {model.context_window} tokens, this is about {tokens}{more}"


def _keep_off(
    reasons: list[str | None], models: Sequence[ModelConfig], is_open: Callable[[str], bool]
) -> tuple[int, ...]:
    """Strike out, in place, models whose breaker is open, unless no other is left; say which."""
    failing = tuple(
        place for place, model in enumerate(models) if reasons[place] is None and is_open(model.id)
    )
    if len(failing) == sum(reason is None for reason in reasons):
        return ()
    for place in failing:
        reasons[place] = "failed repeatedly and rests for a moment"
    return failing
