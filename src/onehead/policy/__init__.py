"""The decision: rewards, constraints, presets, the choice, λ sweeps and the reasons in words.

Policy alone knows the trade-off. It takes estimates of quality and cost, whoever made them.
"""

from onehead.policy.choice import UNCONSTRAINED, Choice, Constraints, choose, choose_each, sweep
from onehead.policy.explain import explain
from onehead.policy.presets import PRESET_NAMES, parse_willingness_to_pay, presets
from onehead.policy.rewards import RewardKind, reward
from onehead.policy.words import why_not

__all__ = [
    "PRESET_NAMES",
    "UNCONSTRAINED",
    "Choice",
    "Constraints",
    "RewardKind",
    "choose",
    "choose_each",
    "explain",
    "parse_willingness_to_pay",
    "presets",
    "reward",
    "sweep",
    "why_not",
]
