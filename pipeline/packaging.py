"""From a finished run to its emulator package: what is in it beside the network's sources."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import read_events
from naetrigger.contracts.fixed_point import Integers
from naetrigger.contracts.manifest import NAME, read_manifest, sha256_of
from naetrigger.contracts.network import FixedPointNetwork
from naetrigger.contracts.network_file import load_network
from naetrigger.firmware_configs.board import load_board
from naetrigger.firmware_configs.input_spec import InputSpec
from naetrigger.pipeline.decision import read_decision
from naetrigger.pipeline.input_specs import spec_of
from naetrigger.pipeline.run_folder import TEST

if TYPE_CHECKING:
    from naetrigger.export.emulator_package import PackageSettings

EVENTS = 20_000
_UNVALIDATED = "the run's validation is not of this export: finish it with naetrigger run"


def model_name(root: Path) -> str:
    """The recipe's name as C++ takes it: `l1-objects` gives `l1_objects`."""
    from naetrigger.export.emulator_package import MAX_NAME
    from naetrigger.pipeline.run import run_recipe

    read_manifest(root)  # InputError for a folder that is no run
    name = re.sub(r"\W", "_", run_recipe(root).name)
    return (name if name[0].isalpha() else f"model_{name}")[:MAX_NAME]


def package_run(root: Path, out: Path, settings: PackageSettings, vectors: int) -> list[str]:
    """Write the emulator package of the run `root` into the new folder `out`.

    Returns the steps that are left to whoever calls it.
    """
    from naetrigger.export.emulator_package import write_package

    read_manifest(root)  # InputError for a folder that is no run
    network = load_network(root / "export" / "network")
    spec = spec_of(root, "student")
    return write_package(
        network,
        spec,
        out,
        settings,
        load_board(str(root / "export" / "board.yaml")),
        events=_features(root, spec),
        thresholds=thresholds_of(root, network),
        vectors=vectors,
    )


def thresholds_of(root: Path, network: FixedPointNetwork) -> dict[str, Any]:
    """All thresholds that a run has: for rates, of the report, and of the firmware's decision.

    Those of a report or of rates that were made of another export are left out, with a note.
    """
    belongs = validation_belongs(root)
    report = (_read(root / "validation" / "report.json") or {}) if belongs else {}
    rates, rates_note = _rates(root, belongs)
    decision = read_decision(root / "export") or {}
    return {
        "format": "naetrigger-thresholds",
        "version": 1,
        "fires": "score >= threshold, in integers of the score",
        "score_type": str(network.score_type),
        "score_scale": network.score_scale,
        "rates": [
            {
                "rate_khz": rate["requested_khz"],
                "threshold_hw": rate["threshold_hw"],
                "threshold": rate["threshold"],
                "status": rate["status"],
            }
            for rate in rates.get("rates", [])
            if rate.get("threshold_hw") is not None
        ],
        "rates_note": rates_note,
        "machine": rates.get("machine"),
        "working_points": [
            {
                "background_efficiency": point["target"],
                "threshold_hw": point["threshold_hw"],
                "threshold": point["threshold_float"],
            }
            for point in report.get("working_points", [])
            if point.get("model", "student") == "student" and point["threshold_hw"] is not None
        ],
        "working_points_note": "" if report else _UNVALIDATED,
        "decision": decision.get("bits", []),
    }


def _rates(root: Path, validated: bool) -> tuple[dict[str, Any], str]:
    """rates.json where it was made of the run as it is, and else why there is none."""
    rates = _read(root / "validation" / "rates.json")
    if rates is None:
        return {}, "made by: naetrigger rates RUN FILE, before the package"
    if not validated:
        return {}, _UNVALIDATED
    if rates.get("run_manifest_sha256") != sha256_of(root / NAME):
        return {}, "rates.json is of another export: naetrigger rates RUN FILE makes it anew"
    return rates, ""


def validation_belongs(root: Path) -> bool:
    """Whether the run's validation was made of its export as it is now."""
    from naetrigger.pipeline.run import run_recipe
    from naetrigger.pipeline.stages import VALIDATION

    manifest = read_manifest(root)
    record = manifest.stages.get(VALIDATION.name)
    return record is not None and record.key == VALIDATION.key(run_recipe(root), manifest)


def _features(root: Path, spec: InputSpec) -> Integers:
    """What the emulator is given for real events, shape (N, F): features after the spec's steps."""
    path = root / TEST
    if not path.exists():
        path = root / "data" / "train.h5"
    samples = [_after_steps(spec, events) for events in read_events(path)]
    mixed = np.concatenate(samples)
    order = np.random.default_rng(0).permutation(len(mixed))[:EVENTS]
    return np.asarray(mixed[order])


def _after_steps(spec: InputSpec, events: Any) -> Any:
    from naetrigger.export.emulator_scales import is_hardware
    from naetrigger.firmware_configs.input_spec import columns_of

    if is_hardware(spec):
        return spec.after_steps(columns_of(events, spec.source_columns))
    return spec.scaled(events)


def _read(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path}: not readable ({error}); make it anew") from error
