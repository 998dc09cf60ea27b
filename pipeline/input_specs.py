"""Which model of a run reads which inputs: a student may have an input spec of its own."""

from __future__ import annotations

from pathlib import Path

from naetrigger.firmware_configs.input_spec import InputSpec, load_input_spec

INPUT_SPEC = "data/input_spec.yaml"
STUDENT_INPUT_SPEC = "data/student_input_spec.yaml"


def has_two_specs(root: Path) -> bool:
    """Whether the student of a run has inputs of its own."""
    return (root / STUDENT_INPUT_SPEC).exists()


def spec_of(root: Path, model: str) -> InputSpec:
    """The inputs of a run's model: 'student', or any other (the teacher and baselines)."""
    own = model == "student" and has_two_specs(root)
    return load_input_spec(str(root / (STUDENT_INPUT_SPEC if own else INPUT_SPEC)))
