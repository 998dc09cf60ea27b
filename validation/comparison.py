"""Every model on every signal: AUC, paired differences and working points, with errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.progress import Progress
from naetrigger.validation.baselines import (
    MAHALANOBIS,
    SINGLE_INPUT,
    fit_mahalanobis,
    single_inputs,
)
from naetrigger.validation.efficiency import (
    Floats,
    Scored,
    auc,
    auc_replicas,
    efficiency,
    resample_counts,
    spread,
    threshold_for,
)
from naetrigger.validation.inputs import STUDENT, TEACHER, ModelScores, ValidationInputs
from naetrigger.validation.populations import Population, populations
from naetrigger.validation.report.schema import Auc, AucDifference, SignalEfficiency, WorkingPoint
from naetrigger.validation.reweighting import Reweighting, follow_signal
from naetrigger.validation.settings import ValidationSettings


@dataclass(frozen=True)
class Comparison:
    """The test sample made ready: populations, reweightings, and all models' scores.

    models : model -> engine -> process -> (N,); the baselines are among them
    """

    settings: ValidationSettings
    inputs: ValidationInputs
    background: Population
    signals: tuple[Population, ...]
    models: Mapping[str, ModelScores]
    reweightings: Mapping[str, Reweighting] = field(default_factory=dict)
    """By signal; a signal without one is compared to the background as it is."""

    @cached_property
    def background_counts(self) -> npt.NDArray[Any]:
        """Resamples of the background, (R, N): the same for every model and signal."""
        return self._counts(self.background, 0)

    def signal_counts(self, index: int) -> npt.NDArray[Any]:
        """Resamples of one signal, (R, N): the same for every model."""
        return self._counts(self.signals[index], index + 1)

    def primary(self, model: str) -> tuple[str, Mapping[str, npt.NDArray[Any]]]:
        """(engine, process -> scores) of the engine that stands for a model."""
        return next(iter(self.models[model].items()))

    def background_for(self, signal: Population, scores: npt.NDArray[Any]) -> Scored:
        """The background as this signal is compared to it."""
        reweighting = self.reweightings.get(signal.name)
        return self.background.scored(scores, reweighting.weights if reweighting else None)

    def headline_models(self) -> list[str]:
        """The models of the summary: all but the single inputs."""
        return [name for name in self.models if not name.startswith(SINGLE_INPUT)]

    def scores_of(self, model: str, population: Population) -> npt.NDArray[Any]:
        """A model's scores by its primary engine, (N,)."""
        scores = population.joined(self.primary(model)[1])
        if scores is None:
            raise InputError(f"{model}: scores of '{population.name}' are incomplete")
        return scores

    def _counts(self, population: Population, stream: int) -> npt.NDArray[Any]:
        rng = np.random.default_rng([self.inputs.seed, stream])
        return resample_counts(population.event_ids, self.settings.bootstrap_replicas, rng)


def compare(settings: ValidationSettings, inputs: ValidationInputs) -> Comparison:
    """Fit the baselines, reweight the background to each signal."""
    background, signals = populations(inputs.events, inputs.reweight)
    return Comparison(
        settings=settings,
        inputs=inputs,
        background=background,
        signals=signals,
        models={**inputs.scores, **_baselines(inputs)},
        reweightings=dict(_reweightings(background, signals)),
    )


def _reweightings(
    background: Population, signals: tuple[Population, ...]
) -> Iterator[tuple[str, Reweighting]]:
    for signal in signals:
        if background.context is None or signal.context is None:
            continue
        found = follow_signal(
            background.context, signal.context, background.weights, signal.weights
        )
        if found.effective > 0:
            yield signal.name, found


def _baselines(inputs: ValidationInputs) -> dict[str, ModelScores]:
    fitted = fit_mahalanobis(inputs.training_inputs, inputs.training_weights)
    by_process = {
        events.process: fitted.scores(inputs.inputs[events.process]) for events in inputs.events
    }
    models: dict[str, ModelScores] = {MAHALANOBIS: {"numpy": by_process}}
    columns = {e.process: single_inputs(e.values, e.columns) for e in inputs.events}
    for name in next(iter(columns.values())):
        models[name] = {"numpy": {process: columns[process][name] for process in columns}}
    return models


@dataclass(frozen=True)
class AucTable:
    """AUCs of all models and engines, and the differences that matter."""

    values: tuple[Auc, ...]
    differences: tuple[AucDifference, ...]


def auc_table(comparison: Comparison, progress: Progress) -> AucTable:
    """AUC of every model and engine on every signal, with bootstrap errors."""
    values: list[Auc] = []
    differences: list[AucDifference] = []
    progress.start("AUC", len(comparison.signals) * len(comparison.models))
    for index, signal in enumerate(comparison.signals):
        counts = (comparison.background_counts, comparison.signal_counts(index))
        entries: list[Auc] = []
        replicas: dict[str, Floats] = {}
        for number, model in enumerate(comparison.models):
            found, replicas[model] = _aucs_of_model(comparison, model, signal, counts)
            entries += found
            progress.update(index * len(comparison.models) + number + 1)
        entries = _with_best_input(entries)
        values += entries
        differences += _differences(signal.name, entries, replicas)
    return AucTable(tuple(values), tuple(differences))


