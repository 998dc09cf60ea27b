"""The thresholds that the firmware's decision compares the score with, and decision.json.

Those of `firmware.decision.working_points` are set on the training background, as the report's
working points are on the test sample: the smallest that keeps the background at or below the
target. A working point that the score or the sample cannot give has no bit; a warning says why.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from naetrigger.contracts.decision import with_decision
from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import Events
from naetrigger.contracts.network import FixedPointNetwork
from naetrigger.contracts.regular_file import read_json
from naetrigger.export.settings import DecisionSettings

if TYPE_CHECKING:
    from naetrigger.validation.efficiency import Efficiency

log = logging.getLogger(__name__)

NAME = "decision.json"
FORMAT = "naetrigger-decision"
VERSION = 1


def decided(
    network: FixedPointNetwork, settings: DecisionSettings, background: Events, scores: Any
) -> tuple[FixedPointNetwork, dict[str, Any]]:
    """The network with its decision, and the document that says what each bit means.

    background : the training background with the data's own weights, not those that training draws
        by; scores : its score mantissas, shape (N,)
    """
    found = [
        _working_point(network, target, background, scores) for target in settings.efficiencies
    ]
    found += [_given(network, threshold, background, scores) for threshold in settings.thresholds]
    bits = [point for point in found if point["threshold_hw"] is not None]
    for point in found:
        if point["threshold_hw"] is None:
            log.warning(
                "no bit for working point %s: %s",
                point["background_efficiency_target"],
                point["note"],
            )
    document = {
        "format": FORMAT,
        "version": VERSION,
        "fires": "score >= threshold",
        "registers": settings.registers,
        "bits": [{"bit": k, **point} for k, point in enumerate(bits)],
        "without_bit": [point for point in found if point["threshold_hw"] is None],
    }
    return with_decision(network, [point["threshold_hw"] for point in bits]), document


def write_decision(document: dict[str, Any], folder: Path) -> None:
    """decision.json in `folder`."""
    (folder / NAME).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def read_decision(folder: Path) -> dict[str, Any] | None:
    """What write_decision wrote; None for a run folder of a version without."""
    path = folder / NAME
    if not path.exists():
        return None
    try:
        document = read_json(path)
        if document["format"] != FORMAT or document["version"] != VERSION:
            raise InputError(f"{path}: expected {FORMAT} version {VERSION}")
        return dict(document)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a readable decision ({error!r})") from error


def _working_point(
    network: FixedPointNetwork, target: float, background: Events, scores: Any
) -> dict[str, Any]:
    from naetrigger.validation.efficiency import scored, threshold_for

    sample = scored(scores, background.weights, background.event_ids)
    score = network.score_type
    found = threshold_for(sample, target, maximum=score.max_mantissa)
    if found.value is None or not score.min_mantissa < found.value <= score.max_mantissa:
        note = found.note or "every score fires at its threshold"
        return _point(network, target, None, None, note)
    return _point(network, target, int(found.value), found.background, found.note)


def _given(
    network: FixedPointNetwork, threshold: int, background: Events, scores: Any
) -> dict[str, Any]:
    from naetrigger.validation.efficiency import efficiency, scored

    sample = scored(scores, background.weights, background.event_ids)
    return _point(network, None, threshold, efficiency(sample, threshold), "")


def _point(
    network: FixedPointNetwork,
    target: float | None,
    threshold: int | None,
    efficiency: Efficiency | None,
    note: str,
) -> dict[str, Any]:
    return {
        "background_efficiency_target": target,
        "threshold_hw": threshold,
        "threshold": None if threshold is None else network.score_scale * threshold,
        "training_background_efficiency": efficiency and efficiency.value,
        "training_low": efficiency and efficiency.low,
        "training_high": efficiency and efficiency.high,
        "note": note,
    }
