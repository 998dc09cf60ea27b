"""Trigger objects: the 57 columns of one bunch crossing, and the scales of the hardware.

Missing ET, 4 e/gamma, 4 muons and 10 jets, each as pt, eta, phi, hardest first; a missing object
is three zeros, and missing ET has no eta. Hardware integers are those of the CMS Phase-1 Global
Trigger: pt in steps of 0.5 GeV; eta in steps of 0.087/2 (calorimeter) or 0.087/8 (muons), two's
complement; phi in 144 (calorimeter) or 576 (muons) steps of a turn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.events import HARDWARE_UNIT

PT_LSB = 0.5
PHYSICAL_UNITS = ("GeV", "1", "rad")


@dataclass(frozen=True)
class ObjectKind:
    """Objects of one kind, `count` of them.

    pt_bits : unsigned; eta_bits : signed, two's complement; phi_steps : of a full turn
    """

    name: str
    count: int
    pt_bits: int
    eta_bits: int
    eta_lsb: float
    phi_steps: int

    @property
    def objects(self) -> tuple[str, ...]:
        """Names of the objects: met, or eg1 to eg4."""
        if self.count == 1:
            return (self.name,)
        return tuple(f"{self.name}{i + 1}" for i in range(self.count))

    @property
    def lsb(self) -> npt.NDArray[np.float64]:
        """Steps of pt [GeV], eta, phi [rad], shape (3,)."""
        return np.array([PT_LSB, self.eta_lsb, 2 * math.pi / self.phi_steps])

    @property
    def limits(self) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
        """Smallest and largest integer of pt, eta, phi."""
        half = 1 << self.eta_bits >> 1
        eta = (-half, half - 1) if self.eta_bits else (0, 0)
        return (0, (1 << self.pt_bits) - 1), eta, (0, self.phi_steps - 1)


KINDS = (
    ObjectKind("met", 1, 12, 0, 0.0870 / 2, 144),
    ObjectKind("eg", 4, 9, 8, 0.0870 / 2, 144),
    ObjectKind("mu", 4, 9, 9, 0.0870 / 8, 576),
    ObjectKind("jet", 10, 11, 8, 0.0870 / 2, 144),
)
KIND_OF_OBJECT = tuple(kind for kind in KINDS for _ in range(kind.count))
OBJECTS = tuple(name for kind in KINDS for name in kind.objects)
COLUMNS = tuple(f"{name}_{quantity}" for name in OBJECTS for quantity in ("pt", "eta", "phi"))
UNITS = PHYSICAL_UNITS * len(OBJECTS)
HARDWARE_UNITS = (HARDWARE_UNIT,) * len(COLUMNS)
LIMITS = np.array([kind.limits for kind in KIND_OF_OBJECT])  # (19, 3, 2)
LSB = np.array([kind.lsb for kind in KIND_OF_OBJECT])  # (19, 3): GeV, 1, rad
