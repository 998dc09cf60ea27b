"""Large-radius jets and the eight substructure inputs of CMS-MLG-24-002 (arXiv:2510.02168).

Jets: anti-kt, R = 0.8 (arXiv:0802.1189, FastJet arXiv:1111.6097), massless constituents. With
z_i = pT_i / sum pT and dR_ij the distance in (eta, phi), over the constituents of one jet:

tau_N          N-subjettiness, beta = 1, one-pass kt axes (arXiv:1011.2268, 1108.2701)
EFP1           sum_ij z_i z_j dR_ij, the energy flow polynomial of one edge (arXiv:1712.07124)
C2             e3 e1 / e2^2 with e_n summed over n-tuples, beta = 0.5 (arXiv:1305.0007)
axes           sqrt of the eigenvalues of the pT^2-weighted (eta, phi) covariance, and
pTD            sqrt(sum pT^2) / sum pT (both CMS-PAS-JME-13-002)
soft-drop m    Cambridge/Aachen, z_cut = 0.1, beta = 0 (arXiv:1402.2657)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import MissingExtra
from naetrigger.training.simulate.detector import Candidates
from naetrigger.training.simulate.pythia import Floats, Integers

try:
    import awkward as ak
    import fastjet
    import vector
except ModuleNotFoundError as error:
    raise MissingExtra(str(error.name), "generate") from error

RADIUS = 0.8
# Subjets of one jet can be up to 2 R apart; with R itself some would be merged with the beam.
RECLUSTERING_RADIUS = 10.0
C2_BETA = 0.5
SOFT_DROP_Z_CUT = 0.1
COLUMNS = ("tau2", "tau3", "efp1", "c2", "axis_major", "axis_minor", "ptd", "msd")
UNITS = ("1", "1", "1", "1", "1", "1", "1", "GeV")
CONTEXT_COLUMNS = ("jet_pt", "jet_eta", "jet_mass", "tau1")
CONTEXT_UNITS = ("GeV", "1", "GeV", "1")

vector.register_awkward()


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
            around = np.mod(self.constituents.phi[rows] - phi + np.pi, 2 * np.pi) - np.pi
            yield self.constituents.pt[rows], self.constituents.eta[rows], around


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
    shapes = [
        (efp1(pt, eta, phi), c2(pt, eta, phi), *axes(pt, eta, phi), ptd(pt))
        for pt, eta, phi in jets.each()
    ]
    return Substructure(
        values=np.column_stack([tau2, tau3, np.asarray(shapes), soft_drop_mass(sequence)]),
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


def soft_drop_mass(sequence: Any) -> Floats:
    """Mass of the groomed jet in GeV, shape (N,); rounding below zero is set to zero."""
    groomed = sequence.exclusive_jets_softdrop_grooming(
        njets=1, beta=0.0, symmetry_cut=SOFT_DROP_Z_CUT, R0=RADIUS
    )
    mass: Floats = np.maximum(ak.to_numpy(groomed.msoftdrop).astype(np.float64), 0)
    return mass


def distances(eta: Floats, phi: Floats) -> Floats:
    """dR of each pair, shape (P, P)."""
    return np.hypot(eta[:, None] - eta, phi[:, None] - phi)


def efp1(pt: Floats, eta: Floats, phi: Floats) -> float:
    """sum_ij z_i z_j dR_ij; constituents of shape (P,), as in the functions below."""
    z = pt / pt.sum()
    return float(z @ distances(eta, phi) @ z)


def c2(pt: Floats, eta: Floats, phi: Floats, beta: float = C2_BETA) -> float:
    """e3 e1 / e2^2; NaN when e2 is zero."""
    z = pt / pt.sum()
    theta = distances(eta, phi) ** beta
    e2 = z @ theta @ z / 2
    # Each triangle is counted six times, and sum_k z_k theta_ik theta_kj is a matrix product.
    e3 = z @ (theta * ((theta * z) @ theta)) @ z / 6
    return float(e3 / e2**2) if e2 > 0 else float("nan")


def axes(pt: Floats, eta: Floats, phi: Floats) -> tuple[float, float]:
    """Major and minor width of the jet in (eta, phi)."""
    covariance = np.cov(np.stack([eta, phi]), aweights=pt**2, ddof=0)
    minor, major = np.sqrt(np.maximum(np.linalg.eigvalsh(covariance), 0))
    return float(major), float(minor)


def ptd(pt: Floats) -> float:
    """sqrt(sum pT^2) / sum pT: 1 for one constituent, 1/sqrt(P) for P equal ones."""
    return float(np.sqrt(np.sum(pt**2)) / pt.sum())


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
