"""Where the workers of one machine meet. Kept apart from what they do there: the supervisor needs it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER: Final = "ONEHEAD_SHARED"
WORKER: Final = "ONEHEAD_WORKER"
"""Environment variables that the supervisor sets: the folder, and `number/count`."""


class Place(NamedTuple):
    """Which of how many workers this is, and where they meet."""

    folder: Path
    worker: int
    workers: int


def place_of_environment(environment: Mapping[str, str] = os.environ) -> Place | None:
    """The place that the supervisor gave this worker; None without one."""
    folder, worker = environment.get(FOLDER), environment.get(WORKER)
    if not folder or not worker:
        return None
    number, _, count = worker.partition("/")
    return Place(Path(folder), int(number), int(count))
