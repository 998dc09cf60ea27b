"""What is suggested for a word that is not known."""

from __future__ import annotations

import pytest

from naetrigger.contracts.errors import suggestion

OBJECTIVES = ("ae", "dae", "wae", "vae", "flow", "glow", "nae", "wnae")


@pytest.mark.parametrize(
    ("word", "known", "said"),
    [
        ("wane", OBJECTIVES, "; did you mean 'wae' or 'wnae'?"),
        ("wnea", OBJECTIVES, "; did you mean 'wnae'?"),
        ("MET", ("ht", "met", "jet_met"), "; did you mean 'met'?"),
        ("met", ("ht", "MET", "m"), "; did you mean 'MET'?"),
        ("JET_PT", ("met", "jet1_pt", "jet2_pt"), "; did you mean 'jet1_pt' or 'jet2_pt'?"),
        ("jet_pt", [f"jet{i}_pt" for i in range(9)], "'jet0_pt', 'jet1_pt' or 'jet2_pt'?"),
        ("xyz", OBJECTIVES, ""),
        ("xyz", (), ""),
    ],
)
def test_the_nearest_words_whatever_their_case(word: str, known: list[str], said: str) -> None:
    assert suggestion(word, known).endswith(said)
    assert bool(suggestion(word, known)) == bool(said)
