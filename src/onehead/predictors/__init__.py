"""Estimates of quality and cost: their type, and the exported network that makes them."""

from onehead.predictors.estimates import Estimates, Predictor

__all__ = ["Estimates", "Predictor"]
