"""Progress and tables as a terminal, a log file and NO_COLOR users see them."""

from __future__ import annotations

import io
import logging
import sys

import pytest
from rich.console import Console

from naetrigger.pipeline import terminal


def console(is_terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=is_terminal, width=120, highlight=False)


def text_of(target: Console) -> str:
    assert isinstance(target.file, io.StringIO)
    return target.file.getvalue()


def test_plain_lines_come_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now[0])
    target = console(False)
    lines = terminal.ProgressLines(target)
    lines.start("training", 100)
    for done in range(100):
        now[0] += 1.0
        lines.update(done, loss=1 / (done + 1))
    shown = text_of(target).splitlines()
    assert len(shown) == 6  # 100 s, one line every 15 s
    assert shown[1].startswith("training: 29/100, ")
    assert " s each, " in shown[1]
    assert "s left, loss 0.03333" in shown[1]
    assert "\x1b" not in text_of(target)


def test_bar_shows_rate_time_left_and_values(monkeypatch: pytest.MonkeyPatch) -> None:
    target = console(True)
    bar = terminal.ProgressBar(target)
    bar.start("training [wnae]", 10)
    for done in range(3):
        monkeypatch.setattr(terminal, "REFRESH_SECONDS", 0.0)
        bar.update(done, distance=0.5)
    bar.stop()
    shown = text_of(target)
    assert "training [wnae]" in shown
    assert "distance 0.5" in shown
    bar.update(4)  # after the end: no matter


def test_events_that_nobody_counted_have_no_total(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "REFRESH_SECONDS", 0.0)
    monkeypatch.setattr(terminal, "LINE_EVERY_SECONDS", 0.0)
    bar, lines = terminal.ProgressBar(console(True)), terminal.ProgressLines(console(False))
    for shown in (bar, lines):
        shown.start("more.csv, network", 0)
        shown.update(3000)
        shown.stop()
        text = text_of(shown.console)
        assert "3000 events" in text
        assert "/0" not in text
        assert "left" not in text


def test_on_a_terminal_a_stage_that_is_done_alone_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}
    for is_terminal in (True, False):
        target = console(is_terminal)
        monkeypatch.setattr(terminal, "Console", lambda target=target, **_: target)
        with terminal.watching(silent=False, debug=False) as watcher:
            watcher.line("data: running")
            watcher.line("data: done, 2.1 s")
        seen[is_terminal] = text_of(target)
    assert seen[False] == "data: running\ndata: done, 2.1 s\n"
    assert "data: running" in seen[True]
    assert "data: running\n" not in seen[True]
    assert "data: done, 2.1 s\n" in seen[True]


def test_no_color(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    summary = {
        "passed": False,
        "checks": 2,
        "failed_checks": [
            {"name": "lut", "value": None, "relation": "<=", "limit": 5.0, "unit": "LUT"}
        ],
        "report": "r.html",
        "folder": "r",
        "seconds": 1.0,
        "peak_memory_mb": 5.0,
    }
    terminal.show_summary(summary, quiet=False)
    shown = capsys.readouterr().out
    assert "\x1b[3" not in shown
    assert "lut: not measured LUT, must be <= 5 LUT" in shown


def test_watcher_says_nothing_when_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with terminal.watching(silent=True, debug=False) as watcher:
        watcher.line("hello")
        watcher.progress.start("x", 3)
        watcher.progress.update(1)
    assert capsys.readouterr() == ("", "")


def test_warnings_are_shown_while_a_run_is_watched(capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("naetrigger.training.data")
    with terminal.watching(silent=False, debug=False):
        log.warning("data: %s: 3 values saturate [jet1_pt]", "zb")
        log.info("no news")
    log.warning("nobody looks")
    assert capsys.readouterr().err == "warning: data: zb: 3 values saturate [jet1_pt]\n"


def test_cells(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.show_table("t", ["a", "b"], [[None, True], [1.23456, "[x]"]])
    shown = capsys.readouterr().out
    for cell in ("-", "yes", "1.235", "[x]"):
        assert cell in shown
    terminal.show_table("nothing here", ["a"], [])
    assert "nothing here: none" in capsys.readouterr().out
    terminal.show_table("a long title [ns]", ["x [ns]"], [["word " * 40]])
    title, header, row = capsys.readouterr().out.splitlines()[-3:]  # in a pipe, nothing wraps
    assert title == "a long title [ns]"
    assert header.strip() == "x [ns]"
    assert row.strip() == ("word " * 40).strip()


def test_a_row_that_does_not_fit_the_columns_is_refused() -> None:
    with pytest.raises(ValueError, match="Flips: columns"):
        terminal.table("Flips", ["a", "b"], [[1, 2], [1, 2, 3]])


def test_a_budget_says_how_much_of_it_is_used() -> None:
    check = {"name": "budget lut of rtl", "value": 30907.0, "relation": "<=", "limit": 86400.0}
    line = terminal.check_line({**check, "unit": "LUT"})
    assert line == "budget lut of rtl: 30 907 LUT of 86 400 (36%)"
    line = terminal.check_line({**check, "value": None, "unit": "LUT"})
    assert line == "budget lut of rtl: not measured LUT, must be <= 86 400 LUT"


def test_errors_are_told_without_unicode_too(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii"))
    terminal.show_table("", ["AUC"], [["0.8179 ± 0.0062"]])
    sys.stdout.flush()
    assert b"0.8179 +- 0.0062" in raw.getvalue()


def test_peak_memory() -> None:
    assert 10 < terminal.peak_memory_mb() < 1e6
