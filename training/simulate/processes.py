"""The physics processes that can be simulated: each is a list of Pythia 8 commands and its source.

Top pairs are the background. The signals are semivisible jets (Cohen, Lisanti, Lou,
arXiv:1503.00009): a dark quark showers and hadronises in a hidden sector, and the fraction r_inv
of the dark hadrons is stable and invisible. All at 13 TeV.
"""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Process:
    """One process.

    commands : Pythia 8 settings, one a string, without seed and verbosity
    dark_jets_only : keep only jets whose pT comes mostly from dark hadrons
    weighted : the commands bias the phase space, so the events carry weights
    citation : where model and parameters come from
    """

    role: str
    description: str
    commands: tuple[str, ...]
    citation: str
    dark_jets_only: bool = False
    weighted: bool = False


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
        role="signal",
        description=f"semivisible jets from pairs of scalar mediators, m = {mediator_mass_gev:g} "
        f"GeV, r_inv = {r_inv:g} (the pair-production part of the t-channel model)",
        commands=(*commands, *dark_sector(r_inv)),
        citation="Cohen, Lisanti, Lou, Mishra-Sharma, JHEP 11 (2017) 196, arXiv:1707.05326; "
        "dark sector as in CMS, arXiv:2510.02168",
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
        role="signal",
        description=f"semivisible jets from a Z' of {mediator_mass_gev:g} GeV, "
        f"r_inv = {r_inv:g} (s-channel)",
        commands=(*commands, *dark_sector(r_inv)),
        citation="Cohen, Lisanti, Lou, PRL 115 (2015) 171804, arXiv:1503.00009; "
        "parameters of CMS, JHEP 06 (2022) 156, arXiv:2112.11125",
        dark_jets_only=True,
    )


TOP_PAIRS = Process(
    role="background",
    description="top quark pairs, all decays, generated flat in pT; the weights restore the "
    "falling spectrum",
    commands=(
        "Top:gg2ttbar=on",
        "Top:qqbar2ttbar=on",
        "PhaseSpace:pTHatMin=100",
        "PhaseSpace:bias2Selection=on",
        "PhaseSpace:bias2SelectionPow=5",
        "PhaseSpace:bias2SelectionRef=100",
    ),
    citation="Bierlich et al., Pythia 8.3, SciPost Phys. Codeb. 8 (2022), arXiv:2203.11601",
    weighted=True,
)

# Names read svj<channel>_<mediator mass in GeV>_r<ten times r_inv>.
PROCESSES: dict[str, Process] = {
    "ttbar": TOP_PAIRS,
    "svjt_2000_r01": t_channel(2000, 0.1),
    "svjt_2000_r03": t_channel(2000, 0.3),
    "svjt_2000_r05": t_channel(2000, 0.5),
    "svjt_2000_r07": t_channel(2000, 0.7),
    "svjs_2000_r03": s_channel(2000, 0.3),
    "svjt_1000_r03": t_channel(1000, 0.3),
    "svjt_4000_r03": t_channel(4000, 0.3),
}
