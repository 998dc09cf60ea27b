"""A run in MLflow: its recipe, figures, curves, report and exported network.

The run folder stays the source of truth: what is logged is read from it, and can be logged again.
A run is known by the SHA-256 of its manifest and recipe, so it stands in an experiment once.
"""

from __future__ import annotations

import csv
import logging
import math
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from naetrigger.contracts.errors import EnvironmentProblem, InputError, MissingExtra
from naetrigger.contracts.manifest import NAME, read_manifest, sha256_of, verify
from naetrigger.contracts.version import __version__
from naetrigger.firmware_configs.shipped import read_text
from naetrigger.pipeline.passwords import masked, masked_in
from naetrigger.pipeline.recipe import Recipe
from naetrigger.pipeline.run import current_stages, flat, run_recipe
from naetrigger.pipeline.run_folder import RECIPE
from naetrigger.validation.report.schema import Report

LOCAL = "local"
DATABASE, ARTIFACTS = "mlflow.sqlite3", "mlflow-artifacts"
BATCH = 100  # parameters a call, as servers take them
METRICS_BATCH = 1000
MAX_VALUE = 500  # characters of a parameter, as older servers take them
REPORT = ("report.html", "report.json")
PATIENCE = {  # else a server that is not there is waited for for minutes
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_DISABLE_TELEMETRY": "true",  # nothing is told to anybody but the server asked for
}


@dataclass(frozen=True)
class Tracked:
    """Where a run stands in MLflow.

    uri : without its password; new : whether it was logged now; outdated : finished stages that do
    not belong to the run's recipe, of which nothing is logged
    """

    uri: str
    experiment: str
    run_id: str
    new: bool
    outdated: tuple[str, ...] = ()

    @property
    def warning(self) -> str:
        """What was left out; empty: nothing."""
        if not self.outdated:
            return ""
        return (
            f"not logged: {', '.join(self.outdated)}: outdated, not of the folder's recipe. Bring "
            "the run up to date with naetrigger run, and log it again"
        )


def track(
    root: Path, to: str | None = None, experiment: str | None = None, package: Path | None = None
) -> Tracked:
    """Log a run folder.

    to : URI of the tracking store, or local: a database beside the run folder; default:
        MLFLOW_TRACKING_URI, else local
    experiment : default: the recipe's name
    package : a folder made by `naetrigger package`, logged too

    Raises InputError for a run that is not whole, EnvironmentProblem for a store out of reach.
    """
    manifest = read_manifest(root)
    verify(root, manifest, list(manifest.stages))
    recipe = run_recipe(root)
    stages = current_stages(recipe, manifest)
    outdated = tuple(name for name in manifest.stages if name not in stages)
    tags = {
        "naetrigger.version": __version__,
        "naetrigger.run_folder": str(root.resolve()),
        "naetrigger.outdated": ", ".join(outdated) or "none",
    }
    if package is not None and not package.is_dir():
        raise InputError(f"{package}: no such folder; make it with: naetrigger package {root}")
    uri = to or os.environ.get("MLFLOW_TRACKING_URI") or LOCAL
    uri = _beside(root) if uri == LOCAL else uri
    name = experiment or recipe.name
    with _store_needed(uri, root):
        client = _client(uri)
        where = _experiment(client, name, root, local=uri == _beside(root))
        identity = _identity(root, stages)
        known = _known(client, where, identity)
        run_id = known or _logged(client, where, root, recipe, stages, {**identity, **tags})
        if package is not None:
            client.log_artifacts(run_id, str(package), f"package/{package.name}")
    return Tracked(masked(uri), name, run_id, known is None, outdated)


def _identity(root: Path, stages: list[str]) -> dict[str, str]:
    """The tags that a run is known by: what it holds, and what of it belongs to which recipe."""
    return {
        "naetrigger.manifest_sha256": sha256_of(root / NAME),
        "naetrigger.recipe_sha256": sha256_of(root / RECIPE),
        "naetrigger.stages": ", ".join(stages),
    }


def _logged(
    client: Any, where: str, root: Path, recipe: Recipe, stages: list[str], tags: dict[str, str]
) -> str:
    """A new run with all there is of its stages; it is marked as failed where that is cut short."""
    run_id: str = client.create_run(where, tags=tags, run_name=root.resolve().name).info.run_id
    try:
        _log_parameters(client, run_id, flat(recipe.model_dump(mode="json")))
        client.log_text(run_id, masked_in(read_text(root / RECIPE)), RECIPE)
        client.log_artifact(run_id, str(root / NAME))
        for stage in stages:
            _log_stage(client, run_id, root / stage)
    except BaseException:
        client.set_terminated(run_id, "FAILED")
        raise
    client.set_terminated(run_id, "FINISHED")
    return run_id


def _log_stage(client: Any, run_id: str, folder: Path) -> None:
    for path in sorted(folder.glob("curves*.csv")):
        _log_curves(client, run_id, path)
    if folder.name == "validation":
        from naetrigger.validation.report.schema import report_from_json

        _log_report(client, run_id, report_from_json((folder / "report.json").read_bytes()))
        for name in REPORT:
            client.log_artifact(run_id, str(folder / name), folder.name)
    if folder.name == "export":
        client.log_artifacts(run_id, str(folder), folder.name)


