"""What the selected background looks like, and where efficiencies turn on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError, suggestion
from naetrigger.validation.comparison import Comparison
from naetrigger.validation.efficiency import efficiency
from naetrigger.validation.inputs import STUDENT, TEACHER
from naetrigger.validation.mean_images import grid_of
from naetrigger.validation.populations import Population
from naetrigger.validation.report.schema import WorkingPoint
from naetrigger.validation.report.selection_schema import (
    AnomalousEvent,
    Selection,
    ShapeShift,
    TurnOn,
    TurnOnBin,
)
from naetrigger.validation.reweighting import effective_number
from naetrigger.validation.shape_shift import divergence, random_rows, rank_correlation

Floats = npt.NDArray[np.float64]

MOST_ANOMALOUS = 10
TURN_ON_BINS = 12
MOMENTA = ("jet_pt", "jet1_pt", "ht", "met_pt", "met")  # of the usual layouts, if they are there


def chosen_model(comparison: Comparison) -> str | None:
    """Whose selection is shown: the student's, or that of the teacher where there is none."""
    return next((m for m in (STUDENT, TEACHER) if m in comparison.inputs.scores), None)


def background_column(comparison: Comparison, name: str) -> Floats | None:
    """A column of all background rows, (N,), as `column_of` gives it."""
    return column_of(comparison, comparison.background, name)


def column_of(comparison: Comparison, population: Population, name: str) -> Floats | None:
    """A column of values or context over a population, (N,); None where a process does not have it
    or not in every row, as context may be NaN."""
    by_name = {events.process: events for events in comparison.inputs.events}
    samples = [by_name[process] for process in population.processes]
    if any(name not in (*s.columns, *s.context_columns) for s in samples):
        return None
    column = np.concatenate([s.column(name).astype(np.float64) for s in samples])
    return column if np.isfinite(column).all() else None


def shown_columns(comparison: Comparison) -> list[str]:
    """Columns whose shapes are followed: all, but for the cells of one grid."""
    first = next(e for e in comparison.inputs.events if e.role == "background")
    inputs = () if grid_of(first.columns) else first.columns
    return [*inputs, *(c for c in first.context_columns if c not in inputs)]


def selections(comparison: Comparison, points: Sequence[WorkingPoint]) -> Iterator[Selection]:
    """At each reliable working point of the chosen model, the shapes of the selected background."""
    model = chosen_model(comparison)
    usable = _usable(points, model)
    if model is None or not usable:
        return
    weights = comparison.background.weights
    scores = comparison.scores_of(model, comparison.background)
    columns = dict(_varying_columns(comparison))
    correlations = {
        name: rank_correlation(values, scores, weights) for name, values in columns.items()
    }
    for point in usable:
        selected = scores >= _threshold(point)
        rng = np.random.default_rng([comparison.inputs.seed, len(scores)])
        random = random_rows(len(scores), int(selected.sum()), rng)
        shifts = []
        for name, values in columns.items():
            found = divergence(values, weights, selected, random)
            shifts.append(
                ShapeShift(
                    column=name,
                    divergence=found.value,
                    random=found.expected,
                    random_deviation=found.deviation,
                    correlation=correlations[name],
                )
            )
        yield Selection(
            model=model,
            target=point.target,
            rows=int(selected.sum()),
            effective=effective_number(weights[selected]),
            shifts=tuple(shifts),
        )


def _varying_columns(comparison: Comparison) -> Iterator[tuple[str, Floats]]:
    """The shown columns of the background that are known in every row and not all the same."""
    for name in shown_columns(comparison):
        values = background_column(comparison, name)
        if values is not None and np.ptp(values) > 0:
            yield name, values


