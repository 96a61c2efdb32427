"""The figures of an evaluation as tables: for the page, and as CSV."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from onehead.report.series import model_points

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from onehead.evaluation import Evaluation
    from onehead.evaluation.result import Interval

CONTROLS = {
    "cheapest": "cheapest model",
    "best_single": "best single model",
    "random": "cheapest and dearest, mixed at random",
    "zero_router": "single models, mixed at random (zero router)",
    "shuffled": "this router's picks, shuffled over prompts",
    "true_task_label": "a router that knows the task",
    "oracle": "oracle: knows every outcome",
}
"""Key of the control → its name in words, in the order shown."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table in words: a header and rows of cells, the first cell naming its row."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def size(evaluation: Evaluation) -> str:
    """What was scored, and by which reward."""
    prompts, models = evaluation.n_prompts, evaluation.n_models
    return (
        f"{prompts:,} prompt{'s' * (prompts != 1)} × {models} model{'s' * (models != 1)}, "
        f"{evaluation.reward} reward"
    )


def summary(evaluation: Evaluation) -> Table:
    """The figures with their 95 % intervals."""
    known = evaluation.intervals
    sensitivity = evaluation.lambda_sensitivity
    rows = (
        ("AIQ", three(evaluation.aiq), ends(known.get("aiq"))),
        (
            "AIQ minus zero router",
            signed(evaluation.margin("zero_router")),
            ends(known.get("aiq_minus_zero_router"), signed),
        ),
        (
            "AIQ minus true-task-label control",
            signed(evaluation.margin("true_task_label")),
            ends(known.get("aiq_minus_true_task_label"), signed),
        ),
        ("AIQ, upstream's definition", three(evaluation.aiq_upstream), ""),
        ("maximum quality", three(evaluation.max_quality), ends(known.get("max_quality"))),
        (
            "cost to match the best single model",
            share(evaluation.cost_to_match_best),
            ends(known.get("cost_to_match_best"), share),
        ),
        ("quality: Brier score", three(evaluation.quality.brier), ""),
        ("quality: expected calibration error", three(evaluation.quality.ece), ""),
        ("quality: AUC", three(evaluation.quality.auc), ""),
        ("cost: RMSE of log cost", three(evaluation.cost.log_rmse), ""),
        ("cost: rank correlation", three(evaluation.cost.spearman), ""),
        ("cost: rank correlation within a model", three(evaluation.cost.spearman_within_model), ""),
        ("λ-sensitivity of quality, largest per decade", three(sensitivity["quality_max"]), ""),
        ("λ-sensitivity of cost, largest per decade", three(sensitivity["cost_max"]), ""),
    )
    return Table(("figure", "value", "95 % interval"), rows)


def controls(evaluation: Evaluation) -> Table:
    """The router among its controls."""
    own = (evaluation.aiq, evaluation.max_quality, evaluation.cost_to_match_best)
    rows = [("this router", three(own[0]), three(own[1]), share(own[2]))]
    for key, words in CONTROLS.items():
        control = evaluation.controls[key]
        score = control.score
        name = words if control.model is None else f"{words}: {control.model}"
        rows.append(
            (name, three(score.aiq), three(score.max_quality), share(score.cost_to_match_best))
        )
    return Table(("", "AIQ", "max. quality", "cost to match best"), tuple(rows))


def models(evaluation: Evaluation) -> Table:
    """The single models, from the cheapest to the dearest."""
    points = zip(
        evaluation.models, evaluation.singles.cost_usd, evaluation.singles.quality, strict=True
    )
    rows = tuple(
        (name, f"${cost:.3g}", three(quality))
        for name, cost, quality in sorted(points, key=lambda point: (point[1], point[0]))
    )
    return Table(("model", "mean cost per prompt", "mean quality"), rows)


def tasks(evaluation: Evaluation) -> Table:
    """Every task, from the largest to the smallest."""
    found = sorted(evaluation.by_task.items(), key=lambda item: (-item[1].n_prompts, item[0]))
    rows = tuple(
        (
            task or "no task",
            f"{score.n_prompts:,}",
            three(score.aiq),
            three(score.zero_router_aiq),
            three(score.oracle_aiq),
            f"{score.best_single} ({score.best_single_quality:.3f})",
            share(score.cost_to_match_best),
        )
        for task, score in found
    )
    header = ("task", "prompts", "AIQ", "zero router", "oracle", "best single", "cost to match it")
    return Table(header, rows)


def csv_files(evaluation: Evaluation) -> dict[str, str]:
    """File name → CSV text: the curve, the single models and the tasks, in full precision."""
    tasks = [{"task": task, **asdict(score)} for task, score in evaluation.by_task.items()]
    return {
        "curve.csv": _csv([asdict(point) for point in evaluation.curve]),
        "models.csv": _csv(model_points(evaluation)),
        "tasks.csv": _csv(tasks),
    }


def _csv(rows: Sequence[Mapping[str, object]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def three(value: float | None) -> str:
    """Three decimals; what is undefined is a dash."""
    return "–" if value is None else f"{value:.3f}".replace("-", "−")


def signed(value: float | None) -> str:
    """Three decimals with their sign."""
    return "–" if value is None else f"{value:+.3f}".replace("-", "−")


def share(value: float | None) -> str:
    """A share of the best single model's cost; None is a quality that is never reached."""
    return "never" if value is None else f"{value:.0%}"


def ends(interval: Interval, words: Callable[[float | None], str] = three) -> str:
    """Both ends of an interval; an unbounded end is named as `words` names None."""
    if interval is None:
        return ""
    low, high = words(interval[0]), words(interval[1])
    return low if low == high else f"{low} to {high}"
