"""Measures of a router, numpy only: the curve, the estimates, and their uncertainty."""

from onehead.metrics.bootstrap import interval, paired_bootstrap, resampled_means
from onehead.metrics.calibration import (
    BINS,
    Reliability,
    auc,
    brier,
    ece,
    log_rmse,
    mean_ranks,
    reliability,
    spearman,
)
from onehead.metrics.curve import (
    aiq,
    aiq_upstream,
    area,
    concave_hull,
    cost_to_match,
    lambda_sensitivity,
    max_quality,
    regret,
)

__all__ = [
    "BINS",
    "Reliability",
    "aiq",
    "aiq_upstream",
    "area",
    "auc",
    "brier",
    "concave_hull",
    "cost_to_match",
    "ece",
    "interval",
    "lambda_sensitivity",
    "log_rmse",
    "max_quality",
    "mean_ranks",
    "paired_bootstrap",
    "regret",
    "reliability",
    "resampled_means",
    "spearman",
]
