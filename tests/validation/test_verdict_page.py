"""Tables of the pages of `compare` and `monitor`."""

from __future__ import annotations

import pytest

from naetrigger.validation.report.verdict_page import Section


def test_a_row_that_does_not_fit_the_columns_is_refused() -> None:
    with pytest.raises(ValueError, match="Flips: columns"):
        Section("Flips", ["a", "b"], [[1, 2], [1, 2, 3]])
