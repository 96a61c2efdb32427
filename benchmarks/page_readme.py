"""The README's table of how recipes route."""

from __future__ import annotations

from typing import Any

from onehead.bench.document import main_rows
from onehead.bench.markdown import markdown
from onehead.bench.page import gap_of_control
from onehead.bench.rows import margin, name_of, seeds_of

ENCODER = "static"
RECIPES = ("attention", "paper", "knn", "knn-upstream", "ridge", "mlp")


def readme_table(found: dict[str, Any]) -> str:
    """AIQ above the zero router, one column for each table, and where it was measured."""
    entries = list(found["recipes"]["tables"].values())
    titles = [f"{one['title']} ({one['n_prompts']:,} × {one['n_models']})" for one in entries]
    rows = [
        [
            name_of(recipe),
            *(margin(one["differences"][ENCODER], "minus_zero_router", recipe) for one in entries),
        ]
        for recipe in RECIPES
    ]
    for name, title in (("true_task_label", "told the true task"), ("oracle", "oracle")):
        rows.append([f"*control: {title}*", *(gap_of_control(one, name) for one in entries)])
    return (
        "AIQ above the zero router's (mixing single models at random) on held-out prompts, mean over "
        f"{seeds_of(main_rows(entries[0], ENCODER))} with 95 % intervals, static encoder; "
        "[all figures and how they are made](docs/benchmarks.md):\n\n"
        + markdown(["recipe", *titles], rows)
    )
