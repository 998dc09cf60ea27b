"""The further layers as ONNX: every edge of both forms against the network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from naetrigger.contracts.errors import InputError
from naetrigger.export.onnx_engines import QcdqModel, QonnxModel
from naetrigger.export.onnx_fixed import write_qcdq, write_qonnx
from tests.export.targets.layer_networks import LAYER_NETWORKS, cut_network
from tests.export.targets.networks import spec_of
from tests.export.targets.projects import vectors_of


@pytest.mark.parametrize("name", LAYER_NETWORKS)
def test_every_edge_equals_the_network(name: str, tmp_path: Path) -> None:
    network = LAYER_NETWORKS[name]()
    words = vectors_of(network, 2000)
    reals, edges = network.input.type.real(words), network.trace(words)
    write_qcdq(tmp_path / "qcdq.onnx", network, spec_of(network))
    write_qonnx(tmp_path / "qonnx.onnx", network, spec_of(network))
    for model in (QcdqModel(tmp_path / "qcdq.onnx"), QonnxModel(tmp_path / "qonnx.onnx")):
        np.testing.assert_array_equal(model.scores(reals), edges[network.output][:, 0])
        for node, found in model.trace(reals).items():
            np.testing.assert_array_equal(found, edges[node], err_msg=node)


def test_products_that_are_cut_are_refused_by_name(tmp_path: Path) -> None:
    network = cut_network()
    for write in (write_qcdq, write_qonnx):
        with pytest.raises(InputError, match="conv_1: products that are cut"):
            write(tmp_path / "m.onnx", network, spec_of(network))
