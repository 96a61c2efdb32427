"""`onehead route`: one prompt, one decision."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal

import click

from onehead.cli.options import (
    Number,
    json_option,
    models_option,
    reward_option,
    router_option,
)
from onehead.errors import UsageError

if TYPE_CHECKING:
    from onehead.router import Decision, ModelEstimate

_SHOWN = 8
"""Models shown on a terminal where the pool is large."""


@click.command(
    epilog='\b\nExample:\n  onehead route "Prove that 17 is prime." --wtp 0.002 --max-cost 0.01'
)
@click.argument("prompt")
@router_option()
@click.option(
    "--wtp",
    metavar="USD|PRESET",
    default="balanced",
    show_default=True,
    help="Willingness to pay λ: what a perfect answer is worth, in USD, or cheap, balanced, best.",
)
@reward_option
@click.option("--max-cost", type=Number(), metavar="USD", help="Ceiling on the estimated cost.")
@click.option(
    "--min-quality",
    type=Number(),
    metavar="P",
    help="Take the cheapest model whose estimated quality reaches P, 0 to 1.",
)
@models_option("Choose among these models only.")
@click.option("--all", "show_all", is_flag=True, help="Show every model of a large pool.")
@json_option
def route(
    *,
    prompt: str,
    router_path: str | None,
    wtp: str,
    reward: Literal["exponential", "linear"],
    max_cost: float | None,
    min_quality: float | None,
    models: tuple[str, ...] | None,
    show_all: bool,
    as_json: bool,
) -> None:
    """Choose a model for PROMPT, and say why.

    With - as PROMPT it is read from standard input, as UTF-8. Write -- before a prompt that begins
    with a dash. A terminal shows the best models of a large pool; a file or a pipe gets them all.
    """
    text = _prompt(prompt)
    from onehead.router import Router

    decision = Router.load(router_path).route(
        text,
        willingness_to_pay=wtp,
        reward=reward,
        max_cost_usd=max_cost,
        min_quality=min_quality,
        models=models,
    )
    if as_json:
        from onehead.cli.output import print_json

        print_json(decision.to_json())
    else:
        # Standard output is None where the caller closed it.
        short = not show_all and sys.stdout is not None and sys.stdout.isatty()
        _show(decision, wtp, show_all=not short)


def _prompt(argument: str) -> str:
    """The text to route; UsageError where there is none, or it is not UTF-8."""
    place = "the prompt"
    try:
        data = argument.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise UsageError(
            f"{place} holds half of a surrogate pair at {error.start}; give whole characters."
        ) from None
    if argument == "-":
        data, place = b"", "standard input"
        if hasattr(sys.stdin, "buffer"):  # it is None where the caller closed it
            data = sys.stdin.buffer.read()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        likely = "UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "LATIN1"
        raise UsageError(
            f"{place} is not UTF-8: byte {data[error.start]:#04x} at {error.start}. Convert it "
            f"first, for example with: iconv -f {likely} -t UTF-8"
        ) from None
    if not text.strip():
        raise UsageError(f"{place} is empty; give the text to choose a model for.")
    return text.rstrip("\r\n") if argument == "-" else text


def _show(decision: Decision, wtp: str, *, show_all: bool) -> None:
    """The decision in words, then the models from the best reward down."""
    from onehead.cli.output import show, table
    from onehead.policy.words import usd

    ranked = _ranked(decision)
    shown = ranked if show_all or len(ranked) <= _SHOWN + 2 else ranked[:_SHOWN]
    excluded = any(one.why_not for one in shown)
    header = ["model", *(["why not"] if excluded else []), "quality", "cost", "reward"]
    rows = table(header, left=2 if excluded else 1)
    for one in shown:
        words = [one.why_not or ""] if excluded else []
        style = "bold" if one.model == decision.model else "dim" if one.why_not else None
        figures = (f"{one.quality:.3f}", usd(one.cost_usd), f"{one.reward:.3f}")
        rows.add_row(one.model, *words, *figures, style=style)
    named = f" ({wtp})" if wtp.isalpha() else ""
    last = (
        f"Willingness to pay {usd(decision.willingness_to_pay)}{named}, {decision.reward} reward, "
        f"confidence {decision.confidence:.2f}."
    )
    if len(shown) < len(ranked):
        last = f"… and {len(ranked) - len(shown)} more models; --all shows them.\n{last}"
    show(f"{decision.model}\n{decision.reason}", rows, last)


def _ranked(decision: Decision) -> list[ModelEstimate]:
    """The chosen model, then those that could be chosen by reward, then the excluded ones."""
    return sorted(
        decision.estimates,
        key=lambda one: (one.model != decision.model, not one.eligible, -one.reward, one.model),
    )
