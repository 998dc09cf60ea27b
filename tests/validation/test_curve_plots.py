"""Training curves: read with gaps, drawn, refused by name where broken."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from naetrigger.contracts.errors import InputError
from naetrigger.validation import curve_plots
from naetrigger.validation.plots import Style


def test_curves_are_drawn_beside_their_table(curves):
    curve_plots.draw_curves(curves, Style())
    ElementTree.parse(curves.with_suffix(".svg"))


def test_curves_are_read_with_gaps(curves):
    table = curve_plots.read_curves(curves)
    assert list(table)[:2] == ["step", "loss"]
    assert np.isfinite(table["validation_distance"]).sum() == 10
    ElementTree.fromstring(curve_plots.curves_figure("c", Style(), table))


@pytest.mark.parametrize("text", ["", "step,loss\n1,two\n", "step,loss\n1\n"])
def test_broken_curves_are_refused_by_name(tmp_path, text):
    path = tmp_path / "curves.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=r"curves\.csv"):
        curve_plots.read_curves(path)
