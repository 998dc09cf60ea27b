"""A teacher's files from elsewhere: cut, of other shapes, of huge headers, of NaN."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from naetrigger.contracts.errors import InputError
from naetrigger.training.models import folded
from naetrigger.training.objectives import build_objective
from naetrigger.training.settings import ModelSettings
from naetrigger.training.settings.reconstruction import AeObjective
from naetrigger.training.teacher import load_teacher, save_teacher

Weights = Callable[[bytes], bytes]


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    """An untrained one, whole."""
    settings, objective = ModelSettings(hidden=(4,), latent=2), AeObjective()
    model = folded(build_objective(objective).network(settings, 3, torch.Generator()))
    save_teacher(tmp_path, "teacher", model, ("a", "b", "c"), objective, {})
    load_teacher(tmp_path)
    return tmp_path


def header(entries: dict[str, Any], data: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file by hand."""
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def with_tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Weights:
    def changed(content: bytes) -> bytes:
        tensors = safetensors.torch.load(content)
        change(tensors)
        return safetensors.torch.save(tensors)

    return changed


def first(tensors: dict[str, torch.Tensor]) -> str:
    return sorted(tensors)[0]


F32 = {"dtype": "F32", "shape": [10**6, 10**9], "data_offsets": [0, 4 * 10**15]}
WEIGHTS: dict[str, tuple[Weights, str]] = {
    "empty": (lambda content: b"", "does not fit"),
    "cut": (lambda content: content[:-9], "does not fit"),
    "no header": (lambda content: content[:8], "does not fit"),
    "a header of 2^63 bytes": (lambda content: header({}, length=2**63), "does not fit"),
    "a header of a gigabyte": (lambda content: header({}, length=2**30), "does not fit"),
    "a header that is no JSON": (lambda content: struct.pack("<Q", 4) + b"{{{{", "does not fit"),
    "a petabyte declared": (lambda content: header({"x": F32}), "does not fit"),
    "overlapping tensors": (
        lambda content: header(
            {name: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for name in ("a", "b")},
            bytes(4),
        ),
        "does not fit",
    ),
    "a pickle": (lambda content: b"\x80\x04cos\nsystem\n.", "does not fit"),
    "a zip file": (lambda content: b"PK\x03\x04" + bytes(99), "does not fit"),
    "a tensor missing": (with_tensors(lambda t: t.pop(first(t))), "Missing key"),
    "a tensor too many": (with_tensors(lambda t: t.update(x=torch.ones(1))), "Unexpected key"),
    "another shape": (with_tensors(lambda t: t.update({first(t): torch.ones(7)})), "size mismatch"),
    "NaN": (with_tensors(lambda t: t[first(t)].fill_(float("nan"))), "holds NaN or infinity"),
    "infinity": (with_tensors(lambda t: t[first(t)].fill_(float("inf"))), "holds NaN or infinity"),
}


@pytest.mark.parametrize("name", WEIGHTS, ids=str)
def test_weights_that_their_description_vouches_for(name: str, teacher: Path) -> None:
    """Only the sha256 is right: whoever edits the weights can edit it, too."""
    change, said = WEIGHTS[name]
    path, about = teacher / "teacher.safetensors", teacher / "teacher.json"
    content = change(path.read_bytes())
    path.write_bytes(content)
    description = json.loads(about.read_text())
    description["weights_sha256"] = hashlib.sha256(content).hexdigest()
    about.write_text(json.dumps(description))
    with pytest.raises(InputError, match=said) as error:
        load_teacher(teacher)
    assert "teacher.safetensors" in str(error.value)


DESCRIPTIONS: dict[str, tuple[Any, str]] = {
    "deep": ("[" * 10**5, "not JSON"),
    "a list": ([], "not a naetrigger-teacher"),
    "newer": ({"version": 2}, "version 2"),
    "another width": ({"n_inputs": 4}, "size mismatch"),
    "a huge width": ({"n_inputs": 10**15}, "teacher"),
    "a negative width": ({"n_inputs": -3}, "teacher"),
    "a width of a word": ({"n_inputs": "x"}, "teacher"),
    "no such objective": ({"objective": {"name": "x"}}, "does not fit"),
    "a huge layer": ({"model": {"hidden": [10**12]}}, "does not fit"),
    "no model": ({"model": None}, "does not fit"),
    "other weights": ({"weights_sha256": "0"}, "its SHA-256 is not the one"),
}


@pytest.mark.parametrize("name", DESCRIPTIONS, ids=str)
def test_descriptions_of_a_teacher(name: str, teacher: Path) -> None:
    change, said = DESCRIPTIONS[name]
    path = teacher / "teacher.json"
    if isinstance(change, dict):
        change = {**json.loads(path.read_text()), **change}
    path.write_text(change if isinstance(change, str) else json.dumps(change))
    with pytest.raises(InputError, match=said):
        load_teacher(teacher)
