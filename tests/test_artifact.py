"""Routers on disk: every byte is checked, and the old router survives whatever stops a write."""

from __future__ import annotations

import errno
import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from routers import make_artifact

from onehead import artifact as artifacts
from onehead.artifact import Artifact, check_target, load, save
from onehead.errors import ArtifactError, DataError, OneheadError, UsageError
from onehead.pool import Pool


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


def same(a: Artifact, b: Artifact) -> bool:
    equal = all(np.array_equal(a.arrays[name], b.arrays[name]) for name in a.arrays)
    return equal and a.manifest == b.manifest and a.network == b.network


def reseal(directory: Path, **changes: object) -> None:
    """Change the manifest as its author would, digest included."""
    path = directory / "manifest.json"
    document = json.loads(path.read_bytes()) | changes
    document = {key: value for key, value in document.items() if key != "digest"} | {"digest": ""}
    digest = hashlib.sha256((json.dumps(document, indent=1) + "\n").encode()).hexdigest()
    path.write_text(json.dumps(document | {"digest": digest}, indent=1) + "\n")


def test_a_router_comes_back_as_it_was(artifact: Artifact, router_dir: Path) -> None:
    assert same(load(router_dir), artifact)
    names = sorted(path.suffix for path in router_dir.iterdir())
    assert names == [".json", ".onnx", ".safetensors"]


def test_arrays_that_are_views_come_back_as_they_were(artifact: Artifact, tmp_path: Path) -> None:
    flipped = {
        name: np.asfortranarray(array)[:, ::-1] if name == "keys" else np.asfortranarray(array)
        for name, array in artifact.arrays.items()
    }
    save(replace(artifact, arrays=flipped), tmp_path / "r")
    for name, array in load(tmp_path / "r").arrays.items():
        np.testing.assert_array_equal(array, flipped[name])


def test_saving_again_replaces_the_router_and_leaves_other_files(router_dir: Path) -> None:
    (router_dir / "MODEL_CARD.md").write_text("mine")
    newer = make_artifact(seed=7)
    save(newer, router_dir)
    assert same(load(router_dir), newer)
    assert len(list(router_dir.iterdir())) == 4
    assert (router_dir / "MODEL_CARD.md").read_text() == "mine"


def test_every_flipped_byte_is_found(tmp_path: Path) -> None:
    directory = tmp_path / "r"
    save(make_artifact(m=2, anchors=1), directory)
    for name, data in contents(directory).items():
        path = directory / name
        step = 5 if name == "manifest.json" else 61
        for at in range(0, len(data), step):
            bits = 1 << at % 8
            path.write_bytes(data[:at] + bytes([data[at] ^ bits]) + data[at + 1 :])
            with pytest.raises(ArtifactError, match=name):
                load(directory)
        path.write_bytes(data)
    load(directory)


