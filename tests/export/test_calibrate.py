"""Formats chosen from data, against known answers."""

from __future__ import annotations

import numpy as np
import pytest

from naetrigger.contracts.fixed_point import Fixed, Overflow, Rounding
from naetrigger.export.calibrate import best_type, edge_type, score_type, trained_type, weight_types
from naetrigger.export.student_settings import LayerBits, StudentSettings

INPUT = Fixed(True, 10, 3, Rounding.RND_CONV, Overflow.SAT)


@pytest.mark.parametrize(
    ("scale", "integer"), [(0.4, 1), (0.99, 1), (1.9, 2), (3.9, 3), (100.0, 8)]
)
def test_integer_bits_follow_the_range(scale: float, integer: int) -> None:
    values = np.linspace(-scale, scale, 1001)
    assert best_type(values, 8, True) == trained_type(True, 8, integer)


def test_one_outlier_among_many_is_let_saturate() -> None:
    values = np.r_[np.linspace(-0.9, 0.9, 10_000), 1.3]
    assert best_type(values, 4, True).integer == 1
    assert best_type(np.r_[values, np.full(5000, 1.7)], 4, True).integer == 2


def test_no_other_integer_bits_lose_less() -> None:
    values = np.random.default_rng(0).normal(size=5000) ** 3
    best = best_type(values, 6, True)
    errors = {
        i: np.mean((trained_type(True, 6, i).quantize(values) - values) ** 2) for i in range(1, 12)
    }
    assert min(errors, key=errors.__getitem__) == best.integer


def test_settings_of_a_layer_come_first() -> None:
    settings = StudentSettings(
        layers={"encoder_0": LayerBits(weight=5, weight_integer=3, activation=7, bias=6)}
    )
    weight, bias = weight_types("encoder_0", np.full((2, 2), 0.3), np.full(2, 0.3), settings)
    assert (weight.width, weight.integer, bias.width) == (5, 3, 6)
    values = np.linspace(0, 1.9, 100)
    kind = edge_type("encoder_0", "encoder_0_relu", True, values, INPUT, settings)
    assert kind == trained_type(False, 7, 1)
    other, _ = weight_types("encoder_1", np.full((2, 2), 0.3), np.full(2, 0.3), settings)
    assert other.width == settings.weight_bits


def test_reconstruction_is_as_fine_as_the_inputs() -> None:
    values = np.array([[-2.5, 1.0]])
    kind = edge_type("decoder_1", "reconstruction", False, values, INPUT, StudentSettings())
    assert (kind.lsb, kind.integer) == (INPUT.lsb, 3)
    beyond = edge_type("decoder_1", "reconstruction", False, values * 9, INPUT, StudentSettings())
    assert beyond.integer == INPUT.integer  # what lies outside the inputs' range is none
    few = StudentSettings(reconstruction_bits=6)
    assert edge_type("decoder_1", "reconstruction", False, values, INPUT, few).width == 6


def test_score_has_headroom_and_no_bit_too_many() -> None:
    settings = StudentSettings(score_bits=16, score_headroom=4)
    kind = score_type(np.array([3, 1000]), 10**9, 10, settings)  # largest 1000/1024
    assert kind == trained_type(False, 12, 2)  # 4 * 0.98 < 4, and 10 fraction bits are exact
    assert score_type(np.array([3, 1000]), 1500, 10, settings).integer == 1  # never above bound
    wide = score_type(np.array([2**20]), 2**40, 10, settings)
    assert (wide.width, wide.integer) == (16, 13)
    assert score_type(np.array([0]), 0, 10, settings).width >= 1
