"""A run's HLS projects through their vendor's tool; what it says goes into the run's report.

``build/FOLDER/`` holds the tool's own work, ``vendor.json`` in it the figures. They belong to the
export they were made from: after another export the validation leaves them out.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from naetrigger.contracts.errors import EnvironmentProblem, InputError
from naetrigger.contracts.manifest import (
    Manifest,
    StageRecord,
    damage,
    read_manifest,
    stage_key,
    verify,
)
from naetrigger.pipeline.run_folder import begin_stage, finish_stage, locked

BUILD = "build"
FAILED = "build-failed"
FIGURES = "vendor.json"


def build_key(manifest: Manifest) -> str:
    """What a build depends on: every file of the exported HLS projects."""
    files = manifest.stages["export"].digests() if "export" in manifest.stages else {}
    sources = {path: digest for path, digest in files.items() if path.startswith("export/hls")}
    return stage_key({}, 0, sources, schema=1)


def build_digests(manifest: Manifest) -> dict[str, str]:
    """sha256 of the figures of a build that belongs to the export as it is; empty without one."""
    record = manifest.stages.get(BUILD)
    if record is None or record.key != build_key(manifest):
        return {}
    return {path: digest for path, digest in record.digests().items() if path.endswith(FIGURES)}


def built_figures(root: Path) -> list[dict[str, Any]]:
    """What vendor tools said of the export as it is."""
    found: list[dict[str, Any]] = []
    for path in build_digests(read_manifest(root)):
        found += json.loads((root / path).read_text(encoding="utf-8"))
    return found


def build(
    root: Path,
    folders: Sequence[str] = ("hls",),
    *,
    synthesis: bool = False,
    notify: Callable[[str], None] = lambda line: None,
) -> list[Any]:
    """Build HLS projects of a finished export; the figures of these calls.

    folders : below export/, e.g. 'hls', 'hls_quartus'
    """
    from naetrigger.export.hls_build import build_project

    with locked(root):
        manifest = read_manifest(root)
        export = manifest.stage("export", root)
        verify(root, manifest, ["export"])
        found = []
        with tempfile.TemporaryDirectory(dir=root, prefix=".build-") as work:
            for name in folders:
                files = _files(export, name)
                notify(f"build: {name}")
                try:
                    found += build_project(
                        root / "export" / name, files, Path(work) / name, synthesis
                    )
                except EnvironmentProblem as error:
                    kept = _keep_failed(root, Path(work) / name)
                    raise EnvironmentProblem(f"{error}\nit is left in {kept}") from error
            _keep(root, manifest, Path(work))
    return found


def _keep_failed(root: Path, work: Path) -> Path:
    """Leave a failed build where its log can be read."""
    kept = root / FAILED / work.name
    shutil.rmtree(kept, ignore_errors=True)
    work.mkdir(exist_ok=True)
    kept.parent.mkdir(exist_ok=True)
    work.rename(kept)
    return kept


def _files(export: StageRecord, name: str) -> list[str]:
    prefix = f"export/{name}/"
    paths = [file.path for file in export.files]
    files = [path.removeprefix(prefix) for path in paths if path.startswith(prefix)]
    if not files:
        there = sorted({p.split("/")[1] for p in paths if p.startswith("export/hls")})
        raise InputError(
            f"build: no HLS project '{name}' in the export (there is {', '.join(there)})"
        )
    return [file for file in files if not file.endswith(".so")]


def _keep(root: Path, manifest: Manifest, work: Path) -> None:
    """Register the new builds, and earlier ones of the same export, as the run's `build`."""
    key = build_key(manifest)
    folder = begin_stage(root, BUILD, key, resumes=False)
    record = manifest.stages.get(BUILD)
    if record is not None and record.key == key and not damage(root, record):
        for old in (root / BUILD).iterdir():
            if not (work / old.name).exists():
                shutil.copytree(old, folder / old.name, symlinks=True)
    for new in work.iterdir():
        new.rename(folder / new.name)
    empty = StageRecord(key, ("export",), 0, {}, files=())
    finish_stage(root, manifest, BUILD, empty)
