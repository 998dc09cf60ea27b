"""Convolutions in bfloat16, or with the channels of their images last; all else stays as it is.

Only what encoder and decoder compute inside is lowered, weights being cast on the way: what goes
in and comes out is float32. So chains keep their small steps, and energies, sums over many
squares, their digits.
"""

from __future__ import annotations

import torch
from torch import nn

from naetrigger.contracts.errors import InputError
from naetrigger.training.models.autoencoder import Autoencoder
from naetrigger.training.settings import TrainingOptions


def tune(networks: list[nn.Module], options: TrainingOptions) -> list[Autoencoder]:
    """Let the convolutional autoencoders in `networks` compute as asked; these, for `restore`.

    InputError if something is asked for and there are none.
    """
    if options.precision == "float32" and not options.channels_last:
        return []
    tuned = [
        module
        for network in networks
        for module in network.modules()
        if isinstance(module, Autoencoder) and module.settings.kind == "conv"
    ]
    if not tuned:
        raise InputError(
            "training.precision, training.channels_last: they are for convolutional autoencoders, "
            "and nothing here is one; set model.kind: conv, or leave them at float32 and false"
        )
    for autoencoder in tuned:
        autoencoder.lowered = options.precision == "bf16"
        if options.channels_last:
            _lay_out(autoencoder, torch.channels_last)
    return tuned


def restore(tuned: list[Autoencoder]) -> None:
    """Undo `tune`."""
    for autoencoder in tuned:
        autoencoder.lowered = False
        _lay_out(autoencoder, torch.contiguous_format)


def _lay_out(network: nn.Module, layout: torch.memory_format) -> None:
    """In place, as a module's own `to` does, for weights of images alone."""
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.to(memory_format=layout)
