"""The sample of handwritten digits: the published images, bit for bit, and said to be real."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from sklearn.datasets import load_digits

from naetrigger.contracts.events import Events, read_events
from naetrigger.firmware_configs.input_spec import load_input_spec
from naetrigger.training.data.readers import read_source, source_path
from naetrigger.training.data.settings import DataSettings

PATH = source_path(DataSettings(source="digits"))
DIGITS = [f"digit_{digit}" for digit in range(10)]


@pytest.fixture(scope="module")
def shipped() -> list[Events]:
    return read_events(PATH)


def test_it_is_the_published_set(shipped: list[Events]) -> None:
    pixels, labels = load_digits(return_X_y=True)
    assert [events.process for events in shipped] == DIGITS
    for digit, events in enumerate(shipped):
        rows = events.event_ids.astype(int)
        assert (labels[rows] == digit).all()
        np.testing.assert_array_equal(events.values, pixels[rows])
        np.testing.assert_array_equal(events.column("digit"), digit)
    assert sum(map(len, shipped)) == len(pixels) == 1797


def test_it_says_that_it_is_real_and_whose() -> None:
    with h5py.File(PATH) as file:
        assert "not simulation" in file.attrs["label"]
        assert "CC BY 4.0" in file.attrs["licence"]
        assert "Alpaydin" in file.attrs["citation"]
        assert "generator" not in file["digit_0"].attrs
    assert Path(PATH).stat().st_size < 0.3e6


def test_gray_levels_become_minus_one_to_one(shipped: list[Events]) -> None:
    spec = load_input_spec("images-64")
    np.testing.assert_array_equal(spec.inputs(shipped[3]), (shipped[3].values - 8) / 8)


def test_one_digit_is_held_out() -> None:
    settings = DataSettings(source="digits", background=("digit_*",), signals=("digit_3",))
    background, (signal,) = read_source(settings)
    assert (background.process, signal.process) == ("background", "digit_3")
    assert len(background) + len(signal) == 1797
    assert not set(background.event_ids.tolist()) & set(signal.event_ids.tolist())


def test_a_limit_takes_of_each_digit_alike() -> None:
    settings = DataSettings(
        source="digits", background=("digit_*",), signals=("digit_3",), max_background=90
    )
    background, _ = read_source(settings)
    labels = load_digits(return_X_y=True)[1][background.event_ids.astype(int)]
    assert np.bincount(labels, minlength=10).tolist() == [10, 10, 10, 0, 10, 10, 10, 10, 10, 10]
