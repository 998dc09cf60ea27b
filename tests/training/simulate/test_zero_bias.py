"""Zero bias from the shipped pool: weights, chunks, workers, signals in pile-up."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields

import numpy as np
import pytest

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import read_events, write_events
from naetrigger.firmware_configs.trigger_scales import to_physical
from naetrigger.training.simulate import trigger_objects, zero_bias
from naetrigger.training.simulate.overlay import PileUp
from naetrigger.training.simulate.particles import Particles
from naetrigger.training.simulate.trigger_detector import TriggerDetector, TriggerView

JET, MUON = 9, 5


def equal(one: TriggerView, two: TriggerView) -> bool:
    return all(
        np.array_equal(getattr(one, f.name), getattr(two, f.name)) for f in fields(TriggerView)
    )


@pytest.fixture(scope="module")
def sampled():
    return TriggerDetector(rare_fraction=0.5).observe(None, 6000, np.random.default_rng(1))


@pytest.fixture(scope="module")
def natural():
    return TriggerDetector(rare_fraction=0.0).observe(None, 6000, np.random.default_rng(2))


def test_weighted_tails_agree_with_natural_crossings(sampled, natural):
    assert np.all(natural.weights == 1)
    jet, muon, met = ((lambda v, i=i: v.objects[:, i, 0] / 2) for i in (JET, MUON, 0))
    cuts = [(jet, 40), (jet, 60), (jet, 80), (muon, 3), (muon, 6), (met, 40), (met, 60)]
    cuts += [(lambda v: v.ht, 100), (lambda v: v.regions.max(axis=(1, 2)) / 2, 40)]
    for quantity, threshold in cuts:
        rates, errors = [], []
        for view in (sampled, natural):
            each = view.weights * (quantity(view) >= threshold)
            rates.append(each.mean())
            errors.append(each.std() / np.sqrt(len(each)))
        # A dozen events follow a Poisson law, whose error is that of the mean at least.
        error = np.hypot(errors[0], max(errors[1], 1 / len(natural)))
        assert abs(rates[0] - rates[1]) < 4.5 * error, (threshold, rates, errors)


def test_without_weights_the_tail_would_be_too_large(sampled, natural):
    hard = [np.mean(view.objects[:, JET, 0] > 2 * 100) for view in (sampled, natural)]
    assert hard[0] > 10 * max(hard[1], 1 / len(natural))


def test_weights_have_mean_one(sampled):
    assert sampled.weights.mean() == pytest.approx(1, abs=5 * sampled.weights.std() / 6000**0.5)
    assert sampled.weights.min() > 0


def test_objects_keep_the_contract(sampled):
    objects, regions = sampled.objects, sampled.regions
    assert (objects.dtype, regions.dtype) == (np.int16, np.uint16)
    assert objects.shape == (6000, 19, 3)
    assert regions.shape == (6000, 18, 14)
    assert regions.max() <= 1023
    assert not objects[objects[:, :, 0] == 0].any()
    assert not objects[:, 0, 1].any()
    for kind, limit, phi_steps in (
        (slice(0, 1), 4095, 144),
        (trigger_objects.EGAMMA, 511, 144),
        (trigger_objects.MUONS, 511, 576),
        (trigger_objects.JETS, 2047, 144),
    ):
        found = objects[:, kind]
        assert found.min(axis=(0, 1))[0] >= 0
        assert found[:, :, 0].max() <= limit
        assert 0 <= found[:, :, 2].min() <= found[:, :, 2].max() < phi_steps
        assert np.all(np.diff(found[:, :, 0].astype(int), axis=1) <= 0)


def test_chunks_do_not_depend_on_number_start_or_workers():
    whole = list(zero_bias.zero_bias_chunks(2300, 5))
    assert [len(v) for v in whole] == [1000, 1000, 300]
    (last,) = zero_bias.zero_bias_chunks(2300, 5, first_chunk=2)
    assert equal(last, whole[2])
    parallel = list(zero_bias.zero_bias_chunks(2300, 5, workers=2))
    assert all(equal(a, b) for a, b in zip(whole, parallel, strict=True))
    (short,) = zero_bias.zero_bias_chunks(100, 5)
    assert equal(short, whole[0].select(slice(100)))
    (other,) = zero_bias.zero_bias_chunks(100, 6)
    assert not np.array_equal(other.objects, short.objects)


@pytest.mark.parametrize(("view", "columns"), [("l1-objects", 57), ("regions", 252)])
def test_events_of_both_views(tmp_path, view, columns):
    events = zero_bias.simulate_zero_bias(150, 3, view)
    assert events.values.shape == (150, columns)
    assert set(events.units) == {"hw"}
    assert events.column("n_pileup").min() > 5
    assert 20 <= events.column("mean_pileup").min() <= events.column("mean_pileup").max() <= 80
    effective = json.loads(str(events.attributes["effective_pool_events"]))
    assert 1 <= effective["all"] <= 150
    assert events.attributes["pool_sha256"]
    write_events(tmp_path / "z.h5", [events])
    (back,) = read_events(tmp_path / "z.h5")
    assert np.array_equal(back.values, events.values)
    assert np.array_equal(back.weights, events.weights)


def test_no_crossings_are_refused():
    with pytest.raises(InputError, match="at least 1"):
        zero_bias.simulate_zero_bias(0, 1)


def electrons(n, pt=60.0, eta=0.3):
    phi = np.linspace(-3, 3, n)
    return Particles(
        weights=np.ones(n),
        event=np.arange(n),
        pdg_id=np.full(n, 11),
        charge=np.full(n, -1.0),
        pt=np.full(n, pt),
        eta=np.full(n, eta),
        phi=phi,
        energy=np.full(n, pt * np.cosh(eta)),
    )


def test_a_given_electron_is_found_in_pileup():
    made = electrons(250)
    seen = TriggerDetector().observe(made, 250, np.random.default_rng(3))
    assert np.all(seen.weights == 1)
    values = to_physical(seen.objects.reshape(-1, 57)).reshape(-1, 19, 3)[:, trigger_objects.EGAMMA]
    d_phi = np.mod(values[:, 0, 2] - made.phi + np.pi, 2 * np.pi) - np.pi
    near = (np.abs(d_phi) < 0.15) & (np.abs(values[:, 0, 1] - 0.3) < 0.15)
    assert near.mean() > 0.75
    assert np.median(values[near, 0, 0]) == pytest.approx(60, rel=0.05)


def test_without_pileup_only_the_given_particle_is_there():
    seen = TriggerDetector(pileup=PileUp(0, 0, 0, 0)).observe(
        electrons(5), 5, np.random.default_rng(3)
    )
    assert not seen.n_pileup.any()
    assert np.all((seen.objects[:, :, 0] > 0).sum(axis=1) == 3)  # missing ET, e/gamma, jet
    assert seen.pool_event.tolist() == [-1] * 5


def test_number_of_events_must_fit():
    with pytest.raises(InputError, match="5 events"):
        TriggerDetector().observe(electrons(5), 6, np.random.default_rng(3))


def test_zero_bias_needs_no_generator():
    # Where awkward and vector are installed, numba imports them itself, as its extensions.
    code = (
        "import sys; from naetrigger.training.simulate import zero_bias; "
        "zero_bias.simulate_zero_bias(1, 1); "
        "print([m for m in ('pythia8mc', 'fastjet', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
