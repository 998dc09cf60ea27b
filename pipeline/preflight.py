"""What a run needs beyond Python's core packages, looked for before anything long starts."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from importlib.util import find_spec

from naetrigger.contracts.errors import EnvironmentProblem
from naetrigger.firmware_configs.board import load_board
from naetrigger.pipeline.recipe import Recipe

EXPORT_MODULES = (
    "tensorflow", "tf_keras", "qkeras", "pyparsing", "hls4ml", "alkaid", "qonnx", "onnxscript",
)  # fmt: skip


def preflight(recipe: Recipe, stages: Sequence[str]) -> None:
    """Raise one EnvironmentProblem naming everything that the stages to be made will miss.

    Raises InputError for a board file that cannot be read.
    """
    if {"export", "validation"} & set(stages):
        load_board(recipe.firmware.board)
    problems = []
    if {"student", "export"} & set(stages):
        missing = [module for module in EXPORT_MODULES if find_spec(module) is None]
        if missing:
            problems.append(
                f"the Python packages {', '.join(missing)} are not installed; they come with: "
                "pip install 'naetrigger[export]'"
            )
    if {"export", "validation"} & set(stages) and shutil.which(recipe.firmware.compiler) is None:
        problems.append(
            f"no C++ compiler '{recipe.firmware.compiler}' on PATH, which the emulation of the "
            "firmware is built with; install one (Debian, Ubuntu: apt install g++) or name "
            "another as firmware.compiler"
        )
    if problems:
        raise EnvironmentProblem("\n".join(problems))
