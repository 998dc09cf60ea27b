"""Vectors in every format are read back as they were written; garbled lines are named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from naetrigger.contracts.decision import with_decision
from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import Fixed, Integers
from naetrigger.export.vector_files.event_word import EventLayout, TestVectors, expected, layout_of
from naetrigger.export.vector_files.hexadecimal import read_hex, write_hex
from naetrigger.export.vector_files.memory import read_coe, read_mif, write_coe, write_mif
from naetrigger.export.vector_files.regions import RegionVectors, read_regions, write_regions
from tests.export.targets.networks import random_network
from tests.export.targets.projects import vectors_of

Write = Callable[[Path, TestVectors, EventLayout], None]
Read = Callable[[Path, EventLayout], TestVectors]
FORMATS = {
    "hex": (write_hex, read_hex),
    "coe": (write_coe, read_coe),
    "mif": (write_mif, read_mif),
}
each_format = pytest.mark.parametrize(("write", "read"), FORMATS.values(), ids=FORMATS)


@st.composite
def some_vectors(draw: st.DrawFn) -> tuple[EventLayout, TestVectors]:
    """A layout of any widths, and a few events that use the ends of its ranges."""
    kinds = st.builds(Fixed, st.booleans(), st.integers(2, 40), st.integers(-3, 12))
    x, score = draw(kinds), draw(kinds)
    layout = EventLayout(draw(st.integers(1, 6)), x, score, draw(st.integers(0, 3)))
    n = draw(st.integers(1, 4))

    def table(kind: Fixed, columns: int) -> Integers:
        word = st.integers(kind.min_mantissa, kind.max_mantissa)
        ends = st.sampled_from([kind.min_mantissa, kind.max_mantissa])
        rows = draw(st.lists(st.one_of(word, ends), min_size=n * columns, max_size=n * columns))
        return np.array(rows, np.int64).reshape(n, columns)

    bits = table(Fixed(False, 1, 1), layout.bits)
    return layout, TestVectors(table(x, layout.features), table(score, 1)[:, 0], bits)


@each_format
@given(case=some_vectors())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_is_written_is_read_back(
    write: Write, read: Read, case: tuple[EventLayout, TestVectors], tmp_path: Path
) -> None:
    layout, vectors = case
    write(tmp_path / "vectors", vectors, layout)
    assert read(tmp_path / "vectors", layout) == vectors


@each_format
def test_a_network_s_vectors_come_back_with_its_scores(
    write: Write, read: Read, tmp_path: Path
) -> None:
    network = with_decision(random_network(0), [30, 200])
    vectors = expected(network, vectors_of(network, 1000)[:300])
    write(tmp_path / "vectors", vectors, layout_of(network))
    again = read(tmp_path / "vectors", layout_of(network))
    assert again == expected(network, again.inputs)
    assert set(np.unique(again.decisions)) == {0, 1}


def test_a_word_holds_input_0_lowest() -> None:
    layout = EventLayout(2, Fixed(True, 4, 4), Fixed(False, 8, 8), 1)
    vectors = TestVectors(np.array([[-1, 2]]), np.array([0xAB]), np.array([[1]]))
    assert layout.packed(layout.rows(vectors)[0]) == 0x1_AB_2_F


@each_format
@pytest.mark.parametrize("cut", ["line", "digit", "garble"])
def test_a_damaged_line_is_refused_by_its_number(
    write: Write, read: Read, cut: str, tmp_path: Path
) -> None:
    layout = EventLayout(3, Fixed(True, 9, 4), Fixed(False, 12, 12), 2)
    rng = np.random.default_rng(0)
    vectors = TestVectors(
        rng.integers(-256, 256, (4, 3)), rng.integers(0, 4096, 4), rng.integers(0, 2, (4, 2))
    )
    path = tmp_path / "vectors"
    write(path, vectors, layout)
    lines = path.read_text().splitlines()
    last = next(i for i in reversed(range(len(lines))) if lines[i] != "END;")
    lines[last] = {
        "line": "",
        "digit": lines[last].rstrip(";")[:-1] + ";" * lines[last].endswith(";"),
        "garble": "xyzzy" + lines[last][5:],
    }[cut]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=r"line \d+: "):
        read(path, layout)


@each_format
def test_another_layout_and_empty_files_are_refused(
    write: Write, read: Read, tmp_path: Path
) -> None:
    layout = EventLayout(2, Fixed(True, 8, 4), Fixed(False, 8, 8), 1)
    other = EventLayout(2, Fixed(True, 8, 4), Fixed(False, 16, 8), 1)
    path = tmp_path / "vectors"
    write(path, TestVectors(np.array([[1, 2]]), np.array([3]), np.array([[1]])), layout)
    with pytest.raises(InputError):
        read(path, other)
    path.write_text("")
    with pytest.raises(InputError):
        read(path, layout)
    with pytest.raises(InputError, match="not a readable text file"):
        read(tmp_path / "nowhere", layout)


@each_format
@pytest.mark.parametrize("kept", [1, 3])
def test_a_file_cut_off_between_two_events_is_refused(
    write: Write, read: Read, kept: int, tmp_path: Path
) -> None:
    layout = EventLayout(2, Fixed(True, 8, 4), Fixed(False, 8, 8), 1)
    vectors = TestVectors(np.arange(8).reshape(4, 2), np.arange(4), np.ones((4, 1), int))
    path = tmp_path / "vectors"
    write(path, vectors, layout)
    lines = path.read_text().splitlines(keepends=True)
    first = {write_hex: 1, write_coe: 3, write_mif: 6}[write]
    path.write_text("".join(lines[: first + kept]))
    with pytest.raises(InputError, match="line "):
        read(path, layout)


def test_hex_states_its_events_in_its_first_line(tmp_path: Path) -> None:
    layout = EventLayout(1, Fixed(True, 8, 4), Fixed(False, 8, 8), 0)
    path = tmp_path / "vectors.hex"
    write_hex(
        path, TestVectors(np.array([[1], [2]]), np.array([3, 4]), np.ones((2, 0), int)), layout
    )
    lines = path.read_text().splitlines()
    assert lines == [f"// 2 events of {layout}", "01 03", "02 04"]
    path.write_text("\n".join(lines[:2]) + "\n")
    with pytest.raises(InputError, match="2 events are stated in line 1, the file holds 1"):
        read_hex(path, layout)
    path.write_text("\n".join(lines[1:]) + "\n")
    with pytest.raises(InputError, match="line 1: expected '// N events of"):
        read_hex(path, layout)


REGIONS = EventLayout(252, Fixed(False, 10, 10), Fixed(True, 13, 9), 2)


@given(st.integers(0, 2**32 - 1))
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_regions_are_read_back(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = RegionVectors(
        rng.choice([0, 1023, 517, 1], (3, 252)),
        rng.integers(-4096, 4096, 3),
        rng.integers(0, 2, (3, 2)),
    )
    write_regions(tmp_path / "links.txt", vectors, REGIONS)
    again = read_regions(tmp_path / "links.txt", REGIONS)
    np.testing.assert_array_equal(again.et, vectors.et)
    np.testing.assert_array_equal(again.scores, vectors.scores)
    np.testing.assert_array_equal(again.decisions, vectors.decisions)


def test_region_7_is_the_first_of_the_second_link(tmp_path: Path) -> None:
    et = np.zeros((1, 252), np.int64)
    et[0, [0, 8]] = 1023, 5
    write_regions(
        tmp_path / "links", RegionVectors(et, np.array([-1]), np.array([[0, 1]])), REGIONS
    )
    fields = (tmp_path / "links").read_text().splitlines()[1].split()
    assert int(fields[1], 16) == 1023 << 8
    assert int(fields[2], 16) == 5 << 24
    assert fields[-2:] == ["1fff", "2"]


def test_vetoes_and_positions_of_a_region_are_passed_over(tmp_path: Path) -> None:
    et = np.full((1, 252), 3)
    path = tmp_path / "links"
    write_regions(path, RegionVectors(et, np.array([0]), np.array([[0, 0]])), REGIONS)
    head, line = path.read_text().splitlines()
    fields = line.split()
    fields[1] = f"{int(fields[1], 16) | 0xFC << 16 | 0xAA | 0xBB << 120:032x}"
    path.write_text(f"{head}\n{' '.join(fields)}\n")
    np.testing.assert_array_equal(read_regions(path, REGIONS).et, et)


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        (3, "line 3: 3 events are stated in line 1, the file holds 2"),
        (2, "line 3: crossing: expected 1 after 0, got 2"),
        (1, "line 3: 3 events are stated in line 1, the file holds 2"),
        (0, "line 1: expected '# N events of"),
    ],
)
def test_a_lost_line_of_links_is_found(lost: int, message: str, tmp_path: Path) -> None:
    path = tmp_path / "links"
    et = np.full((3, 252), 3)
    write_regions(path, RegionVectors(et, np.zeros(3, int), np.zeros((3, 2), int)), REGIONS)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:lost] + lines[lost + 1 :]))
    with pytest.raises(InputError, match=message):
        read_regions(path, REGIONS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda fields: fields[:-1], "line 2: expected 39 fields"),
        (lambda fields: ["x", *fields[1:]], "line 2: crossing"),
        (lambda fields: [fields[0], fields[1][1:], *fields[2:]], "line 2: link 0"),
        (lambda fields: [*fields[:-1], "f"], "line 2: score or decision"),
    ],
)
def test_a_damaged_line_of_links_is_refused(
    change: Callable[[list[str]], list[str]], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "links"
    et = np.full((1, 252), 3)
    write_regions(path, RegionVectors(et, np.array([0]), np.array([[0, 0]])), REGIONS)
    head, line = path.read_text().splitlines()
    path.write_text(f"{head}\n{' '.join(change(line.split()))}\n")
    with pytest.raises(InputError, match=message):
        read_regions(path, REGIONS)


def test_an_et_beyond_10_bits_is_refused(tmp_path: Path) -> None:
    et = np.full((1, 252), 1024)
    with pytest.raises(InputError, match="event 0, reg_00_00: 1024"):
        write_regions(
            tmp_path / "links", RegionVectors(et, np.array([0]), np.array([[0, 0]])), REGIONS
        )
