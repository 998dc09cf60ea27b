"""A pool of a few collisions, made in memory."""

from __future__ import annotations

import numpy as np

from naetrigger.training.simulate import pool, towers


def stratum_events(name, probability, n_events, et, seed, step_gev=0.625, muons=0):
    """Events of about twenty towers each, the first one empty; `muons` in each event."""
    rng = np.random.default_rng(seed)
    event = np.repeat(np.arange(n_events), 20)
    tower = np.concatenate(
        [rng.choice(towers.N_TOWERS, 20, replace=False) for _ in range(n_events)]
    )
    some = event > 0
    event, tower = event[some], tower[some]
    truth = np.stack([rng.uniform(5, 50, n_events * muons)] * 3, axis=1)
    truth[:, 1] = rng.uniform(-2, 2, len(truth))
    truth[:, 2] = rng.uniform(-np.pi, np.pi, len(truth))
    return pool.StratumEvents(
        stratum=pool.Stratum(name, f"toy {name}", ("a=b",), probability, n_events, step_gev),
        event=event,
        tower=tower,
        em=rng.exponential(et, len(event)),
        had=rng.exponential(et, len(event)),
        muon_event=np.repeat(np.arange(n_events), muons),
        muons=truth,
        hardness=np.full(n_events, round(et * 10)),
    )


def parts():
    """Soft collisions, and two rare strata, one with muons."""
    return [
        stratum_events("soft", 1 - 2e-3 - 1e-4, 40, 0.4, 1),
        stratum_events("rare", 2e-3, 12, 5.0, 2, step_gev=1.25),
        stratum_events("rarer", 1e-4, 7, 20.0, 3, muons=2),
    ]


def write(path, seed=4):
    """The toy pool as a file."""
    pool.write_pool(path, parts(), {"label": "toy", "generator": "none"}, seed)
    return path
