"""Calorimeter regions: transverse energy in 4 x 4 towers with |eta| < 3, as 10-bit integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.calo_regions import MAX_ET
from naetrigger.training.simulate.towers import END_CENTRAL, FIRST_CENTRAL, N_PHI

TOWERS_A_SIDE = 4
N_REGION_PHI = N_PHI // TOWERS_A_SIDE
N_REGION_ETA = (END_CENTRAL - FIRST_CENTRAL) // TOWERS_A_SIDE


def regions(counts: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    """Tower counts, shape (B, 80, 72), to regions (B, 18, 14) in 0.5 GeV, clipped at 1023.

    Index 0 of the last axis is eta = -3, index 0 of the one before is phi = 0.
    """
    central = counts[:, FIRST_CENTRAL:END_CENTRAL].astype(np.int32)
    blocks: npt.NDArray[np.int32] = central.reshape(
        -1, N_REGION_ETA, TOWERS_A_SIDE, N_REGION_PHI, TOWERS_A_SIDE
    )
    sums = blocks.sum(axis=(2, 4)).transpose(0, 2, 1)
    clipped: npt.NDArray[np.uint16] = np.minimum(sums, MAX_ET).astype(np.uint16)
    return clipped
