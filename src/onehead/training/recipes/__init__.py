"""Recipes by name."""

from __future__ import annotations

from typing import Final

from onehead.errors import UsageError, did_you_mean
from onehead.training.recipes.attention import ATTENTION
from onehead.training.recipes.base import Fitted, Recipe
from onehead.training.recipes.mlp import MLP
from onehead.training.recipes.paper import PAPER
from onehead.training.recipes.plain import CONSTANT, KNN, RANDOM, RIDGE, SVR

__all__ = ["RECIPES", "Fitted", "Recipe", "recipe_named"]

RECIPES: Final[dict[str, Recipe]] = {
    "attention": ATTENTION,
    "paper": PAPER,
    "knn": KNN,
    "ridge": RIDGE,
    "mlp": MLP,
    "svr": SVR,
    "random": RANDOM,
    "constant": CONSTANT,
}


def recipe_named(name: str) -> Recipe:
    """The recipe of a name; UsageError lists them."""
    if name not in RECIPES:
        raise UsageError(
            f"recipe {name!r} is unknown. Give one of: {', '.join(RECIPES)}.{did_you_mean(name, RECIPES)}"
        )
    return RECIPES[name]
