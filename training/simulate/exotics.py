"""The four signals of the anomaly-detection set at 40 MHz (Govorkova et al., arXiv:2107.02157)."""

from __future__ import annotations

from naetrigger.training.simulate.process import Process

CITATION = "models as in Govorkova et al., Sci. Data 9 (2022) 118, arXiv:2107.02157"

A_TO_4_LEPTONS = Process(
    description="neutral scalar A of 50 GeV to four leptons",
    commands=(
        "Higgs:useBSM=on",
        "HiggsBSM:gg2A3=on",
        "HiggsA3:coup2Z=1",
        "36:m0=50",
        "36:mWidth=0.01",
        "36:mMin=49",
        "36:mMax=51",
        # One channel set by hand would take away the width to gluons, and with it the production.
        "36:onMode=off",
        "36:onIfMatch=23 23",
        "23:mMin=1",
        "23:onMode=off",
        "23:onIfAny=11 13",
    ),
    citation=CITATION,
)

LEPTOQUARKS = Process(
    description="pairs of leptoquarks of 80 GeV, each to a bottom quark and a tau",
    commands=(
        "LeptoQuark:gg2LQLQbar=on",
        "LeptoQuark:qqbar2LQLQbar=on",
        "42:m0=80",
        "42:mMin=60",
        "42:mMax=100",
        "42:0:products=5 -15",
    ),
    citation=CITATION,
)

LIGHT_HIGGS = Process(
    description="neutral scalar h0 of 60 GeV to two taus",
    commands=("HiggsSM:gg2H=on", "25:m0=60", "25:onMode=off", "25:onIfAny=15"),
    citation=CITATION,
)

CHARGED_HIGGS = Process(
    description="pairs of charged scalars h+ h- of 60 GeV, each to a tau and a neutrino",
    commands=(
        "Higgs:useBSM=on",
        "HiggsBSM:ffbar2H+H-=on",
        "37:m0=60",
        "37:mMin=50",
        "37:mMax=70",
        "37:onMode=off",
        "37:onIfAny=15",
    ),
    citation=CITATION,
)
