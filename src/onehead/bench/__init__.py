"""Comparisons of recipes, encoders and rewards on tables of outcomes: one JSON, one page from it."""

from onehead.bench.plan import Job, Plan, Source
from onehead.bench.runner import run_bench

__all__ = ["Job", "Plan", "Source", "run_bench"]
