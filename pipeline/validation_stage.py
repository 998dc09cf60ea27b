"""The validation stage: every engine scores the test sample, and the verdict is drawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from naetrigger.contracts.events import Events
from naetrigger.contracts.manifest import read_manifest
from naetrigger.contracts.network_file import load_network
from naetrigger.firmware_configs.board import load_board
from naetrigger.pipeline import engines
from naetrigger.pipeline.decision import read_decision
from naetrigger.pipeline.training_stage import member_folder, member_seeds
from naetrigger.pipeline.vendor_build import built_figures
from naetrigger.pipeline.work import Work
from naetrigger.pipeline.zero_bias import rate_of_background_khz

BASELINE = "baseline_ae"


def run_validation(work: Work) -> None:
    """Score, compare, judge, and write the report."""
    from naetrigger.validation.inputs import ValidationInputs
    from naetrigger.validation.report.schema import PairAgreement
    from naetrigger.validation.stage import validate

    root, recipe, spec = work.root, work.recipe, work.spec
    trajectories = root / "training" / "trajectories.h5"
    train, test = work.training_events("train"), work.events("test")
    network = load_network(root / "export" / "network")
    pairs = json.loads((root / "export" / "agreement.json").read_text(encoding="utf-8"))
    inputs = ValidationInputs(
        events=test,
        inputs={events.process: spec.inputs(events) for events in test},
        training_inputs=spec.inputs(train),
        training_weights=train.weights,
        scores=(scores := _all_scores(work, test)),
        members=_member_scores(work, test, scores),
        score_scale=network.score_scale,
        score_name=recipe.score_name,
        score_format=network[network.output].type,
        recipe=recipe.name,
        sample=_label(test[0], Path(recipe.data.source).name),
        seed=recipe.seed,
        versions=_versions(root),
        reweight=recipe.data.reweight,
        decision=(read_decision(root / "export") or {}).get("bits", []),
        agreement=[PairAgreement.model_validate(pair) for pair in pairs],
        firmware=_estimates(root) + _vendor_figures(work),
        board=load_board(str(root / "export" / "board.yaml")),
        curves=root / "training" / "curves.csv",
        trajectories=trajectories if trajectories.exists() else None,
        # events that lost their weights are no crossings as they come
        crossing_rate_khz=None if recipe.data.weights == "unit" else rate_of_background_khz(test),
    )
    validate(recipe.validation, inputs, work.folder, work.progress)


def _all_scores(work: Work, test: list[Events]) -> dict[str, dict[str, dict[str, Any]]]:
    """model -> engine -> process -> scores, of every engine whose files are there."""
    specs = {"teacher": work.spec, "student": work.student_spec}
    words = {
        model: {events.process: spec.mantissas(events) for events in test}
        for model, spec in specs.items()
    }
    names = engines.available(work.root)
    scores: dict[str, dict[str, dict[str, Any]]] = {}
    for done, name in enumerate(names):
        work.progress.start(f"scoring: {name}", len(names))
        work.progress.update(done)
        kind = engines.engine_named(name)
        limited = {process: x[: kind.max_events] for process, x in words[kind.model].items()}
        scores.setdefault(kind.model, {})[name] = _scores_of(work.root, name, limited)
    if (work.root / "training" / f"{BASELINE}.json").exists():
        scores[BASELINE] = {"torch": _scores_of(work.root, BASELINE, words["teacher"])}
    return scores


def _member_scores(
    work: Work, test: list[Events], scores: dict[str, dict[str, dict[str, Any]]]
) -> dict[str, dict[int, dict[str, Any]]]:
    """model -> seed -> process -> scores of an ensemble; the first member's are there already."""
    first, *others = member_seeds(work.recipe)
    if not others:
        return {}
    words = {events.process: work.spec.mantissas(events) for events in test}
    stems = [stem for stem in ("teacher", BASELINE) if stem in scores]
    members = {stem: {first: scores[stem]["torch"]} for stem in stems}
    work.progress.start("scoring members", len(others))
    for done, seed in enumerate(others, start=1):
        folder = member_folder(work.root / "training", work.recipe, seed)
        for stem in stems:
            engine = engines.torch_model(work.root, folder, stem)
            members[stem][seed] = {p: engine.scores(x) for p, x in words.items()}
        work.progress.update(done)
    return members


def _scores_of(root: Path, name: str, words: dict[str, Any]) -> dict[str, Any]:
    """Scores by process; the engine is loaded and asked once."""
    together = np.concatenate(list(words.values()))
    scores = engines.score(root, name, together)
    ends = np.cumsum([len(x) for x in words.values()])
    return dict(zip(words, np.split(scores, ends[:-1]), strict=True))


def _estimates(root: Path) -> list[Any]:
    from naetrigger.export.synthesis import read_synthesis
    from naetrigger.pipeline.rtl_figures import rtl_figures

    folder, board = root / "export" / "rtl", load_board(str(root / "export" / "board.yaml"))
    return list(rtl_figures(folder, board, read_synthesis(folder)))


def _vendor_figures(work: Work) -> list[Any]:
    """What vendors' tools said of this export; the clock is theirs, or the board's if slower."""
    from naetrigger.validation.report.schema import FirmwareEstimate

    board = load_board(str(work.root / "export" / "board.yaml"))
    entries = []
    for found in built_figures(work.root):
        backend, tool, step = (found.pop(key) for key in ("backend", "tool", "step"))
        clock = max(found.pop("clock_ns") or 0.0, board.clock_ns)
        cycles = found["latency_cycles"]
        entries.append(
            FirmwareEstimate(
                target=f"hls {backend}",
                source="vendor",
                step=step,
                tool=f"{tool}, {step}",
                clock_ns=clock,
                latency_ns=None if cycles is None else cycles * clock,
                **found,
            )
        )
    return entries


def _label(events: Events, source: str) -> str:
    """What the sample is: its source and, for simulation, the generator."""
    generator = events.attributes.get("generator")
    return f"{source}: {generator}" if generator else source


def _versions(root: Path) -> dict[str, str]:
    """Package versions that the finished stages were made with."""
    stages = read_manifest(root).stages.values()
    return {name: version for stage in stages for name, version in stage.versions.items()}
