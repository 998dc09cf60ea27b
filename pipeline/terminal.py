"""What the user sees while a run works, and the tables of a finished one."""

from __future__ import annotations

import logging
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from naetrigger.contracts import progress
from naetrigger.contracts.progress import RUNNING
from naetrigger.pipeline.event_files import readable
from naetrigger.pipeline.recipe_keys import Group
from naetrigger.validation.report.schema import FirmwareEstimate

LINE_EVERY_SECONDS = 15.0
REFRESH_SECONDS = 0.1
MAX_ATTRIBUTE = 300  # characters
WIDE_ENOUGH = 140  # columns of a terminal
PIPE_WIDTH = 1000  # of a table that goes into a pipe or a file


class ProgressBar:
    """Progress on a terminal: one bar for each piece of work, with rate, time left, values."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[done]}"),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[values]}", style="dim"),
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None
        self._total = 0
        self._clock = _Clock()

    def start(self, label: str, total: int) -> None:
        self.stop()
        self._total, self._clock = total, _Clock()
        self._bars.start()
        self._task = self._bars.add_task(
            escape(label),
            total=total or None,
            done=_of_total(0, total) if total else "",
            rate="",
            values="",
        )

    def update(self, done: int, **values: float) -> None:
        if self._task is None or not self._clock.due(REFRESH_SECONDS):
            return
        rate = self._clock.rate(done)
        self._bars.update(
            self._task,
            completed=done,
            done=_of_total(done, self._total),
            rate=rate,
            values=_shown(values),
            refresh=True,
        )

    def stop(self) -> None:
        """Take the bar away; what was printed above it stays."""
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None
        self._bars.stop()


class ProgressLines:
    """Progress where there is no terminal: a plain line now and then."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._label, self._total = "", 0
        self._clock = _Clock()

    def start(self, label: str, total: int) -> None:
        self._label, self._total = label, total
        self._clock = _Clock()
        self._clock.due(0)

    def update(self, done: int, **values: float) -> None:
        if self._clock.due(LINE_EVERY_SECONDS):
            rate, left = self._clock.rate(done), self._clock.seconds_left(done, self._total)
            ends = f"{rate}, {left:.0f} s left" if self._total else rate
            parts = (
                f"{self._label}: {_of_total(done, self._total)}",
                ends if rate else "",
                _shown(values),
            )
            line = ", ".join(part for part in parts if part)
            self.console.print(line, markup=False, soft_wrap=True)

    def stop(self) -> None:
        """Nothing to take away."""


class _Clock:
    """Rates and times left of one piece of work, which may start in its middle."""

    def __init__(self) -> None:
        self._start = self._last = time.monotonic()
        self._first: int | None = None
        self._shown = False

    def due(self, every: float) -> bool:
        now = time.monotonic()
        if self._shown and now - self._last < every:
            return False
        self._shown, self._last = True, now
        return True

    def rate(self, done: int) -> str:
        per_second = self._per_second(done)
        if not per_second:
            return ""
        return f"{per_second:.3g}/s" if per_second >= 1 else f"{1 / per_second:.3g} s each"

    def seconds_left(self, done: int, total: int) -> float:
        per_second = self._per_second(done)
        return (total - done) / per_second if per_second else 0.0

    def _per_second(self, done: int) -> float:
        if self._first is None:
            self._first = done
        seconds = time.monotonic() - self._start
        return (done - self._first) / seconds if seconds > 0 else 0.0


def _of_total(done: int, total: int) -> str:
    return f"{done}/{total}" if total else f"{done} events"


def _shown(values: dict[str, float]) -> str:
    return " ".join(f"{name} {value:.4g}" for name, value in values.items())


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """A table whose numbers stand right; ValueError for a row that does not fit the columns."""
    for row in rows:
        if len(row) != len(columns):
            raise ValueError(f"{title or 'table'}: columns {[*columns]}, but a row is {[*row]}")
    result = Table(
        title=escape(title), title_justify="left", header_style="bold", box=None, padding=(0, 1)
    )
    for i, name in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[i], int | float) for row in rows)
        result.add_column(escape(name), justify="right" if numeric else "left")
    for row in rows:
        result.add_row(*(_cell(value) for value in row))
    return result


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else escape(str(value))


def _ascii(value: object) -> object:
    return value.replace("±", "+-") if isinstance(value, str) else value


@dataclass(frozen=True)
class Watcher:
    """Where a run reports to."""

    progress: progress.Progress
    line: Callable[[str], None]


@contextmanager
def watching(silent: bool, debug: bool) -> Iterator[Watcher]:
    """Show a run on standard error: bars on a terminal, plain lines elsewhere, or nothing."""
    console = Console(stderr=True, highlight=False)
    if debug:
        logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    if silent:
        yield Watcher(progress.Silent(), lambda text: None)
        return
    shown = ProgressBar(console) if console.is_terminal else ProgressLines(console)

    def line(text: str) -> None:
        shown.stop()
        if console.is_terminal and text.endswith(f": {RUNNING}"):
            shown.start(text, 0)  # what stays is how long it took
        else:
            console.print(text, markup=False, soft_wrap=True)

    warnings = _Warnings(line)
    if not debug:
        logging.getLogger("naetrigger").addHandler(warnings)
    try:
        yield Watcher(shown, line)
    finally:
        logging.getLogger("naetrigger").removeHandler(warnings)
        shown.stop()


