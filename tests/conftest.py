"""What all tests share: libraries made quiet, and the count of what was left out at the end."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")  # before anything imports tensorflow
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")

LEFT_OUT = ("gpu", "vendor", "ghdl", "browser")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Count skipped tests by the marker that allows them to be."""
    skipped = terminalreporter.stats.get("skipped", [])
    markers = Counter(
        next((name for name in LEFT_OUT if name in report.keywords), "without a marker")
        for report in skipped
    )
    for name, count in sorted(markers.items()):
        terminalreporter.write_line(f"skipped: {name}: {count}")
