"""From a finished run to its emulator package: what is in it beside the network's sources."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import read_events
from naetrigger.contracts.fixed_point import Integers
from naetrigger.contracts.network import FixedPointNetwork
from naetrigger.contracts.network_file import load_network
from naetrigger.firmware_configs.board import load_board
from naetrigger.firmware_configs.input_spec import InputSpec
from naetrigger.pipeline.decision import read_decision
from naetrigger.pipeline.input_specs import spec_of

if TYPE_CHECKING:
    from naetrigger.export.emulator_package import PackageSettings

EVENTS = 20_000


def package_run(root: Path, out: Path, settings: PackageSettings, vectors: int) -> Path:
    """Write the emulator package of the run `root` into the new folder `out`; its path."""
    from naetrigger.export.emulator_package import write_package

    network = load_network(root / "export" / "network")
    spec = spec_of(root, "student")
    write_package(
        network,
        spec,
        out,
        settings,
        load_board(str(root / "export" / "board.yaml")),
        events=_features(root, spec),
        thresholds=thresholds_of(root, network),
        vectors=vectors,
    )
    return out


def thresholds_of(root: Path, network: FixedPointNetwork) -> dict[str, Any]:
    """All thresholds that a run has: for rates, of the report, and of the firmware's decision."""
    report = _read(root / "validation" / "report.json") or {}
    rates = _read(root / "validation" / "rates.json") or {}
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
        "rates_note": "" if rates else "made by: naetrigger rates RUN FILE, before the package",
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
        "decision": decision.get("bits", []),
    }


def _features(root: Path, spec: InputSpec) -> Integers:
    """What the emulator is given for real events, shape (N, F): features after the spec's steps."""
    path = root / "data" / "test.h5"
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
