"""Figures of a report's tables: what is broken is seen."""

from __future__ import annotations

from naetrigger.validation import report_plots
from naetrigger.validation.plots import Style
from naetrigger.validation.report.schema import PairAgreement


def test_broken_agreement_is_hatched():
    def pair(fraction):
        return PairAgreement(
            a="network", b="hls", n=10, exact_fraction=fraction, expectation="exact"
        )

    good, bad = (
        report_plots.agreement_figure("a", Style(), [pair(fraction)]) for fraction in (1.0, 0.9)
    )
    assert "<pattern" not in good
    assert "<pattern" in bad
    assert "1 ≠" in bad
