"""Figures: deterministic, well-formed, readable without colour."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from naetrigger.contracts.errors import InputError
from naetrigger.validation import plots
from naetrigger.validation.efficiency import scored
from naetrigger.validation.report.schema import PairAgreement

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def samples():
    rng = np.random.default_rng(0)
    return scored(rng.exponential(size=500)), scored(2 * rng.exponential(size=200))


@pytest.mark.parametrize("name", ["plain", "CMS", "ATLAS", "LHCb", "ALICE"])
def test_every_style_draws_its_own_label_only(name, samples):
    style = plots.Style(name, "naetrigger simulation", "toy")
    svg = plots.roc_figure("roc-x", style, "toy", {"teacher": samples}, 0.02)
    assert ElementTree.fromstring(svg).tag == f"{SVG}svg"
    comments = re.findall(r"<!-- (.*?) -->", svg)  # what matplotlib notes of each text
    assert "naetrigger simulation" in comments
    assert not {"CMS", "ATLAS", "LHCb", "ALICE"} & set(comments)


def test_the_same_data_give_the_same_bytes(samples):
    def figure():
        return plots.roc_figure("roc-x", plots.Style(), "toy", {"teacher": samples}, 0.02)

    assert figure() == figure()


def test_ids_of_two_figures_never_clash(samples):
    def ids(name):
        svg = plots.roc_figure(name, plots.Style(), "toy", {"teacher": samples}, 0.02)
        found = {e.get("id") for e in ElementTree.fromstring(svg).iter()} - {None}
        used = re.findall(r'(?:href="|url\()#([^")]+)', svg)
        assert set(used) <= found
        return found

    assert not ids("first") & ids("second")


def test_lines_differ_without_colour():
    assert len({str(dashes) for dashes in plots.DASHES}) == len(plots.COLOURS)
    assert len(set(plots.MARKERS)) == len(plots.MARKERS)
    assert len(set(plots.HATCHES.values())) == 4


def test_integer_scores_are_binned_between_integers():
    scores = np.random.default_rng(1).integers(0, 300, 4000)
    edges = plots.score_edges([scores])
    assert np.all(edges % 1 == 0.5)
    assert len(set(np.diff(edges))) == 1  # else some bins hold more integers than others
    wide = plots.score_edges([np.geomspace(1, 60_000, 4000).astype(np.int64)])
    assert np.all(np.diff(wide) >= 1)


def test_densities_integrate_to_one(samples):
    background, signal = samples
    edges = plots.score_edges([background.scores, signal.scores])
    for sample in samples:
        assert np.sum(plots._density(sample, edges) * np.diff(edges)) == pytest.approx(1)


@pytest.mark.parametrize("scores", [np.zeros(50), np.zeros(50, np.int64), np.full(50, 3.5)])
def test_constant_scores_are_drawn(scores):
    sample = scored(scores)
    ElementTree.fromstring(plots.score_figure("s", plots.Style(), "x", sample, {"a": sample}))
    ElementTree.fromstring(plots.profile_figure("p", plots.Style(), scores, scores * 1.0))


def test_broken_agreement_is_hatched():
    def pair(fraction):
        return PairAgreement(
            a="network", b="hls", n=10, exact_fraction=fraction, expectation="exact"
        )

    good, bad = (
        plots.agreement_figure("a", plots.Style(), [pair(fraction)]) for fraction in (1.0, 0.9)
    )
    assert "<pattern" not in good
    assert "<pattern" in bad
    assert "1 ≠" in bad


def test_curves_are_drawn_beside_their_table(curves):
    plots.draw_curves(curves, plots.Style())
    ElementTree.parse(curves.with_suffix(".svg"))


def test_curves_are_read_with_gaps(curves):
    table = plots.read_curves(curves)
    assert list(table)[:2] == ["step", "loss"]
    assert np.isfinite(table["validation_distance"]).sum() == 10
    ElementTree.fromstring(plots.curves_figure("c", plots.Style(), table))


@pytest.mark.parametrize("text", ["", "step,loss\n1,two\n", "step,loss\n1\n"])
def test_broken_curves_are_refused_by_name(tmp_path, text):
    path = tmp_path / "curves.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=r"curves\.csv"):
        plots.read_curves(path)
