"""Which figures a report shows, and what each says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from naetrigger.contracts.progress import Progress, Silent
from naetrigger.validation import curve_plots, report_plots, score_plots
from naetrigger.validation.baselines import SINGLE_INPUT
from naetrigger.validation.chain_plot import chains_figure, read_chains
from naetrigger.validation.comparison import Comparison
from naetrigger.validation.ensemble_plot import ensemble_figure
from naetrigger.validation.inputs import STUDENT, TEACHER
from naetrigger.validation.mean_images import grid_of, mean_images, mean_images_figure
from naetrigger.validation.plots import Style
from naetrigger.validation.populations import Population
from naetrigger.validation.report.report_figure import ReportFigure, slug
from naetrigger.validation.report.schema import Auc, Report
from naetrigger.validation.report.selection_figures import selection_figures
from naetrigger.validation.reweighting import effective_number

LINES_A_FIGURE = 4  # more signals than line styles one can tell apart go into a second figure


def report_figures(
    report: Report, comparison: Comparison, progress: Progress | None = None
) -> Iterator[ReportFigure]:
    """All figures, drawn one after the other."""
    settings, listener = comparison.settings, progress or Silent()
    style = Style(settings.plot_style, _label(comparison), report.metadata.sample)
    sections = {
        "summary": _summary_figures(report, style, settings.limits.relative_difference),
        "ensemble": _ensemble_figures(report, style),
        "inputs": _input_figures(comparison, style),
        "ROC curves": _roc_figures(comparison, style),
        "scores": _score_figures(comparison, style),
        "selected background": selection_figures(report, comparison, style),
        "firmware": _firmware_figures(report, style),
        "training": _training_figures(comparison, style),
    }
    for done, (name, drawn) in enumerate(sections.items()):
        listener.start(f"figures: {name}", len(sections))
        listener.update(done)
        yield from drawn
    listener.update(len(sections))


def _training_figures(comparison: Comparison, style: Style) -> Iterator[ReportFigure]:
    if comparison.inputs.curves is not None:
        curves = curve_plots.read_curves(comparison.inputs.curves)
        if len(curves) > 1:
            svg = curve_plots.curves_figure("curves", style, curves)
            yield ReportFigure("curves", "training", "Training curves of the teacher.", svg)
    if comparison.inputs.trajectories is not None:
        chains = read_chains(comparison.inputs.trajectories)
        yield ReportFigure(
            "chains",
            "training",
            "Chains of the finished teacher: their energies, and their paths in the plane of the "
            "two leading principal components of all their points.",
            chains_figure("chains", style, chains),
        )


def _summary_figures(report: Report, style: Style, relative: float) -> Iterator[ReportFigure]:
    if report.auc:
        svg = report_plots.auc_figure("auc", style, auc_by_model(report.auc))
        yield ReportFigure(
            "auc",
            "auc",
            "AUC of each model on each signal; bars are bootstrap errors of whole events. "
            "The best single input is chosen per signal by looking at that signal.",
            svg,
        )
    if report.agreement:
        svg = report_plots.agreement_figure("agreement", style, report.agreement, relative)
        yield ReportFigure(
            "agreement",
            "agreement",
            "= equal on every event; 3 ≠ differing on three; 1e-07 the largest relative "
            "difference of float engines; ρ rank correlation of teacher and student; hatched: "
            "a promise is broken.",
            svg,
        )


def _ensemble_figures(report: Report, style: Style) -> Iterator[ReportFigure]:
    if report.ensemble and report.ensemble.auc:
        yield ReportFigure(
            "ensemble",
            "ensemble",
            "AUC of every member (strokes), their mean, and the standard deviation over seeds.",
            ensemble_figure("ensemble", style, report.ensemble.auc),
        )


def _input_figures(comparison: Comparison, style: Style) -> Iterator[ReportFigure]:
    events = comparison.inputs.events
    grid = grid_of(events[0].columns)
    if grid is not None:
        yield ReportFigure(
            "mean-images",
            "samples",
            f"Weighted mean of each cell {grid.prefix}_ROW_COLUMN, row 0 on top; all panels share "
            "one scale, which follows the square root.",
            mean_images_figure("mean-images", style, mean_images(grid, events)),
        )


def auc_by_model(entries: Sequence[Auc]) -> dict[str, list[Auc]]:
    """Column of the summary -> one Auc a signal: each model's first engine, the best input."""
    columns: dict[str, list[Auc]] = {}
    seen = set()
    for entry in entries:
        single = entry.model.startswith(SINGLE_INPUT)
        if (entry.signal, entry.model) in seen or (single and not entry.best_single_input):
            continue
        seen.add((entry.signal, entry.model))
        columns.setdefault("best single input" if single else entry.model, []).append(entry)
    return columns


