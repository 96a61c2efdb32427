"""Router directories: written so that the old one survives any failure, read with every check.

``manifest.json`` names the other files with their sizes and SHA-256, and ends with a digest of
itself. Their names carry their hash, so a new router is written beside the old one and takes its
place when the manifest is renamed: one step, last. Other files in the directory stay as they are.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onehead.artifact.atomic import check_writable, locked, nearest_folder, write_bytes
from onehead.artifact.manifest import FORMAT_VERSION, Artifact, Manifest
from onehead.errors import ArtifactError, OneheadError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

MANIFEST = "manifest.json"
_FORMAT = "onehead router"
_MEND = "Train the router again, or restore the directory from a copy."


def save(artifact: Artifact, directory: str | Path) -> None:
    """Write a router; one already in `directory` is replaced in a single step, or not at all.

    Raises:
        UsageError: `directory` holds something that is not a router.
        OneheadError: it cannot be written, for example because the disk is full.
    """
    directory = Path(directory)
    check_target(directory)
    from safetensors.numpy import save as to_safetensors

    contents = {
        "network": (artifact.network, ".onnx"),
        "arrays": (to_safetensors(_contiguous(artifact.arrays)), ".safetensors"),
    }
    records = {kind: _record(kind, *content) for kind, content in contents.items()}
    manifest = _seal({"format": _FORMAT, **artifact.manifest.to_document(), "files": records})
    files = {record["name"]: contents[kind][0] for kind, record in records.items()}
    is_new = not directory.exists()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with locked(directory):
            _put(files, manifest, directory)
    except BaseException as error:
        if is_new and directory.is_dir() and not any(directory.iterdir()):
            directory.rmdir()
        if not isinstance(error, OSError):
            raise
        reason = error.strerror or str(error)
        raise OneheadError(
            f"cannot write the router to {directory}: {reason}. "
            "A router that was there is unchanged. Mend this, or choose another directory."
        ) from error


def _put(files: Mapping[str, bytes], manifest: bytes, directory: Path) -> None:
    """Write the files, then the manifest that names them; remove those of the router before."""
    old = _named_files(directory)
    try:
        for name, data in files.items():
            write_bytes(directory / name, data)
        write_bytes(directory / MANIFEST, manifest)
    except BaseException:
        _sweep(directory, files)
        raise
    with suppress(OSError):  # what is left over does no harm
        _sweep(directory, old)


def check_target(directory: str | Path) -> None:
    """UsageError unless a router may be written to `directory`: new, empty or a router already."""
    directory = Path(directory)
    if directory.is_symlink() and not directory.exists():
        raise UsageError(f"{directory} is a link to nothing; remove it, or give another directory.")
    if directory.exists() and not directory.is_dir():
        raise UsageError(f"{directory} is a file; give a directory to write the router to.")
    if directory.is_dir() and any(directory.iterdir()) and not _is_router(directory):
        raise UsageError(
            f"{directory} holds other files and no router, so nothing is written there. "
            "Give a new or an empty directory."
        )
    check_writable(nearest_folder(directory), f"cannot write the router to {directory}")


def load(directory: str | Path) -> Artifact:
    """Read a router and check every byte of it.

    Raises:
        ArtifactError: something is missing, damaged or too new; names the file and what to do.
    """
    directory = Path(directory)
    while True:
        sealed = _read(directory / MANIFEST) if directory.is_dir() else _refuse(directory)
        try:
            return _load(directory, sealed)
        except ArtifactError:
            # The router may have been replaced while it was read: then start over.
            if _read(directory / MANIFEST) == sealed:
                raise


def _load(directory: Path, sealed: bytes) -> Artifact:
    """The router that the manifest `sealed` describes."""
    where = directory / MANIFEST
    document = _unseal(sealed, where)
    try:
        manifest = Manifest.from_document(document)
        files = {kind: dict(document["files"][kind]) for kind in ("network", "arrays")}
    except (KeyError, TypeError, ValueError, AttributeError, OneheadError) as error:
        raise ArtifactError(f"{where} cannot be taken ({error!r}). {_MEND}") from error
    contents = {kind: _verified(directory, record, where) for kind, record in files.items()}
    arrays = _arrays(contents["arrays"], directory / files["arrays"]["name"])
    try:
        return Artifact(manifest, arrays, contents["network"])
    except ArtifactError as error:
        raise ArtifactError(f"{directory}: {error}") from error


def _refuse(directory: Path) -> bytes:
    """Say why `directory` is not even a directory."""
    what = "is a file, not a directory" if directory.exists() else "does not exist"
    raise ArtifactError(
        f"no router at {directory}: it {what}. Give a directory that `onehead train` wrote."
    )


def _read(path: Path) -> bytes:
    """The bytes of one file of a router."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        what = "it is no router" if path.name == MANIFEST else "the router is incomplete"
        raise ArtifactError(
            f"{path.parent} has no {path.name}: {what}. Give a directory that `onehead train` "
            "wrote, with all its files."
        ) from None
    except OSError as error:
        raise ArtifactError(f"cannot read {path}: {error.strerror}.") from error


