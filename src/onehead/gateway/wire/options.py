"""How a request says what it is willing to pay: by the model's name, by our key, by headers.

All three may be used at once as long as they agree; two different answers to the same question are
refused, since any order of precedence would surprise someone who pays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from onehead.errors import did_you_mean
from onehead.gateway.errors import GatewayError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from onehead.gateway.wire.body import Body

HEADER = "x-onehead-"
NAMED = "x-onehead-model"
"""Names the model for requests whose body cannot; no option."""
_AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Options:
    """What a request asks of the router; None leaves it to the configuration.

    willingness_to_pay: USD, or the name of a preset
    session: the conversation's own id, where the caller knows it
    debug: tell the whole decision in the answer
    """

    willingness_to_pay: str | float | None = None
    reward: str | None = None
    max_cost_usd: float | None = None
    min_quality: float | None = None
    models: tuple[str, ...] | None = None
    session: str | None = None
    debug: bool | None = None


NONE = Options()


def is_auto(model: str) -> bool:
    """Whether a model's name asks the router to choose."""
    return model == _AUTO or model.startswith(("auto:", "auto@"))


def auto_options(model: str) -> dict[str, Any]:
    """What the name says: nothing for ``auto``, a preset after a colon, USD after an @ sign."""
    if model.startswith("auto@"):
        amount = model.removeprefix("auto@")
        return {"willingness_to_pay": _number(amount, "willingness_to_pay", "model")}
    preset = model.partition(":")[2]
    if model.startswith("auto:") and not preset:
        raise GatewayError("'auto:' names no preset; give for instance auto:cheap.", param="model")
    return {"willingness_to_pay": preset} if preset else {}


def options_of(body: Body, headers: Mapping[str, str]) -> Options:
    """The options of a request, from all three places; GatewayError where they contradict.

    headers: lower-case names
    """
    found = [("model", auto_options(body.model))] if is_auto(body.model) else []
    if "onehead" in body:
        found.append(("onehead", _own_key(body.get("onehead"))))
    by_header = _own_headers(headers)
    if by_header:
        found.append(("headers", by_header))
    chosen: dict[str, tuple[str, Any]] = {}
    for place, options in found:
        for name, value in options.items():
            if name in chosen and chosen[name][1] != value:
                raise GatewayError(
                    f"{name} is {chosen[name][1]!r} by {_place(chosen[name][0])} and {value!r} by "
                    f"{_place(place)}; give it once.",
                    code="contradictory_options",
                    param=name,
                )
            chosen[name] = (place, value)
    return Options(**{name: value for name, (_, value) in chosen.items()}) if chosen else NONE


def _own_key(value: Any) -> dict[str, Any]:
    """The options under our key of the body; null leaves one out."""
    if not isinstance(value, dict):
        raise GatewayError("'onehead' is not an object; give {…}.", param="onehead")
    options = {}
    for name, content in value.items():
        if name not in _READ:
            raise GatewayError(
                f"'onehead' holds an unknown option {name!r}.{did_you_mean(name, _READ)} "
                f"It takes: {', '.join(_READ)}.",
                param=f"onehead.{name}",
            )
        if content is not None:
            options[name] = _READ[name](content, name, f"onehead.{name}")
    return options


def _own_headers(headers: Mapping[str, str]) -> dict[str, Any]:
    """The options in headers. A misspelt one is refused: it may have been a ceiling."""
    options = {}
    for header in headers:
        if not header.startswith(HEADER) or header == NAMED:
            continue
        name = _BY_HEADER.get(header)
        if name is None:
            raise GatewayError(
                f"unknown header {header!r}.{did_you_mean(header, _BY_HEADER)} "
                f"There are: {', '.join(_BY_HEADER)}.",
                param=header,
            )
        options[name] = _READ[name](headers[header], name, header)
    return options


def _number(value: Any, name: str, param: str) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if math.isnan(number):
        raise GatewayError(f"{name} {value!r} is not a number.", param=param)
    return number


def _pay(value: Any, name: str, param: str) -> str | float:
    """USD as a number or its text, or a preset's name as it is."""
    if isinstance(value, str):
        try:
            return float(value.strip().removeprefix("$"))
        except ValueError:
            return value.strip()
    return _number(value, name, param)


def _text(value: Any, name: str, param: str) -> str:
    if not isinstance(value, str) or not value or len(value) > 256:
        raise GatewayError(f"{name} must be a text of 1 to 256 characters.", param=param)
    return value


def _names(value: Any, name: str, param: str) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
        raise GatewayError(f"{name} must be a list of model ids, at least one.", param=param)
    return tuple(value)


def _flag(value: Any, name: str, param: str) -> bool:
    if isinstance(value, str) and value.lower() in ("true", "1", "false", "0"):
        return value.lower() in ("true", "1")
    if not isinstance(value, bool):
        raise GatewayError(f"{name} must be true or false.", param=param)
    return value


def _place(place: str) -> str:
    return {"model": "the model's name", "onehead": "the key 'onehead'"}.get(place, "the headers")


_READ: Mapping[str, Callable[[Any, str, str], Any]] = {
    "willingness_to_pay": _pay,
    "reward": _text,
    "max_cost_usd": _number,
    "min_quality": _number,
    "models": _names,
    "session": _text,
    "debug": _flag,
}
_BY_HEADER = {HEADER + name.replace("_", "-"): name for name in _READ}
assert set(_READ) == {field.name for field in fields(Options)}  # noqa: S101
