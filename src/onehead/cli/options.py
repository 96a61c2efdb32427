"""Options that several commands share."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from onehead.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable

    from onehead.cache import EmbeddingCache

F = TypeVar("F", bound="Callable[..., Any]")


class Place(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic from click 8.5 on
    """A path or the name of one. An empty one, often a variable that is not set, is a mistake."""

    name = "PATH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The path as it was written: to pathlib an empty one is the current directory."""
        if not value.strip():
            self.fail("the path is empty; is a variable not set?", param, ctx)
        if "\0" in value:
            self.fail("the path holds a NUL character.", param, ctx)
        return str(value)


class Number(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A number, or an amount of dollars; which ones are possible, the policy says."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number; a leading $ is fine."""
        try:
            return float(value.removeprefix("$") if isinstance(value, str) else value)
        except ValueError:
            self.fail(f"{value!r} is not a number, such as 0.01.", param, ctx)


class Seed(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """What makes training repeatable: a whole number that every generator takes."""

    name = "N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number, from 0 to 2³² − 1."""
        try:
            seed = int(value)
        except ValueError:
            seed = -1
        if not 0 <= seed < 1 << 32:
            self.fail(f"{value!r} is not a whole number from 0 to {(1 << 32) - 1}.", param, ctx)
        return seed


class RewardName(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """The name of a reward."""

    name = "exponential|linear"
    known = ("exponential", "linear")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name, in small letters."""
        if value.lower() not in self.known:
            self.fail(
                f"{value!r} is not one of: {', '.join(self.known)}."
                f"{did_you_mean(value, self.known)}",
                param,
                ctx,
            )
        return str(value.lower())


class Names(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """Names separated by commas."""

    name = "a,b"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """The names without the space around them; empty and repeated ones are mistakes."""
        if isinstance(value, tuple):
            return value
        names = tuple(name.strip() for name in value.split(","))
        if not all(names):
            self.fail(f"{value!r} has an empty name; write them as a,b.", param, ctx)
        if len(set(names)) < len(names):
            self.fail(f"{value!r} names one twice.", param, ctx)
        return names


class ModelCost(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A model and what a call to it costs: ``gpt-4=0.002``."""

    name = "MODEL=USD"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        """The name and a cost of 0 or more; the last ``=`` parts them."""
        if isinstance(value, tuple):
            return value
        model, _, text = value.rpartition("=")
        try:
            cost = float(text.removeprefix("$"))
        except ValueError:
            cost = math.nan
        if not (model and 0 <= cost < math.inf):
            self.fail(
                f"{value!r} does not name a model and its cost, such as gpt-4=0.002.", param, ctx
            )
        return model, cost


def router_option(*, required: bool = False) -> Callable[[F], F]:
    """`--router DIR`; without it the bundled router is taken."""
    note = "Router directory." if required else "Router directory. [default: the bundled router]"
    return click.option(
        "--router", "router_path", type=Place(), metavar="DIR", required=required, help=note
    )


def reward_option(function: F) -> F:
    """`--reward`: the trade-off between quality and cost."""
    return click.option(
        "--reward",
        type=RewardName(),
        metavar="exponential|linear",
        default="exponential",
        show_default=True,
        help="How cost counts against quality: quality·exp(−cost/λ) or quality − cost/λ.",
    )(function)


def models_option(note: str) -> Callable[[F], F]:
    """`--models a,b`."""
    return click.option("--models", type=Names(), metavar="a,b", help=note)


def cost_option(function: F) -> F:
    """`--cost MODEL=USD`, for models whose cost the data does not know."""
    return click.option(
        "--cost",
        "costs",
        type=ModelCost(),
        multiple=True,
        metavar="MODEL=USD",
        help="USD per call of a model whose cost the data does not know; may be repeated.",
    )(function)


def json_option(function: F) -> F:
    """`--json`: one document on standard output, nothing else there."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON document and nothing else."
    )(function)


def cache_for(encoder: str) -> EmbeddingCache | None:
    """The cache on disk for encoders that take milliseconds or money; none for the static kind."""
    if encoder.partition(":")[0] == "static":
        return None
    from onehead.cache import EmbeddingCache

    return EmbeddingCache(cache_directory())


def cache_directory() -> Path:
    """Where vectors are kept: $XDG_CACHE_HOME/onehead, or ~/.cache/onehead."""
    folder = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(folder) if folder else Path.home() / ".cache") / "onehead"
    except RuntimeError:  # a user without a home, as in some containers
        raise UsageError(
            "there is no home directory to keep vectors in; set XDG_CACHE_HOME to a directory."
        ) from None
