"""Which device a training runs on."""

from __future__ import annotations

import os

import torch

from naetrigger.contracts.errors import EnvironmentProblem


def device_named(name: str) -> torch.device:
    """'cpu', 'cuda', or for 'auto' whichever there is; of many CUDA devices this process's own.

    EnvironmentProblem where 'cuda' is asked for and torch sees none.
    """
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise EnvironmentProblem(
            "training.device: cuda is asked for, and this torch sees no CUDA device (torch "
            f"{torch.__version__}); set training.device to cpu or auto, or install a torch build "
            "for CUDA and its driver"
        )
    index = int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count()
    return torch.device("cuda", index)