class _Warnings(logging.Handler):
    """Shows what the program warns of, a line each; --debug shows all that it logs."""

    def __init__(self, line: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self.line = line

    def emit(self, record: logging.LogRecord) -> None:
        self.line(f"warning: {record.getMessage()}")


def show_summary(summary: Mapping[str, Any], quiet: bool) -> None:
    """The last lines of a run: verdict, report, time, memory."""
    console = Console(highlight=False, soft_wrap=True)
    if "passed" in summary:
        failed = summary["failed_checks"]
        if summary["passed"]:
            console.print(f"[green]passed[/]: all {summary['checks']} checks")
        else:
            console.print(f"[red]failed[/]: {len(failed)} of {summary['checks']} checks")
        for check in failed:
            console.print(f"  {check_line(check)}", markup=False)
        console.print(f"report: {summary['report']}", markup=False)
    else:
        console.print(f"run folder: {summary['folder']}", markup=False)
    if not quiet:
        seconds, memory = summary["seconds"], summary["peak_memory_mb"]
        console.print(f"time {seconds:.1f} s, peak memory {memory:.0f} MB", markup=False)


def check_line(check: Mapping[str, Any]) -> str:
    """One check in words; of a budget, how much of it is used."""
    value, limit = check["value"], check["limit"]
    unit = f" {check['unit']}" if check["unit"] else ""
    advice = f": {check['advice']}" if check.get("advice") else ""
    shown = "not measured" if value is None else _figure(value)
    if check["name"].startswith("budget ") and value is not None and limit > 0:
        used = f"{shown}{unit} of {_figure(limit)} ({value / limit:.0%})"
    else:
        used = f"{shown}{unit}, must be {check['relation']} {_figure(limit)}{unit}"
    return f"{check['name']}: {used}{advice}"


def _figure(value: float) -> str:
    """Counts whole, in groups of three; other numbers with four digits."""
    whole = float(value).is_integer() and abs(value) < 1e15
    return f"{value:,.0f}".replace(",", " ") if whole else f"{value:.4g}"


FIGURES = {
    "target": "target",
    "source": "origin",
    "cycles": "latency_cycles",
    "latency [ns]": "latency_ns",
    "II": "initiation_interval",
    "LUT": "lut",
    "FF": "ff",
    "DSP": "dsp",
    "BRAM": "bram",
    "LUT levels": "lut_levels",
}
"""Columns of the firmware table, and what of an estimate stands in each."""


def show_firmware(firmware: Sequence[FirmwareEstimate]) -> None:
    """Latency and size by every tool."""
    rows: list[list[object]] = [[getattr(e, name) for name in FIGURES.values()] for e in firmware]
    show_table("Firmware", [*FIGURES], rows)
    for estimate in firmware:
        if estimate.maximum_clock_mhz is not None:
            clock = f"{estimate.maximum_clock_mhz:g} MHz at most: {estimate.tool}"
            Console(highlight=False, soft_wrap=True).print(clock, markup=False)


def is_narrow() -> bool:
    """Whether what can be left out of a wide table is better left out."""
    console = Console()
    return console.is_terminal and console.width < WIDE_ENOUGH


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table, or say that there is nothing in it; a row is one line unless a terminal is
    too narrow for it."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PIPE_WIDTH)
    if not console.encoding.startswith("utf"):
        rows = [[_ascii(value) for value in row] for row in rows]
    if title and rows:
        console.print(title, markup=False, soft_wrap=True)
    console.print(table("", columns, rows) if rows else f"{escape(title or 'nothing')}: none")


def show_keys(groups: Sequence[Group]) -> None:
    """Keys of a recipe, section by section; each with its default, values and documentation."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PIPE_WIDTH)
    for i, group in enumerate(groups):
        if i:
            console.print()
        console.print(f"[bold]{escape(group.name)}[/bold]: {escape(group.description)}")
        for key in group.keys:
            default = f" = {escape(key.default)}" if key.default else ""
            console.print(f"[bold]{escape(key.name)}[/bold]{default}  ({escape(key.values)})")
            console.print(Padding(escape(key.description), (0, 0, 0, 4), expand=False))


def show_events(document: Mapping[str, Any]) -> None:
    """What an event file holds."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"format: {document['format']}, {document['format_title']}", markup=False)
    for note in document["notes"]:
        console.print(f"note: {note}", markup=False)
    _show_attributes(document["attributes"])
    for process in document["processes"]:
        _show_process(process)
    for problem in document["problems"]:
        console.print(f"problem: {problem}", markup=False)


def _show_process(process: Mapping[str, Any]) -> None:
    sampled = process["median_of"] < process["events"]
    show_table(
        f"{process['process']} ({process['role']}): {process['events']} events, "
        f"sum of weights {process['sum_of_weights']:.6g}, "
        f"effective events {process['effective_events']:.6g}",
        ["column", "use", "unit", "min", "median of a sample" if sampled else "median", "max"],
        [
            [
                c["name"],
                "context" if c["context"] else "input",
                c["unit"] or "-",
                c["min"],
                c["median"],
                c["max"],
            ]
            for c in process["columns"]
        ],
    )
    if sampled:
        Console(highlight=False).print(
            f"medians: of {process['median_of']} rows, evenly spread", markup=False
        )
    _show_attributes(process["attributes"])
    for note in process["notes"]:
        Console(highlight=False, soft_wrap=True).print(f"note: {note}", markup=False)


def _show_attributes(attributes: Mapping[str, Any]) -> None:
    """Where events come from; long ones, lists and mappings are left to --json."""
    for name, value in attributes.items():
        text = readable(str(value))
        if len(text) <= MAX_ATTRIBUTE and text[:1] not in ("[", "{"):
            Console(highlight=False, soft_wrap=True).print(f"{name}: {text}", markup=False)


def peak_memory_mb() -> float:
    """The largest resident size of this process or of one of its children, in MB."""
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    unit = 1e6 if sys.platform == "darwin" else 1e3  # macOS counts bytes, Linux kilobytes
    return round(max(resource.getrusage(w).ru_maxrss for w in who) / unit, 1)
