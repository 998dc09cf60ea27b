"""Convolutions, poolings, tables and further layers against torch, bounds, and their files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import Fixed, Integers, Overflow, Rounding
from naetrigger.contracts.network import FixedPointNetwork, Node
from naetrigger.contracts.network_file import load_network, save_network
from naetrigger.contracts.spatial_ops import conv_taps
from naetrigger.contracts.window import Window, same_padding
from tests.export.targets.layer_networks import LAYER_NETWORKS, cut_network, image_network


def words_of(network: FixedPointNetwork, n: int = 300) -> Integers:
    kind = network.input.type
    rng = np.random.default_rng(3)
    words = rng.integers(kind.min_mantissa, kind.max_mantissa, (n, network.input.size), np.int64)
    words[0], words[1] = kind.min_mantissa, kind.max_mantissa
    return words


def by_torch(node: Node, sources: list[Node], values: list[Integers]) -> Any:
    """A node's exact real result in float64, by torch; shape (N, size)."""
    reals = [torch.tensor(s.type.real(v)) for s, v in zip(sources, values, strict=True)]
    x, dims = reals[0], sources[0].dims
    weights = None if node.weights is None else torch.tensor(node.weight_type.real(node.weights))
    bias = None if node.bias is None else torch.tensor(node.bias_type.real(node.bias))
    match node.op:
        case "add":
            return (x + reals[1]).numpy()
        case "clip":
            return x.clamp(weights[0], weights[1]).numpy()
        case "prelu" | "scale":
            pixels = x.reshape(len(x), -1, node.dims[-1])
            if node.op == "scale":
                return (pixels * weights + bias).reshape(len(x), -1).numpy()
            return torch.where(pixels > 0, pixels, pixels * weights).reshape(len(x), -1).numpy()
        case "table":
            return np.asarray(weights)[values[0] - sources[0].type.min_mantissa]
        case "reshape" | "transpose":
            order = tuple(1 + axis for axis in node.axes)
            image = x.reshape(len(x), *dims)
            return (image.permute(0, *order) if order else image).reshape(len(x), -1).numpy()
    image = x.reshape(len(x), *dims).permute(0, 3, 1, 2)
    top, left, bottom, right = node.window.padding
    fill = -np.inf if node.op == "max_pool" else 0.0
    image = functional.pad(image, (left, right, top, bottom), value=fill)
    if node.op == "conv":
        made = functional.conv2d(image, weights.permute(3, 2, 0, 1), bias, node.window.stride)
    elif node.op == "max_pool":
        made = functional.max_pool2d(image, node.window.size, node.window.stride)
    else:
        mean = functional.avg_pool2d(image, node.window.size, node.window.stride)
        made = mean * (weights * float(np.prod(node.window.size)))
    return made.permute(0, 2, 3, 1).reshape(len(x), -1).numpy()


@pytest.mark.parametrize("name", LAYER_NETWORKS)
def test_exact_results_are_those_of_torch(name: str) -> None:
    network = LAYER_NETWORKS[name]()
    words = words_of(network)
    edges, seen = network.trace(words), 0
    for node in network.nodes[1:]:
        if node.op in ("dense", "sum", "relu"):
            continue
        sources = [network[source] for source in node.inputs]
        exact, fraction = network._exact(node, edges)
        expected = by_torch(node, sources, [edges[source.name] for source in sources])
        np.testing.assert_allclose(np.ldexp(exact, -fraction), expected, rtol=0, atol=1e-12)
        seen += 1
    assert seen >= 4


@pytest.mark.parametrize("name", LAYER_NETWORKS)
def test_bounds_hold_and_floats_give_the_same_scores(name: str) -> None:
    network = LAYER_NETWORKS[name](1)
    words = words_of(network)
    edges, bounds = network.trace(words), network.bounds()
    for node in network.nodes[1:]:
        exact, fraction = network._exact(node, edges)
        assert fraction == bounds[node.name].fraction
        assert np.all(exact >= np.array(bounds[node.name].low))
        assert np.all(exact <= np.array(bounds[node.name].high))
    assert network._floats is not None
    np.testing.assert_array_equal(network.scores(words), edges[network.output][:, 0])
    assert len(np.unique(network.scores(words))) > 10


