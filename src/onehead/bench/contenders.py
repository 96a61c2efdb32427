"""Who competes: the recipes as they are, ours less one part each, and RouterBench's baselines.

Upstream is withmartian/routerbench: configs/evaluate_routers.yaml, routers/knn_router.py and
routers/mlp_router.py. Its cost is a constant per model.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from onehead.errors import UsageError, did_you_mean
from onehead.predictors import Estimates

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from onehead.bench.cells import Split


@dataclass(frozen=True, eq=False)
class Answer:
    """A contender's estimates of what was held out, and how it came to them."""

    estimates: Estimates
    settings: dict[str, Any]
    fit_s: float
    tuning_s: float = 0.0
    validation_aiq: float | None = None


class Contender(Protocol):
    """Anything that learns from a split and estimates what the split holds out."""

    def answer(self, part: Split) -> Answer:
        """Learn from `part.known`, estimate `part.unseen`."""
        ...

    def described(self) -> str:
        """All that its figures depend on beside the data, as text."""
        ...


@dataclass(frozen=True)
class Trained:
    """A recipe. Options that are given are fixed; without any it tunes itself."""

    recipe: str
    options: Mapping[str, Any] | None = None

    def answer(self, part: Split) -> Answer:
        """Tune on a split of what is known, fit all of it; priced by the pool of what is known."""
        from onehead.training.estimating import features_for, run
        from onehead.training.pipeline import learn
        from onehead.training.recipes import recipe_named

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

    def described(self) -> str:
        """The recipe's hyper-parameters."""
        from onehead.training.recipes import recipe_named

        recipe = recipe_named(self.recipe)
        return repr((self.recipe, self.options, recipe.options, recipe.candidates))


@dataclass(frozen=True)
class Unnamed:
    """Another contender, not told the names of the tasks."""

    of: Contender

    def answer(self, part: Split) -> Answer:
        """What the other one makes of the same prompts."""
        table = part.known.table
        known = replace(part.known, table=replace(table, tasks=("",) * table.n_prompts))
        return self.of.answer(replace(part, known=known))

    def described(self) -> str:
        """The other one's settings."""
        return repr(("unnamed", self.of.described()))


@dataclass(frozen=True)
class UpstreamMLP:
    """scikit-learn's MLPRegressor per model on the encoder's vectors, squared error."""

    hidden: tuple[int, ...] = (100,)
    iterations: int = 200
    rate: float = 1e-3

    def answer(self, part: Split) -> Answer:
        """Fit each model on its known outcomes."""
        from onehead.predictors.network import as_served

        start = time.perf_counter()
        known = part.known.table
        columns = [self._column(part, j) for j in range(known.n_models)]
        cost = np.tile(np.nanmean(known.cost_usd, axis=0), (len(part.unseen), 1))
        took = time.perf_counter() - start
        estimates = Estimates(np.stack(columns, axis=1), cost, np.ones(len(part.unseen)))
        settings = {"hidden": self.hidden, "iterations": self.iterations, "rate": self.rate}
        return Answer(as_served(estimates), {**settings, "cost": "constant"}, took)

    def described(self) -> str:
        """Its settings."""
        return repr(self)

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


OURS: Final = "attention"
_NEVER = 1e9
_WHOLE: Final[dict[str, Contender]] = {
    OURS: Trained(OURS),
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
ABLATIONS: Final[dict[str, tuple[str, Contender]]] = {
    "attention-no-head": (
        "without the head: the task prior alone",
        Trained(OURS, {"shared_penalty": _NEVER, "own_penalty": _NEVER}),
    ),
    "attention-no-own": (
        "without a model's own part of the head: only how hard the prompt is",
        Trained(OURS, {"own_penalty": _NEVER}),
    ),
    "attention-no-shared": (
        "without the shared part of the head",
        Trained(OURS, {"shared_penalty": _NEVER}),
    ),
    "attention-no-prior": (
        "without the task prior: the head alone",
        Trained(OURS, {"gate_strength": 1 / _NEVER}),
    ),
    "attention-no-names": (
        "without the names of tasks: kinds that are found instead",
        Unnamed(Trained(OURS)),
    ),
    "attention-no-dense": (
        "the gate sees words only, not the vector",
        Trained(OURS, {"gate_dense": 0.0}),
    ),
    "attention-no-shrinkage": (
        "task means as they are, not shrunk",
        Trained(OURS, {"prior_count": 1 / _NEVER}),
    ),
    "attention-no-calibration": (
        "without calibration",
        Trained(OURS, {"calibration_count": _NEVER}),
    ),
}
"""Name → what is taken from our recipe, and what is left of it."""

CONTENDERS: Final[dict[str, Contender]] = _WHOLE | {
    name: contender for name, (_, contender) in ABLATIONS.items()
}
USUAL: Final = tuple(name for name in _WHOLE if name != "mlp-upstream")
"""What competes where nothing is named: all but what trains for many minutes."""
GROUPS: Final[dict[str, tuple[str, ...]]] = {"all": tuple(_WHOLE), "ablations": tuple(ABLATIONS)}


def contenders_named(names: Iterable[str]) -> tuple[str, ...]:
    """Names of contenders, groups (`all`, `ablations`) spelt out; UsageError for an unknown one."""
    found: dict[str, None] = {}
    for name in names:
        if name not in GROUPS and name not in CONTENDERS:
            known = [*CONTENDERS, *GROUPS]
            raise UsageError(
                f"recipe {name!r} is unknown. Give some of: {', '.join(known)}."
                f"{did_you_mean(name, known)}"
            )
        found |= dict.fromkeys(GROUPS.get(name, (name,)))
    return tuple(found)
