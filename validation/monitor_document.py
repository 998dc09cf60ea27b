"""From the distributions of files and of a reference to what `naetrigger monitor` reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from naetrigger.contracts.errors import InputError
from naetrigger.validation.compare_schema import WorkingThreshold
from naetrigger.validation.distributions import Distribution, Share
from naetrigger.validation.drift import Compared, compared, equal_fractions_p, holm, judged
from naetrigger.validation.efficiency import clopper_pearson
from naetrigger.validation.monitor_schema import KeptFraction, MonitoredFile, Physical

MIN_EVENTS = 50  # effective, of a file or reference; fewer say nothing


@dataclass(frozen=True)
class Sample:
    """All distributions of one file.

    inputs : name -> distribution
    kept : name of a threshold -> sum of weights, and of their squares, at or above it
    """

    file: str
    sha256: str
    processes: Mapping[str, int]
    saturated: Mapping[str, int]
    score: Distribution
    inputs: Mapping[str, Distribution]
    kept: Mapping[str, tuple[float, float]]

    def require_enough(self) -> Sample:
        """Itself; InputError for fewer events than anything can be said of."""
        n = self.score.effective
        if n < MIN_EVENTS:
            raise InputError(
                f"{self.file}: {self.score.n} events ({n:.4g} effective); a comparison of "
                f"distributions needs at least {MIN_EVENTS}"
            )
        return self


@dataclass(frozen=True)
class _Tests:
    sample: Sample
    quantities: list[Compared]
    fractions: list[float]

    @property
    def p_values(self) -> list[float]:
        return [p for one in self.quantities for p in one.p_values] + self.fractions


def monitored(
    reference: Sample,
    samples: Sequence[Sample],
    thresholds: Sequence[WorkingThreshold],
    values: Mapping[str, float],
    alpha: float,
    min_effect: float,
    physical: Mapping[str, Physical] | None = None,
) -> tuple[list[MonitoredFile], int]:
    """Every file against the reference, and the number of tests that p-values are corrected for.

    values : name of a threshold -> the threshold itself
    physical : name of an input -> what its numbers stand for
    Raises InputError for samples with too few events.
    """
    reference.require_enough()
    names = [point.name for point in thresholds if point.name in values]
    tests = [_tests(reference, sample.require_enough(), names) for sample in samples]
    p_values = np.array([p for test in tests for p in test.p_values])
    corrected = iter(holm(p_values).tolist())
    files = []
    for test in tests:
        drifts = [
            judged(one, [next(corrected) for _ in one.p_values], alpha, min_effect, i > 0)
            for i, one in enumerate(test.quantities)
        ]
        kept = _fractions(reference, test.sample, names, values, corrected, alpha, min_effect)
        files.append(
            MonitoredFile(
                file=test.sample.file,
                file_sha256=test.sample.sha256,
                processes=dict(test.sample.processes),
                saturated_columns=dict(test.sample.saturated),
                score=drifts[0],
                inputs=tuple(
                    drift.model_copy(update={"physical": (physical or {}).get(drift.name)})
                    for drift in drifts[1:]
                ),
                fractions=tuple(kept),
            )
        )
    return files, len(p_values)


def _tests(reference: Sample, sample: Sample, names: Sequence[str]) -> _Tests:
    quantities = [compared("score", reference.score, sample.score)]
    quantities += [
        compared(name, one, sample.inputs[name]) for name, one in reference.inputs.items()
    ]
    fractions = [equal_fractions_p(_share(reference, name), _share(sample, name)) for name in names]
    return _Tests(sample, quantities, fractions)


def _fractions(
    reference: Sample,
    sample: Sample,
    names: Sequence[str],
    values: Mapping[str, float],
    corrected: Iterator[float],
    alpha: float,
    min_effect: float,
) -> Iterator[KeptFraction]:
    """A fraction is flagged where it differs by `min_effect` of itself, or more."""
    for name in names:
        p, old, new = next(corrected), _share(reference, name), _share(sample, name)
        yield KeptFraction(
            point=name,
            threshold=values[name],
            reference=old.value,
            reference_interval=_interval(old),
            found=new.value,
            found_interval=_interval(new),
            p=p,
            flagged=p < alpha
            and abs(new.value - old.value) >= min_effect * max(old.value, new.value),
        )


def _share(sample: Sample, name: str) -> Share:
    return sample.score.share_of(*sample.kept[name])


def _interval(share: Share) -> tuple[float, float]:
    return clopper_pearson(share.value * share.effective, share.effective)
