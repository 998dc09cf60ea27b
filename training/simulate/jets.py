"""Large-radius jets and the eight substructure inputs of CMS-MLG-24-002 (arXiv:2510.02168).

Jets: anti-kt, R = 0.8 (arXiv:0802.1189, FastJet arXiv:1111.6097), massless constituents. tau_N is
N-subjettiness, beta = 1, one-pass kt axes (arXiv:1011.2268, 1108.2701), from FastJet contrib; the
other observables are those of :mod:`shapes`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import MissingExtra
from naetrigger.training.simulate.detector import Candidates
from naetrigger.training.simulate.particles import Floats, Integers, around
from naetrigger.training.simulate.shapes import shapes

try:
    import awkward as ak
    import fastjet
    import vector
except ModuleNotFoundError as error:
    raise MissingExtra(str(error.name), "generate") from error

RADIUS = 0.8
# Subjets of one jet can be up to 2 R apart; with R itself some would be merged with the beam.
RECLUSTERING_RADIUS = 10.0
COLUMNS = ("tau2", "tau3", "efp1", "c2", "axis_major", "axis_minor", "ptd", "msd")
UNITS = ("1", "1", "1", "1", "1", "1", "1", "GeV")
CONTEXT_COLUMNS = ("jet_pt", "jet_eta", "jet_mass", "tau1")
CONTEXT_UNITS = ("GeV", "1", "GeV", "1")

vector.register_awkward()
# FastJet greets on standard output, where commands print JSON; its paper is cited in every file.
fastjet._swig.ClusterSequence.set_fastjet_banner_stream(None)


@dataclass(frozen=True)
class Jets:
    """Jets of a batch of events, N of them, with their constituents.

    event : (N,) index of the event within its batch
    pt, mass : (N,) GeV; eta, phi : (N,)
    counts : (N,) constituents of each jet
    constituents : all of them, jet after jet, each (sum of counts,); `event` is the jet's index
    """

    event: Integers
    pt: Floats
    eta: Floats
    phi: Floats
    mass: Floats
    counts: Integers
    constituents: Candidates

    def __len__(self) -> int:
        return len(self.pt)

    def select(self, rows: npt.NDArray[np.bool_]) -> Jets:
        """The jets of a mask of shape (N,)."""
        kept = np.repeat(rows, self.counts)
        counts = self.counts[rows]
        members = self.constituents
        return Jets(
            event=self.event[rows],
            pt=self.pt[rows],
            eta=self.eta[rows],
            phi=self.phi[rows],
            mass=self.mass[rows],
            counts=counts,
            constituents=Candidates(
                np.repeat(np.arange(len(counts)), counts),
                members.pt[kept],
                members.eta[kept],
                members.phi[kept],
            ),
        )

    def each(self) -> Iterator[tuple[Floats, Floats, Floats]]:
        """pT, eta and phi of the constituents of one jet after the other; phi about the jet's."""
        ends = np.cumsum(self.counts)
        for phi, start, end in zip(self.phi, ends - self.counts, ends, strict=True):
            rows = slice(start, end)
            yield (
                self.constituents.pt[rows],
                self.constituents.eta[rows],
                around(self.constituents.phi[rows], phi),
            )


@dataclass(frozen=True)
class Substructure:
    """values : (N, 8), columns COLUMNS; context : (N, 4), columns CONTEXT_COLUMNS.

    C2 is NaN where it is undefined: all constituents in one direction.
    """

    values: Floats
    context: Floats


def cluster(
    candidates: Candidates,
    min_pt_gev: float = 200.0,
    max_eta: float = 2.4,
    min_constituents: int = 3,
) -> Jets:
    """Anti-kt jets of every event that pass the selection, hardest first within an event."""
    events, counts = np.unique(candidates.event, return_counts=True)
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, RADIUS)
    sequence = fastjet.ClusterSequence(momenta(candidates, counts), definition)
    found = sequence.inclusive_jets(min_pt=min_pt_gev)
    members = sequence.constituent_index(min_pt=min_pt_gev)

    jets_per_event = ak.to_numpy(ak.num(found.px))
    event = np.repeat(events, jets_per_event)
    start = np.repeat(np.cumsum(counts) - counts, jets_per_event)
    members = ak.flatten(members) + start  # rows of `candidates`
    px, py, pz, energy = (ak.to_numpy(ak.flatten(found[c])) for c in ("px", "py", "pz", "E"))
    pt = np.hypot(px, py)
    eta = np.arcsinh(pz / pt)
    mass = np.sqrt(np.maximum(energy**2 - px**2 - py**2 - pz**2, 0))

    order = np.lexsort((-pt, event))
    size = ak.to_numpy(ak.num(members))
    order = order[(np.abs(eta[order]) < max_eta) & (size[order] >= min_constituents)]
    rows = ak.to_numpy(ak.flatten(members[order]))
    return Jets(
        event=event[order],
        pt=pt[order],
        eta=eta[order],
        phi=np.arctan2(py, px)[order],
        mass=mass[order],
        counts=size[order],
        constituents=Candidates(
            np.repeat(np.arange(len(order)), size[order]),
            candidates.pt[rows],
            candidates.eta[rows],
            candidates.phi[rows],
        ),
    )


def substructure(jets: Jets) -> Substructure:
    """All observables of every jet; N must be at least 1."""
    definition = fastjet.JetDefinition(fastjet.cambridge_algorithm, RECLUSTERING_RADIUS)
    sequence = fastjet.ClusterSequence(momenta(jets.constituents, jets.counts), definition)
    tau1, tau2, tau3 = n_subjettiness(sequence).T
    members = jets.constituents
    phi = around(members.phi, np.repeat(jets.phi, jets.counts))
    return Substructure(
        values=np.column_stack([tau2, tau3, shapes(members.pt, members.eta, phi, jets.counts)]),
        context=np.column_stack([jets.pt, jets.eta, jets.mass, tau1]),
    )


def n_subjettiness(sequence: Any) -> Floats:
    """tau_1, tau_2, tau_3 of every jet, shape (N, 3), normalised by sum pT R."""
    taus = sequence.njettiness(
        measure_definition="NormalizedMeasure",
        axes_definition="OnePass_KT_Axes",
        njets=[1, 2, 3],
        beta=1.0,
        R0=RADIUS,
    )
    return np.asarray(ak.to_numpy(taus), dtype=np.float64).reshape(-1, 3)


def momenta(candidates: Candidates, counts: Integers) -> Any:
    """Massless four-momenta in lists of the given lengths, as FastJet takes them."""
    pt, eta, phi = candidates.pt, candidates.eta, candidates.phi
    momentum = {
        "px": pt * np.cos(phi),
        "py": pt * np.sin(phi),
        "pz": pt * np.sinh(eta),
        "E": pt * np.cosh(eta),
    }
    return ak.unflatten(ak.zip(momentum, with_name="Momentum4D"), counts)
