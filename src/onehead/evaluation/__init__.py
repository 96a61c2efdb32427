"""Evaluation: a router's estimates on known outcomes → figures, controls and intervals."""

from onehead.evaluation.controls import Control
from onehead.evaluation.curves import Score, Singles, Sweep
from onehead.evaluation.evaluate import evaluate, evaluate_block
from onehead.evaluation.intervals import Comparison, Gap, compare
from onehead.evaluation.result import Evaluation, LeftOut, Point, TaskScore
from onehead.evaluation.task_means import TaskMeans

__all__ = [
    "Comparison",
    "Control",
    "Evaluation",
    "Gap",
    "LeftOut",
    "Point",
    "Score",
    "Singles",
    "Sweep",
    "TaskMeans",
    "TaskScore",
    "compare",
    "evaluate",
    "evaluate_block",
]