def test_bounds_of_a_convolution_are_tight() -> None:
    """The corner that each weight's sign picks reaches the bound, in the padding's place too."""
    conv = image_network(2).nodes[1]
    x = image_network(2).input
    wide = replace(conv, type=Fixed(True, 30, 15))
    total = Node("s", "sum", (conv.name,), 1, Fixed(True, 40, 20))
    network = FixedPointNetwork((x, wide, total), "s", 1.0)
    bounds, kind = network.bounds()[conv.name], x.type
    rng = np.random.default_rng(0)
    for place in rng.permutation(conv.size)[:8]:
        unit = np.eye(x.size, dtype=np.int64)  # what one step of each input adds to this output
        steps = network.trace(np.concatenate([unit, np.zeros_like(unit[:1])]))[conv.name][:, place]
        corner = np.where(steps[:-1] > steps[-1], kind.max_mantissa, kind.min_mantissa)
        reached = network.trace(corner[None])[conv.name][0, place]
        shift = wide.type.fraction - bounds.fraction
        assert reached == bounds.high[place] << shift


def test_products_are_cut_one_by_one() -> None:
    """Against a loop over every product, floored in steps of 2^-cut, and within the bounds."""
    network = cut_network()
    words = words_of(network, 40)
    edges, bounds = network.trace(words), network.bounds()
    for node in (node for node in network.nodes if node.cut is not None):
        (source,) = (network[name] for name in node.inputs)
        assert node.weights is not None
        assert node.weight_type is not None
        x, weights = source.type.real(edges[source.name]), node.weight_type.real(node.weights)
        kernel, step = weights.reshape(-1, node.dims[-1]), 2.0**-node.cut
        taps = conv_taps(node, source) if node.op == "conv" else np.arange(source.size)[None]
        bias = 0 if node.bias is None else node.bias_type.real(node.bias)  # type: ignore[union-attr]
        pixels = [np.floor(x[:, t, None] * kernel / step).sum(axis=1) * step for t in taps]
        expected = np.concatenate([p + np.floor(bias / step) * step for p in pixels], axis=1)
        exact, fraction = network._exact(node, edges)
        np.testing.assert_array_equal(np.ldexp(exact, -fraction), expected)
        assert fraction == node.cut == bounds[node.name].fraction
        assert np.all(exact >= np.array(bounds[node.name].low))
        assert np.all(exact <= np.array(bounds[node.name].high))
    np.testing.assert_array_equal(network.scores(words), edges[network.output][:, 0])


def test_products_wider_than_an_int64_are_cut_exactly() -> None:
    x = Node("x", "input", (), 2, Fixed(True, 40, 20))
    weights = np.array([[1 << 33], [-(1 << 38) + 1]])
    kind, weight_type = Fixed(True, 60, 50), Fixed(True, 40, 20)
    node = Node("d", "dense", ("x",), 1, kind, weights, weight_type, cut=10)
    network = FixedPointNetwork((x, node), "d", 1.0)
    words = np.array([[1 << 38, -(1 << 39)], [(1 << 38) + 1, 3], [-3 << 30, 12345678901]])
    expected = [
        sum((a * b) >> 30 for a, b in zip(row, weights[:, 0].tolist(), strict=True))
        for row in words.tolist()
    ]
    np.testing.assert_array_equal(network.trace(words)["d"][:, 0], expected)
    np.testing.assert_array_equal(network.scores(words), expected)


@pytest.mark.parametrize(("low", "high"), [(-1, (1 << 30) + 1), (3, 5), (-7, -1), (0, 0)])
@pytest.mark.parametrize("steps", [38, 10, 0, -20])
def test_ends_on_a_finer_grid_clip_wide_values(low: int, high: int, steps: int) -> None:
    """x has 40 bits; with the ends' fraction bits it would not fit 63."""
    x = Node("x", "input", (), 1, Fixed(True, 40, 40))
    kind = Fixed(True, 63, 63 - max(steps, 0))
    ends, end_type = np.array([low, high]), Fixed(True, 40, 40 - steps)
    network = FixedPointNetwork((x, Node("c", "clip", ("x",), 1, kind, ends, end_type)), "c", 1.0)
    words = np.array([-(1 << 39), -(1 << 26), -1, 0, 1, 5, 1 << 26, (1 << 39) - 1])[:, None]
    more, finer = max(steps, 0), max(-steps, 0)
    expected = [min(max(v << more, low << finer), high << finer) for v in words[:, 0].tolist()]
    np.testing.assert_array_equal(network.trace(words)["c"][:, 0], expected)
    np.testing.assert_array_equal(network.scores(words), expected)


