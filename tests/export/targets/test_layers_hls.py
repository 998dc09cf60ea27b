"""The further layers in hls4ml's C++: every edge against the network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import Fixed
from naetrigger.contracts.network import FixedPointNetwork
from naetrigger.contracts.window import Window
from naetrigger.export.hls import HlsLibrary, write_hls
from naetrigger.export.settings import FirmwareSettings
from naetrigger.firmware_configs.board import Board
from tests.export.targets.layer_networks import LAYER_NETWORKS, Layers
from tests.export.targets.projects import Projects, vectors_of


def test_an_edge_that_differs_is_shown(hls_project: Projects) -> None:
    """One network, edge by edge; tests/benchmarks compares the scores of all of them."""
    network = LAYER_NETWORKS["activations"]()
    words = vectors_of(network, 1500)
    library = HlsLibrary(hls_project("layers_activations", network))
    edges, traced = network.trace(words), library.trace(network.input.type.real(words))
    assert {"prelu_2", "clip_3", "table_4", "both"} <= set(traced)
    for node, found in traced.items():
        np.testing.assert_array_equal(found, edges[node], err_msg=node)


def padded_maximum_of_unsigned() -> FixedPointNetwork:
    layers = Layers(0, (1, 4, 1), Fixed(False, 4, 4))
    layers.pool("max_pool", Window((1, 2), (1, 1), (0, 1, 0, 0)))
    return layers.network()


@pytest.mark.parametrize(
    ("network", "settings", "message"),
    [
        (padded_maximum_of_unsigned(), {}, r"max_pool_1: hls4ml pads .* signed format"),
        (LAYER_NETWORKS["image"](), {"hls_io": "io_stream"}, "conv_1: 'conv' is written for io_p"),
        (LAYER_NETWORKS["image"](), {"hls_backend": "Quartus"}, "conv_1: .* not for Quartus"),
    ],
)
def test_what_a_project_cannot_have_is_refused_by_name(
    network: FixedPointNetwork, settings: dict[str, str], message: str, tmp_path: Path, board: Board
) -> None:
    chosen = FirmwareSettings.model_validate(settings)
    with pytest.raises(InputError, match=message):
        write_hls(network, tmp_path / "hls", board, chosen, vectors_of(network, 1000)[:5])
    assert not list(tmp_path.iterdir())
