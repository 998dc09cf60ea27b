"""What all tests share: libraries made quiet, and the count of what was left out at the end."""

from __future__ import annotations

import os
import signal
from collections import Counter
from typing import Any

import pytest
from hypothesis import settings

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")  # before anything imports tensorflow
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell leaves it in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests of Ctrl-C start children

settings.register_profile("naetrigger", deadline=None)  # a busy machine is no failure
settings.load_profile("naetrigger")

THE_WHOLE_RUN = "finished_run"  # the fixture that takes longest, made once for all workers


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One test of the whole run first, to make it; the others last, when it is there.

    Workers share the tests by halves from the ends, so that none waits for another's run.
    """
    first: list[pytest.Item] = []
    last: list[pytest.Item] = []
    others: list[pytest.Item] = []
    for item in items:
        uses_it = THE_WHOLE_RUN in getattr(item, "fixturenames", ())
        (last if first and uses_it else first if uses_it else others).append(item)
    items[:] = [*first, *others, *last]


LEFT_OUT = ("gpu", "vendor", "ghdl", "browser")


UNMARKED = "without a marker"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Count skipped tests by the marker that allows them to be."""
    for name, count in sorted(skipped_by_marker(terminalreporter).items()):
        terminalreporter.write_line(f"skipped: {name}: {count}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A test that was skipped without such a marker fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and skipped_by_marker(reporter)[UNMARKED]:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def skipped_by_marker(reporter: Any) -> Counter[str]:
    """Numbers of skipped tests."""
    return Counter(
        next((name for name in LEFT_OUT if name in report.keywords), UNMARKED)
        for report in reporter.stats.get("skipped", [])
    )
