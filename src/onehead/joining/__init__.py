"""Models that join a router without training: from a few outcomes, or as the likeness of another.

Needs numpy alone, and nothing but what a router of recipe `attention` holds.
"""

from onehead.joining.anchors import choose_anchors
from onehead.joining.join import Prices, join, join_like

__all__ = ["Prices", "choose_anchors", "join", "join_like"]
