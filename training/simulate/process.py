"""What a process is: Pythia 8 commands with their source, and what to look at in its events."""

from __future__ import annotations

from dataclasses import dataclass

JETS, IMAGES, L1_OBJECTS, REGIONS = "jets", "images", "l1-objects", "regions"
JET_VIEWS = (JETS, IMAGES)
TRIGGER_VIEWS = (L1_OBJECTS, REGIONS)

PYTHIA = "Bierlich et al., Pythia 8.3, SciPost Phys. Codeb. 8 (2022), arXiv:2203.11601"


@dataclass(frozen=True)
class Slice:
    """A range of the transverse momentum of the hard process, [low, high) in GeV.

    share : of the generated events, between 0 and 1
    """

    low: float
    high: float
    share: float

    @property
    def commands(self) -> tuple[str, ...]:
        return (f"PhaseSpace:pTHatMin={self.low:g}", f"PhaseSpace:pTHatMax={self.high:g}")


@dataclass(frozen=True)
class Process:
    """One process.

    commands : Pythia 8 settings, one a string, without seed and verbosity; () for zero bias
    citation : where model and parameters come from
    views : what can be made of it, the default first
    background_of : the views in which it is a background; in the others it is a signal
    slices : for jets and images, ranges of pTHat that share out the events and are put together
        by their cross-sections; () generates all of it at once
    dark_jets_only : of jets, keep those whose pT comes mostly from dark hadrons
    top_jets_only : of jets, keep those with all three quarks of a top within the radius
    """

    description: str
    commands: tuple[str, ...]
    citation: str
    views: tuple[str, ...] = TRIGGER_VIEWS
    background_of: tuple[str, ...] = ()
    slices: tuple[Slice, ...] = ()
    dark_jets_only: bool = False
    top_jets_only: bool = False

    def role(self, view: str) -> str:
        """Background or signal."""
        return "background" if view in self.background_of else "signal"

    def slices_for(self, view: str) -> tuple[Slice, ...]:
        """The slices that a view's events come from; trigger views take the process as it is."""
        return self.slices if view in JET_VIEWS else ()
