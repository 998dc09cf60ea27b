"""The command `naetrigger compare`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from naetrigger.pipeline.command_options import (
    FAILED,
    OPTIONS,
    PASSED,
    DebugOption,
    FolderArgument,
    FormatOption,
    JsonOption,
    QuietOption,
    SortOption,
    UnitsOption,
    ViewOption,
    WorkersOption,
    echo_json,
    workers_of,
)

if TYPE_CHECKING:
    from naetrigger.validation.compare_schema import CompareReport, PairComparison

PAIR_COLUMNS = ("a", "b", "events", "n", "found", "largest difference", "rank corr.")
FLIP_COLUMNS = ("working point", "a", "b", "events", "only a", "only b")
CHECKS = 8  # failed ones on the terminal; compare.json has all


def compare(
    folder: FolderArgument,
    file: Annotated[Path, typer.Argument(help="An event file of any known format.")],
    engines: Annotated[
        str | None,
        typer.Option("--engines", metavar="A,B,...", help="Which to compare; default: all."),
    ] = None,
    events: Annotated[
        int | None, typer.Option("--events", help="Events of each process; default: all.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where to write; default: RUN/validation.")
    ] = None,
    vectors: Annotated[
        bool, typer.Option("--vectors/--no-vectors", help="Compare on the run's test vectors too.")
    ] = True,
    format: FormatOption = None,
    view: ViewOption = None,
    units: UnitsOption = None,
    sort_objects: SortOption = None,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Compare a run's engines on the events of a file; name event and layer where they part."""
    OPTIONS.json, OPTIONS.debug = as_json, debug
    from naetrigger.pipeline import terminal
    from naetrigger.pipeline.comparing import DOCUMENT, PAGE, CompareOptions, compare_run
    from naetrigger.pipeline.scoring import Reading
    from naetrigger.pipeline.verdict_folder import Verdict

    options = CompareOptions(
        engines=tuple(name.strip() for name in engines.split(",")) if engines else (),
        events=events,
        vectors=vectors,
        workers=workers_of(workers),
        reading=Reading(format, view, None if units is None else units.value, sort_objects),
    )
    verdict = Verdict(folder, out, DOCUMENT, PAGE)
    with terminal.watching(silent=quiet or as_json, debug=debug) as watcher:
        report = compare_run(folder, file, out, options, watcher.progress)
    status = PASSED if report.passed else FAILED
    if as_json:
        return echo_json(report, status)
    _show(report, quiet)
    typer.echo(str(verdict))
    return status


def _show(report: CompareReport, quiet: bool) -> None:
    """What is edited, all pairs, flips, where engines part, overflows, and the verdict."""
    from naetrigger.pipeline import terminal
    from naetrigger.validation.compare_page import parting_line

    for line in report.edited:
        typer.echo(f"edited: {line}; compared as it lies there")
    if not quiet:
        for line in _equal_lines(report):
            typer.echo(line)
        terminal.show_table("Pairs", PAIR_COLUMNS, _pair_rows(report))
        terminal.show_table("Decision flips", FLIP_COLUMNS, _flip_rows(report))
        terminal.show_table(
            "Values beyond the range of an edge",
            ["edge", "what happens", "events", "fraction", "first event"],
            [[e.edge, e.kind, e.events, e.fraction, e.first[0].event_id] for e in report.edges],
        )
        for note in report.notes:
            typer.echo(f"note: {note}")
    firsts = {camp[0] for camp in report.agree}
    for place in report.partings:
        if {place.a, place.b} <= firsts:
            typer.echo(f"differ: {parting_line(place)}")
    for check in report.failed_checks[:CHECKS]:
        typer.echo(f"failed: {terminal.check_line(check.model_dump())}")
    if len(report.failed_checks) > CHECKS:
        typer.echo(f"and {len(report.failed_checks) - CHECKS} more checks that fail")
    if len(report.agree) > 1:
        typer.echo("equal among themselves: " + " | ".join(map(", ".join, report.agree)))
    typer.echo(_verdict(report))


def _verdict(report: CompareReport) -> str:
    """The last line."""
    from naetrigger.validation.compare_page import NOTHING_CHECKED

    on = f"{sum(report.events.values())} events of {report.file}"
    if not report.checks:
        return f"{NOTHING_CHECKED} ({on})"
    failed = len(report.failed_checks)
    verdict = f"FAILED: {failed} of" if failed else "passed:"
    return f"{verdict} {len(report.checks)} checks on {on}"


def _equal_lines(report: CompareReport) -> Iterator[str]:
    """Engines that are equal on every event; the first stands for all in the tables."""
    for camp in report.agree:
        if len(camp) < 2:
            continue
        together = [p for p in report.pairs if {_engine(p.a), _engine(p.b)} <= {*camp}]
        on = []
        for events in dict.fromkeys(pair.events for pair in together):
            n = [pair.n for pair in together if pair.events == events]
            on.append(f"{f'{min(n)} to {max(n)}' if min(n) < max(n) else n[0]} of {events}")
        yield f"equal on every event: {' = '.join(camp)} ({', '.join(on)})"


def _pair_rows(report: CompareReport) -> list[list[object]]:
    """Pairs, of engines that are equal on every event the first alone."""
    from naetrigger.validation.agreement import agreement_name

    limits = {check.name: check.limit for check in report.checks}
    stand_for = _stand_for(report)
    return [
        [
            pair.a,
            pair.b,
            "file" if pair.events == report.file else pair.events,
            pair.n,
            _found(pair, limits.get(agreement_name(pair))),
            _largest(pair),
            pair.spearman,
        ]
        for pair in report.pairs
        if stand_for(pair)
    ]


def _found(pair: PairComparison, limit: float | None) -> str | None:
    """What a pair was found to be, of what is expected of it."""
    if pair.expectation == "exact":
        return f"{pair.exact_fraction:.6%} equal"
    if pair.expectation == "close" and limit is not None:
        return f"within {limit:g}: {'no' if pair.beyond else 'yes'}"
    return None


def _largest(pair: PairComparison) -> str | None:
    """The largest difference."""
    if pair.max_lsb is not None:
        return f"{pair.max_lsb} LSB"
    return None if pair.max_relative is None else f"{pair.max_relative:.3g} of it"


def _stand_for(report: CompareReport) -> Callable[[PairComparison], bool]:
    """Whether a pair has a row of its own: no engine of it is shown by another that is equal."""
    firsts = {camp[0] for camp in report.agree}
    teachers = [engine.name for engine in report.engines if engine.model == "teacher"]

    def shown(pair: PairComparison) -> bool:
        if pair.expectation == "rank":
            return {_engine(pair.a), _engine(pair.b)} <= firsts | {*teachers[:1]}
        return pair.expectation == "close" or {_engine(pair.a), _engine(pair.b)} <= firsts

    return shown


def _engine(name: str) -> str:
    return name.rpartition("/")[2]


def _flip_rows(report: CompareReport) -> list[list[object]]:
    """Pairs that flip a decision."""
    stand_for = _stand_for(report)
    return [
        [flip.point, pair.a, pair.b, pair.events, flip.only_a, flip.only_b]
        for pair in report.pairs
        for flip in pair.flips
        if stand_for(pair) and (flip.only_a or flip.only_b)
    ]
