"""An ensemble's spread against numpy's and sklearn's own answers."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.progress import Silent
from naetrigger.validation.comparison import compare
from naetrigger.validation.ensemble import averaged, judge_ensemble
from naetrigger.validation.report.build import build_report
from naetrigger.validation.report.html import render_page
from naetrigger.validation.report.schema import report_from_json, report_to_json
from naetrigger.validation.settings import ValidationSettings

SETTINGS = ValidationSettings(bootstrap_replicas=20, background_efficiencies=(0.1,))
SEEDS = (7, 8, 9)


@pytest.fixture(scope="module")
def given(inputs):
    """A run whose teacher has two more members, on other scales and with noise of their own."""
    run = inputs(n=600, signals=("svj", "leptoquark"), reweight=None)
    run = replace(run, events=[replace(e, weights=np.ones(len(e))) for e in run.events])
    rng = np.random.default_rng(1)
    first = run.scores["teacher"]["torch"]
    by_seed = {SEEDS[0]: first}
    for k, seed in enumerate(SEEDS[1:], start=1):
        by_seed[seed] = {
            p: 10**k * s * np.exp(0.5 * rng.normal(size=len(s))) - 3 for p, s in first.items()
        }
    return replace(run, members={"teacher": by_seed})


@pytest.fixture(scope="module")
def judged(given):
    return judge_ensemble(compare(SETTINGS, given), Silent())


def test_no_members_no_section(inputs):
    assert judge_ensemble(compare(SETTINGS, inputs(n=300, signals=("svj",))), Silent()) is None


def test_aucs_are_sklearns(given, judged):
    assert judged.seeds == SEEDS
    for entry in judged.auc:
        expected = []
        for seed in SEEDS:
            b, s = (given.members["teacher"][seed][p] for p in ("tt", entry.signal))
            truth = np.r_[np.zeros(len(b)), np.ones(len(s))]
            expected.append(roc_auc_score(truth, np.r_[b, s]))
        np.testing.assert_allclose(entry.values, expected, rtol=1e-12)
        assert entry.mean == pytest.approx(np.mean(expected))
        assert entry.deviation == pytest.approx(np.std(expected, ddof=1))
        assert entry.error == pytest.approx(np.std(expected, ddof=1) / np.sqrt(3))


def test_the_averaged_score_is_one_more_score(given, judged):
    members = [given.members["teacher"][seed] for seed in SEEDS]
    for entry in judged.auc:
        b, s = (
            averaged([m[p] for m in members], [m["tt"] for m in members])
            for p in ("tt", entry.signal)
        )
        truth = np.r_[np.zeros(len(b)), np.ones(len(s))]
        assert entry.averaged == pytest.approx(roc_auc_score(truth, np.r_[b, s]))
        assert 0 < entry.averaged_error < 0.05


def test_averaging_takes_out_noise_that_members_do_not_share():
    rng = np.random.default_rng(3)
    b, s = rng.normal(size=(3, 2000)), rng.normal(size=(3, 2000)) + 0.5
    truth = np.repeat([0, 1], 2000)
    values = [roc_auc_score(truth, np.r_[b[k], s[k]]) for k in range(3)]
    together = roc_auc_score(truth, np.r_[averaged(b, b), averaged(s, b)])
    assert together > max(values) + 0.05  # 0.64 each, 0.73 in theory


def test_averaging_knows_no_scale():
    rng = np.random.default_rng(2)
    b, s = rng.normal(size=(2, 3, 50))
    a = np.array([[2.0], [0.1], [1e6]])
    c = np.array([[1.0], [-5.0], [1e5]])
    np.testing.assert_allclose(averaged(a * s + c, a * b + c), averaged(s, b), atol=1e-9)
    constant = np.ones((1, 50))
    np.testing.assert_array_equal(averaged(constant, constant), np.zeros(50))


def test_efficiencies_have_each_members_own_threshold(given, judged):
    for entry in judged.efficiencies:
        expected = []
        for seed in SEEDS:
            b, s = (given.members["teacher"][seed][p] for p in ("tt", entry.signal))
            expected.append(np.mean(s > np.sort(b)[-61]))  # 60 of 600 fire
        np.testing.assert_allclose(entry.values, expected)
        assert entry.deviation == pytest.approx(np.std(expected, ddof=1))


def test_correlations_are_scipys(given, judged):
    assert [(c.a, c.b) for c in judged.correlations] == [(7, 8), (7, 9), (8, 9)]
    for pair in judged.correlations:
        a, b = (given.members["teacher"][seed]["tt"] for seed in (pair.a, pair.b))
        assert pair.spearman == pytest.approx(spearmanr(a, b).statistic)


def test_the_report_holds_and_shows_it(given, inputs):
    report = build_report(compare(SETTINGS, given))
    assert report_from_json(report_to_json(report)) == report
    page = render_page(report)
    assert 'id="ensemble"' in page
    assert "seeds 7, 8, 9" in page
    alone = build_report(compare(SETTINGS, replace(given, members={})))
    without = json.loads(report_to_json(report)) | {"ensemble": None}
    assert json.loads(report_to_json(alone)) == without
    assert 'id="ensemble"' not in render_page(alone)


def test_incomplete_members_are_refused(given):
    short = {7: given.members["teacher"][7], 8: {"tt": np.zeros(600)}}
    with pytest.raises(InputError, match="members of teacher: scores of 'svj' are incomplete"):
        judge_ensemble(compare(SETTINGS, replace(given, members={"teacher": short})), Silent())
