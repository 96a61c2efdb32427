"""Routes some prompts with the bundled router at each preset, then explains one decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from onehead import Router

if TYPE_CHECKING:
    from onehead import Decision
    from onehead.router import ModelEstimate

PROMPTS = (
    "Hi there! How are you today?",
    "What is the capital of Australia?",
    "A train leaves at 9:40 and arrives at 13:05. How long is the journey?",
    "Write a Python function that returns the longest palindromic substring of a text.",
    "Prove that the square root of 2 is irrational.",
    "A buyer rejects goods after using them for a month. Which remedies has the seller under the UCC?",
    "Derive the energy levels of a particle in a three-dimensional box with infinite walls.",
)
PRESETS = ("cheap", "balanced", "best")


def main() -> None:
    """Print the choices, one row for each prompt, and the reason of one of them."""
    router = Router.load()
    choices = [router.route_many(PROMPTS, willingness_to_pay=preset) for preset in PRESETS]
    console = Console()
    widths = [max(8, *(len(decision.model) for decision in row)) for row in choices]
    left = max(console.width - sum(widths) - 3 * (len(widths) + 1) - 1, 20)
    table = Table(box=SIMPLE_HEAD, title="Which model answers, by what a good answer is worth")
    table.add_column("prompt", no_wrap=True, overflow="ellipsis", max_width=left)
    for preset, row, width in zip(PRESETS, choices, widths, strict=True):
        table.add_column(f"{preset}\n${row[0].willingness_to_pay:.2g}", min_width=width)
    for prompt, *row in zip(PROMPTS, *choices, strict=True):
        table.add_row(prompt, *(decision.model for decision in row))
    table.add_section()
    table.add_row("estimated quality", *(f"{quality(row):.2f}" for row in choices), style="dim")
    table.add_row("estimated cost", *(f"${cost_usd(row):.5f}" for row in choices), style="dim")
    console.print(table)
    console.print(f"Why, for the last prompt at “balanced”: {choices[1][-1].reason}")


def quality(decisions: list[Decision]) -> float:
    """Mean estimated quality of the chosen models."""
    return sum(chosen(decision).quality for decision in decisions) / len(decisions)


def cost_usd(decisions: list[Decision]) -> float:
    """Estimated cost of all calls together."""
    return sum(chosen(decision).cost_usd for decision in decisions)


def chosen(decision: Decision) -> ModelEstimate:
    """What was estimated for the chosen model."""
    return next(one for one in decision.estimates if one.model == decision.model)


if __name__ == "__main__":
    main()
