"""Everything `naetrigger rates` finds, as the document of docs/rates.md.

The calibration half settles thresholds; every rate beside them is that of the test half.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from naetrigger.contracts.errors import InputError
from naetrigger.validation.efficiency import Scored, efficiency
from naetrigger.validation.intervals import CONFIDENCES
from naetrigger.validation.part_differences import chi2, pull
from naetrigger.validation.rates import (
    Part,
    Threshold,
    by_context,
    by_order,
    overlaps,
    threshold_for,
)
from naetrigger.validation.tail import Fraction, Sample, fraction_of, tail_of
from naetrigger.validation.tail_bootstrap import bootstrap_thresholds
from naetrigger.validation.tail_fit import extrapolate

FORMAT = "naetrigger-rates"
VERSION = 1
CURVE_POINTS = 300
LARGEST_PULL = 4.0  # between the halves: by chance once in 16 000 times
REACH = 3.0  # the tail is worked out to so many times the largest request


@dataclass(frozen=True)
class Crossings:
    """Zero bias with scores, N crossings in the order of the file.

    calibration, test : (N,) masks
    rows : (N,), where each stands in the file, ascending; None: these are all of it
    seeds : (N,) whether each simple trigger fires
    pileup : name of a context column and its values, (N,)
    signals : scores of signal events, for what each threshold keeps of them
    """

    sample: Sample
    calibration: npt.NDArray[np.bool_]
    test: npt.NDArray[np.bool_]
    rows: npt.NDArray[np.int64] | None = None
    seeds: Mapping[str, npt.NDArray[np.bool_]] = field(default_factory=dict)
    pileup: tuple[str, npt.NDArray[np.float32]] | None = None
    signals: Mapping[str, Scored] = field(default_factory=dict)


@dataclass(frozen=True)
class Question:
    """What is asked.

    requested_khz : rates; crossing_rate_khz : of all crossings
    maximum : the largest integer of the score's format; scale : score = scale * integer
    """

    requested_khz: tuple[float, ...]
    crossing_rate_khz: float
    maximum: int
    scale: float
    extrapolate: bool = False
    replicas: int = 200
    seed: int = 0


def rates_document(crossings: Crossings, question: Question) -> dict[str, Any]:
    """Thresholds, rates, overlaps, pile-up and stability, as JSON values.

    Raises InputError for requests that are no rates, and halves without crossings.
    """
    for rate in question.requested_khz:
        if not 0 < rate < question.crossing_rate_khz:
            raise InputError(
                f"--rate {rate:g}: must be above 0 and below the {question.crossing_rate_khz:.6g} "
                "kHz at which bunches cross"
            )
    halves = {"calibration": crossings.calibration, "test": crossings.test}
    for name, rows in halves.items():
        if not rows.any():
            raise InputError(f"rates: no crossing falls into the {name} half; give a larger file")
    return {
        "format": FORMAT,
        "version": VERSION,
        "crossing_rate_khz": question.crossing_rate_khz,
        "score_scale": question.scale,
        "score_maximum": question.maximum,
        "interval": _method(crossings.sample),
        "sample": {
            "crossings": len(crossings.sample),
            **{name: _size(crossings.sample.select(rows)) for name, rows in halves.items()},
        },
        "rates": _Answers(crossings, question).all(),
        "seeds": [
            {"name": name, **_rate(_of_test(crossings, fires), question)}
            for name, fires in crossings.seeds.items()
        ],
        "curve": _curve(crossings, question),
    }


def _method(sample: Sample) -> str:
    if sample.is_counted:
        return "Clopper-Pearson"
    clusters = "weights" if sample.clusters is None else "weights and pool events"
    return f"Clopper-Pearson at effective counts, which hold {clusters} to account"


def _size(sample: Sample) -> dict[str, Any]:
    total = sample.by_cluster(sample.weights)
    return {
        "crossings": len(sample),
        "effective_crossings": round(float(total.sum() ** 2 / np.sum(total**2)), 1),
        "sum_of_weights": float(sample.weights.sum()),
    }


def _of_test(crossings: Crossings, fires: npt.NDArray[np.bool_]) -> Fraction:
    return fraction_of(crossings.sample.select(crossings.test), fires[crossings.test])


def _rate(fraction: Fraction, question: Question) -> dict[str, Any]:
    """A fraction as a rate with its intervals."""
    khz = question.crossing_rate_khz
    found: dict[str, Any] = {"rate_khz": khz * fraction.value}
    for confidence in CONFIDENCES:
        low, high = fraction.interval(confidence)
        found[f"interval_{round(100 * confidence)}"] = [khz * low, khz * high]
    return {**found, "effective_events": round(fraction.events, 1)}


class _Answers:
    """The answer to each requested rate."""

    def __init__(self, crossings: Crossings, question: Question) -> None:
        self._crossings, self._question = crossings, question
        self._calibration = crossings.sample.select(crossings.calibration)
        self._test = crossings.sample.select(crossings.test)
        rows = np.arange(len(crossings.sample)) if crossings.rows is None else crossings.rows
        self._test_rows = rows[crossings.test]
        self._seeds = {name: fires[crossings.test] for name, fires in crossings.seeds.items()}
        self._rng = np.random.default_rng(question.seed)
        self._requests = [r / question.crossing_rate_khz for r in question.requested_khz]
        reach = min(REACH * max(self._requests), 1.0)
        self._tail = tail_of(self._calibration, reach)
        apart = Sample(self._calibration.scores, self._calibration.weights)
        self._apart = tail_of(apart, reach) if self._calibration.clusters is not None else None

    def all(self) -> list[dict[str, Any]]:
        """One entry a request, in their order."""
        spreads = [None] * len(self._requests)
        if not self._calibration.is_counted:
            replicas = bootstrap_thresholds(
                self._calibration, self._requests, self._question.replicas, self._rng
            )
            spreads = replicas.std(axis=0, ddof=1).tolist()
        return [
            self._one(khz, request, spread)
            for khz, request, spread in zip(
                self._question.requested_khz, self._requests, spreads, strict=True
            )
        ]

    def _one(self, khz: float, request: float, spread: float | None) -> dict[str, Any]:
        found = threshold_for(self._tail, request, maximum=self._question.maximum, pool=self._apart)
        entry: dict[str, Any] = {"requested_khz": khz, **self._settled(found, spread)}
        if found.value is not None:
            entry |= self._measured(found.value)
        elif found.needs is not None and self._question.extrapolate:
            entry |= self._extrapolated(request)
        threshold = entry["threshold_hw"]
        kept = [] if threshold is None else [*_kept(self._crossings.signals, threshold)]
        return {**entry, "signals": kept}

    def _settled(self, found: Threshold, spread: float | None) -> dict[str, Any]:
        status = "refused" if found.value is None else "ok" if found.reached else "unreachable"
        neighbours = [n for n in (found.above, found.at) if n is not None]
        note = found.note
        if status == "unreachable":
            note = "no integer threshold gives this rate: crossings share few scores"
        return {
            "status": status,
            "threshold_hw": found.value,
            "threshold": None if found.value is None else self._question.scale * found.value,
            **{
                f"threshold_interval_{round(100 * c)}": list(found.intervals[c])
                if c in found.intervals
                else None
                for c in CONFIDENCES
            },
            "threshold_bootstrap_error": None if found.value is None else spread,
            "neighbours": [
                {"threshold_hw": n.threshold, **_rate(n.fraction, self._question)}
                for n in neighbours
            ],
            "needs_calibration_crossings": found.needs,
            "note": note,
        }

    def _extrapolated(self, request: float) -> dict[str, Any]:
        try:
            found = extrapolate(self._calibration, request, self._rng)
        except InputError as error:
            return {"note": f"refused: {error}"}
        if found.value > self._question.maximum:
            return {"note": "refused: the extrapolated threshold is beyond the score's range"}
        return {
            "status": "extrapolated",
            "threshold_hw": found.value,
            "threshold": self._question.scale * found.value,
            **{
                f"threshold_interval_{round(100 * c)}": list(found.intervals[c])
                for c in CONFIDENCES
            },
            "extrapolation": {
                "tail_from": found.fit.start,
                "tail_rate_khz": self._question.crossing_rate_khz * found.fit.fraction,
                "shape": found.fit.shape,
                "scale": found.fit.scale,
                "threshold_with_half_the_tail": found.half,
                "threshold_with_twice_the_tail": found.twice,
            },
            "note": "extrapolated by a generalized Pareto fit: rests on its form, not on events",
        }

    def _measured(self, threshold: int) -> dict[str, Any]:
        """What the test half says of a threshold, and how far it is from the calibration half."""
        passing = self._crossings.sample.scores >= threshold
        fraction = fraction_of(self._test, self._test.scores >= threshold)
        shared, pure = overlaps(self._test, threshold, self._seeds)
        in_order = by_order(self._test, threshold, self._test_rows)
        entry: dict[str, Any] = {
            "test": _rate(fraction, self._question),
            "halves_pull": pull(
                self._crossings.sample, passing, self._crossings.test, self._crossings.calibration
            ),
            "stability": self._stability(threshold, in_order),
        }
        if self._crossings.pileup is not None:
            name, values = self._crossings.pileup
            parts = by_context(self._test, threshold, values[self._crossings.test])
            entry["pileup"] = {"column": name, **self._stability(threshold, parts)}
        if self._seeds:
            entry["pure"] = _rate(pure, self._question)
            entry["overlaps"] = [
                {
                    "name": one.name,
                    "both_khz": self._question.crossing_rate_khz * one.both.value,
                    "shared_fraction": one.shared,
                }
                for one in shared
            ]
        return entry

    def _stability(self, threshold: int, parts: list[Part]) -> dict[str, Any]:
        passing = self._test.scores >= threshold
        value, degrees = chi2(self._test, passing, [part.rows for part in parts])
        return {
            "parts": [
                {"name": p.name, "low": p.low, "high": p.high, **_rate(p.fraction, self._question)}
                for p in parts
            ],
            "chi2": value,
            "degrees": degrees,
            "p_value": float(stats.chi2.sf(value, degrees)) if degrees else None,
        }


def _kept(signals: Mapping[str, Scored], threshold: int) -> Iterator[dict[str, Any]]:
    """How much of each signal fires."""
    for name, sample in signals.items():
        found = efficiency(sample, threshold)
        yield {
            "signal": name,
            "efficiency": found.value,
            "interval_68": [found.low, found.high],
            "effective_events": round(found.effective_passing, 1),
        }


def _curve(crossings: Crossings, question: Question) -> list[dict[str, Any]]:
    """Rate against threshold on the test half, for drawing: a few hundred points of the tail."""
    requests = [rate / question.crossing_rate_khz for rate in question.requested_khz]
    tail = tail_of(crossings.sample.select(crossings.test), min(REACH * max(requests), 1.0))
    rows = np.unique(np.geomspace(1, len(tail.values), CURVE_POINTS).astype(int) - 1)
    found = []
    for i in rows.tolist():
        low, high = tail.at(i).interval(CONFIDENCES[0])
        khz = question.crossing_rate_khz
        rate = khz * float(tail.fraction[i])
        found.append([int(tail.values[i]), rate, khz * low, khz * high])
    return [
        dict(zip(("threshold_hw", "rate_khz", "low_khz", "high_khz"), row, strict=True))
        for row in found
    ]


def passed(document: Mapping[str, Any]) -> bool:
    """Whether every requested rate has a threshold, and the two halves agree on it."""
    return all(has_threshold(entry) and halves_agree(entry) for entry in document["rates"])


def has_threshold(entry: Mapping[str, Any]) -> bool:
    """Whether a requested rate has a threshold; that of an unreachable one gives another rate."""
    return entry["status"] in ("ok", "extrapolated")


def halves_agree(entry: Mapping[str, Any]) -> bool:
    """Whether a rate is the same in both halves; so if nothing was measured, too."""
    return bool(abs(entry.get("halves_pull") or 0.0) < LARGEST_PULL)
