"""Every registered process: accepted by Pythia, sound branching fractions, a source."""

from __future__ import annotations

from collections import defaultdict

import pytest

from naetrigger.training.simulate import pythia
from naetrigger.training.simulate.processes import DARK_HADRONS, DARK_MATTER, PROCESSES


@pytest.mark.parametrize("name", PROCESSES)
def test_pythia_makes_events(name):
    generator = pythia.EventGenerator(PROCESSES[name].commands, 3)
    assert generator.batch(5).n_events == 5
    assert generator.cross_section_mb() > 0


@pytest.mark.parametrize("name", PROCESSES)
def test_role_and_source_are_stated(name):
    process = PROCESSES[name]
    assert process.role in ("background", "signal")
    assert process.description
    assert "arXiv:" in process.citation


def test_one_background_and_seven_signals():
    roles = [process.role for process in PROCESSES.values()]
    assert (roles.count("background"), roles.count("signal")) == (1, 7)


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
def test_mediator_mass_is_the_one_in_the_name(name):
    mass = name.split("_")[1]
    mediator = "4900023" if name.startswith("svjs") else "4900001"
    assert f"{mediator}:m0={mass}" in PROCESSES[name].commands
