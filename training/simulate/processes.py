"""The physics processes that can be simulated, by name. All at 13 TeV.

Each is a list of Pythia 8 commands with its source; zero bias comes from the pool of pile-up.
"""

from __future__ import annotations

from naetrigger.contracts.errors import InputError, suggestion
from naetrigger.training.simulate import exotics, standard_model
from naetrigger.training.simulate.dark_sector import s_channel, semivisible_named, t_channel
from naetrigger.training.simulate.process import Process

# Semivisible jets read svj<channel>_<mediator mass in GeV>_r<ten times r_inv>; process_named knows
# every such name, these are the points of the shipped sample.
PROCESSES: dict[str, Process] = {
    "zero_bias": standard_model.ZERO_BIAS,
    "ttbar": standard_model.TOP_PAIRS,
    "qcd": standard_model.QCD,
    "top": standard_model.BOOSTED_TOPS,
    "wlnu": standard_model.W_BOSONS,
    "zll": standard_model.Z_BOSONS,
    "a_4l": exotics.A_TO_4_LEPTONS,
    "lq_btau": exotics.LEPTOQUARKS,
    "h0_tautau": exotics.LIGHT_HIGGS,
    "hp_taunu": exotics.CHARGED_HIGGS,
    "svjt_2000_r01": t_channel(2000, 0.1),
    "svjt_2000_r03": t_channel(2000, 0.3),
    "svjt_2000_r05": t_channel(2000, 0.5),
    "svjt_2000_r07": t_channel(2000, 0.7),
    "svjs_2000_r03": s_channel(2000, 0.3),
    "svjt_1000_r03": t_channel(1000, 0.3),
    "svjt_4000_r03": t_channel(4000, 0.3),
}


def process_named(name: str) -> Process:
    """A registered process, or a semivisible one of any mass and invisible fraction."""
    process = PROCESSES.get(name) or semivisible_named(name)
    if process is None:
        raise InputError(
            f"no process '{name}'{suggestion(name, PROCESSES)} (has {', '.join(PROCESSES)}; also "
            "svjs_MASS_rNN and svjt_MASS_rNN, a mediator mass in GeV and ten times r_inv)"
        )
    return process