def test_missing_truncated_and_longer_files_are_named(router_dir: Path) -> None:
    for name, data in contents(router_dir).items():
        path = router_dir / name
        path.unlink()
        with pytest.raises(ArtifactError, match=f"has no {name}"):
            load(router_dir)
        for changed in (b"", data[: len(data) // 2], data + b"\n"):
            path.write_bytes(changed)
            with pytest.raises(ArtifactError, match=name):
                load(router_dir)
        path.write_bytes(data)


def test_a_newer_format_asks_for_an_upgrade(router_dir: Path) -> None:
    reseal(router_dir, format_version=2, arrays={"what": "ever"})
    with pytest.raises(ArtifactError, match=r"newer onehead: format 2.*[Uu]pgrade"):
        load(router_dir)


@pytest.mark.parametrize(
    "changes",
    [
        {"models": []},
        {"models": [{"id": "a"}]},
        {"models": 7},
        {"encoder": {"spec": "static"}},
        {"files": {}},
        {"files": []},
        {"files": {"network": {"name": "x"}, "arrays": {"name": "y"}}},
        {"model_axes": {"keys": None}},
        {"model_axes": []},
        {"format_version": "1"},
        {"format_version": 0},
        {"profiles": 3},
    ],
)
def test_a_sealed_manifest_that_makes_no_sense_is_refused(router_dir: Path, changes: dict) -> None:
    reseal(router_dir, **changes)
    with pytest.raises(ArtifactError, match=str(router_dir)):
        load(router_dir)


def test_files_outside_the_directory_are_not_read(router_dir: Path) -> None:
    files = json.loads((router_dir / "manifest.json").read_bytes())["files"]
    outside = router_dir.parent / "outside"
    (router_dir / files["network"]["name"]).rename(outside)
    reseal(router_dir, files=files | {"network": files["network"] | {"name": "../outside"}})
    with pytest.raises(ArtifactError, match="not a plain file name"):
        load(router_dir)


def test_a_later_addition_to_the_manifest_is_passed_over(
    artifact: Artifact, router_dir: Path
) -> None:
    reseal(router_dir, remarks="from a later version of the same format")
    assert same(load(router_dir), artifact)


def test_what_is_no_router_is_said(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="does not exist"):
        load(tmp_path / "nowhere")
    with pytest.raises(ArtifactError, match="has no manifest"):
        load(tmp_path)
    path = tmp_path / "manifest.json"
    path.write_text("{}")
    with pytest.raises(ArtifactError, match="is a file"):
        load(path)
    for content in (b"{}", b"[]", b"\xff\xfe{}", b'{"format": "onehead', b'{"name": "\xe9"}'):
        path.write_bytes(content)
        with pytest.raises(ArtifactError, match="manifest"):
            load(tmp_path)


def test_arrays_must_fit_the_pool(artifact: Artifact) -> None:
    with pytest.raises(
        ArtifactError, match=r"'quality_at' has shape \(12, 3\).*4 models on axis 1"
    ):
        replace(artifact, arrays={**artifact.arrays, "quality_at": np.zeros((12, 3))})
    with pytest.raises(ArtifactError, match="do not name the same: extra"):
        replace(artifact, arrays={**artifact.arrays, "extra": np.zeros(3)})
    axes = {**artifact.manifest.model_axes, "keys": 5}
    manifest = replace(artifact.manifest, model_axes=axes)
    with pytest.raises(ArtifactError, match="axis 5"):
        replace(artifact, manifest=manifest)


def test_arrays_on_disk_that_do_not_fit_are_found_on_load(router_dir: Path) -> None:
    models = json.loads((router_dir / "manifest.json").read_bytes())["models"]
    reseal(router_dir, models=models[:3])
    with pytest.raises(ArtifactError, match=r"3 models on axis 1"):
        load(router_dir)


def test_a_value_that_is_not_json_stops_the_save(artifact: Artifact, tmp_path: Path) -> None:
    broken = replace(artifact.manifest, validation={"aiq": float("nan")})
    with pytest.raises(ArtifactError, match="not JSON"):
        save(replace(artifact, manifest=broken), tmp_path / "r")
    assert not (tmp_path / "r").exists()


def fail_at(monkeypatch: pytest.MonkeyPatch, nth: int, error: BaseException) -> None:
    """Make the nth file written stop half-way."""
    count = iter(range(99))
    write = Path.write_bytes

    def stop(self: Path, data: bytes) -> int:
        if next(count) == nth:
            write(self, data[: len(data) // 2])
            raise error
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", stop)


@pytest.mark.parametrize("nth", [0, 1, 2])
@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), OneheadError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_the_old_router_survives(
    artifact: Artifact,
    router_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    nth: int,
    error: BaseException,
    raised: type[BaseException],
) -> None:
    before = contents(router_dir)
    fail_at(monkeypatch, nth, error)
    with pytest.raises(raised) as caught:
        save(make_artifact(seed=7), router_dir)
    assert contents(router_dir) == before
    if raised is OneheadError:
        assert "No space left on device" in str(caught.value)
        assert caught.value.exit_code == 1


@pytest.mark.parametrize("nth", [0, 1, 2])
def test_a_failed_first_save_leaves_nothing(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    fail_at(monkeypatch, nth, OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(OneheadError, match="No space left"):
        save(artifact, tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_an_interrupt_right_after_the_manifest_keeps_the_new_router(
    router_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = make_artifact(seed=7)
    sync = artifacts.atomic.sync_directory

    def stop(directory: Path) -> None:
        if (directory / "manifest.json").read_bytes() != before:
            raise KeyboardInterrupt
        sync(directory)

    before = (router_dir / "manifest.json").read_bytes()
    monkeypatch.setattr(artifacts.atomic, "sync_directory", stop)
    with pytest.raises(KeyboardInterrupt):
        save(newer, router_dir)
    assert same(load(router_dir), newer)


def test_a_limit_on_file_size_stops_a_save_cleanly(router_dir: Path) -> None:
    """The system's own refusal, not a simulated one: the arrays do not fit."""
    pytest.importorskip("resource", reason="limits on files need a Unix")
    before = contents(router_dir)
    code = (
        "import resource, sys; sys.path.insert(0, sys.argv[2])\n"
        "from routers import make_artifact; from onehead.artifact import save\n"
        "new = make_artifact(anchors=4000)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "save(new, sys.argv[1])\n"
    )
    run = [sys.executable, "-c", code, str(router_dir), str(Path(__file__).parent)]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert "OneheadError: cannot write the router" in done.stderr
    assert "File too large" in done.stderr
    assert contents(router_dir) == before


def test_a_router_replaced_while_it_is_read_is_read_again(
    router_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer, read = make_artifact(seed=7), Path.read_bytes
    swaps = iter([True])

    def swap(self: Path) -> bytes:
        if self.suffix == ".safetensors" and next(swaps, False):
            save(newer, router_dir)
        return read(self)

    monkeypatch.setattr(Path, "read_bytes", swap)
    assert same(load(router_dir), newer)


def test_only_new_empty_and_router_directories_are_written(
    artifact: Artifact, tmp_path: Path, router_dir: Path
) -> None:
    full = tmp_path / "full"
    full.mkdir()
    check_target(full)
    (full / "manifest.json").write_text('{"name": "a web extension"}')
    with pytest.raises(UsageError, match="other files and no router"):
        save(artifact, full)
    assert len(list(full.iterdir())) == 1
    with pytest.raises(UsageError, match="is a file"):
        check_target(full / "manifest.json")
    with pytest.raises(UsageError, match=r"is a file\. Give another"):
        check_target(full / "manifest.json" / "below")
    check_target(router_dir)
    save(artifact, tmp_path / "new" / "deep")
    load(tmp_path / "new" / "deep")


def test_a_damaged_router_can_be_replaced(artifact: Artifact, router_dir: Path) -> None:
    path = router_dir / "manifest.json"
    path.write_bytes(path.read_bytes()[:-100])
    save(artifact, router_dir)
    assert same(load(router_dir), artifact)


def test_only_keeps_the_columns_of_the_models_named(artifact: Artifact) -> None:
    names = ("model-03", "model-01")
    small = artifact.only(names)
    assert small.manifest.pool.ids == names
    assert np.array_equal(small.arrays["quality_at"], artifact.arrays["quality_at"][:, [3, 1]])
    assert np.array_equal(small.arrays["keys"], artifact.arrays["keys"])
    assert small.network == artifact.network
    assert set(small.manifest.profiles) == set(names)
    assert small.manifest.presets != artifact.manifest.presets
    assert same(artifact.only(artifact.manifest.pool.ids), artifact)


def test_presets_stay_where_no_profiles_are_kept(artifact: Artifact) -> None:
    bare = replace(artifact, manifest=replace(artifact.manifest, profiles={}))
    assert bare.only(["model-01"]).manifest.presets == artifact.manifest.presets


def test_only_refuses_unknown_models_and_none_at_all(artifact: Artifact) -> None:
    with pytest.raises(UsageError, match="'gpt' is not in the pool"):
        artifact.only(["gpt"])
    with pytest.raises(DataError, match="empty"):
        artifact.only([])
    assert isinstance(artifact.manifest.pool, Pool)
