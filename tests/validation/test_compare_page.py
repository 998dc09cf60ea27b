"""What the page of `naetrigger compare` marks as failed."""

from __future__ import annotations

import numpy as np

from naetrigger.validation.agreement import agreement_checks
from naetrigger.validation.compare_page import holds
from naetrigger.validation.compare_schema import CompareReport, PairComparison
from naetrigger.validation.pair_counts import Block, PairCounts


def compared(b: str, wrong: int, events: str = "events.h5") -> PairComparison:
    pair = PairCounts("network", b, ("student", "student"), (), 1e-5, events)
    x = np.arange(100)
    scores = {"network": x, b: np.where(x < wrong, x + 1, x)}
    pair.add(Block((0, "background"), 0, x.astype(np.uint64), scores, x[:, None]))
    return pair.document()


def test_a_pair_fails_for_itself_alone() -> None:
    """Not for an engine whose name begins like its own, nor on other events."""
    pairs = [compared("rtl", 0), compared("rtlsim", 3), compared("rtl", 3, "test vectors")]
    report = CompareReport.model_construct(checks=tuple(agreement_checks(pairs)))
    assert [holds(pair, report) for pair in pairs] == [True, False, False]
