"""What a stage is given to work with, and how it sees the files of stages before it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from naetrigger.contracts.events import Events, read_events
from naetrigger.contracts.progress import Progress
from naetrigger.contracts.workers import Workers
from naetrigger.firmware_configs.input_spec import InputSpec
from naetrigger.pipeline.input_specs import spec_of
from naetrigger.pipeline.recipe import Recipe
from naetrigger.training.data.training_weights import training_events


@dataclass(frozen=True)
class Work:
    """One stage at work.

    root : the run folder, with the folders of all finished stages
    folder : where to write; it may hold what an interrupted run of the same stage left
    workers : at what can be done beside each other
    """

    recipe: Recipe
    root: Path
    folder: Path
    progress: Progress
    workers: Workers = 1

    @cached_property
    def spec(self) -> InputSpec:
        """The teacher's inputs, as the data stage settled them."""
        return spec_of(self.root, "teacher")

    @cached_property
    def student_spec(self) -> InputSpec:
        """The student's inputs: its own, or the teacher's."""
        return spec_of(self.root, "student")

    def events(self, name: str) -> list[Events]:
        """One of the samples 'train', 'validation' (one process each) and 'test'."""
        return read_events(self.root / "data" / f"{name}.h5")

    def training_events(self, name: str) -> Events:
        """'train' or 'validation' as what learns is to see it: its weights may be flattened.

        An efficiency is one of `events`, whose weights are the data's own.
        """
        return training_events(self.root / "data", name)


@contextmanager
def run_view(work: Work, stage: str) -> Iterator[Path]:
    """A folder that looks like the run folder with this stage finished, for engines to read."""
    with tempfile.TemporaryDirectory(prefix="naetrigger-") as view:
        for path in work.root.iterdir():
            if path.is_dir() and not path.name.startswith(".") and path.name != stage:
                (Path(view) / path.name).symlink_to(path.resolve())
        (Path(view) / stage).symlink_to(work.folder.resolve())
        yield Path(view)
