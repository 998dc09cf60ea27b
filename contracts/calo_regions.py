"""Calorimeter regions: 18 x 14 sums of ET in (phi, eta), as the calorimeter trigger sees them.

Hardware integers of 10 bits in steps of 0.5 GeV, clipped at 1023.
"""

from __future__ import annotations

N_PHI, N_ETA = 18, 14
ET_LSB = 0.5
MAX_ET = 1023
COLUMNS = tuple(f"reg_{phi:02d}_{eta:02d}" for phi in range(N_PHI) for eta in range(N_ETA))
