"""`naetrigger data generate`: simulate a file and say what came of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from naetrigger.contracts.progress import Progress
from naetrigger.contracts.workers import Workers
from naetrigger.training.simulate.generate import generate
from naetrigger.training.simulate.processes import process_named
from naetrigger.training.simulate.sample import file_content_hash
from naetrigger.training.simulate.views import check_view, layout


def generate_file(
    process: str,
    rows: int,
    seed: int,
    out: Path,
    view: str | None,
    workers: Workers,
    progress: Progress,
) -> dict[str, Any]:
    """What was made, as JSON values; raises what :func:`generate` raises."""
    start = time.monotonic()
    found = process_named(process)
    view = found.views[0] if view is None else view
    check_view(process, found, view)
    made = generate(process, rows, seed, out, view, workers, progress)
    return {
        "file": str(out),
        "process": process,
        "view": view,
        "rows": made.rows,
        "what": layout(view).rows,
        "events_generated": made.events,
        "megabytes": round(out.stat().st_size / 1e6, 2),
        "seconds": round(time.monotonic() - start, 1),
        "content_sha256": file_content_hash(out),
    }
