"""A trained teacher on disk: STEM.safetensors (weights) and STEM.json (all the rest).

STEM.json holds, with `format` = "naetrigger-teacher" and `version` = 1: `model` (the
ModelSettings), `n_inputs`, `columns` (input names in order), `score`, `objective` (its whole
settings), `seed`, `step` (whose weights these are), `steps_done`, `criterion` and
`weights_sha256`. No time and no path is in either file: the same training gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from pydantic import TypeAdapter
from safetensors import SafetensorError

from naetrigger.contracts.errors import InputError
from naetrigger.training.checkpoint import tensor_bytes, write_atomic
from naetrigger.training.models import folded
from naetrigger.training.models.energy_model import EnergyModel
from naetrigger.training.objectives import build_objective
from naetrigger.training.settings import ModelSettings, ObjectiveSettings

_OBJECTIVE: TypeAdapter[ObjectiveSettings] = TypeAdapter(ObjectiveSettings)
FORMAT = "naetrigger-teacher"
VERSION = 1


def save_teacher(
    folder: Path,
    stem: str,
    model: EnergyModel,
    columns: tuple[str, ...],
    objective: ObjectiveSettings,
    facts: dict[str, Any],
) -> None:
    """Write both files of a folded `model`; `facts` are further entries of the JSON file."""
    weights = tensor_bytes(dict(model.state_dict()))
    description = {
        "format": FORMAT,
        "version": VERSION,
        "model": model.settings.model_dump(mode="json"),
        "n_inputs": model.n_inputs,
        "columns": list(columns),
        "score": model.score.name,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "objective": objective.model_dump(mode="json"),
        **facts,
    }
    write_atomic(folder / f"{stem}.safetensors", weights)
    write_atomic(folder / f"{stem}.json", (json.dumps(description, indent=2) + "\n").encode())


def read_description(folder: Path, stem: str = "teacher") -> dict[str, Any]:
    """STEM.json, its format and version checked."""
    path = folder / f"{stem}.json"
    try:
        description = json.loads(_content(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error}); train again") from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        got = description.get("format") if isinstance(description, dict) else None
        raise InputError(
            f"{path}: not a {FORMAT} file (its 'format' is {got!r}); of a run of an older program "
            "delete the stage's folder, and naetrigger run makes it anew"
        )
    if description.get("version") != VERSION:
        raise InputError(
            f"{path}: version {description.get('version')}, this program reads {VERSION}"
        )
    return description


def load_teacher(folder: Path, stem: str = "teacher") -> EnergyModel:
    """The model in `folder`, ready to score; its columns are in `read_description`.

    Raises InputError if a file is missing, damaged, or not the one the other was written with.
    """
    description = read_description(folder, stem)
    path = folder / f"{stem}.safetensors"
    weights = _content(path)
    if hashlib.sha256(weights).hexdigest() != description.get("weights_sha256"):
        raise InputError(
            f"{path}: its SHA-256 is not the one in {stem}.json: the file was cut short, edited "
            "or comes from another training; train again or restore both files"
        )
    try:
        model = folded(_untrained(description))
        model.load_state_dict(safetensors.torch.load(weights))
    except (KeyError, TypeError, ValueError, SafetensorError, RuntimeError) as error:
        raise InputError(f"{path}: does not fit {stem}.json ({error})") from error
    for name, tensor in model.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise InputError(f"{path}: '{name}' holds NaN or infinity; train again")
    return model.eval()


def _untrained(description: dict[str, Any]) -> EnergyModel:
    """The network that the objective of the file trains."""
    settings = ModelSettings.model_validate(description["model"])
    objective = _OBJECTIVE.validate_python(description["objective"])
    network: EnergyModel = build_objective(objective).network(
        settings, int(description["n_inputs"]), torch.Generator()
    )
    return network


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); train first") from error