def _verified(directory: Path, record: Mapping[str, Any], where: Path) -> bytes:
    """The content of a file that the manifest names, checked against size and hash."""
    try:
        name, size, sha256 = record["name"], record["bytes"], record["sha256"]
    except KeyError as error:
        raise ArtifactError(f"{where} does not give the {error} of a file. {_MEND}") from error
    if not isinstance(name, str) or Path(name).name != name:
        raise ArtifactError(f"{where} names {name!r}, which is not a plain file name. {_MEND}")
    data = _read(directory / name)
    if len(data) != size:
        raise ArtifactError(f"{directory / name} has {len(data)} bytes instead of {size}. {_MEND}")
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ArtifactError(f"{directory / name} is damaged: its hash is not the one kept. {_MEND}")
    return data


def _arrays(data: bytes, path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a safetensors file."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as from_safetensors

    try:
        return from_safetensors(data)
    except (SafetensorError, KeyError, ValueError) as error:
        raise ArtifactError(f"{path} is no safetensors file ({error}). {_MEND}") from error


def _contiguous(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The arrays row by row in memory: safetensors writes the bytes of a transposed view as they lie."""
    return {name: np.asarray(array, order="C") for name, array in arrays.items()}


def _record(kind: str, data: bytes, suffix: str) -> dict[str, Any]:
    """What the manifest keeps of a file."""
    sha256 = hashlib.sha256(data).hexdigest()
    return {"name": f"{kind}-{sha256[:12]}{suffix}", "bytes": len(data), "sha256": sha256}


def _seal(document: Mapping[str, Any]) -> bytes:
    """The manifest as bytes, its own digest at the end."""
    try:
        open_text = _dump({**document, "digest": ""})
    except (TypeError, ValueError) as error:
        raise ArtifactError(f"the manifest holds a value that is not JSON: {error}.") from error
    digest = hashlib.sha256(open_text).hexdigest()
    return _dump({**document, "digest": digest})


def _unseal(sealed: bytes, where: Path) -> dict[str, Any]:
    """The manifest's document, when not a byte of it has changed since it was sealed."""
    try:
        document = json.loads(sealed.decode("utf-8"))
    except ValueError as error:  # not UTF-8 or not JSON
        raise ArtifactError(f"{where} is damaged: {error}. {_MEND}") from error
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise ArtifactError(f"{where} is not the manifest of a router. {_MEND}")
    version = document.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise ArtifactError(
            f"{where} was made by a newer onehead: format {version}, and this one reads format "
            f"{FORMAT_VERSION}. Upgrade with: pip install --upgrade onehead. If no newer one made "
            "it, the file is damaged."
        )
    if version != FORMAT_VERSION:
        raise ArtifactError(f"{where} is damaged: its format is {version!r}. {_MEND}")
    content = {key: value for key, value in document.items() if key != "digest"}
    if _seal(content) != sealed:
        raise ArtifactError(f"{where} is damaged or was edited: its digest does not fit. {_MEND}")
    return content


def _dump(document: Mapping[str, Any]) -> bytes:
    """JSON in the one form that is sealed."""
    return (json.dumps(document, indent=1, allow_nan=False) + "\n").encode("ascii")


def _is_router(directory: Path) -> bool:
    """Whether a router, though perhaps a damaged one, lies in `directory`."""
    path = directory / MANIFEST
    return path.is_file() and _FORMAT.encode() in path.read_bytes()[:200]


def _named_files(directory: Path) -> set[str]:
    """The files that the manifest in `directory` names now; none where it cannot be read."""
    try:
        records = json.loads((directory / MANIFEST).read_bytes())["files"].values()
        return {record["name"] for record in records if Path(record["name"]).name == record["name"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return set()


def _sweep(directory: Path, names: Iterable[str]) -> None:
    """Remove those of our files that the manifest on disk does not name."""
    for name in set(names) - _named_files(directory):
        (directory / name).unlink(missing_ok=True)
