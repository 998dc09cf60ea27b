"""Pythia's events: the hidden sector's invisible fraction, what counts as visible, bad input."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from naetrigger.contracts.errors import InputError
from naetrigger.training.simulate import pythia
from naetrigger.training.simulate.dark_sector import DARK_MATTER
from naetrigger.training.simulate.processes import PROCESSES


@pytest.fixture(scope="module")
def top_pairs():
    return pythia.EventGenerator(PROCESSES["ttbar"].commands, 7).batch(100)


@pytest.mark.parametrize("tenths", [1, 3, 5, 7])
def test_invisible_fraction_is_r_inv(tenths):
    process = PROCESSES[f"svjt_2000_r0{tenths}"]
    dark = pythia.EventGenerator(process.commands, 11).batch(200).dark_hadrons
    r_inv, n = tenths / 10, len(dark.invisible)
    assert n > 2000
    # Decays are independent, so the error is binomial.
    assert dark.invisible.mean() == pytest.approx(r_inv, abs=4 * np.sqrt(r_inv * (1 - r_inv) / n))


def test_top_pairs_have_no_dark_hadrons(top_pairs):
    assert len(top_pairs.dark_hadrons.event) == 0


def test_particles_are_visible_and_on_shell(top_pairs):
    species = np.abs(top_pairs.pdg_id)
    assert not np.isin(species, pythia.NEUTRINOS + DARK_MATTER).any()
    assert np.all(top_pairs.energy >= top_pairs.pt * np.cosh(top_pairs.eta) * (1 - 1e-6))
    assert set(np.unique(species)) >= {22, 211, 321, 2212, 130}
    assert np.all(top_pairs.charge[top_pairs.pdg_id == 211] == 1)
    assert np.all(top_pairs.charge[top_pairs.pdg_id == -11] == 1)
    assert np.all(top_pairs.charge[species == 22] == 0)
    assert np.all(np.diff(top_pairs.event) >= 0)
    assert top_pairs.event[-1] == top_pairs.n_events - 1


def test_transverse_momentum_balances_but_for_neutrinos(top_pairs):
    px = np.bincount(top_pairs.event, top_pairs.pt * np.cos(top_pairs.phi))
    py = np.bincount(top_pairs.event, top_pairs.pt * np.sin(top_pairs.phi))
    missing = np.hypot(px, py)
    scalar = np.bincount(top_pairs.event, top_pairs.pt)
    # Fully hadronic pairs without a semileptonic b or c decay: only rounding is missing.
    assert np.quantile(missing, 0.1) < 1e-3 * np.median(scalar)
    assert np.all(missing < scalar)


def test_quarks_of_tops_point_to_where_their_energy_goes():
    boosted = pythia.EventGenerator(PROCESSES["top"].commands, 8).batch(20)
    for event, eta, phi in zip(*vars(boosted.top_quarks).values(), strict=True):
        here = boosted.event == event
        near = np.zeros(here.sum(), bool)
        for quark in range(3):
            d_phi = np.mod(boosted.phi[here] - phi[quark] + np.pi, 2 * np.pi) - np.pi
            near |= np.hypot(boosted.eta[here] - eta[quark], d_phi) < 0.4
        # A top of about 600 GeV: most of its pT lies around its quarks.
        assert boosted.pt[here][near].sum() > 250


def test_unbiased_processes_have_unit_weights(top_pairs):
    assert np.all(top_pairs.weights == 1)


def test_pt_eta_phi_of_known_momenta():
    momentum = {"px": np.array([3.0, 0.0]), "py": np.array([4.0, -2.0]), "pz": np.array([5.0, 0.0])}
    pt, eta, phi = pythia.pt_eta_phi(momentum, slice(None))
    assert pt == pytest.approx([5, 2])
    assert eta == pytest.approx([np.arcsinh(1), 0])
    assert phi == pytest.approx([np.arctan2(4, 3), -np.pi / 2])


def test_unknown_command_is_named():
    with pytest.raises(InputError, match="Tpo:gg2ttbar=on"):
        pythia.EventGenerator(["Top:gg2ttbar=on", "Tpo:gg2ttbar=on"], 1)


@pytest.mark.parametrize("seed", [0, -1, 900_000_001])
def test_seed_out_of_range(seed):
    with pytest.raises(InputError, match=str(seed)):
        pythia.EventGenerator(PROCESSES["ttbar"].commands, seed)


def run_python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_stale_data_path_of_another_pythia_does_no_harm(tmp_path):
    done = run_python(
        "from naetrigger.training.simulate import pythia\n"
        "pythia.EventGenerator(['Top:gg2ttbar=on'], 1).batch(1)",
        PYTHIA8DATA=str(tmp_path),
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("missing", "module"),
    [("pythia8mc", "pythia"), ("awkward", "pythia"), ("fastjet", "jets"), ("vector", "jets")],
)
def test_missing_package_names_the_extra(missing, module):
    done = run_python(
        f"import sys; sys.modules['{missing}'] = None\nimport naetrigger.training.simulate.{module}"
    )
    assert done.returncode != 0
    assert f"'{missing}' is not installed" in done.stderr
    assert "pip install 'naetrigger[generate]'" in done.stderr


def test_the_list_of_processes_needs_no_extra():
    done = run_python(
        "import sys\n"
        "from naetrigger.training.simulate.processes import PROCESSES\n"
        "heavy = {'pythia8mc', 'awkward', 'fastjet', 'vector'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    assert done.returncode == 0, done.stderr