def test_an_end_that_leaves_63_bits_is_refused_where_it_is_reached() -> None:
    x = Node("x", "input", (), 1, Fixed(True, 8, -60))
    ends, end_type = np.array([-9, -7]), Fixed(True, 8, 8)
    kind = Fixed(True, 8, 8, Rounding.TRN, Overflow.SAT)
    network = FixedPointNetwork((x, Node("c", "clip", ("x",), 1, kind, ends, end_type)), "c", 1.0)
    with pytest.raises(InputError, match="c: partial sums reach"):
        network.bounds()


@pytest.mark.parametrize("far", [70, 200])
def test_zeros_stand_beside_any_number_of_fraction_bits(far: int) -> None:
    """An edge that is always 0 fits a grid that its own format is far above."""
    x = Node("x", "input", (), 2, Fixed(True, 8, 8))
    zero = np.zeros(2, np.int64)
    fine, coarse = Fixed(True, 8, 8 - far), Fixed(True, 8, 8 + far)
    nodes = (
        x,
        Node("fine", "scale", ("x",), 2, Fixed(True, 17, 17 - far), np.array([1, 3]), fine),
        Node("none", "scale", ("x",), 2, coarse, zero, coarse),
        Node("sum", "add", ("fine", "none"), 2, Fixed(True, 18, 18 - far)),
        Node("biased", "scale", ("none",), 2, fine, zero, Fixed(True, 2, 2), zero + 5, fine),
        Node("slope", "prelu", ("none",), 2, coarse, zero, fine),
        Node("diff", "sub", ("sum", "biased"), 2, Fixed(True, 20, 20 - far)),
        Node("all", "add", ("diff", "slope"), 2, Fixed(True, 21, 21 - far)),
        Node("score", "sum", ("all",), 1, Fixed(True, 22, 22 - far)),
    )
    network = FixedPointNetwork(nodes, "score", 1.0)
    words = words_of(network, 50)
    expected = words @ np.array([1, 3]) - 10
    np.testing.assert_array_equal(network.trace(words)["score"][:, 0], expected)
    np.testing.assert_array_equal(network.scores(words), expected)


def test_same_padding_is_that_of_keras() -> None:
    """TensorFlow's documentation: the odd pixel goes to the bottom and to the right."""
    assert same_padding((3, 2), (1, 1), 6, 5) == (1, 0, 1, 1)
    assert same_padding((3, 3), (2, 2), 6, 7) == (0, 1, 1, 1)
    assert same_padding((1, 1), (3, 3), 5, 5) == (0, 0, 0, 0)


@pytest.mark.parametrize("name", LAYER_NETWORKS)
def test_files_give_the_same_network(name: str, tmp_path: Path) -> None:
    network = LAYER_NETWORKS[name]()
    save_network(network, tmp_path)
    read = load_network(tmp_path)
    words = words_of(network, 50)
    np.testing.assert_array_equal(read.scores(words), network.scores(words))
    assert [n.window for n in read.nodes] == [n.window for n in network.nodes]


@pytest.mark.parametrize(
    ("op", "change", "message"),
    [
        ("conv", {"window": None}, "needs a window"),
        ("conv", {"weights": np.zeros((3, 2, 2, 4), np.int64)}, "weights must have shape"),
        ("conv", {"window": Window((3, 2))}, "its window makes"),
        ("conv", {"window": Window((3, 2), (0, 1))}, "at least 1"),
        ("conv", {"window": Window((3, 2), (1, 1), (3, 0, 0, 0))}, "does not fit a window"),
        ("conv", {"shape": (90,)}, "goes from"),
        ("conv", {"shape": (6, 5, 4)}, "does not hold"),
        ("max_pool", {"weights": np.ones(1, np.int64), "weight_type": NotImplemented}, "takes no"),
        ("avg_pool", {"weights": None, "weight_type": None}, "needs weights"),
        ("transpose", {"axes": (0, 1, 1)}, "order of the 3 axes"),
        ("transpose", {"type": Fixed(True, 5, 3)}, "keeps the format"),
        ("prelu", {"weights": np.zeros(3, np.int64)}, "shape"),
    ],
)
def test_layers_that_do_not_fit_are_refused(op: str, change: dict[str, Any], message: str) -> None:
    if change.get("weight_type") is NotImplemented:
        change = {**change, "weight_type": Fixed(True, 2, 2)}
    network = image_network()
    first = next(node for node in network.nodes if node.op == op)
    nodes = tuple(replace(n, **change) if n is first else n for n in network.nodes)
    with pytest.raises(InputError, match=f"{first.name}: .*{message}"):
        FixedPointNetwork(nodes, network.output, 1.0)
