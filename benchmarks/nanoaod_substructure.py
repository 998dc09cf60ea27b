"""tau_N of naetrigger's jets against the FatJet_tau of an official NanoAOD file with candidates.

    pip download --no-deps --no-binary coffea coffea==2026.9.0      # tests/samples in the archive
    python benchmarks/nanoaod_substructure.py .../tests/samples/pfnano.root

The candidates that the file lists for each jet (FatJetPFCand in NanoAOD 15, FatJetPFCands with
PFCands in PFNano), weighted by PUPPI, become massless constituents; tau_1, tau_2, tau_3 are
computed as for every jet here and compared. Fails above 0.5% in the median. Needs the extras
`readers` and `generate`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import awkward as ak
import numpy as np
import uproot

from naetrigger.training.data.formats.constituents import jets_of_rows
from naetrigger.training.simulate.jets import substructure

LIMIT = 0.005
# list of candidates of all jets, its index into the candidates, its index of the jet, candidates
LAYOUTS = (
    ("FatJetPFCand_pfCandIdx", "FatJetPFCand_jetIdx", "PFCand"),
    ("FatJetPFCands_pFCandsIdx", "FatJetPFCands_jetIdx", "PFCands"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    arguments = parser.parse_args()
    with uproot.open(arguments.file) as file:
        tree = file["Events"]
        layout = next((names for names in LAYOUTS if names[0] in tree.keys()), None)  # noqa: SIM118
        if layout is None:
            sys.exit(f"{arguments.file}: lists no candidates of fat jets")
        differences = compare(tree, *layout)
    worst = 0.0
    for n, difference in enumerate(differences.T, 1):
        median = float(np.median(difference))
        worst = max(worst, median)
        print(
            f"tau{n}: {len(difference)} jets, median difference {median:.2%}, "
            f"90% below {np.quantile(difference, 0.9):.2%}"
        )
    if worst > LIMIT:
        sys.exit(f"median difference {worst:.2%} above {LIMIT:.2%}")


def compare(tree: object, index: str, jet: str, candidates: str) -> np.ndarray:
    """|ours / theirs - 1| of tau_1 to tau_3, one row a jet."""
    weight = f"{candidates}_puppiWeight"
    names = [f"{candidates}_{q}" for q in ("pt", "eta", "phi")]
    weights = [weight] if weight in tree.keys() else []  # noqa: SIM118
    theirs = [f"FatJet_tau{n}" for n in (1, 2, 3)]
    events = tree.arrays([index, jet, *names, *weights, *theirs])
    constituents, expected = [], []
    for event in events:
        quantities = [np.asarray(event[name]) for name in names]
        if weights:
            quantities[0] = quantities[0] * np.asarray(event[weight])
        taus = np.stack([np.asarray(event[name]) for name in theirs], axis=1)
        for number, tau in enumerate(taus):
            members = np.asarray(event[index])[np.asarray(event[jet]) == number]
            members = members[(members >= 0) & (members < len(quantities[0]))]
            members = members[quantities[0][members] > 0]
            if len(members) > 3 and tau.min() > 0:
                constituents.append([q[members] for q in quantities])
                expected.append(tau)
    padded = [table([members[i] for members in constituents]) for i in range(3)]
    found = substructure(jets_of_rows(*padded))
    ours = np.column_stack([found.context[:, 3], found.values[:, 0], found.values[:, 1]])
    return np.abs(ours / np.stack(expected) - 1)


def table(lists: list[np.ndarray]) -> np.ndarray:
    """Lists as a zero-padded table."""
    longest = max(map(len, lists))
    padded = ak.fill_none(ak.pad_none(ak.Array(lists), longest, clip=True), 0)
    return np.asarray(ak.to_numpy(padded), dtype=np.float64)


if __name__ == "__main__":
    main()
