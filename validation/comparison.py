"""Every model on every signal: AUC, paired differences and working points, with errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.progress import Progress
from naetrigger.validation.baselines import (
    MAHALANOBIS,
    PCA,
    SINGLE_INPUT,
    Pca,
    fit_mahalanobis,
    fit_pca,
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
from naetrigger.validation.report.schema import (
    Auc,
    AucDifference,
    DecisionBit,
    SignalEfficiency,
    WorkingPoint,
)
from naetrigger.validation.reweighting import Reweighting, follow_signal
from naetrigger.validation.settings import ValidationSettings

MOST_INPUTS = 24  # single inputs that all get a row of their own
LEADING_INPUTS = 10  # rows where there are more inputs than that


@dataclass(frozen=True)
class Comparison:
    """The test sample made ready: populations, reweightings, and all models' scores.

    models : model -> engine -> process -> (N,); the baselines are among them
    pca : the principal components of the training background
    inputs_left_out : single inputs without a row, being many and none of them leading
    """

    settings: ValidationSettings
    inputs: ValidationInputs
    background: Population
    signals: tuple[Population, ...]
    models: Mapping[str, ModelScores]
    pca: Pca
    inputs_left_out: int = 0
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
    pca = fit_pca(inputs.training_inputs, inputs.training_weights, settings.pca_components)
    comparison = Comparison(
        settings=settings,
        inputs=inputs,
        background=background,
        signals=signals,
        models={**inputs.scores, **_fitted_baselines(inputs, pca)},
        pca=pca,
        reweightings=dict(_reweightings(background, signals)),
    )
    singles = _single_inputs(inputs)
    shown = _leading(comparison, singles)
    return replace(
        comparison,
        models={**comparison.models, **{name: singles[name] for name in shown}},
        inputs_left_out=len(singles) - len(shown),
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


def _fitted_baselines(inputs: ValidationInputs, pca: Pca) -> dict[str, ModelScores]:
    fitted = fit_mahalanobis(inputs.training_inputs, inputs.training_weights)
    return {
        name: {"numpy": {e.process: model.scores(inputs.inputs[e.process]) for e in inputs.events}}
        for name, model in ((MAHALANOBIS, fitted), (PCA, pca))
    }


def _single_inputs(inputs: ValidationInputs) -> dict[str, ModelScores]:
    columns = {e.process: single_inputs(e.values, e.columns) for e in inputs.events}
    return {
        name: {"numpy": {process: columns[process][name] for process in columns}}
        for name in next(iter(columns.values()))
    }


def _leading(comparison: Comparison, singles: Mapping[str, ModelScores]) -> list[str]:
    """All single inputs in their order; of many, each signal's best and the next best on any."""
    if len(singles) <= MOST_INPUTS:
        return list(singles)
    values = np.zeros((len(singles), len(comparison.signals)))
    for row, model in enumerate(singles.values()):
        b = comparison.background.joined(model["numpy"])
        for column, signal in enumerate(comparison.signals):
            s = signal.joined(model["numpy"])
            if b is not None and s is not None:
                pair = comparison.background_for(signal, b), signal.scored(s)
                values[row, column] = auc(*pair)
    names = list(singles)
    best = [int(row) for row in values.argmax(axis=0)]
    by_best = np.argsort(-values.max(axis=1, initial=0.0), kind="stable").tolist()
    kept = list(dict.fromkeys([*best, *by_best]))[: max(LEADING_INPUTS, len(set(best)))]
    return [names[row] for row in sorted(kept)]


@dataclass(frozen=True)
class AucTable:
    """AUCs of all models and engines, and the differences that matter.

    replicas : (model, signal) -> AUC of every resample, of the model's first engine
    """

    values: tuple[Auc, ...]
    differences: tuple[AucDifference, ...]
    replicas: Mapping[tuple[str, str], Floats]


def auc_table(comparison: Comparison, progress: Progress) -> AucTable:
    """AUC of every model and engine on every signal, with bootstrap errors."""
    values: list[Auc] = []
    differences: list[AucDifference] = []
    everything: dict[tuple[str, str], Floats] = {}
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
        everything |= {(model, signal.name): found for model, found in replicas.items()}
    return AucTable(tuple(values), tuple(differences), everything)


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


def decision_bits(comparison: Comparison) -> list[DecisionBit]:
    """How often the thresholds in the firmware fire on the test sample."""
    if STUDENT not in comparison.inputs.scores:
        return []
    scores = comparison.scores_of(STUDENT, comparison.background)
    return [_decision_bit(comparison, entry, scores) for entry in comparison.inputs.decision]


def _decision_bit(
    comparison: Comparison, entry: Mapping[str, Any], scores: npt.NDArray[Any]
) -> DecisionBit:
    threshold = int(entry["threshold_hw"])
    fired = efficiency(comparison.background.scored(scores), threshold)
    return DecisionBit(
        bit=int(entry["bit"]),
        target=entry["background_efficiency_target"],
        threshold_hw=threshold,
        training_background_efficiency=entry["training_background_efficiency"],
        training_low=entry["training_low"],
        training_high=entry["training_high"],
        background_efficiency=fired.value,
        low=fired.low,
        high=fired.high,
        signals=tuple(
            _signal_efficiency(comparison, STUDENT, signal, scores, threshold)
            for signal in comparison.signals
        ),
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