def _aucs_of_model(
    comparison: Comparison,
    model: str,
    signal: Population,
    counts: tuple[npt.NDArray[Any], npt.NDArray[Any]],
) -> tuple[list[Auc], Floats]:
    """One Auc an engine, and the primary engine's replicas; equal scores are not redone."""
    done: list[tuple[tuple[Scored, Scored], float, Floats]] = []
    entries = []
    for engine, by_process in comparison.models[model].items():
        b, s = comparison.background.joined(by_process), signal.joined(by_process)
        if b is None or s is None:
            continue
        pair = comparison.background_for(signal, b), signal.scored(s)
        result = next((known for known in done if _same(known[0], pair)), None)
        if result is None:
            result = (pair, auc(*pair), auc_replicas(*pair, counts))
            done.append(result)
        _, value, replicas = result
        entries.append(
            Auc(
                signal=signal.name,
                model=model,
                engine=engine,
                value=value,
                error=spread(replicas),
                reweighted=signal.name in comparison.reweightings,
            )
        )
    return entries, done[0][2]


def _same(old: tuple[Scored, Scored], new: tuple[Scored, Scored]) -> bool:
    return all(np.array_equal(a.scores, b.scores) for a, b in zip(old, new, strict=True))


def _with_best_input(entries: list[Auc]) -> list[Auc]:
    singles = [entry for entry in entries if entry.model.startswith(SINGLE_INPUT)]
    best = max(singles, key=lambda entry: entry.value, default=None)
    return [
        entry.model_copy(update={"best_single_input": True}) if entry is best else entry
        for entry in entries
    ]


def _differences(
    signal: str, entries: list[Auc], replicas: Mapping[str, Floats]
) -> Iterator[AucDifference]:
    value = {entry.model: entry.value for entry in reversed(entries)}  # the first engine's
    baselines = [model for model in reversed(value) if model not in (TEACHER, STUDENT)]
    for a, b in [
        (TEACHER, STUDENT),
        *((model, other) for model in (TEACHER, STUDENT) for other in baselines),
    ]:
        if a in value and b in value:
            yield AucDifference(
                signal=signal,
                a=a,
                b=b,
                value=value[a] - value[b],
                error=spread(replicas[a] - replicas[b]),
            )


def working_points(comparison: Comparison) -> list[WorkingPoint]:
    """Each model at each wanted background efficiency; thresholds on the plain background."""
    return [
        _working_point(comparison, model, target)
        for model in comparison.headline_models()
        for target in comparison.settings.background_efficiencies
    ]


def _working_point(comparison: Comparison, model: str, target: float) -> WorkingPoint:
    inputs = comparison.inputs
    scores = comparison.scores_of(model, comparison.background)
    in_hardware = bool(np.issubdtype(scores.dtype, np.integer))
    maximum = inputs.score_format.max_mantissa if inputs.score_format and in_hardware else None
    found = threshold_for(
        comparison.background.scored(scores),
        target,
        maximum=maximum,
        counts=comparison.background_counts,
        min_events=comparison.settings.min_events_above,
    )
    passed, value = found.background, found.value
    rate = inputs.crossing_rate_khz
    return WorkingPoint(
        model=model,
        target=target,
        background_efficiency=passed.value if passed else None,
        error=passed.error if passed else None,
        low=passed.low if passed else None,
        high=passed.high if passed else None,
        threshold_hw=int(value) if value is not None and in_hardware else None,
        threshold_float=None
        if value is None
        else float(value) * (inputs.score_scale if in_hardware else 1.0),
        threshold_error=found.error,
        effective_above=passed.effective_passing if passed else None,
        rate_khz=rate * passed.value if rate is not None and passed else None,
        signals=()
        if value is None
        else tuple(
            _signal_efficiency(comparison, model, s, scores, value) for s in comparison.signals
        ),
        reliable=found.reliable,
        note=found.note,
    )


def _signal_efficiency(
    comparison: Comparison,
    model: str,
    signal: Population,
    background_scores: npt.NDArray[Any],
    threshold: float,
) -> SignalEfficiency:
    found = efficiency(signal.scored(comparison.scores_of(model, signal)), threshold)
    reweighted = None
    if signal.name in comparison.reweightings:
        background = comparison.background_for(signal, background_scores)
        reweighted = efficiency(background, threshold).value
    return SignalEfficiency(
        signal=signal.name,
        efficiency=found.value,
        low=found.low,
        high=found.high,
        background_efficiency_reweighted=reweighted,
    )
