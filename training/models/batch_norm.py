"""Batch normalisation (Ioffe and Szegedy, arXiv:1502.03167): while training alone.

A hidden layer's outputs are brought to mean zero and unit variance, then scaled and shifted as
learned. When training ends, all of it is worked into the layer's own weights (`fold_batch_norm`),
so that files, students and firmware see plain layers.

Whose mean and variance? In objectives that see data alone they are those of the batch, and the
gradient knows it; running means of them are what validations and the finished network use. In
objectives with negatives they are always the running ones, which data batches alone update:
otherwise an event's energy would depend on the company it is in, chains would move each sample by
its neighbours, and negatives far out would shift what the network makes of the data.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from naetrigger.contracts.errors import InputError
from naetrigger.training.models.energy_model import EnergyModel

NORMS = nn.BatchNorm1d | nn.BatchNorm2d


@contextmanager
def batch_statistics(model: EnergyModel, batch: Tensor, negatives: bool) -> Iterator[None]:
    """Within, the model is ready for one training step on events (B, F), as said above."""
    if not any(isinstance(module, NORMS) for module in model.modules()):
        yield
        return
    if len(batch) < 2:
        raise InputError("model.batch_norm: needs objective.batch_size of 2 or more, got 1")
    model.train()
    try:
        if negatives:
            with torch.no_grad():
                model.energy(batch)  # takes the running means along
            model.eval()
        yield
    finally:
        model.eval()


def normalising(
    layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d, batch_norm: bool
) -> list[nn.Module]:
    """The layer, and behind it, if so, its normalisation, which makes its bias needless."""
    if not batch_norm:
        return [layer]
    layer.register_parameter("bias", None)
    if isinstance(layer, nn.Linear):
        return [layer, nn.BatchNorm1d(layer.out_features).eval()]
    return [layer, nn.BatchNorm2d(layer.out_channels).eval()]


def fold_batch_norm(model: nn.Module) -> None:
    """In place: the same function as in eval mode, without normalisations."""
    for stack in model.modules():
        if isinstance(stack, nn.Sequential) and any(isinstance(m, NORMS) for m in stack):
            folded: list[nn.Module] = []
            for module in stack:
                folded.append(_fused(folded.pop(), module) if isinstance(module, NORMS) else module)
            del stack[:]
            stack.extend(folded)


def _fused(layer: nn.Module, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> nn.Module:
    if isinstance(layer, nn.Linear):
        return fuse_linear_bn_eval(layer, norm)
    assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    return fuse_conv_bn_eval(layer, norm, isinstance(layer, nn.ConvTranspose2d))
