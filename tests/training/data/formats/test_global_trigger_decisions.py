"""Global Trigger lines with algorithm bits: written, read back, and refused by line number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.trigger_objects import LIMITS
from naetrigger.training.data.formats.global_trigger import read_decisions, write_decisions


@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 7, 300, 508]))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_objects_and_bits_are_read_back(tmp_path: Path, seed: int, first: int) -> None:
    rng = np.random.default_rng(seed)
    objects = rng.integers(LIMITS[:, :, 0], LIMITS[:, :, 1], size=(4, 19, 3), endpoint=True)
    bits = rng.integers(0, 2, (4, 4))
    path = tmp_path / "vectors.txt"
    write_decisions(path, objects, bits, first)
    again, seen = read_decisions(path, 4, first)
    np.testing.assert_array_equal(again, objects)
    np.testing.assert_array_equal(seen, bits)


def test_an_algorithm_bit_has_its_place(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    write_decisions(path, np.zeros((1, 19, 3), np.int64), np.array([[0, 1]]), 40)
    fields = path.read_text().split()
    assert int(fields[-2], 16) == 1 << 41
    assert fields[-1] == "1"


def test_a_final_or_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    write_decisions(path, np.zeros((2, 19, 3), np.int64), np.array([[0], [1]]), 0)
    first, second = path.read_text().splitlines()
    path.write_text(f"{first}\n{second[:-1]}0\n")
    with pytest.raises(InputError, match="line 2: final OR 0"):
        read_decisions(path, 1, 0)
    path.write_text(f"{first}\n{second[:-30]}\n")
    with pytest.raises(InputError, match="line 2: "):
        read_decisions(path, 1, 0)


def test_bits_beyond_the_512_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="512 algorithm bits; 2 from 511"):
        write_decisions(tmp_path / "v", np.zeros((1, 19, 3), np.int64), np.zeros((1, 2), int), 511)
    write_decisions(tmp_path / "v", np.zeros((1, 19, 3), np.int64), np.zeros((1, 2), int), 510)
    with pytest.raises(InputError, match="512 algorithm bits; 2 from 600"):
        read_decisions(tmp_path / "v", 2, 600)
