"""Figures: deterministic, well-formed, readable without colour."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from matplotlib.cbook import is_math_text
from matplotlib.figure import Figure

from naetrigger.validation import plots
from naetrigger.validation.score_plots import roc_figure, score_figure
from naetrigger.validation.settings import ValidationSettings
from naetrigger.validation.stage import validate

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


NAMES = ("a$^$b", "_x", "H $\\foo$", "one $")


def drawn(svg: str) -> set[str]:
    """What matplotlib notes of each text."""
    return {text.replace("\N{ZERO WIDTH SPACE}", "") for text in re.findall(r"<!-- (.*?) -->", svg)}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_shown_as_it_is_and_stands_in_the_legend(samples, name):
    svg = score_figure("s", plots.Style(label=name), "x", samples[0], {name: samples[1]})
    assert name in drawn(svg)
    axes = Figure().subplots()
    axes.plot([0, 1], label=plots.as_written(name))
    (shown,) = axes.legend().get_texts()
    assert not is_math_text(shown.get_text())


def test_names_that_are_no_formulae_end_no_validation(inputs, tmp_path):
    """Processes, columns, sample and label are given by people; figures come after all the work."""
    given = inputs(n=400, signals=NAMES, sample="s$_$")
    columns = ("m$^$", "_m", *given.events[0].columns[2:])
    events = [replace(sample, columns=columns) for sample in given.events]
    settings = ValidationSettings(
        bootstrap_replicas=20,
        background_efficiencies=(0.1,),
        turn_on=("_m",),
        label="$\\lab$",
    )
    validate(settings, replace(given, events=events), tmp_path)
    shown = drawn((tmp_path / "report.html").read_text(encoding="utf-8"))
    for name in (*NAMES, "m$^$", "_m", "$\\lab$", "s$_$"):
        assert name in shown, name
