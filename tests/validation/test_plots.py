"""Figures: deterministic, well-formed, readable without colour."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from naetrigger.validation import plots
from naetrigger.validation.score_plots import roc_figure

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", ["plain", "CMS", "ATLAS", "LHCb", "ALICE"])
def test_every_style_draws_its_own_label_only(name, samples):
    style = plots.Style(name, "naetrigger simulation", "toy")
    svg = roc_figure("roc-x", style, "toy", {"teacher": samples}, 0.02)
    assert ElementTree.fromstring(svg).tag == f"{SVG}svg"
    comments = re.findall(r"<!-- (.*?) -->", svg)  # what matplotlib notes of each text
    assert "naetrigger simulation" in comments
    assert not {"CMS", "ATLAS", "LHCb", "ALICE"} & set(comments)


def test_the_same_data_give_the_same_bytes(samples):
    def figure():
        return roc_figure("roc-x", plots.Style(), "toy", {"teacher": samples}, 0.02)

    assert figure() == figure()


def test_ids_of_two_figures_never_clash(samples):
    def ids(name):
        svg = roc_figure(name, plots.Style(), "toy", {"teacher": samples}, 0.02)
        found = {e.get("id") for e in ElementTree.fromstring(svg).iter()} - {None}
        used = re.findall(r'(?:href="|url\()#([^")]+)', svg)
        assert set(used) <= found
        return found

    assert not ids("first") & ids("second")


def test_lines_differ_without_colour():
    assert len({str(dashes) for dashes in plots.DASHES}) == len(plots.COLOURS)
    assert len(set(plots.MARKERS)) == len(plots.MARKERS)
    assert len(set(plots.HATCHES.values())) == 4
