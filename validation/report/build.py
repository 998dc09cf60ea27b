"""Putting the report together from a comparison."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.progress import Progress, Silent
from naetrigger.validation.agreement import agreement_checks, compare_pair
from naetrigger.validation.baselines import PCA, SINGLE_INPUT, Pca
from naetrigger.validation.budget import board_summary, budget_checks, unmeasured
from naetrigger.validation.comparison import (
    AucTable,
    Comparison,
    auc_table,
    decision_bits,
    working_points,
)
from naetrigger.validation.decision_checks import decision_checks
from naetrigger.validation.ensemble import judge_ensemble
from naetrigger.validation.inputs import STUDENT, TEACHER, ValidationInputs
from naetrigger.validation.low_rate import independence, low_rate_table
from naetrigger.validation.report.schema import (
    AucDifference,
    Check,
    Metadata,
    PairAgreement,
    Report,
    Sample,
    Saturation,
    WorkingPoint,
)
from naetrigger.validation.requirements import requirement_checks
from naetrigger.validation.reweighting import effective_number
from naetrigger.validation.selection import most_anomalous, selections, turn_ons
from naetrigger.validation.settings import Limits

UNCOVERED = 0.01  # of a signal beyond the background's range: more is worth a note
ByProcess = Mapping[str, npt.NDArray[Any]]


def build_report(comparison: Comparison, progress: Progress | None = None) -> Report:
    """The whole verdict."""
    inputs, limits = comparison.inputs, comparison.settings.limits
    listener = progress or Silent()
    aucs = auc_table(comparison, listener)
    low = low_rate_table(comparison, listener)
    agreement = (*inputs.agreement, *_agreement(comparison))
    saturation = tuple(_saturation(comparison))
    points = tuple(working_points(comparison))
    bits = tuple(decision_bits(comparison))
    checks: tuple[Check, ...] = (
        *agreement_checks(agreement, limits.relative_difference),
        *_saturation_checks(saturation, limits),
        *_rank_checks(agreement, limits),
        *_auc_checks(aucs.differences, limits),
        *decision_checks(bits, limits.decision_difference),
        *(budget_checks(inputs.firmware, inputs.board) if inputs.board and limits.budget else ()),
    )
    report = Report(
        passed=False,
        metadata=_metadata(inputs),
        samples=tuple(_samples(comparison)),
        agreement=agreement,
        auc=aucs.values,
        auc_differences=aucs.differences,
        low_rate=low.entries,
        independence=tuple(independence(comparison, aucs, low)) if comparison.signals else (),
        inputs_left_out=comparison.inputs_left_out,
        working_points=points,
        decision=bits,
        selection=tuple(selections(comparison, points)),
        most_anomalous=tuple(most_anomalous(comparison)),
        turn_on=tuple(turn_ons(comparison, points)),
        ensemble=judge_ensemble(comparison, listener),
        firmware=tuple(inputs.firmware),
        board=board_summary(inputs.board) if inputs.board else None,
        saturation=saturation,
        notes=tuple(_notes(comparison, points, aucs)),
    )
    checks += (*requirement_checks(report, comparison.settings.require),)
    passed = all(check.passed for check in checks)
    return report.model_copy(update={"checks": checks, "passed": passed})


def _metadata(inputs: ValidationInputs) -> Metadata:
    return Metadata(
        recipe=inputs.recipe,
        sample=inputs.sample,
        seed=inputs.seed,
        versions=dict(sorted(inputs.versions.items())),
        reweight=inputs.reweight,
        score=inputs.score_name,
        score_scale=inputs.score_scale,
        score_format=str(inputs.score_format) if inputs.score_format else None,
    )


def _samples(comparison: Comparison) -> Iterator[Sample]:
    for events in comparison.inputs.events:
        reweighting = comparison.reweightings.get(events.process)
        yield Sample(
            process=events.process,
            role="signal" if events.role == "signal" else "background",
            n=len(events),
            effective=effective_number(events.weights),
            reweighted_effective=reweighting.effective if reweighting else None,
            uncovered=reweighting.uncovered if reweighting else None,
        )


def _agreement(comparison: Comparison) -> Iterator[PairAgreement]:
    """All engines of one model on all test events; student and teacher on the background."""
    models = comparison.inputs.scores
    for model, engines in models.items():
        for a, b in combinations(engines, 2):
            x, y = _on_common_events(engines[a], engines[b])
            if len(x):
                yield compare_pair(f"{model}/{a}", x, f"{model}/{b}", y, "test sample")
    if TEACHER in models and STUDENT in models:
        names = [f"{model}/{comparison.primary(model)[0]}" for model in (TEACHER, STUDENT)]
        x, y = (comparison.scores_of(m, comparison.background) for m in (TEACHER, STUDENT))
        yield compare_pair(names[0], x, names[1], y, "test background", "rank")


def _on_common_events(a: ByProcess, b: ByProcess) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Both engines' scores on the events that both have."""
    lengths = {name: min(len(a[name]), len(b[name])) for name in a if name in b}
    empty = np.zeros(0)
    return (
        np.concatenate([np.asarray(a[name])[:n] for name, n in lengths.items()] or [empty]),
        np.concatenate([np.asarray(b[name])[:n] for name, n in lengths.items()] or [empty]),
    )


