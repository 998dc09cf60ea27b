"""Teacher files: read back exactly; anything damaged is refused and named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from naetrigger.contracts.errors import InputError
from naetrigger.training.models import build_model
from naetrigger.training.models.autoencoder import Autoencoder
from naetrigger.training.settings import AeObjective, ModelSettings
from naetrigger.training.teacher import load_teacher, read_description, save_teacher


@pytest.fixture
def model(tmp_path: Path) -> Autoencoder:
    settings = ModelSettings(hidden=(5,), decoder_hidden=(6, 7), activation="leaky_relu")
    model = build_model(settings, 4, torch.Generator().manual_seed(1))
    save_teacher(tmp_path, "teacher", model, ("a", "b", "c", "d"), AeObjective(), {"seed": 1})
    return model


def test_what_is_saved_is_loaded(tmp_path: Path, model: Autoencoder) -> None:
    loaded = load_teacher(tmp_path)
    assert loaded.settings == model.settings
    assert loaded.score is model.score
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)
    assert read_description(tmp_path)["columns"] == ["a", "b", "c", "d"]


@pytest.mark.parametrize("damage", ["truncate", "edit", "empty", "pickle"])
def test_damaged_weights_are_refused(tmp_path: Path, model: Autoencoder, damage: str) -> None:
    path = tmp_path / "teacher.safetensors"
    content = path.read_bytes()
    damaged = {
        "truncate": content[:-7],
        "edit": content[:-1] + bytes([content[-1] ^ 1]),
        "empty": b"",
        "pickle": b"\x80\x04K\x01.",
    }
    path.write_bytes(damaged[damage])
    with pytest.raises(InputError, match=r"teacher\.safetensors: its SHA-256 is not the one"):
        load_teacher(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": "other"}, "not a naetrigger-teacher file"),
        ({"version": 99}, "version 99, this program reads 1"),
        ({"n_inputs": 5}, "does not fit"),
        ({"model": {"hidden": [9]}}, "does not fit"),
        ({"model": {"hidden": ["x"]}}, "does not fit"),
        ({"model": {"kind": "evil"}}, "does not fit"),
        ({"n_inputs": None}, "does not fit"),
        ({"objective": {"name": "evil"}}, "does not fit"),
    ],
)
def test_edited_descriptions_are_refused(
    tmp_path: Path, model: Autoencoder, change: dict[str, object], said: str
) -> None:
    path = tmp_path / "teacher.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=said):
        load_teacher(tmp_path)


def test_missing_and_broken_files_are_named(tmp_path: Path, model: Autoencoder) -> None:
    with pytest.raises(InputError, match=r"student\.json: cannot be read"):
        load_teacher(tmp_path, "student")
    (tmp_path / "teacher.safetensors").unlink()
    with pytest.raises(InputError, match=r"teacher\.safetensors: cannot be read"):
        load_teacher(tmp_path)
    (tmp_path / "teacher.json").write_text("{")
    with pytest.raises(InputError, match="not JSON"):
        load_teacher(tmp_path)
