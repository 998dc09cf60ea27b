"""Small random networks of every op and mode, for the tests of the targets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from naetrigger.contracts.fixed_point import Fixed, Overflow, Rounding
from naetrigger.contracts.network import FixedPointNetwork, Node


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
    wide_enough = Fixed(True, width, 3, rounding, overflow)
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
        dense("d2", "latent", 3, features, wide_enough),
        Node("diff", "sub", ("x", "d2"), features, replace(wide_enough, width=max(8, width))),
    ]
    weights = None
    if kind == "abs":
        nodes.append(
            Node(
                "mag",
                "abs",
                ("diff",),
                features,
                Fixed(False, max(6, width), 2, rounding, overflow),
            )
        )
        weights = rng.integers(-4, 4, features)
        total = Fixed(True, 9, 5, rounding, overflow)
        last = Node("score", "sum", ("mag",), 1, total, weights, Fixed(True, 3, 3))
    else:
        square = Fixed(width in (8, 16), max(9, width) if width != 8 else 8, 5, rounding, overflow)
        nodes.append(Node("sq", "square", ("diff",), features, square))
        last = Node("score", "sum", ("sq",), 1, Fixed(False, 8, 6, rounding, overflow))
    return FixedPointNetwork((*nodes, last), "score", 0.25)
