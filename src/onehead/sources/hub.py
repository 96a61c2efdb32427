"""Published outcomes by name: downloaded by the hub's own client, pinned, and checked.

RouterBench (arXiv 2403.12031) lies in the data set withmartian/routerbench on the Hugging Face
hub. It declares no licence there, so nothing of it is part of this package. The revision is the
head of its main branch since 27 March 2024 ("Delete routerbench_rag.pkl"). Revision and hashes
were not computed from a download of ours: they are as several independent public projects record
them, which agree. A wrong one can only refuse the true file, never admit another.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from onehead.errors import DataError, MissingExtraError, UsageError, did_you_mean

HUB_PREFIX = "hub:"


@dataclass(frozen=True)
class Release:
    """One file of a data set on the hub, at one revision, with its SHA-256."""

    repo_id: str
    filename: str
    revision: str
    sha256: str


_ROUTERBENCH = ("withmartian/routerbench", "784021482c3f320c6619ed4b3bb3b41a21424fcb")

RELEASES: dict[str, Release] = {
    "routerbench": Release(
        repo_id=_ROUTERBENCH[0],
        filename="routerbench_0shot.pkl",
        revision=_ROUTERBENCH[1],
        sha256="ba4f77f19517610a707c374e99322d7750c30fc4ae7ff5527888595a1e65d36d",
    ),
    "routerbench-5shot": Release(
        repo_id=_ROUTERBENCH[0],
        filename="routerbench_5shot.pkl",
        revision=_ROUTERBENCH[1],
        sha256="fbd7d3d16fba2759a18fa0ad44409d3e0e92ba80d03d90827eed1a6d084c9ffe",
    ),
}


def download(name: str) -> Path:
    """The local file of a name such as ``hub:routerbench``, from the hub client's cache or the hub.

    UsageError lists the names there are; DataError says why the file cannot be had, or that it is
    not the file that was pinned. The hash is checked each time, before anything reads the file.
    """
    release = RELEASES.get(name.removeprefix(HUB_PREFIX))
    if release is None:
        known = ", ".join(HUB_PREFIX + known for known in RELEASES)
        raise UsageError(
            f"{name}: no such data is known. Known are {known}."
            f"{did_you_mean(name, [HUB_PREFIX + one for one in RELEASES])}"
        )
    try:
        import httpx
        from huggingface_hub import hf_hub_download
    except ImportError:
        raise MissingExtraError(f"downloading {name}", "onnx") from None
    try:
        path = Path(
            hf_hub_download(
                release.repo_id, release.filename, repo_type="dataset", revision=release.revision
            )
        )
        found = _sha256(path)
    except (OSError, httpx.HTTPError, RuntimeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"{name}: {release.filename} of the data set {release.repo_id} cannot be downloaded "
            f"({reason}). Check the network and HF_ENDPOINT, or download the file elsewhere and "
            "give its path instead."
        ) from None
    if found != release.sha256:
        raise DataError(
            f"{name}: {path} is not the file that was pinned: its SHA-256 is {found}, expected "
            f"{release.sha256}. It was not read. Delete it and try again; if it comes back the "
            "same, the download is tampered with or incomplete."
        )
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
