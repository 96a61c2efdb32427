"""Pickled DataFrames."""

from collections.abc import Sequence
from pathlib import Path

from onehead.errors import DataError
from onehead.sources.frame import Frame


class PickleSource:
    """One."""

    columns: tuple[str, ...] = ()

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        raise DataError(f"{path}: not yet")

    def read(self, wanted: Sequence[str]) -> Frame:
        """Read."""
        raise NotImplementedError