def _rank_checks(agreement: tuple[PairAgreement, ...], limits: Limits) -> Iterator[Check]:
    for pair in agreement:
        if pair.expectation == "rank":
            where = f" ({pair.events})" if pair.events else ""
            yield Check(
                name=f"rank correlation {pair.a} and {pair.b}{where}",
                passed=pair.spearman is not None and pair.spearman >= limits.student_spearman,
                value=pair.spearman,
                relation=">=",
                limit=limits.student_spearman,
            )


def _auc_checks(differences: tuple[AucDifference, ...], limits: Limits) -> Iterator[Check]:
    for difference in differences:
        if (difference.a, difference.b) == (TEACHER, STUDENT):
            yield Check(
                name=f"AUC lost by the student on {difference.signal}",
                passed=difference.value <= limits.student_auc_loss,
                value=difference.value,
                limit=limits.student_auc_loss,
            )


def _saturation(comparison: Comparison) -> Iterator[Saturation]:
    score_format = comparison.inputs.score_format
    if score_format is None or STUDENT not in comparison.models:
        return
    for population in (comparison.background, *comparison.signals):
        scores = comparison.scores_of(STUDENT, population)
        if not np.issubdtype(scores.dtype, np.integer):
            return
        at_end = scores >= score_format.max_mantissa
        yield Saturation(
            process=population.name,
            fraction=float(population.weights[at_end].sum() / population.weights.sum()),
            maximum_hw=score_format.max_mantissa,
            largest_hw=int(scores.max()),
        )


def _saturation_checks(saturation: tuple[Saturation, ...], limits: Limits) -> Iterator[Check]:
    for entry in saturation:
        if entry.process == "background":
            yield Check(
                name="saturated scores in the background",
                passed=entry.fraction <= limits.saturated_fraction,
                value=entry.fraction,
                limit=limits.saturated_fraction,
                unit="of events",
            )


def _better_than_teacher(differences: Iterable[AucDifference], n: int) -> Iterator[str]:
    """Baselines that beat the teacher by more than two errors: no check, but to be known.

    Single inputs are left to their own table: which of them is good takes knowing the signal.
    """
    losses: dict[str, list[str]] = {}
    for entry in differences:
        rival = entry.b != STUDENT and not entry.b.startswith(SINGLE_INPUT)
        if entry.a == TEACHER and rival and entry.value < -2 * (entry.error or 0):
            losses.setdefault(entry.b, []).append(entry.signal)
    for model, signals in losses.items():
        yield (
            f"{model} has a larger AUC than the teacher, by more than two errors, on "
            f"{len(signals)} of {n} signals: {', '.join(signals)}."
        )


def _notes(
    comparison: Comparison, points: tuple[WorkingPoint, ...], aucs: AucTable
) -> Iterator[str]:
    inputs = comparison.inputs
    for model in (TEACHER, STUDENT):
        if model not in inputs.scores:
            yield f"There are no {model} scores: nothing is compared to the {model}."
    if list(inputs.scores.get(TEACHER, ())) == ["torch"]:
        yield "The teacher has no ONNX file: torch alone scores it, and nothing checks its scores."
    yield _pca_note(comparison.pca)
    if comparison.signals:
        yield from _reweighting_notes(comparison)
        yield from _better_than_teacher(aucs.differences, len(comparison.signals))
        yield (
            "The best single input is chosen per signal by looking at that signal; no trigger "
            "could be built that way, it is an upper bound for single cuts of this direction."
        )
    else:
        yield "The sample holds no signals: there are no AUCs and no signal efficiencies."
    if comparison.background.event_ids.max() + 1 < len(comparison.background):
        yield "Several rows share an event; errors resample whole events."
    for point in points:
        if point.note and point.model in (TEACHER, STUDENT):
            yield f"Working point {point.target:g} of the {point.model}: {point.note}."
    yield from _firmware_notes(inputs)


def _pca_note(pca: Pca) -> str:
    kept, inputs = len(pca.components), len(pca.mean)
    note = (
        f"{PCA} is the squared residual behind {kept} of {inputs} principal components of the "
        f"training background, which hold {pca.explained:.1%} of its variance."
    )
    if kept < inputs - 1:
        return note
    return f"{note} One direction alone is left: {PCA} is no rival here."


def _reweighting_notes(comparison: Comparison) -> Iterator[str]:
    column = comparison.inputs.reweight
    if column is None:
        yield "The background is compared as it is: no reweighting column is set."
        return
    for signal in comparison.signals:
        found = comparison.reweightings.get(signal.name)
        if found is None:
            yield (
                f"{signal.name}: the background is not reweighted, since '{column}' is missing "
                f"or has no common range."
            )
        elif found.uncovered > UNCOVERED:
            yield (
                f"{signal.name}: {found.uncovered:.1%} of this signal lies beyond the background "
                f"in '{column}'; no weight can make the background follow it there."
            )


def _firmware_notes(inputs: ValidationInputs) -> Iterator[str]:
    if inputs.board is None:
        yield "No board is named: firmware estimates are held against no budget."
        return
    missing = unmeasured(inputs.firmware, inputs.board)
    if missing:
        yield f"No estimate states {', '.join(missing)}: these budgets of the board are unchecked."
    for estimate in inputs.firmware:
        clock = estimate.clock_ns
        if clock is not None and not math.isclose(clock, inputs.board.clock_ns, rel_tol=1e-3):
            yield (
                f"{estimate.target} ({estimate.origin}) assumes a clock of {clock:g} ns, the board "
                f"runs at {inputs.board.clock_ns:g} ns."
            )
