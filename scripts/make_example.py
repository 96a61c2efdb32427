"""Writes examples/outcomes.csv: made-up outcomes of three made-up models on 160 small prompts.

The prompts were written for this file. How well a model answers, and with how many tokens, is drawn
from the chances and lengths below (seed 0): a table to try commands on, not evidence about any model.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

TARGET = Path(__file__).parents[1] / "examples" / "outcomes.csv"
COLUMNS = ("prompt_id", "prompt", "task", "model", "quality", "input_tokens", "output_tokens", "cost_usd")  # fmt: skip

PRICES = {"small": (0.1, 0.3), "medium": (0.6, 2.4), "large": (3.0, 12.0)}
"""Model → USD per million input and output tokens."""

CHANCES = {
    "arithmetic": (0.75, 0.85, 0.9),
    "capitals": (0.9, 0.95, 0.97),
    "code": (0.25, 0.7, 0.85),
    "proofs": (0.05, 0.3, 0.8),
}
"""Task → chance that the small, the medium and the large model answer well."""

LENGTHS = {"arithmetic": 25, "capitals": 12, "code": 180, "proofs": 420}
"""Task → typical output tokens."""

COUNTRIES = "Australia Austria Belgium Bolivia Brazil Bulgaria Cameroon Canada Chile Croatia Cuba Denmark Ecuador Egypt Estonia Ethiopia Finland France Ghana Greece Hungary Iceland India Indonesia Ireland Italy Jamaica Japan Kenya Latvia Mali Mexico Morocco Nepal Norway Peru Portugal Senegal Spain Uruguay".split()  # noqa: SIM905  (readable)
STEPS = (
    "reverses",
    "sorts",
    "removes duplicates from",
    "counts the vowels in",
    "finds the longest run in",
)
THINGS = ("a string", "a list of words", "a linked list", "a text file", "a nested list", "a JSON array", "a deque", "a CSV column")  # fmt: skip
CLAIMS = (
    "the square root of {p} is irrational",
    "every group of order {k} is cyclic",
    "{k} to the power of n leaves remainder 1 when divided by {less}, for every natural n",
    "the sum of {k} consecutive integers is divisible by {k}",
    "a tree with {k} vertices has {less} edges",
)
PRIMES = ((3, 2), (5, 3), (7, 5), (11, 6), (13, 7), (17, 10), (19, 11), (23, 13))
"""An odd prime, and a number that is no square."""


def prompts() -> list[tuple[str, str]]:
    """(task, prompt), forty of each task."""
    numbers = [(7 * i + 12, 11 * i % 83 + 5) for i in range(40)]
    return [
        *(("arithmetic", f"What is {a} times {b}? Answer with the number.") for a, b in numbers),
        *(("capitals", f"What is the capital of {country}?") for country in COUNTRIES),
        *(
            ("code", f"Write a Python function that {step} {thing}.")
            for step in STEPS
            for thing in THINGS
        ),
        *(
            ("proofs", f"Prove that {claim.format(k=k, p=p, less=k - 1)}.")
            for claim in CLAIMS
            for k, p in PRIMES
        ),
    ]


def main() -> None:
    random = np.random.default_rng(0)
    with TARGET.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for number, (task, prompt) in enumerate(prompts()):
            hardness = random.normal(0, 0.15)
            sent = len(prompt) // 4 + 8
            for (model, (price_in, price_out)), chance in zip(
                PRICES.items(), CHANCES[task], strict=True
            ):
                quality = int(random.uniform() < chance - hardness)
                tokens = max(int(LENGTHS[task] * random.lognormal(0, 0.35)), 1)
                cost = (sent * price_in + tokens * price_out) / 1e6
                row = (f"example-{number}", prompt, task, model, quality, sent, tokens)
                writer.writerow((*row, f"{cost:.3g}"))


if __name__ == "__main__":
    main()
