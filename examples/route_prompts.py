"""Routes some prompts with the bundled router at each preset, then explains one decision."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from onehead import Router

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
    table = Table(title="Which model answers, by what a good answer is worth", show_lines=False)
    table.add_column("prompt", ratio=2)
    for preset, decisions in zip(PRESETS, choices, strict=True):
        worth = decisions[0].willingness_to_pay
        table.add_column(f"{preset} (λ = ${worth:.2g})", ratio=1)
    for prompt, *row in zip(PROMPTS, *choices, strict=True):
        table.add_row(prompt, *(decision.model for decision in row))
    console = Console()
    console.print(table)
    console.print(f"Why, for the last prompt at “balanced”: {choices[1][-1].reason}")


if __name__ == "__main__":
    main()
