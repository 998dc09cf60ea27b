"""The manifest: what it records, and that it names every file that is not as recorded."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from safetensors.numpy import save_file

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.manifest import (
    NAME,
    Manifest,
    StageRecord,
    read_manifest,
    record_files,
    stage_key,
    verify,
    write_manifest,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A run folder with one stage of one file of each kind."""
    folder = tmp_path / "training"
    folder.mkdir()
    save_file({"w": np.zeros((2, 3), np.float32)}, folder / "weights.safetensors")
    np.save(folder / "scores.npy", np.arange(5))
    np.savez(folder / "arrays.npz", a=np.ones((4, 1)), b=np.int8(3))
    with h5py.File(folder / "events.h5", "w") as file:
        file["group/values"] = np.zeros((7, 2), np.float32)
    (folder / "notes.txt").write_text("plain")
    record = StageRecord("k" * 64, ("data",), 3, {"numpy": "2"}, record_files(folder, "training"))
    write_manifest(tmp_path, Manifest({"training": record}))
    return tmp_path


def test_manifest_survives_reading_back(root: Path) -> None:
    manifest = read_manifest(root)
    verify(root, manifest)
    before = (root / NAME).read_bytes()
    write_manifest(root, manifest)
    assert (root / NAME).read_bytes() == before
    assert not list(root.glob("*.partial"))


def test_arrays_are_recorded_with_shape_and_dtype(root: Path) -> None:
    files = {Path(f.path).name: f for f in read_manifest(root).stages["training"].files}
    assert files["weights.safetensors"].arrays == {"w": ([2, 3], "F32")}
    assert files["scores.npy"].arrays == {"": ([5], "int64")}
    assert files["arrays.npz"].arrays == {"a": ([4, 1], "float64"), "b": ([], "int8")}
    assert files["events.h5"].arrays == {"group/values": ([7, 2], "float32")}
    assert files["notes.txt"].arrays == {}
    assert files["notes.txt"].bytes == 5
    assert {f.role for f in files.values()} == {"weights", "arrays", "events", "text"}


def test_every_damaged_file_is_named_with_stage_and_remedy(root: Path) -> None:
    folder = root / "training"
    weights = bytearray((folder / "weights.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "weights.safetensors").write_bytes(weights)
    (folder / "events.h5").write_bytes((folder / "events.h5").read_bytes()[:-100])
    (folder / "notes.txt").unlink()
    with pytest.raises(InputError) as raised:
        verify(root, read_manifest(root))
    text = str(raised.value)
    assert "weights.safetensors: edited" in text
    assert "events.h5: truncated" in text
    assert "notes.txt: is missing" in text
    assert "since stage 'training' wrote it" in text
    assert f"delete {folder} and run again" in text
    assert "arrays.npz" not in text


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {"steps": 4}},
        {"seed": 1},
        {"inputs": {"data/train.h5": "b"}},
        {"inputs": {}},
        {"schema": 2},
    ],
)
def test_key_changes_with_all_it_depends_on(change: dict[str, object]) -> None:
    same = {"settings": {"steps": 3}, "seed": 0, "inputs": {"data/train.h5": "a"}, "schema": 1}
    assert stage_key(**same) == stage_key(**same)  # type: ignore[arg-type]
    assert stage_key(**same) != stage_key(**{**same, **change})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not a readable manifest"),
        ("[]", "not a readable manifest"),
        ('{"format": "naetrigger-run", "version": 99}', "version 99"),
        ('{"format": "else", "version": 1}', "expected naetrigger-run"),
    ],
)
def test_unreadable_manifest(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / NAME).write_text(text)
    with pytest.raises(InputError, match=said):
        read_manifest(tmp_path)


def test_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a run folder"):
        read_manifest(tmp_path)
    with pytest.raises(InputError, match="no such run folder"):
        read_manifest(tmp_path / "absent")


@pytest.mark.parametrize("path", ["/etc/passwd", "../other/file", "training/../../x", "file"])
def test_path_out_of_the_run_folder_is_refused(root: Path, path: str) -> None:
    document = json.loads((root / NAME).read_text())
    document["stages"]["training"]["files"][0]["path"] = path
    (root / NAME).write_text(json.dumps(document))
    with pytest.raises(InputError, match="leads out of the run folder"):
        read_manifest(root)


def test_unfinished_stage_is_named(root: Path) -> None:
    with pytest.raises(InputError, match="stage 'trainin' is not finished; did you mean"):
        verify(root, read_manifest(root), ["trainin"])


def test_records_are_frozen(root: Path) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        read_manifest(root).stages["training"].key = "x"  # type: ignore[misc]
