"""Who competes: the recipes as they are, and RouterBench's baselines as upstream configures them.

Upstream is withmartian/routerbench: configs/evaluate_routers.yaml, routers/knn_router.py and
routers/mlp_router.py. Its cost is a constant per model.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from cells import Answer

from onehead.predictors import Estimates
from onehead.predictors.network import as_served
from onehead.training.estimating import features_for, run
from onehead.training.pipeline import learn
from onehead.training.recipes import recipe_named

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cells import Contender, Split


@dataclass(frozen=True)
class Trained:
    """A recipe. Options that are given are fixed; without any it tunes itself."""

    recipe: str
    options: Mapping[str, Any] | None = None

    def answer(self, part: Split) -> Answer:
        """Tune on a split of what is known, fit all of it; priced by the pool of what is known."""
        recipe = recipe_named(self.recipe)
        if self.options:
            recipe = recipe.fixed(self.options)
        began: dict[str, float] = {}
        start = time.perf_counter()

        def note(stage: str, *_: int) -> None:
            began.setdefault(stage, time.perf_counter() - start)

        learned = learn(recipe, part.known, part.seed, note)
        total = time.perf_counter() - start
        features = features_for(learned.fitted, part.unseen)
        estimates = run(learned.fitted, features, part.known.amounts.pool)
        return Answer(
            estimates,
            dict(learned.settings),
            total - began["training"],
            began["training"],
            learned.validation.get("aiq"),
        )


@dataclass(frozen=True)
class UpstreamMLP:
    """scikit-learn's MLPRegressor per model on the encoder's vectors, squared error."""

    hidden: tuple[int, ...] = (100,)
    iterations: int = 200
    rate: float = 1e-3

    def answer(self, part: Split) -> Answer:
        """Fit each model on its known outcomes."""
        start = time.perf_counter()
        known = part.known.table
        columns = [self._column(part, j) for j in range(known.n_models)]
        cost = np.tile(np.nanmean(known.cost_usd, axis=0), (len(part.unseen), 1))
        took = time.perf_counter() - start
        estimates = Estimates(np.stack(columns, axis=1), cost, np.ones(len(part.unseen)))
        settings = {"hidden": self.hidden, "iterations": self.iterations, "rate": self.rate}
        return Answer(as_served(estimates), {**settings, "cost": "constant"}, took)

    def _column(self, part: Split, j: int) -> Any:
        """Estimated quality of one model, [n]."""
        from sklearn.neural_network import MLPRegressor

        model = MLPRegressor(
            hidden_layer_sizes=self.hidden,
            max_iter=self.iterations,
            learning_rate_init=self.rate,
            random_state=part.seed,
        )
        rows = part.known.table.observed[:, j]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # upstream takes what so many iterations reach
            model.fit(part.known.vectors[rows], part.known.quality[rows, j])
        return model.predict(part.unseen.vectors)


CONTENDERS: Final[dict[str, Contender]] = {
    "attention": Trained("attention"),
    "paper": Trained("paper"),
    "knn": Trained("knn"),
    "knn-upstream": Trained("knn", {"k": 10, "cost": "constant"}),
    "ridge": Trained("ridge"),
    "mlp": Trained("mlp"),
    "mlp-upstream": UpstreamMLP(),
    "svr": Trained("svr"),
    "random": Trained("random"),
    "constant": Trained("constant"),
}
