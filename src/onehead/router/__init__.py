"""The façade: a router loaded once, and the decisions it makes."""

from onehead.router.decision import Decision, ModelEstimate
from onehead.router.router import BUNDLED, Prompt, Router, bundled_path

__all__ = ["BUNDLED", "Decision", "ModelEstimate", "Prompt", "Router", "bundled_path"]
