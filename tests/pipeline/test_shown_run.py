"""What `naetrigger show` says of a report."""

from __future__ import annotations

from typing import Any

import pytest

from naetrigger.pipeline.shown_run import show_report
from naetrigger.validation.report.schema import (
    Auc,
    DecisionBit,
    Report,
    SignalEfficiency,
    WorkingPoint,
)


def auc(model: str, value: float, **more: Any) -> Auc:
    return Auc(
        signal="top",
        model=model,
        engine="e",
        value=value,
        error=0.0062,
        **{"reweighted": False, **more},
    )


def point(model: str, threshold: int | None, rate: float | None = None) -> WorkingPoint:
    return WorkingPoint(
        model=model,
        target=0.01,
        background_efficiency=0.0099,
        error=0.002,
        low=0.0079,
        high=0.0119,
        threshold_hw=threshold,
        threshold_float=1.0,
        threshold_error=None,
        effective_above=30,
        rate_khz=rate,
        signals=(SignalEfficiency(signal="top", efficiency=0.2485, low=0.2385, high=0.2585),),
        reliable=True,
    )


BIT = DecisionBit(
    bit=0,
    target=0.01,
    threshold_hw=2829,
    training_background_efficiency=0.0098,
    background_efficiency=0.0136,
    low=0.0115,
    high=0.0160,
)


def said(capsys: pytest.CaptureFixture[str], **more: Any) -> str:
    aucs = (
        auc("input:ht", 0.78, best_single_input=True),
        auc("input:met", 0.77),
        auc("pca", 0.54),
        auc("student", 0.8169),
        auc("teacher", 0.8179),
    )
    fields = {"auc": aucs, "firmware": (), "checks": (), "working_points": (), "decision": ()}
    show_report(Report.model_construct(**{**fields, **more}))
    return capsys.readouterr().out


def test_reweighted_figures_are_shown_and_called_so(capsys: pytest.CaptureFixture[str]) -> None:
    """Where a recipe reweights, all AUCs of a signal are reweighted ones."""
    assert "reweighted" not in said(capsys)
    lines = said(capsys, auc=(auc("teacher", 0.8179, reweighted=True),))
    assert "AUC (background reweighted to each signal), and" in lines
    assert "0.8179 ± 0.0062" in lines


def test_figures_have_their_errors(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, working_points=(point("teacher", None), point("student", 3167)))
    rows = [line.split() for line in lines.splitlines()[2:6]]
    assert [row[1] for row in rows] == ["teacher", "student", "pca", "best"]
    assert "0.8179 ± 0.0062" in lines
    assert "0.248 ± 0.010" in lines
    assert "best input: ht" in lines
    assert "met" not in lines
    assert "0.7000" not in lines


def test_thresholds_are_the_hardware_s(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, working_points=(point("teacher", None), point("student", 3167)))
    assert "3167" in text
    assert "rate [kHz]" not in text
    assert "The decision in firmware" not in text
    text = said(capsys, working_points=(point("student", 3167, 300.0),), decision=(BIT,))
    assert "rate [kHz]" in text
    assert "2829" in text
    assert "0.0136 ± 0.0023" in text
