"""Trigger objects in the layouts that carry them: integers exact, every wrong object named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import Events
from naetrigger.contracts.trigger_objects import (
    COLUMNS,
    HARDWARE_UNITS,
    LIMITS,
    OBJECTS,
    UNITS,
)
from naetrigger.firmware_configs.trigger_scales import to_hardware, to_physical
from naetrigger.training.data.formats import WRITERS
from naetrigger.training.data.formats.format import ReadOptions
from naetrigger.training.data.formats.global_trigger import FIELDS, WORDS, pack, unpack
from naetrigger.training.data.readers import EventSource, open_events

HARDWARE = arrays.arrays(np.int64, (2, len(OBJECTS), 3), elements=st.integers(0, 2**32))


def in_range(raw: np.ndarray) -> np.ndarray:
    """Any integers as valid hardware values."""
    low, high = LIMITS[:, :, 0], LIMITS[:, :, 1]
    return low + raw % (high - low + 1)


def events(values: np.ndarray, units: tuple[str, ...] = HARDWARE_UNITS) -> Events:
    n = len(values)
    table = np.asarray(values, np.float32).reshape(n, len(COLUMNS))
    ids = np.arange(n, dtype=np.uint64) + 2**63
    return Events("zb", "background", COLUMNS, table, np.ones(n), ids, units=units)


def only(source: EventSource) -> Events:
    return source.read(source.processes[0].name)


@given(HARDWARE)
def test_words_hold_every_value(raw: np.ndarray) -> None:
    values = in_range(raw)
    np.testing.assert_array_equal(unpack(pack(values)), values)


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("eg1", (1, 0, 0), 0x1),
        ("eg1", (511, -1, 143), 511 | 255 << 9 | 143 << 17),
        ("eg1", (0, -128, 0), 128 << 9),
        ("jet1", (2047, 127, 1), 2047 | 127 << 11 | 1 << 19),
        ("jet1", (0, -3, 0), 253 << 11),
        ("mu1", (511, -256, 575), 575 | 511 << 10 | 12 << 19 | 256 << 23),
        ("mu1", (0, 255, 0), 255 << 23),
        ("met", (4095, 0, 143), 4095 | 143 << 12),
    ],
)
def test_known_words(name: str, value: tuple[int, int, int], word: int) -> None:
    values = np.zeros((1, len(OBJECTS), 3), np.int64)
    values[0, OBJECTS.index(name)] = value
    assert pack(values)[0, OBJECTS.index(name)] == word


def test_other_bits_of_a_word_are_left_alone() -> None:
    """Charge, isolation and quality above the fields that are read."""
    words = np.full((1, len(OBJECTS)), 2**64 - 1, np.uint64)
    values = unpack(words)
    np.testing.assert_array_equal(values[0, OBJECTS.index("mu1")], [511, -1, 1023])
    np.testing.assert_array_equal(values[0, 0], [4095, 0, 255])


@pytest.mark.parametrize("value", [(512, 0, 0), (-1, 0, 0), (1, 128, 0), (1, -129, 0), (1, 0, 144)])
def test_beyond_the_hardware(value: tuple[int, int, int]) -> None:
    values = np.zeros((2, len(OBJECTS), 3), np.int64)
    values[1, 1] = value
    with pytest.raises(InputError, match=r"in row 1, eg1_.*must be from"):
        pack(values)


@given(HARDWARE)
def test_physical_and_back(raw: np.ndarray) -> None:
    values = in_range(raw).reshape(2, -1)
    physical = to_physical(values)
    assert np.all(np.abs(physical.reshape(2, -1, 3)[:, :, 2]) <= np.float32(np.pi))
    np.testing.assert_array_equal(to_hardware(physical), values)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_integers_through_every_layout(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    """Hardware integers -> physical -> file -> integers, and -> words -> integers: exact."""
    folder = tmp_path_factory.mktemp("layouts")
    written = events(sorted_objects(np.random.default_rng(seed)))
    for name in ("particles-40mhz", "global-trigger", "parquet", "csv"):
        WRITERS[name](folder / name, [written])
        read = only(open_events(folder / name, format_name=name))
        values = read.values if name != "particles-40mhz" else to_hardware(read.values)
        np.testing.assert_array_equal(values[:, :57], written.values)
        expected = np.arange(len(written)) if name == "global-trigger" else written.event_ids
        np.testing.assert_array_equal(read.event_ids, expected)


def sorted_objects(rng: np.random.Generator, n: int = 5) -> np.ndarray:
    values = rng.integers(LIMITS[:, :, 0], LIMITS[:, :, 1] + 1, (n, len(OBJECTS), 3))
    for first, count in ((1, 4), (5, 4), (9, 10)):
        part = values[:, first : first + count]
        part[:, :, 0] = -np.sort(-part[:, :, 0], axis=1)
    values[values[:, :, 0] == 0] = 0
    return values


def physical_particles(rng: np.random.Generator, n: int = 6) -> np.ndarray:
    values = sorted_objects(rng, n)
    physical = to_physical(values.reshape(n, -1)).reshape(n, -1, 3).astype(np.float64)
    classes = np.repeat([1, 2, 3, 4], [1, 4, 4, 10])
    present = (physical[:, :, :1] > 0).astype(float)
    present[:, 0] = 1
    return np.concatenate([physical, present * classes[:, None]], axis=2)


def particles_file(path: Path, particles: np.ndarray, **others: object) -> Path:
    with h5py.File(path, "w") as file:
        file["Particles"] = particles
        for name, data in others.items():
            file[name] = data
    return path


@pytest.fixture
def particles() -> np.ndarray:
    return physical_particles(np.random.default_rng(7))


def test_particles_as_published(tmp_path: Path, particles: np.ndarray) -> None:
    names = {
        "Particles_Names": ["Pt", "Eta", "Phi", "Class"],
        "Particles_Classes": ["MET_class_1", "Four_Ele_class_2", "Four_Mu_class_3"],
    }
    plain = open_events(particles_file(tmp_path / "a.h5", particles, **names))
    np.testing.assert_array_equal(
        only(plain).values, particles[:, :, :3].reshape(6, -1).astype(np.float32)
    )
    assert plain.units == UNITS
    assert only(plain).event_ids.tolist() == list(range(6))
    ids = np.arange(6) * 10 + 3
    with_ids = open_events(particles_file(tmp_path / "b.h5", particles, EvtId=ids))
    assert only(with_ids).event_ids.tolist() == ids.tolist()


def test_integer_particles_are_hardware_integers(tmp_path: Path) -> None:
    values = sorted_objects(np.random.default_rng(1))
    classes = np.where(values[:, :, :1] > 0, np.repeat([1, 2, 3, 4], [1, 4, 4, 10])[:, None], 0)
    table = np.concatenate([values, classes], axis=2).astype(np.int16)
    source = open_events(particles_file(tmp_path / "a.h5", table))
    assert source.units == HARDWARE_UNITS
    np.testing.assert_array_equal(only(source).values, values.reshape(5, -1))


@pytest.mark.parametrize(
    ("place", "field", "value", "said"),
    [
        (9, 0, np.nan, "1 objects hold NaN or infinity, the first in row 2, jet1"),
        (5, 2, np.inf, "hold NaN or infinity, the first in row 2, mu1"),
        (0, 0, -1.0, "negative pt, the first in row 2, met"),
        (2, 0, 9999.0, "harder than the one before, the first in row 2, eg2"),
        (18, 0, 0.0, "have pt 0 but eta or phi, the first in row 2, jet10"),
        (3, 3, 4.0, r"do not|does not belong.*first in row 2, eg3: expected 2, got 4"),
        (3, 3, 0.0, "first in row 2, eg3: expected 2, got 0"),
    ],
)
def test_wrong_object_is_named(
    tmp_path: Path, particles: np.ndarray, place: int, field: int, value: float, said: str
) -> None:
    particles[2, place] = [0.001, 0.1, 0.1, np.repeat([1, 2, 3, 4], [1, 4, 4, 10])[place]]
    particles[2, place, field] = value
    path = particles_file(tmp_path / "a.h5", particles)
    with pytest.raises(InputError, match=said):
        for _ in open_events(path).chunks(size=2):
            pass


def test_unsorted_objects_are_sorted_on_request(tmp_path: Path, particles: np.ndarray) -> None:
    path = particles_file(tmp_path / "a.h5", particles[:, [0, *range(4, 0, -1), *range(5, 19)]])
    with pytest.raises(InputError, match="sort_objects"):
        only(open_events(path))
    source = open_events(path, ReadOptions(sort_objects=True))
    first = np.float32(particles[:, :, :3].reshape(6, -1))
    np.testing.assert_array_equal(only(source).values[:, ::3], first[:, ::3])


@pytest.mark.parametrize(
    ("shape", "others", "said"),
    [
        ((6, 19, 3), {}, r"must have shape \(N, 19, 4\), got \(6, 19, 3\)"),
        ((6, 18, 4), {}, "must have shape"),
        ((114, 4), {}, "must have shape"),
        ((6, 19, 4), {"Particles_Names": ["E", "Eta", "Phi", "Class"]}, "Particles_Names must be"),
        ((6, 19, 4), {"Particles_Classes": ["Four_Ele_class_1"]}, "'Four_Ele_class_1', expected"),
        ((6, 19, 4), {"EvtId": [1, 2]}, "2 EvtId for 6 events"),
        ((6, 19, 4), {"EvtId": [-1] * 6}, "'EvtId' must hold whole numbers"),
        ((6, 19, 4), {"EvtId": [0.5] * 6}, "'EvtId' must hold whole numbers"),
    ],
)
def test_wrong_layout(
    tmp_path: Path, shape: tuple[int, ...], others: dict[str, object], said: str
) -> None:
    path = particles_file(tmp_path / "a.h5", np.zeros(shape), **others)
    with pytest.raises(InputError, match=said):
        only(open_events(path))


@pytest.mark.parametrize(
    ("field", "text", "said"),
    [
        (0, "1a", "line 2: crossing: must be a decimal number, got '1a'"),
        (3, "0123", "line 2: muon 3: must be 16 hex digits, got '0123'"),
        (WORDS[1], "g0000000", "line 2: e/gamma 1: must be 8 hex digits"),
        (47, "00000", "line 2: sum 3: must be 8 hex digits"),
        (58, "f" * 127, "line 2: algorithm bits: must be 128 hex digits"),
        (59, "2", "line 2: final OR: must be 0 or 1, got '2'"),
        (59, "", "line 2: expected 60 fields .*, got 59"),
        (59, "1 1", "line 2: expected 60 fields .*, got 61"),
    ],
)
def test_malformed_line(tmp_path: Path, field: int, text: str, said: str) -> None:
    path = tmp_path / "vectors.txt"
    WRITERS["global-trigger"](path, [events(sorted_objects(np.random.default_rng(0)))])
    lines = path.read_text().splitlines()
    fields = lines[1].split()
    assert len(fields) == len(FIELDS) == 60
    fields[field] = text
    lines[1] = " ".join(fields).strip()
    path.write_text("\n".join(lines))
    with pytest.raises(InputError, match=said):
        only(open_events(path))


def test_only_trigger_objects_in_known_units_are_written(tmp_path: Path) -> None:
    good = events(sorted_objects(np.random.default_rng(0)))
    other = replace(good, columns=("energy", *COLUMNS[1:]))
    unknown = replace(good, units=())
    mixed = replace(good, units=("GeV", *HARDWARE_UNITS[1:]))
    for bad, said in (
        (other, r"no column 'met_pt'; this format holds trigger objects .*\); did you mean"),
        (unknown, "units"),
        (mixed, "units of trigger objects must be"),
        (replace(good, values=good.values + 0.5), "not all values are whole numbers"),
    ):
        with pytest.raises(InputError, match=said):
            WRITERS["global-trigger"](tmp_path / "out.txt", [bad])
    assert not (tmp_path / "out.txt").exists()
