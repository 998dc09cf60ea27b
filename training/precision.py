"""Convolutions in bfloat16, or with the channels of their images last; all else stays as it is.

Only what encoder and decoder compute inside is lowered, weights being cast on the way: what goes
in and comes out is float32. So chains keep their small steps, and energies, sums over many
squares, their digits.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from naetrigger.contracts.errors import InputError
from naetrigger.training.models.autoencoder import Autoencoder
from naetrigger.training.settings import TrainingOptions


def tune(networks: list[nn.Module], options: TrainingOptions) -> list[nn.Module]:
    """Let the convolutional parts of `networks` compute as asked; the parts, for `restore`.

    InputError if something is asked for and there are none.
    """
    if options.precision == "float32" and not options.channels_last:
        return []
    parts = [
        part
        for network in networks
        for module in network.modules()
        if isinstance(module, Autoencoder) and module.settings.kind == "conv"
        for part in (module.encoder, module.decoder)
    ]
    if not parts:
        raise InputError(
            "training.precision, training.channels_last: they are for convolutional autoencoders, "
            "and nothing here is one; set model.kind: conv, or leave them at float32 and false"
        )
    for part in parts:
        if options.channels_last:
            _lay_out(part, torch.channels_last)
        if options.precision == "bf16":
            part.forward = _in_bfloat16(part.forward)
    return parts


def restore(parts: list[nn.Module]) -> None:
    """Undo `tune`."""
    for part in parts:
        part.__dict__.pop("forward", None)  # the class's own shows again
        _lay_out(part, torch.contiguous_format)


def _lay_out(part: nn.Module, layout: torch.memory_format) -> None:
    """In place, as a module's own `to` does, for weights of images alone."""
    for parameter in part.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.to(memory_format=layout)


def _in_bfloat16(forward: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def lowered(x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16):
            return forward(x).to(x.dtype)

    return lowered
