"""Small networks of every op and mode, for the tests of the targets."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np

from naetrigger.contracts.fixed_point import Fixed, Overflow, Rounding
from naetrigger.contracts.network import FixedPointNetwork, Node
from naetrigger.firmware_configs.feature import Feature
from naetrigger.firmware_configs.input_spec import InputSpec


def random_network(
    seed: int,
    *,
    rounding: Rounding = Rounding.RND_CONV,
    overflow: Overflow = Overflow.SAT,
    features: int = 5,
    hidden: int = 6,
    kind: str = "square",
    input_type: Fixed | None = None,
    width: int = 7,
) -> FixedPointNetwork:
    """An autoencoder with narrow formats, so that random inputs round, tie and saturate.

    kind : 'square' or 'abs', the score's form
    width : bits of the reconstruction and of what follows
    """
    rng = np.random.default_rng(seed)
    kernel, bias = Fixed(True, 6, 1), Fixed(True, 7, 2)
    x_type = input_type or Fixed(True, 8, 3, Rounding.RND_CONV, Overflow.SAT)
    narrow = Fixed(True, 7, 3, rounding, overflow)
    middle = Fixed(True, width, 3, rounding, overflow)
    positive = Fixed(False, max(5, width - 2), 2, rounding, overflow)

    def dense(name: str, source: str, n_in: int, n_out: int, out: Fixed) -> Node:
        return Node(
            name=name,
            op="dense",
            inputs=(source,),
            size=n_out,
            type=out,
            weights=rng.integers(-32, 32, (n_in, n_out)),
            weight_type=kernel,
            bias=rng.integers(-64, 64, n_out),
            bias_type=bias,
        )

    wide = Fixed(True, 24, 12)
    nodes = [
        Node("x", "input", (), features, x_type),
        dense("d0", "x", features, hidden, wide),
        Node("a0", "relu", ("d0",), hidden, positive),
        dense("d1", "a0", hidden, 3, Fixed(True, 24, 12)),
        Node("latent", "cast", ("d1",), 3, narrow),
        dense("d2", "latent", 3, features, middle),
        Node("diff", "sub", ("x", "d2"), features, replace(middle, width=max(8, width))),
    ]
    if kind == "abs":
        magnitude = Fixed(False, max(6, width), 2, rounding, overflow)
        nodes.append(Node("mag", "abs", ("diff",), features, magnitude))
        total = Fixed(True, 9, 5, rounding, overflow)
        weights = rng.integers(-4, 4, features)
        last = Node("score", "sum", ("mag",), 1, total, weights, Fixed(True, 3, 3))
    else:
        signed = width in (8, 16)  # as onnxruntime would fuse them
        square = Fixed(signed, 8 if width == 8 else max(9, width), 5, rounding, overflow)
        nodes.append(Node("sq", "square", ("diff",), features, square))
        last = Node("score", "sum", ("sq",), 1, Fixed(False, 8, 6, rounding, overflow))
    return FixedPointNetwork((*nodes, last), "score", 0.25)


def network_of_all_modes() -> FixedPointNetwork:
    """One cast in every rounding and overflow mode, and formats beyond their own points."""
    x_type = Fixed(True, 9, 4, Rounding.RND_CONV, Overflow.SAT)
    nodes = [Node("x", "input", (), 3, x_type)]
    casts = []
    for rounding, overflow in itertools.product(Rounding, Overflow):
        integer = 5 if overflow is Overflow.WRAP else 3
        for signed in (True, False):
            if overflow is Overflow.WRAP and not signed:
                continue
            kind = Fixed(signed, integer + 2, integer, rounding, overflow)
            casts.append(Node(f"{kind_name(kind)}", "cast", ("x",), 3, kind))
    coarse = Fixed(True, 3, 5, Rounding.RND_CONV, Overflow.SAT)  # steps of 4
    fine = Fixed(True, 4, -1, Rounding.RND, Overflow.SAT)  # -1/4 to 7/32
    casts += [Node("coarse", "cast", ("x",), 3, coarse), Node("fine", "cast", ("x",), 3, fine)]
    last = Node("score", "sub", (casts[0].name, casts[-1].name), 3, Fixed(True, 18, 11))
    total = Node("total", "sum", ("score",), 1, Fixed(True, 20, 13))
    return FixedPointNetwork((*nodes, *casts, last, total), "total", 1.0)


def kind_name(kind: Fixed) -> str:
    """A node name that says the format's modes."""
    return f"{'s' if kind.signed else 'u'}_{kind.rounding.value}_{kind.overflow.value}"


def spec_of(network: FixedPointNetwork) -> InputSpec:
    """An input spec that changes nothing but the format."""
    features = tuple(Feature(name=f"f{i}", offset=0.0, shift=0) for i in range(network.input.size))
    return InputSpec(
        name="plain",
        description="inputs as they are",
        type=str(network.input.type),
        source="test",
        features=features,
    )


def network_of_wide_biases() -> FixedPointNetwork:
    """(x + b) - (-x + b + 3) with a b that no float64 holds."""
    kind, one = Fixed(True, 57, 57), Fixed(True, 2, 2)
    x = Node("x", "input", (), 1, Fixed(True, 4, 4))
    up, down = (
        Node(name, "dense", ("x",), 1, kind, np.array([[sign]]), one, np.array([bias]), kind)
        for name, sign, bias in (("up", 1, 2**55 + 1), ("down", -1, 2**55 + 4))
    )
    last = Node("s", "sub", ("up", "down"), 1, Fixed(True, 10, 10, Rounding.TRN, Overflow.SAT))
    return FixedPointNetwork((x, up, down, last), "s", 1.0)
