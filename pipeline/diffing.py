"""`naetrigger diff`: two run folders, read as the documents that they hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.manifest import NAME, Manifest, damage, read_manifest, sha256_of
from naetrigger.contracts.regular_file import read_json
from naetrigger.firmware_configs.shipped import parse_yaml, read_text
from naetrigger.pipeline.packaging import validation_belongs
from naetrigger.pipeline.passwords import masked_in
from naetrigger.pipeline.run_folder import RECIPE, TEST

if TYPE_CHECKING:
    from naetrigger.validation.diff_schema import DiffReport
    from naetrigger.validation.run_difference import PairedError, RunDocuments

SCORES = "validation/scores.h5"
READ = {  # document: its format and the versions that are read
    "validation/report.json": ("naetrigger-report", (1,)),
    "validation/rates.json": ("naetrigger-rates", (1,)),
    "export/decision.json": ("naetrigger-decision", (1,)),
}


def diff_runs(a: Path, b: Path) -> DiffReport:
    """What changed from run `a` to run `b`.

    Raises InputError for a folder that is no run, and for documents of a version that this
    program does not read.
    """
    from naetrigger.validation.run_difference import run_difference

    runs, notes = [], []
    for root in (a, b):
        with _understood(root):
            documents, said = _documents(root)
        runs.append(documents)
        notes += [f"{root}: {line}" for line in said]
    with _understood(a, b):
        return run_difference(runs[0], runs[1], _paired(a, b, runs), tuple(notes))


@contextmanager
def _understood(*roots: Path) -> Iterator[None]:
    """Documents that say what they are, and are not, are bad input."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        which = " or ".join(map(str, roots))
        raise InputError(
            f"{which}: {', '.join(READ)}: one is not what this program writes ({error!r}); make it "
            "anew"
        ) from error


def _documents(root: Path) -> tuple[RunDocuments, list[str]]:
    from naetrigger.validation.run_difference import RunDocuments

    manifest = read_manifest(root)
    report, rates, decision = (_document(root, path) for path in READ)
    notes = [] if report else ["not validated, so it has no checks, AUCs and resources"]
    notes += _of_another(root, report, rates)
    notes += [
        f"{line}; the difference is that of the files as they are"
        for name in ("export", "validation")
        if name in manifest.stages
        for line in damage(root, manifest.stages[name])
    ]
    metadata = report.get("metadata", {})
    about = {
        "naetrigger": manifest.program,
        **{key: metadata.get(key) for key in ("sample", "score", "score_scale", "score_format")},
        "board": (report.get("board") or {}).get("name"),
    }
    return (
        RunDocuments(
            name=str(root),
            recipe=_recipe(root),
            files={name: stage.digests() for name, stage in manifest.stages.items()},
            packages=_packages(manifest),
            about={key: value for key, value in about.items() if value is not None},
            report=report,
            rates=rates,
            decision=decision,
        ),
        notes,
    )


def _of_another(root: Path, report: Mapping[str, Any], rates: Mapping[str, Any]) -> list[str]:
    """Documents that lie in the run, and are not of the run as it is."""
    notes = []
    try:
        belongs = not report or validation_belongs(root)
    except InputError:
        belongs = True  # the recipe of another program: nobody knows
    if not belongs:
        notes.append(
            "its verdict is that of other settings, of an older program or of another export; "
            "naetrigger run brings it up to date"
        )
    if rates.get("run_manifest_sha256", found := sha256_of(root / NAME)) != found:
        notes.append("its rates.json is that of another export; naetrigger rates makes it anew")
    return notes


def _recipe(root: Path) -> Mapping[str, Any]:
    """As it stands in the file, whatever program wrote it; a difference is shown, so is this."""
    path = root / RECIPE
    return parse_yaml(masked_in(read_text(path)), str(path))


def _packages(manifest: Manifest) -> dict[str, str]:
    """Versions by package; by stage where its stages were made with several."""
    found: dict[str, dict[str, str]] = {}
    for name, stage in manifest.stages.items():
        for package, version in stage.versions.items():
            found.setdefault(package, {})[name] = version
    packages = {}
    for package, by_stage in found.items():
        versions = dict.fromkeys(by_stage.values())
        packages[package] = (
            next(iter(versions))
            if len(versions) == 1
            else ", ".join(f"{version} ({stage})" for stage, version in by_stage.items())
        )
    return packages


def _document(root: Path, path: str) -> dict[str, Any]:
    """One document of a run; empty where it has none."""
    file, (format, versions) = root / path, READ[path]
    if not file.exists():
        return {}
    try:
        document = dict(read_json(file))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{file}: not readable ({error}); make it anew") from error
    if document.get("format") != format:
        raise InputError(f"{file}: expected {format}, got {document.get('format')}")
    if document.get("version") not in versions:
        raise InputError(
            f"{file}: version {document.get('version')}, this program reads "
            f"{', '.join(map(str, versions))}; compare with the program that wrote it, or bring "
            f"the run up to date: naetrigger run {root / RECIPE} --out {root}"
        )
    return document


def _paired(a: Path, b: Path, runs: list[RunDocuments]) -> PairedError:
    """Errors on resamples that both runs share, where they were tested on the same events."""
    from naetrigger.validation.paired_auc import paired_auc_error

    digests = [run.files.get("data", {}).get(TEST) for run in runs]
    same = digests[0] is not None and digests[0] == digests[1]
    files = [root / SCORES for root in (a, b)]

    def error(signal: str, model: str, engine: str) -> float | None:
        if not same or not all(file.exists() for file in files):
            return None
        return paired_auc_error(files[0], files[1], signal, model, engine)

    return error
