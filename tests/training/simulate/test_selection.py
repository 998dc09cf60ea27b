"""Which jets belong to a sample: dark ones, tops, leading ones."""

from __future__ import annotations

import numpy as np
import pytest

from naetrigger.training.simulate import selection
from naetrigger.training.simulate.detector import Candidates
from naetrigger.training.simulate.jets import Jets
from naetrigger.training.simulate.particles import DarkHadrons, TopQuarks


def jets_at(event, pt, eta, phi):
    n = len(event)
    return Jets(
        event=np.array(event),
        pt=np.array(pt, float),
        eta=np.array(eta, float),
        phi=np.array(phi, float),
        mass=np.zeros(n),
        counts=np.zeros(n, int),
        constituents=Candidates(*(np.zeros(0) for _ in range(4))),
    )


def test_dark_pt_fraction_by_hand():
    found = jets_at([0, 0, 2], [100, 50, 200], [0, 1.5, 0], [3.1, 0, 0])
    dark = DarkHadrons(
        event=np.array([0, 0, 0, 1, 2]),
        pt=np.array([40.0, 30.0, 10.0, 500.0, 300.0]),
        eta=np.array([0.0, 0.1, 1.5, 0.0, 0.0]),
        phi=np.array([-3.1, 2.6, 0.5, 0.0, 0.9]),
        invisible=np.zeros(5, bool),
    )
    # 40 + 30 across phi = pi; 10 near the second jet; 300 lies 0.9 from the third jet's axis.
    assert selection.dark_pt_fraction(found, dark) == pytest.approx([0.7, 0.2, 0.0])


def test_a_jet_holds_a_top_only_with_all_three_quarks_of_one():
    tops = TopQuarks(
        event=np.array([0, 0, 2]),
        eta=np.array([[0.1, 0.2, -0.3], [2.0, 2.1, 3.1], [0.0, 0.0, 0.0]]),
        phi=np.array([[3.1, -3.1, 3.0], [0.0, 0.1, 0.0], [0.1, 0.2, 0.3]]),
    )
    found = jets_at([0, 0, 1, 2], [600] * 4, [0, 2.1, 0, 0], [3.1, 0, 0, 0])
    # Across phi = pi; one quark outside; no top in that event; inside.
    assert selection.holds_top(found, tops).tolist() == [True, False, False, True]


def test_three_quarks_of_two_tops_are_no_top():
    tops = TopQuarks(
        event=np.array([0, 0]),
        eta=np.array([[0.0, 0.0, 1.5], [0.1, 1.6, 1.7]]),
        phi=np.zeros((2, 3)),
    )
    assert not selection.holds_top(jets_at([0], [600], [0], [0]), tops).any()


def test_leading_jet_is_judged_even_where_the_second_would_pass():
    found = jets_at([0, 0, 1, 2, 2], [700, 600, 600, 560, 555], [0, 0, 2.2, 1, 1], [0] * 5)
    kept = selection.leading(found, 550, 650, 2.0)
    assert kept.event.tolist() == [2]
    assert kept.pt.tolist() == [560]
