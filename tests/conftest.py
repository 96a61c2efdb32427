"""Fixtures that several test files share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from routers import LetterEncoder, make_artifact
from stores import make_writer, postgres, store, store_url  # noqa: F401  (fixtures)

from onehead.artifact import save
from onehead.router import Router

if TYPE_CHECKING:
    from pathlib import Path

    from onehead.artifact import Artifact


@pytest.fixture(scope="session")
def artifact() -> Artifact:
    """A tiny router of four models, in memory."""
    return make_artifact()


@pytest.fixture(scope="session")
def router(artifact: Artifact) -> Router:
    """The tiny router, ready to decide."""
    return Router(artifact, LetterEncoder())


@pytest.fixture
def router_dir(artifact: Artifact, tmp_path: Path) -> Path:
    """The tiny router on disk."""
    directory = tmp_path / "router"
    save(artifact, directory)
    return directory
