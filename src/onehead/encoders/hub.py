"""Fetch an encoder's files from the Hugging Face hub, by the hub's own client and its cache."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx

from onehead.errors import EncoderError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Sequence

_HUB_ID: Final = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")


def fetch(hub_id: str, files: Sequence[str]) -> Path:
    """The local directory with those of `files` that ``owner/name[@revision]`` has."""
    if not _HUB_ID.fullmatch(hub_id):
        raise EncoderError(
            f"{hub_id}: neither a directory here nor a hub id such as owner/name@revision."
        )
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    except ImportError as error:
        raise MissingExtraError("fetching an encoder from the hub", "onnx") from error
    repository, _, revision = hub_id.partition("@")
    try:
        return Path(
            snapshot_download(repository, revision=revision or None, allow_patterns=list(files))
        )
    except (HfHubHTTPError, HFValidationError, httpx.HTTPError, OSError) as error:
        raise EncoderError(
            f"{hub_id}: no such directory, and the hub did not give it ({type(error).__name__}: "
            f"{str(error).splitlines()[0] if str(error) else 'no reason'}). "
            "Check the name and the network, or give a local directory."
        ) from error
