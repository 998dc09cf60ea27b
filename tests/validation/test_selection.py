"""Low rates, selected background and turn-ons of a synthetic run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.progress import Silent
from naetrigger.validation.comparison import Comparison, auc_table, compare, working_points
from naetrigger.validation.inputs import ValidationInputs
from naetrigger.validation.low_rate import independence, low_rate_table
from naetrigger.validation.report.selection_schema import AnomalousEvent
from naetrigger.validation.selection import most_anomalous, selections, turn_ons
from naetrigger.validation.settings import ValidationSettings

Maker = Callable[..., ValidationInputs]
SETTINGS = ValidationSettings(bootstrap_replicas=20, background_efficiencies=(0.1, 0.01))


@pytest.fixture(scope="module")
def comparison(inputs: Maker) -> Comparison:
    return compare(SETTINGS, inputs(n=1500))


def test_every_model_has_an_entry_for_every_signal(comparison: Comparison) -> None:
    table = low_rate_table(comparison, Silent())
    pairs = {(entry.model, entry.signal) for entry in table.entries}
    signals = [signal.name for signal in comparison.signals]
    assert pairs == {(m, s) for m in comparison.headline_models() for s in signals}
    for entry in table.entries:
        assert [r.target for r in entry.rejections] == [0.1, 0.3, 0.5]
        assert all(r.signal_efficiency >= r.target for r in entry.rejections)
        assert 0 <= entry.mean_efficiency <= 1
        assert entry.error is not None


def test_independence_is_mean_and_worst_over_the_signals(comparison: Comparison) -> None:
    aucs, low = auc_table(comparison, Silent()), low_rate_table(comparison, Silent())
    for row in independence(comparison, aucs, low):
        if row.measure == "auc":
            engine = comparison.primary(row.model)[0]
            own = {
                e.signal: e.value for e in aucs.values if (e.model, e.engine) == (row.model, engine)
            }
        else:
            own = {e.signal: e.mean_efficiency for e in low.entries if e.model == row.model}
        assert row.mean == pytest.approx(np.mean(list(own.values())))
        assert (row.worst, row.worst_signal) == min((v, s) for s, v in own.items())
        assert row.above + row.below <= row.signals == len(comparison.signals)


def test_the_selection_shows_what_the_score_is_made_of(comparison: Comparison) -> None:
    points = working_points(comparison)
    found = list(selections(comparison, points))
    assert [(s.model, s.target) for s in found] == [("student", 0.1), ("student", 0.01)]
    shifts = {shift.column: shift for shift in found[0].shifts}
    heavy, light = shifts["mass"], shifts["axis_minor"]  # weights 1.5 and 0.5 in the score
    assert heavy.divergence > light.divergence
    assert heavy.divergence > heavy.random + 5 * heavy.random_deviation
    assert "jet_pt" in shifts


def test_the_most_anomalous_events_are_the_highest_scores(comparison: Comparison) -> None:
    scores = comparison.scores_of("student", comparison.background)
    events = list(most_anomalous(comparison, 5))
    assert [e.score for e in events] == sorted(scores.tolist(), reverse=True)[:5]
    for event in events:
        assert scores[event.row] == event.score
        assert event.values["mass"] == float(comparison.inputs.events[0].values[event.row, 0])


def test_turn_ons_are_efficiencies_whose_mean_is_the_whole(comparison: Comparison) -> None:
    points = working_points(comparison)
    found = list(turn_ons(comparison, points))
    assert {(t.column, t.process) for t in found} == {
        ("jet_pt", name) for name in ("background", *(s.name for s in comparison.signals))
    }
    signal = comparison.signals[0]
    entry = next(t for t in found if t.process == signal.name and t.target == 0.1)
    assert sum(b.rows for b in entry.bins) == len(signal)
    assert signal.context is not None
    kept = 0.0
    for b in entry.bins:
        last = b is entry.bins[-1]
        inside = (signal.context >= b.lower) & (
            (signal.context <= b.upper) if last else (signal.context < b.upper)
        )
        kept += b.efficiency * signal.weights[inside].sum() / signal.weights.sum()
        assert b.low <= b.efficiency <= b.high
    point = next(p for p in points if (p.model, p.target) == ("student", 0.1))
    whole = next(e for e in point.signals if e.signal == signal.name)
    assert kept == pytest.approx(whole.efficiency, rel=1e-9)


def test_a_column_that_no_event_has_is_refused(inputs: Maker) -> None:
    settings = SETTINGS.model_copy(update={"turn_on": ("jet_p",)})
    other = compare(settings, inputs(n=600))
    with pytest.raises(InputError, match=r"no events have a column 'jet_p'.*did you mean 'jet_pt'"):
        list(turn_ons(other, working_points(other)))


def test_a_column_that_is_nan_in_some_events_is_left_out(comparison: Comparison) -> None:
    """Context may be NaN, as the groomed mass of a jet of which nothing is left."""
    events = []
    for sample in comparison.inputs.events:
        groomed = np.full((len(sample), 1), np.nan, sample.context.dtype)
        groomed[::2] = 1
        context = np.concatenate([sample.context, groomed], axis=1)
        names = (*sample.context_columns, "groomed")
        events.append(replace(sample, context=context, context_columns=names))
    settings = SETTINGS.model_copy(update={"turn_on": ("groomed",)})
    inputs = replace(comparison.inputs, events=tuple(events))
    other = replace(comparison, inputs=inputs, settings=settings)
    points = working_points(other)
    for selection in selections(other, points):
        assert "groomed" not in {shift.column for shift in selection.shifts}
    shown = list(most_anomalous(other))
    assert {event.values["groomed"] for event in shown} <= {None, 1.0}
    assert [AnomalousEvent.model_validate_json(e.model_dump_json()) for e in shown] == shown
    with pytest.raises(InputError, match="every process has NaN or infinite values of 'groomed'"):
        list(turn_ons(other, points))


def test_without_signals_there_is_no_low_rate(inputs: Maker) -> None:
    alone = compare(SETTINGS, inputs(n=600, signals=()))
    assert low_rate_table(alone, Silent()).entries == ()
    assert list(selections(alone, working_points(alone)))