def most_anomalous(comparison: Comparison, n: int = MOST_ANOMALOUS) -> Iterator[AnomalousEvent]:
    """The background rows with the largest scores of the chosen model, the highest first."""
    model = chosen_model(comparison)
    if model is None:
        return
    scores = comparison.scores_of(model, comparison.background)
    samples = [e for e in comparison.inputs.events if e.role == "background"]
    starts = np.cumsum([0, *(len(s) for s in samples)])
    for row in np.argsort(-scores.astype(np.float64), kind="stable")[:n]:
        place = int(np.searchsorted(starts, row, side="right")) - 1
        sample, own = samples[place], int(row - starts[place])
        names = (*sample.columns, *sample.context_columns)
        values = [*sample.values[own].tolist(), *sample.context[own].tolist()]
        yield AnomalousEvent(
            process=sample.process,
            row=own,
            event_id=int(sample.event_ids[own]),
            weight=float(sample.weights[own]),
            score=scores[row].item(),
            values={
                name: value if math.isfinite(value) else None
                for name, value in zip(names, values, strict=True)
            },
        )


def turn_ons(comparison: Comparison, points: Sequence[WorkingPoint]) -> Iterator[TurnOn]:
    """Efficiency in bins of each momentum, of background and signals, at each working point."""
    model = chosen_model(comparison)
    populations = (comparison.background, *comparison.signals)
    for name in comparison.settings.turn_on or MOMENTA:
        columns = {p.name: column_of(comparison, p, name) for p in populations}
        known = {key: values for key, values in columns.items() if values is not None}
        if not known:
            _require_usual(comparison, name)
            continue
        edges = _turn_on_edges(list(known.values()))
        for point in _usable(points, model) if len(edges) > 2 else ():
            assert model is not None
            for population in populations:
                if population.name in known:
                    bins = _bins(
                        comparison, model, population, known[population.name], edges, point
                    )
                    yield TurnOn(
                        column=name,
                        process=population.name,
                        model=model,
                        target=point.target,
                        bins=tuple(bins),
                    )


def _require_usual(comparison: Comparison, name: str) -> None:
    """InputError for a column of the settings that no process has in all of its events."""
    if name in comparison.settings.turn_on:
        columns = {c for e in comparison.inputs.events for c in (*e.columns, *e.context_columns)}
        raise InputError(
            f"validation.turn_on: no events have a column '{name}'{suggestion(name, columns)}"
            if name not in columns
            else f"validation.turn_on: every process has NaN or infinite values of '{name}'"
        )


def _bins(
    comparison: Comparison,
    model: str,
    population: Population,
    values: Floats,
    edges: Floats,
    point: WorkingPoint,
) -> Iterator[TurnOnBin]:
    whole = population.scored(comparison.scores_of(model, population))
    threshold = _threshold(point)
    for low, high in pairwise(edges):
        inside = (values >= low) & ((values < high) | (high == edges[-1]))
        if inside.any():
            found = efficiency(whole.select(inside), threshold)
            yield TurnOnBin(
                lower=float(low),
                upper=float(high),
                rows=int(inside.sum()),
                efficiency=found.value,
                low=found.low,
                high=found.high,
            )


def _turn_on_edges(columns: Sequence[Floats]) -> Floats:
    """Bins of equal width in the logarithm, of what is above zero; a first bin for the rest."""
    values = np.concatenate(columns)
    positive = values[values > 0]
    if len(positive) == 0:
        return np.zeros(0)
    low, high = np.quantile(positive, [0.01, 0.99])
    edges = np.unique(np.geomspace(low, max(high, low * 1.01), TURN_ON_BINS + 1))
    return np.concatenate([[values.min()], edges[1:-1], [max(values.max(), edges[-1])]])


def thresholds_of(points: Sequence[WorkingPoint], model: str) -> dict[float, float | int]:
    """Target -> threshold of a model's reliable working points."""
    return {point.target: _threshold(point) for point in _usable(points, model)}


def _usable(points: Sequence[WorkingPoint], model: str | None) -> list[WorkingPoint]:
    return [p for p in points if p.model == model and p.reliable]


def _threshold(point: WorkingPoint) -> float | int:
    threshold = point.threshold_hw if point.threshold_hw is not None else point.threshold_float
    assert threshold is not None
    return threshold
