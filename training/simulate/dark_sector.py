"""Semivisible jets: quarks of a hidden sector, of whose hadrons the fraction r_inv is invisible.

A dark quark showers and hadronises in a hidden SU(2); the dark hadrons decay to quarks or to stable
dark matter (Cohen, Lisanti, Lou, arXiv:1503.00009).
"""

from __future__ import annotations

import re

from naetrigger.contracts.errors import InputError
from naetrigger.training.simulate.process import JET_VIEWS, TRIGGER_VIEWS, Process

DARK_QUARK = 4900101
DARK_PION, DARK_PION_CHARGED = 4900111, 4900211
DARK_RHO, DARK_RHO_CHARGED = 4900113, 4900213
DARK_HADRONS = (DARK_PION, DARK_PION_CHARGED, DARK_RHO, DARK_RHO_CHARGED)
INVISIBLE_FROM_PION, INVISIBLE_FROM_RHO = 51, 53
DARK_MATTER = (INVISIBLE_FROM_PION, INVISIBLE_FROM_RHO)
Z_PRIME = 4900023
# Partners of d u s c b t, then of the leptons: the scalars Phi of the t-channel model.
BIFUNDAMENTALS = (*range(4900001, 4900007), *range(4900011, 4900017))
OUT_OF_REACH_GEV = 50_000
MEDIATOR_MASSES_GEV = (500, 5000)
PATTERN = re.compile(r"svj(?P<channel>[st])_(?P<mass>\d+)_r(?P<tenths>0\d|10)")


def semivisible_named(name: str) -> Process | None:
    """The process of a name svj<channel>_<mediator mass in GeV>_r<ten times r_inv>; else None.

    Raises InputError for a mass out of reach.
    """
    found = PATTERN.fullmatch(name)
    if found is None:
        return None
    mass, r_inv = int(found["mass"]), int(found["tenths"]) / 10
    lowest, highest = MEDIATOR_MASSES_GEV
    if not lowest <= mass <= highest:
        raise InputError(f"{name}: the mediator mass must be {lowest} to {highest} GeV, got {mass}")
    return (s_channel if found["channel"] == "s" else t_channel)(mass, r_inv)


def dark_sector(r_inv: float, dark_hadron_mass_gev: float = 20.0) -> tuple[str, ...]:
    """A hidden SU(2) with two flavours, as in the CMS searches for semivisible jets.

    Confinement scale Lambda = 3.2 (m_dark / GeV)^0.8 GeV, which maximises the dark hadron
    multiplicity. Dark pions couple by mass insertion (b or c quarks), dark rhos to all quarks
    lighter than half their mass alike; the branching fraction r_inv of each is invisible.
    """
    scale = 3.2 * dark_hadron_mass_gev**0.8
    commands = [
        f"{DARK_QUARK}:m0={dark_hadron_mass_gev / 2:g}",
        *(f"{hadron}:m0={dark_hadron_mass_gev:g}" for hadron in DARK_HADRONS),
        "HiddenValley:Ngauge=2",
        "HiddenValley:nFlav=2",
        "HiddenValley:spinFv=0",
        "HiddenValley:FSR=on",
        "HiddenValley:fragment=on",
        "HiddenValley:alphaOrder=1",
        "HiddenValley:setLambda=on",
        f"HiddenValley:Lambda={scale:g}",
        f"HiddenValley:pTminFSR={1.1 * scale:g}",
        "HiddenValley:probVector=0.75",
    ]
    for stable in DARK_MATTER:
        commands += [f"{stable}:m0=0", f"{stable}:isResonance=false"]
    # Decay rates of a 20 GeV pseudoscalar go as the running quark mass squared.
    pion_modes = {5: 0.94, 4: 0.06}
    rho_modes = dict.fromkeys(range(1, 6), 0.2)
    for hadron in DARK_HADRONS:
        is_pion = hadron in (DARK_PION, DARK_PION_CHARGED)
        stable = INVISIBLE_FROM_PION if is_pion else INVISIBLE_FROM_RHO
        commands.append(f"{hadron}:oneChannel=1 {r_inv:g} 0 {stable} -{stable}")
        commands += [
            f"{hadron}:addChannel=1 {(1 - r_inv) * fraction:g} 91 {quark} -{quark}"
            for quark, fraction in (pion_modes if is_pion else rho_modes).items()
        ]
    return tuple(commands)


def t_channel(mediator_mass_gev: float, r_inv: float) -> Process:
    """Pair-produced coloured scalars, Phi -> quark + dark quark."""
    scalars = BIFUNDAMENTALS[:5]
    commands = [
        f"HiddenValley:{initial}2{flavour}v{flavour}vbar=on"
        for flavour in "DUSCB"
        for initial in ("gg", "qqbar")
    ]
    for scalar in scalars:
        commands += [
            f"{scalar}:m0={mediator_mass_gev:g}",
            f"{scalar}:mWidth={0.01 * mediator_mass_gev:g}",
        ]
    commands += [f"{p}:m0={OUT_OF_REACH_GEV}" for p in BIFUNDAMENTALS if p not in scalars]
    return Process(
        description=f"semivisible jets from pairs of scalar mediators, m = {mediator_mass_gev:g} "
        f"GeV, r_inv = {r_inv:g} (the pair-production part of the t-channel model)",
        commands=(*commands, *dark_sector(r_inv)),
        citation="Cohen, Lisanti, Lou, Mishra-Sharma, JHEP 11 (2017) 196, arXiv:1707.05326; "
        "dark sector as in CMS, arXiv:2510.02168",
        views=(*JET_VIEWS, *TRIGGER_VIEWS),
        dark_jets_only=True,
    )


def s_channel(mediator_mass_gev: float, r_inv: float) -> Process:
    """q qbar -> Z' -> dark quark pair, the Z' narrow."""
    commands = [
        "HiddenValley:ffbar2Zv=on",
        f"{Z_PRIME}:m0={mediator_mass_gev:g}",
        f"{Z_PRIME}:mMin={mediator_mass_gev - 1:g}",
        f"{Z_PRIME}:mMax={mediator_mass_gev + 1:g}",
        f"{Z_PRIME}:mWidth=0.01",
        f"{Z_PRIME}:oneChannel=1 0.982 102 {DARK_QUARK} -{DARK_QUARK}",
        # The quark channels give the Z' its coupling to the protons; it may not decay to them.
        *(f"{Z_PRIME}:addChannel=1 0.003 102 {quark} -{quark}" for quark in range(1, 7)),
        f"{Z_PRIME}:onMode=off",
        f"{Z_PRIME}:onIfAny={DARK_QUARK}",
        *(f"{scalar}:m0={OUT_OF_REACH_GEV}" for scalar in BIFUNDAMENTALS),
    ]
    return Process(
        description=f"semivisible jets from a Z' of {mediator_mass_gev:g} GeV, "
        f"r_inv = {r_inv:g} (s-channel)",
        commands=(*commands, *dark_sector(r_inv)),
        citation="Cohen, Lisanti, Lou, PRL 115 (2015) 171804, arXiv:1503.00009; "
        "parameters of CMS, JHEP 06 (2022) 156, arXiv:2112.11125",
        views=(*JET_VIEWS, *TRIGGER_VIEWS),
        dark_jets_only=True,
    )
