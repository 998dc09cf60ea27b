"""The report at trigger rates: every model on every signal, and over all signals together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from naetrigger.contracts.progress import Progress
from naetrigger.validation.comparison import AucTable, Comparison
from naetrigger.validation.efficiency import Floats, spread
from naetrigger.validation.populations import Population
from naetrigger.validation.rejection import (
    Curve,
    Improvement,
    mean_efficiency,
    mean_efficiency_replicas,
    rejection,
    significance_improvement,
)
from naetrigger.validation.report.low_rate_schema import BackgroundRejection, Independence, LowRate

BY_SIGNAL = tuple[str, str]  # model, signal


@dataclass(frozen=True)
class LowRateTable:
    """Entries of the report, and what the bootstrap of each mean efficiency gave."""

    entries: tuple[LowRate, ...]
    replicas: Mapping[BY_SIGNAL, Floats]


def low_rate_table(comparison: Comparison, progress: Progress) -> LowRateTable:
    """Every model of the summary on every signal, below the settings' background efficiency."""
    entries, replicas = [], {}
    models = comparison.headline_models()
    progress.start("low rates", len(comparison.signals) * len(models))
    for index, signal in enumerate(comparison.signals):
        for number, model in enumerate(models):
            entry, found = _low_rate(comparison, model, index, signal)
            entries.append(entry)
            replicas[model, signal.name] = found
            progress.update(index * len(models) + number + 1)
    return LowRateTable(tuple(entries), replicas)


def _low_rate(
    comparison: Comparison, model: str, index: int, signal: Population
) -> tuple[LowRate, Floats]:
    settings = comparison.settings
    b = comparison.background_for(signal, comparison.scores_of(model, comparison.background))
    s = signal.scored(comparison.scores_of(model, signal))
    counts = (comparison.background_counts, comparison.signal_counts(index))
    curve, up_to = Curve.of(b, s), settings.low_rate
    replicas = mean_efficiency_replicas(curve, b, s, up_to, counts)
    best = significance_improvement(curve, b, s, settings.min_events_above, counts)
    found = [rejection(b, s, target) for target in settings.signal_efficiencies]
    entry = LowRate(
        signal=signal.name,
        model=model,
        up_to=up_to,
        mean_efficiency=mean_efficiency(*curve.efficiencies(b.weights, s.weights), up_to=up_to),
        error=spread(replicas),
        rejections=tuple(
            BackgroundRejection(
                target=r.target,
                signal_efficiency=r.signal.value,
                background_efficiency=r.background.value,
                rejection=r.value,
                low=r.low,
                high=r.high,
                reliable=r.background.effective_passing >= settings.min_events_above,
            )
            for r in found
        ),
        **_improvement(best),
    )
    return entry, replicas


def _improvement(best: Improvement | None) -> dict[str, float | None]:
    if best is None:
        return {}
    return {
        "significance_improvement": best.value,
        "significance_error": best.error,
        "significance_at": best.background_efficiency,
    }


def independence(
    comparison: Comparison, aucs: AucTable, low: LowRateTable
) -> Iterator[Independence]:
    """What each model does over all signals: mean, worst, and how many are above chance."""
    models = comparison.headline_models()
    areas = {(e.model, e.signal): e.value for e in reversed(aucs.values)}  # the first engine's
    means = {(e.model, e.signal): e.mean_efficiency for e in low.entries}
    up_to = comparison.settings.low_rate
    for model in models:
        yield _over_signals(model, "auc", 0.5, areas, aucs.replicas)
        yield _over_signals(model, "mean_efficiency", up_to / 2, means, low.replicas)


def _over_signals(
    model: str,
    measure: str,
    chance: float,
    values: Mapping[BY_SIGNAL, float],
    replicas: Mapping[BY_SIGNAL, Floats],
) -> Independence:
    own = {signal: value for (name, signal), value in values.items() if name == model}
    errors = {signal: spread(replicas[model, signal]) for signal in own}
    worst = min(own, key=lambda signal: own[signal])
    together = np.mean([replicas[model, signal] for signal in own], axis=0)
    return Independence.model_validate(
        {
            "model": model,
            "measure": measure,
            "chance": chance,
            "mean": float(np.mean(list(own.values()))),
            "error": spread(together),
            "worst": own[worst],
            "worst_error": errors[worst],
            "worst_signal": worst,
            "above": sum(own[s] - chance > 2 * (errors[s] or 0.0) for s in own),
            "below": sum(chance - own[s] > 2 * (errors[s] or 0.0) for s in own),
            "signals": len(own),
        }
    )