def _log_parameters(client: Any, run_id: str, recipe: dict[str, object]) -> None:
    from mlflow.entities import Param

    values = [
        Param(_named(key), masked_in(str(value))[:MAX_VALUE])
        for key, value in recipe.items()
        if str(value)
    ]
    for start in range(0, len(values), BATCH):
        client.log_batch(run_id, params=values[start : start + BATCH])


def _log_curves(client: Any, run_id: str, path: Path) -> None:
    """Every column of a file of curves, by its step or epoch."""
    with path.open(encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text))
    values = []
    for row in rows:
        step = int(row.pop("step", None) or row.pop("epoch"))
        phase = row.pop("phase", "")
        prefix = "/".join(part for part in (path.parent.name, path.stem, phase) if part)
        values += [(f"{prefix}/{name}", float(value), step) for name, value in row.items() if value]
    _log_metrics(client, run_id, values)


def _log_report(client: Any, run_id: str, report: Report) -> None:
    """AUCs, working points, rates and firmware figures; whether the checks passed."""
    client.set_tag(run_id, "naetrigger.passed", str(report.passed).lower())
    failed = [check.name for check in report.failed_checks]
    client.set_tag(run_id, "naetrigger.failed_checks", ", ".join(failed) or "none")
    _log_metrics(client, run_id, [(name, value, 0) for name, value in report_metrics(report)])


def report_metrics(report: Report) -> Iterator[tuple[str, float]]:
    """What of a report is a number to compare runs by."""
    yield "checks/passed", len(report.checks) - len(report.failed_checks)
    yield "checks/failed", len(report.failed_checks)
    for auc in report.auc:
        if not auc.model.startswith("input:"):
            of = f"auc/{auc.signal}/{auc.model}/{auc.engine}"
            yield f"{of}{'/reweighted' if auc.reweighted else ''}", auc.value
    for point in report.working_points:
        of = f"working_point/{point.model}/{point.target:g}"
        yield from _given(of, point, ("background_efficiency", "rate_khz"))
        for signal in point.signals:
            yield f"{of}/efficiency/{signal.signal}", signal.efficiency
    for target in report.firmware:
        of = "/".join(filter(None, ("firmware", target.target, target.source, target.step)))
        names = ("latency_cycles", "latency_ns", "initiation_interval", "lut", "ff", "dsp", "bram")
        yield from _given(of, target, names)


def _given(of: str, entry: Any, names: tuple[str, ...]) -> Iterator[tuple[str, float]]:
    for name in names:
        value = getattr(entry, name)
        if value is not None:
            yield f"{of}/{name}", float(value)


def _log_metrics(client: Any, run_id: str, values: list[tuple[str, float, int]]) -> None:
    from mlflow.entities import Metric

    metrics = [Metric(_named(n), v, 0, step) for n, v, step in values if math.isfinite(v)]
    for start in range(0, len(metrics), METRICS_BATCH):
        client.log_batch(run_id, metrics=metrics[start : start + METRICS_BATCH])


def _named(name: str) -> str:
    """As MLflow takes names."""
    return re.sub(r"[^\w\-. /]", "_", name)[:250]


def _experiment(client: Any, name: str, root: Path, local: bool) -> str:
    """The experiment of that name; the artifacts of a local database lie beside it."""
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    place = (root.resolve().parent / ARTIFACTS / name).as_uri() if local else None
    return str(client.create_experiment(name, artifact_location=place))


def _known(client: Any, where: str, identity: dict[str, str]) -> str | None:
    """The finished run that is the same."""
    same = [f"tags.`{tag}` = '{value}'" for tag, value in identity.items()]
    wanted = " and ".join([*same, "attributes.status = 'FINISHED'"])
    runs = client.search_runs([where], filter_string=wanted, max_results=1)
    return str(runs[0].info.run_id) if runs else None


def _beside(root: Path) -> str:
    return f"sqlite:///{root.resolve().parent / DATABASE}"


def require_mlflow() -> None:
    """MissingExtra where MLflow is not installed."""
    if find_spec("mlflow") is None:
        raise MissingExtra("mlflow", "mlflow")


def _client(uri: str) -> Any:
    require_mlflow()
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    return MlflowClient(tracking_uri=uri)


@contextmanager
def _store_needed(uri: str, root: Path) -> Iterator[None]:
    """What a store out of reach raises, as one error."""
    try:
        yield
    except (EnvironmentProblem, InputError):
        raise
    except Exception as error:  # of whatever library the store is reached by
        said = masked_in(f"{type(error).__name__}: {error}".strip().splitlines()[0], uri)[:300]
        raise EnvironmentProblem(
            f"{masked(uri)}: the run was not logged there ({said}). "
            f"{root} is whole as it is; log it later with: naetrigger track {root}"
        ) from error


def track_if_it_can(root: Path, to: str, warn: Callable[[str], None]) -> None:
    """As :func:`track`, but what goes wrong is a warning: the run is done, whatever comes of it."""
    try:
        done = track(root, to)
    except (EnvironmentProblem, InputError) as error:
        warn(f"warning: {error}")
    else:
        if done.warning:
            warn(f"warning: {root}: {done.warning}")
        warn(f"mlflow: run {done.run_id} in experiment {done.experiment}, {done.uri}")
