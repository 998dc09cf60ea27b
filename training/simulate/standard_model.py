"""Backgrounds and standard-model references, at 13 TeV and leading order."""

from __future__ import annotations

from naetrigger.training.simulate.process import (
    IMAGES,
    JETS,
    L1_OBJECTS,
    PYTHIA,
    REGIONS,
    TRIGGER_VIEWS,
    Process,
    Slice,
)

TOP_PAIR = ("Top:gg2ttbar=on", "Top:qqbar2ttbar=on")
# The range that the jets of 550 to 650 GeV in jet images come from.
BOOSTED = ("PhaseSpace:pTHatMin=500", "PhaseSpace:pTHatMax=750")
LEPTONS = "11 13 15"

# Most of the jets above 200 GeV come from pTHat below 300 GeV, and their weights decide how many
# events the sample is worth; a signal's jets have up to 2 TeV, which the last slices provide.
# Shares by trial on 60 000 events; docs/sample.md has the numbers.
TOP_PAIR_SLICES = (
    Slice(0, 100, 0.22),
    Slice(100, 200, 0.28),
    Slice(200, 300, 0.16),
    Slice(300, 400, 0.11),
    Slice(400, 650, 0.11),
    Slice(650, 1000, 0.06),
    Slice(1000, 1500, 0.05),
    Slice(1500, 6500, 0.01),
)

ZERO_BIAS = Process(
    description="bunch crossings as they come: pile-up alone, hard collisions at their rate, from "
    "the pool of pre-generated collisions; needs no Pythia, carries weights",
    commands=(),
    citation=PYTHIA,
    background_of=TRIGGER_VIEWS,
)

TOP_PAIRS = Process(
    description="top quark pairs, all decays",
    commands=TOP_PAIR,
    citation=PYTHIA,
    views=(JETS, L1_OBJECTS, REGIONS),
    background_of=(JETS,),
    slices=TOP_PAIR_SLICES,
)

QCD = Process(
    description="multijets, pTHat 500 to 750 GeV",
    commands=("HardQCD:all=on", *BOOSTED),
    citation=PYTHIA,
    views=(IMAGES, JETS, L1_OBJECTS, REGIONS),
    background_of=(IMAGES, JETS),
)

BOOSTED_TOPS = Process(
    description="boosted top quarks, hadronic, pTHat 500 to 750 GeV; jets that hold all three "
    "quarks of the decay",
    commands=(*TOP_PAIR, *BOOSTED, "24:onMode=off", "24:onIfAny=1 2 3 4 5"),
    citation=PYTHIA,
    views=(IMAGES, JETS, L1_OBJECTS, REGIONS),
    top_jets_only=True,
)

W_BOSONS = Process(
    description="W to a lepton and a neutrino (a standard-model reference)",
    commands=("WeakSingleBoson:ffbar2W=on", "24:onMode=off", f"24:onIfAny={LEPTONS}"),
    citation=PYTHIA,
)

Z_BOSONS = Process(
    description="Z or photon above 50 GeV to two leptons (a standard-model reference)",
    commands=(
        "WeakSingleBoson:ffbar2gmZ=on",
        "23:mMin=50",
        "23:onMode=off",
        f"23:onIfAny={LEPTONS}",
    ),
    citation=PYTHIA,
)
