"""A small valid file of every registered format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import uproot

from naetrigger.contracts.calo_regions import COLUMNS as REGIONS
from naetrigger.contracts.events import Events, write_events
from naetrigger.contracts.trigger_objects import (
    COLUMNS,
    HARDWARE_UNITS,
    LIMITS,
    OBJECTS,
    UNITS,
)
from naetrigger.firmware_configs.trigger_scales import to_physical
from naetrigger.training.data.formats import WRITERS

N = 40


def hardware_values(n: int, seed: int) -> np.ndarray:
    """Random valid trigger objects as hardware integers, (n, 57): sorted, with absent ones."""
    rng = np.random.default_rng(seed)
    values = rng.integers(LIMITS[:, :, 0], LIMITS[:, :, 1] + 1, (n, len(OBJECTS), 3))
    for first, count in ((1, 4), (5, 4), (9, 10)):
        part = values[:, first : first + count]
        absent = rng.integers(0, count + 1, n)[:, None] <= np.arange(count)
        part[absent] = 0
        part[:, :, 0] = -np.sort(-part[:, :, 0], axis=1)
        part[part[:, :, 0] == 0] = 0
    values[values[:, 0, 0] == 0, 0] = 0
    return values.reshape(n, -1).astype(np.float32)


def trigger_events(n: int = N, seed: int = 0, hardware: bool = True) -> Events:
    values = hardware_values(n, seed)
    return Events(
        "zero_bias",
        "background",
        COLUMNS,
        values if hardware else to_physical(values),
        np.ones(n),
        np.arange(n, dtype=np.uint64),
        units=HARDWARE_UNITS if hardware else UNITS,
    )


def region_events(n: int = N) -> Events:
    values = np.random.default_rng(1).integers(0, 1024, (n, len(REGIONS))).astype(np.float32)
    ids = np.arange(n, dtype=np.uint64)
    return Events("zb", "background", REGIONS, values, np.ones(n), ids, units=("hw",) * 252)


def constituents(n: int, count: int, seed: int = 2) -> tuple[np.ndarray, ...]:
    """pt, eta, phi of jets near (0.3, 1), zero-padded, (n, count)."""
    rng = np.random.default_rng(seed)
    pt = -np.sort(-rng.exponential(20.0, (n, count)), axis=1) + 10
    pt[np.arange(count) >= rng.integers(6, count + 1, n)[:, None]] = 0
    there = pt > 0
    eta = np.where(there, rng.normal(0.3, 0.2, pt.shape), 0)
    return pt, eta, np.where(there, rng.normal(1.0, 0.2, pt.shape), 0)


def write_naetrigger(path: Path) -> None:
    write_events(path, [trigger_events()])


def write_top_tagging(path: Path) -> None:
    pt, eta, phi = constituents(N, 12)
    momenta = {
        "E": pt * np.cosh(eta),
        "PX": pt * np.cos(phi),
        "PY": pt * np.sin(phi),
        "PZ": pt * np.sinh(eta),
    }
    columns = {f"{q}_{i}": table[:, i] for i in range(12) for q, table in momenta.items()}
    frame = pd.DataFrame(columns).astype("float32")
    frame["truthE"] = 0.0
    frame["ttv"] = np.arange(N) % 3
    frame["is_signal_new"] = np.arange(N) % 2
    frame.to_hdf(path, key="table", format="table", mode="w", complib="zlib", complevel=1)


def write_lhco(path: Path) -> None:
    table = np.zeros((N, 2101))
    for first in (0, 60):  # two jets an event, back to back
        pt, eta, phi = constituents(N, 20, seed=first)
        quantities = np.stack([pt * 3, eta, phi - (first > 0) * 3], axis=2)
        table[:, first : first + 60] = quantities.reshape(N, -1)
    table[:, 2100] = np.arange(N) % 2
    pd.DataFrame(table).to_hdf(path, key="df", mode="w", complevel=1)


def write_nanoaod(path: Path) -> None:
    rng = np.random.default_rng(3)
    counts = rng.integers(0, 4, N)
    jets = int(counts.sum())

    def lists(values: np.ndarray) -> object:
        import awkward as ak

        return ak.unflatten(values.astype(np.float32), counts)

    branches = {
        "run": np.full(N, 1, np.uint32),
        "luminosityBlock": np.arange(N, dtype=np.uint32) // 10,
        "event": np.arange(N, dtype=np.uint64),
        "genWeight": rng.uniform(0.5, 2, N).astype(np.float32),
    }
    for name in ("tau1", "tau2", "tau3", "msoftdrop", "pt", "eta", "mass"):
        branches[f"FatJet_{name}"] = lists(rng.uniform(0.1, 1, jets))
    with uproot.recreate(path) as file:
        file.mktree("Events", {k: _kind(v) for k, v in branches.items()}).extend(branches)


def _kind(values: object) -> object:
    return values.dtype if isinstance(values, np.ndarray) else "var * float32"


def _written(name: str, events: Events) -> Callable[[Path], None]:
    return lambda path: WRITERS[name](path, [events])


FILES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "naetrigger": (".h5", write_naetrigger),
    "particles-40mhz": (".h5", _written("particles-40mhz", trigger_events())),
    "calo-regions": (".h5", _written("calo-regions", region_events())),
    "top-tagging": (".h5", write_top_tagging),
    "lhco": (".h5", write_lhco),
    "nanoaod": (".root", write_nanoaod),
    "parquet": (".parquet", _written("parquet", trigger_events(hardware=False))),
    "global-trigger": (".txt", _written("global-trigger", trigger_events())),
    "csv": (".csv", _written("csv", trigger_events())),
}
"""Suffix and writer of a file of each format."""


@pytest.fixture(scope="session")
def valid_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A valid file of each format; read it, copy it, do not change it."""
    folder = tmp_path_factory.mktemp("formats")
    paths = {}
    for name, (suffix, write) in FILES.items():
        paths[name] = folder / f"{name}{suffix}"
        write(paths[name])
    return paths


@pytest.fixture(params=sorted(FILES))
def format_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)
