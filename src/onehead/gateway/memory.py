"""Which model answered a conversation so far. Lost entries cost a little work, never correctness."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

_MOST: Final = 50_000


class Memory:
    """The models that answered lately, by conversation; the least recently used are forgotten."""

    def __init__(self, most: int = _MOST) -> None:
        """Remember at most so many."""
        self._most = most
        self._models: OrderedDict[str, str] = OrderedDict()

    def __len__(self) -> int:
        return len(self._models)

    def get(self, key: str) -> str | None:
        """Who answered under `key`; None where that is not known."""
        model = self._models.get(key)
        if model is not None:
            self._models.move_to_end(key)
        return model

    def put(self, key: str, model: str) -> None:
        """Note who answered."""
        self._models[key] = model
        self._models.move_to_end(key)
        if len(self._models) > self._most:
            self._models.popitem(last=False)
