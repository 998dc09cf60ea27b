"""Inputs that are cells of a grid become an image, others do not."""

from __future__ import annotations

import numpy as np

from naetrigger.contracts.events import Events
from naetrigger.validation.mean_images import grid_of, mean_images, mean_images_figure
from naetrigger.validation.plots import Style


def test_cells_go_to_their_places():
    grid = grid_of(["reg_00_01", "reg_01_00", "reg_00_00", "reg_01_01", "reg_00_02", "reg_01_02"])
    assert grid is not None
    assert grid.image([1, 10, 0, 11, 2, 12]).tolist() == [[0, 1, 2], [10, 11, 12]]


def test_other_columns_are_no_grid():
    assert grid_of(["jet1_pt", "jet1_eta"]) is None
    assert grid_of(["reg_00_00", "pix_00_01", "reg_01_00", "reg_01_01"]) is None
    assert grid_of(["reg_00_00", "reg_00_01", "reg_01_00"]) is None  # a hole
    assert grid_of(["reg_00_00", "reg_00_01"]) is None  # a line


def events(process: str, role: str, values: list[list[float]], weights: list[float]) -> Events:
    return Events(
        process=process,
        role=role,
        columns=("pix_00_00", "pix_00_01", "pix_01_00", "pix_01_01"),
        values=np.array(values, np.float32),
        weights=np.array(weights),
        event_ids=np.arange(len(weights), dtype=np.uint64),
    )


def test_means_are_weighted_and_backgrounds_joined():
    samples = [
        events("low", "background", [[0, 0, 0, 4], [4, 0, 0, 4]], [1, 2]),
        events("high", "background", [[0, 8, 0, 4]], [1]),
        events("top", "signal", [[1, 2, 3, 4]], [5]),
    ]
    grid = grid_of(samples[0].columns)
    assert grid is not None
    found = mean_images(grid, samples)
    assert found["background"].tolist() == [[2, 2], [0, 4]]
    assert found["top"].tolist() == [[1, 2], [3, 4]]
    svg = mean_images_figure("means", Style(), found)
    assert svg == mean_images_figure("means", Style(), found)
    assert svg.startswith("<svg")
    assert svg.count("<image") >= 2
