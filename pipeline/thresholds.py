"""All points at which a run selects events: of its report, of its decision, of measured rates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.manifest import NAME, sha256_of
from naetrigger.contracts.regular_file import read_json
from naetrigger.pipeline.decision import read_decision
from naetrigger.pipeline.packaging import validation_belongs

if TYPE_CHECKING:
    from naetrigger.validation.compare_schema import WorkingThreshold


def working_thresholds(root: Path) -> tuple[list[WorkingThreshold], list[str]]:
    """Working points of a run, and notes on those that are missing or may be out of date.

    Rates that were made of another export are left out.
    """
    from naetrigger.validation.compare_schema import WorkingThreshold

    report, found_rates = (root / "validation" / name for name in ("report.json", "rates.json"))
    with _understood(report):
        points = _of_report(report)
    with _understood(found_rates):
        rates, notes = _of_rates(root)
    points += rates
    if not points:
        notes.append("the run has no working points; they come with: naetrigger run")
    elif not validation_belongs(root):
        notes.append(
            "the working points are those of a validation of other settings, of an older program "
            "or of another export; naetrigger run brings them up to date"
        )
    for bit in (read_decision(root / "export") or {}).get("bits", []):
        points.append(WorkingThreshold(name=f"bit {bit['bit']}", student=bit["threshold_hw"]))
    return points, notes


def _of_report(path: Path) -> list[WorkingThreshold]:
    from naetrigger.validation.compare_schema import WorkingThreshold

    if not path.exists():
        return []
    found: dict[float, dict[str, Any]] = {}
    for point in _read(path).get("working_points", []):
        model = point.get("model", "student")
        value = point["threshold_hw" if model == "student" else "threshold_float"]
        if model in ("teacher", "student") and value is not None:
            found.setdefault(float(point["target"]), {})[model] = value
    return [
        WorkingThreshold(name=f"background {target:g}", **values)
        for target, values in found.items()
    ]


def _of_rates(root: Path) -> tuple[list[WorkingThreshold], list[str]]:
    from naetrigger.validation.compare_schema import WorkingThreshold

    path = root / "validation" / "rates.json"
    if not path.exists():
        return [], []
    rates = _read(path)
    if rates.get("run_manifest_sha256") != sha256_of(root / NAME):
        return [], ["rates.json is of another export, so its thresholds are left out"]
    return [
        WorkingThreshold(name=f"{rate['requested_khz']:g} kHz", student=rate["threshold_hw"])
        for rate in rates.get("rates", [])
        if rate.get("threshold_hw") is not None
    ], []


@contextmanager
def _understood(path: Path) -> Iterator[None]:
    """A document of another kind is bad input."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(
            f"{path}: not what this program writes ({error!r}); make it anew"
        ) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(read_json(path))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path}: not readable ({error}); make it anew") from error
