"""Every registered process: accepted by Pythia, sound branching fractions, a source."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from naetrigger.contracts.errors import InputError
from naetrigger.training.simulate import pythia
from naetrigger.training.simulate.dark_sector import DARK_HADRONS, DARK_MATTER
from naetrigger.training.simulate.process import IMAGES, JET_VIEWS, JETS, TRIGGER_VIEWS
from naetrigger.training.simulate.processes import PROCESSES, process_named

GENERATED = [name for name, process in PROCESSES.items() if process.commands]


@pytest.mark.parametrize("name", GENERATED)
def test_pythia_makes_events(name):
    generator = pythia.EventGenerator(PROCESSES[name].commands, 3)
    assert generator.batch(2).n_events == 2
    assert generator.cross_section_mb() > 0


@pytest.mark.parametrize("name", PROCESSES)
def test_views_and_source_are_stated(name):
    process = PROCESSES[name]
    assert process.description
    assert "arXiv:" in process.citation
    assert set(process.views) <= {*JET_VIEWS, *TRIGGER_VIEWS}
    assert set(process.background_of) <= set(process.views)


def test_backgrounds():
    found = {
        view: [name for name, process in PROCESSES.items() if view in process.background_of]
        for view in (*JET_VIEWS, *TRIGGER_VIEWS)
    }
    assert found[JETS] == ["ttbar", "qcd"]
    assert found[IMAGES] == ["qcd"]
    assert all(found[view] == ["zero_bias"] for view in TRIGGER_VIEWS)
    assert PROCESSES["ttbar"].role("jets") == "background"
    assert PROCESSES["ttbar"].role("l1-objects") == "signal"


@pytest.mark.parametrize("name", PROCESSES)
def test_slices_share_out_everything_without_overlap(name):
    slices = PROCESSES[name].slices
    if slices:
        assert sum(piece.share for piece in slices) == pytest.approx(1)
        assert slices[0].low == 0
        assert slices[-1].high == 6500  # half the collision energy: the end of phase space
        assert [piece.high for piece in slices[:-1]] == [piece.low for piece in slices[1:]]


def channels(commands):
    """particle -> list of (fraction, products), as set by oneChannel and addChannel."""
    table = defaultdict(list)
    for command in commands:
        setting, _, value = command.partition("=")
        particle, _, what = setting.partition(":")
        if what in ("oneChannel", "addChannel"):
            _, fraction, _, *products = value.split()
            table[int(particle)].append((float(fraction), [abs(int(p)) for p in products]))
    return table


@pytest.mark.parametrize("name", [name for name in PROCESSES if name.startswith("svj")])
def test_dark_hadron_branching_fractions(name):
    table = channels(PROCESSES[name].commands)
    r_inv = int(name[-2:]) / 10
    for hadron in DARK_HADRONS:
        assert sum(fraction for fraction, _ in table[hadron]) == pytest.approx(1)
        invisible = [f for f, products in table[hadron] if products[0] in DARK_MATTER]
        assert sum(invisible) == pytest.approx(r_inv)


@pytest.mark.parametrize("name", [name for name in PROCESSES if name.startswith("svj")])
def test_registered_points_are_those_of_the_rule(name):
    mass = name.split("_")[1]
    mediator = "4900023" if name.startswith("svjs") else "4900001"
    assert f"{mediator}:m0={mass}" in PROCESSES[name].commands
    assert process_named(name) == PROCESSES[name]


def test_any_semivisible_point_has_a_name():
    process = process_named("svjt_3000_r05")
    assert "4900001:m0=3000" in process.commands
    assert process.dark_jets_only
    assert "r_inv = 0.5" in process.description


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a_4e", "did you mean 'a_4l'"),
        ("svjt_3000_r11", "did you mean 'svjt_"),
        ("svjx_3000_r01", "no process 'svjx_3000_r01'"),
        ("svjt_100_r03", "500 to 5000 GeV, got 100"),
        ("svjs_9000_r03", "500 to 5000 GeV, got 9000"),
    ],
)
def test_unknown_names(name, said):
    with pytest.raises(InputError, match=said):
        process_named(name)


def events_of(name, n, seed=4):
    return pythia.EventGenerator(PROCESSES[name].commands, seed).batch(n)


def test_a_decays_to_four_leptons():
    made = events_of("a_4l", 60)
    lepton = np.isin(np.abs(made.pdg_id), (11, 13)) & (made.pt > 1)
    counts = np.bincount(made.event[lepton], minlength=60)
    assert np.median(counts) >= 3
    rows = np.isin(np.abs(made.pdg_id), (11, 13))
    # The four leptons alone have the mass of A where none radiated: never much above it.
    mass = [invariant_mass(made, (made.event == event) & rows) for event in np.flatnonzero(counts)]
    assert 35 < np.median(mass) < 60


def invariant_mass(particles, rows):
    pt, eta, phi = particles.pt[rows], particles.eta[rows], particles.phi[rows]
    px, py, pz = (pt * np.cos(phi)).sum(), (pt * np.sin(phi)).sum(), (pt * np.sinh(eta)).sum()
    return np.sqrt(max(particles.energy[rows].sum() ** 2 - px**2 - py**2 - pz**2, 0))


def test_charged_higgs_come_in_pairs():
    process = PROCESSES["hp_taunu"]
    assert "HiggsBSM:ffbar2H+H-=on" in process.commands
    assert not [command for command in process.commands if command.startswith("Weak")]


def test_boosted_tops_are_hadronic_pairs():
    tops = events_of("top", 20).top_quarks
    assert tops.event.tolist() == np.repeat(np.arange(20), 2).tolist()
    assert tops.eta.shape == (40, 3)


def test_inclusive_tops_have_hadronic_ones_two_thirds_of_the_time():
    tops = events_of("ttbar", 150).top_quarks
    # Branching fraction of W to quarks: 0.67; binomial error over 300 tops.
    assert len(tops.event) / 300 == pytest.approx(0.67, abs=4 * np.sqrt(0.67 * 0.33 / 300))
