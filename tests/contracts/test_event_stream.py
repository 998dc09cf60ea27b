"""Files written block by block: what read_events sees, and full disks."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import h5py
import numpy as np
import pytest

from naetrigger.contracts import event_stream, hdf5
from naetrigger.contracts.errors import EnvironmentProblem, InputError
from naetrigger.contracts.event_stream import event_writer
from naetrigger.contracts.events import Events, read_events


def some(n, first=0, process="a", units=("GeV", "hw")):
    rng = np.random.default_rng(first)
    return Events(
        process=process,
        role="signal",
        columns=("x", "y"),
        values=rng.integers(-2000, 2000, (n, 2)).astype(np.float32),
        weights=1 + rng.random(n),
        event_ids=np.arange(first, first + n, dtype=np.uint64),
        context_columns=("pt",),
        context=rng.random((n, 1)).astype(np.float32),
        attributes={"seed": 3},
        units=units,
        context_units=("GeV",),
    )


@pytest.mark.parametrize("units", [("GeV", "1"), ("hw", "hw")])
def test_what_is_read_is_what_was_appended(tmp_path, monkeypatch, units):
    monkeypatch.setattr(event_stream, "ROWS_PER_BLOCK", 16)
    path = tmp_path / "events.h5"
    pieces = [some(n, first, units=units) for n, first in ((5, 0), (40, 5), (1, 45), (18, 46))]
    other = some(20, process="b", units=units)
    with event_writer(path, {"label": "simulation"}) as writer:
        writer.append(pieces[0])
        writer.append(other)
        for piece in pieces[1:]:
            writer.append(piece)
        writer.describe("a", {"later": 2.5})
    a, b = read_events(path)
    for name in event_stream.ARRAYS:
        expected = np.concatenate([getattr(piece, name) for piece in pieces])
        np.testing.assert_array_equal(getattr(a, name), expected)
    assert dict(a.attributes) == {"seed": 3, "later": 2.5}
    assert (a.columns, a.units, a.context_units) == (("x", "y"), units, ("GeV",))
    np.testing.assert_array_equal(b.values, other.values)
    with h5py.File(path) as file:
        assert file.attrs["label"] == "simulation"
        assert file["a/values"].dtype == (np.int16 if units[0] == "hw" else np.float32)
        assert file["a/values"].chunks == (16, 1 if units[0] == "hw" else 2)


def test_the_same_rows_give_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        with event_writer(tmp_path / name) as writer:
            writer.append(some(100))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_an_error_leaves_nothing(tmp_path):
    (tmp_path / "old.h5").write_text("old")
    with pytest.raises(ZeroDivisionError), event_writer(tmp_path / "old.h5") as writer:
        writer.append(some(10 // 0))
    assert [path.name for path in tmp_path.iterdir()] == ["old.h5"]
    assert (tmp_path / "old.h5").read_text() == "old"


def test_values_beyond_15_bits_are_stored_unsigned(tmp_path, monkeypatch):
    """Blocks already written in the narrower type come along."""
    monkeypatch.setattr(event_stream, "ROWS_PER_BLOCK", 16)
    pieces = [some(n, first, units=("hw", "hw")) for n, first in ((40, 0), (5, 40), (30, 45))]
    pieces = [replace(piece, values=np.abs(piece.values)) for piece in pieces]
    pieces[1].values[2, 0] = 65535
    with event_writer(tmp_path / "events.h5") as writer:
        for piece in pieces:
            writer.append(piece)
    (events,) = read_events(tmp_path / "events.h5")
    np.testing.assert_array_equal(events.values, np.concatenate([p.values for p in pieces]))
    assert (events.columns, events.units) == (("x", "y"), ("hw", "hw"))
    with h5py.File(tmp_path / "events.h5") as file:
        assert file["a/values"].dtype == np.uint16
        assert list(file["a"]) == ["context", "event_ids", "values", "weights"]


@pytest.mark.parametrize("value", [0.5, 65536.0, -32769.0, np.inf, np.nan, 40000.0])
def test_hardware_values_that_are_none_are_refused(tmp_path, value):
    bad = some(10, units=("hw", "hw"))
    bad.values[7, 1] = value
    with (
        pytest.raises(InputError, match=r"'y' is in hardware units|from -1934 to 40000"),
        event_writer(tmp_path / "a.h5") as writer,
    ):
        writer.append(bad)


def test_columns_may_not_change(tmp_path):
    with event_writer(tmp_path / "a.h5") as writer:
        writer.append(some(10))
        with pytest.raises(InputError, match="columns changed"):
            writer.append(replace(some(10), columns=("x", "z")))


def test_events_without_context(tmp_path):
    nothing = {"context_columns": (), "context_units": (), "context": np.zeros((10, 0), np.float32)}
    bare = replace(some(10), **nothing)
    with event_writer(tmp_path / "a.h5") as writer:
        writer.append(bare)
    (back,) = read_events(tmp_path / "a.h5")
    assert back.context.shape == (10, 0)
    np.testing.assert_array_equal(back.values, bare.values)


def test_a_place_that_cannot_be_written(tmp_path):
    with pytest.raises(InputError, match="cannot be written"), event_writer(tmp_path / "no" / "a"):
        pass


FULL = """
import resource, signal, sys
import numpy as np
from pathlib import Path
from naetrigger.contracts.errors import EnvironmentProblem
from naetrigger.contracts.event_stream import event_writer
from naetrigger.contracts.events import Events

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
rng = np.random.default_rng(1)
try:
    with event_writer(Path(sys.argv[1])) as writer:
        for i in range(4):
            writer.append(Events("a", "signal", ("x", "y"), rng.random((9000, 2), np.float32),
                                 np.ones(9000), np.arange(9000, dtype=np.uint64)))
except EnvironmentProblem as error:
    sys.exit(str(error))
"""


@pytest.mark.parametrize("limit", [0, 3000, 100_000, 200_000])
def test_a_full_disk_is_an_error_and_not_a_crash(tmp_path, limit):
    # A limit on file sizes fails writes as a full disk does, at any moment.
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "a.h5"), str(limit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done
    assert "no space left" in done.stderr
    assert not list(tmp_path.iterdir())


def test_the_error_names_other_reasons_too(tmp_path):
    target = hdf5._Target(None)
    target._error = OSError(5, "Input/output error")
    with pytest.raises(EnvironmentProblem, match="Input/output error"):
        target.check(tmp_path)