def _roc_figures(comparison: Comparison, style: Style) -> Iterator[ReportFigure]:
    for signal in comparison.signals:
        pairs = {}
        for model in comparison.headline_models():
            b = comparison.scores_of(model, comparison.background)
            pairs[model] = (
                comparison.background_for(signal, b),
                signal.scored(comparison.scores_of(model, signal)),
            )
        weights = next(iter(pairs.values()))[0].weights
        few = comparison.settings.min_events_above / effective_number(weights)
        how = f", reweighted in {comparison.inputs.reweight}"
        name = slug("roc", signal.name)
        yield ReportFigure(
            name,
            "roc",
            f"{signal.name} against the background"
            f"{how if signal.name in comparison.reweightings else ''}. Hatched: fewer than "
            f"{comparison.settings.min_events_above:g} effective background events.",
            score_plots.roc_figure(name, style, signal.name, pairs, few),
        )


def _score_figures(comparison: Comparison, style: Style) -> Iterator[ReportFigure]:
    groups = [
        comparison.signals[i : i + LINES_A_FIGURE]
        for i in range(0, max(len(comparison.signals), 1), LINES_A_FIGURE)
    ]
    models = [model for model in (TEACHER, STUDENT) if model in comparison.models]
    for number, group in enumerate(groups):
        for model in models:
            yield _score_figure(comparison, style, model, group, number)
    if models == [TEACHER, STUDENT]:
        teacher, student = (comparison.scores_of(m, comparison.background) for m in models)
        scale = comparison.inputs.score_scale if np.issubdtype(student.dtype, np.integer) else 1.0
        svg = score_plots.profile_figure(
            "profile", style, teacher.astype(np.float64), student * scale
        )
        yield ReportFigure(
            "profile",
            "scores",
            "The teacher's float score in bins of the student's hardware score, background only.",
            svg,
        )


def _score_figure(
    comparison: Comparison,
    style: Style,
    model: str,
    signals: Sequence[Population],
    number: int,
) -> ReportFigure:
    background = comparison.scores_of(model, comparison.background)
    integer = np.issubdtype(background.dtype, np.integer)
    svg = score_plots.score_figure(
        name := f"scores-{model}-{number}",
        style,
        f"{model} score" + (" (hardware integer)" if integer else ""),
        comparison.background.scored(background),
        {signal.name: signal.scored(comparison.scores_of(model, signal)) for signal in signals},
    )
    return ReportFigure(
        name,
        "scores",
        f"Score of the {model}; the background is not reweighted, the outermost bins take what "
        f"lies beyond them.",
        svg,
    )


def _firmware_figures(report: Report, style: Style) -> Iterator[ReportFigure]:
    board = report.board
    if board is None or not any(
        getattr(estimate, line.quantity) is not None
        for estimate in report.firmware
        for line in board.budget
    ):
        return
    yield ReportFigure(
        "resources",
        "firmware",
        "What each tool states, as a share of the board's budget (dashed).",
        report_plots.resources_figure("resources", style, report.firmware, board),
    )


def _label(comparison: Comparison) -> str:
    """The settings' label, or one that claims no more than the events say of themselves."""
    given = comparison.settings.label
    if given is not None:
        return given
    simulated = all(e.attributes.get("generator") for e in comparison.inputs.events)
    return "naetrigger simulation" if simulated else "naetrigger"
