"""Signals of a run's test sample, scored anew: what thresholds keep of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from naetrigger.pipeline.recipe import Recipe
from naetrigger.pipeline.run_folder import TEST
from naetrigger.pipeline.score_stream import score_stream
from naetrigger.pipeline.scoring import Reading, opened
from naetrigger.validation.efficiency import Scored


def signal_scores(root: Path, engine: str, recipe: Recipe) -> dict[str, Scored]:
    """Signal -> its test events with an engine's scores, (N,) each; those with events."""
    path = root / TEST
    if not path.exists():
        return {}
    task, source = opened(root, path, engine, recipe, Reading())
    signals = [process.name for process in source.processes if process.role == "signal"]
    found = {}
    for name in signals:
        chunks = [*score_stream(source, task, process=name)]
        if chunks:
            found[name] = Scored(
                np.concatenate([chunk.scores for chunk in chunks]),
                np.concatenate([chunk.weights for chunk in chunks]),
                np.concatenate([chunk.event_ids for chunk in chunks]),
            )
    return found
