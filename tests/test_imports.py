"""What is imported when: the command line answers at once, and light rooms stay light."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {"torch", "tensorflow", "tf_keras", "keras", "scipy", "matplotlib", "sklearn", "onnx"}


def imported_by(code: str) -> set[str]:
    """The heavy packages that are loaded after running `code` in a new process."""
    report = (
        "import json, sys; print(json.dumps(sorted({n.partition('.')[0] for n in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True
    )
    return HEAVY & set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["run", "--help"], ["list", "recipes"], ["list", "schema"]],
)
def test_light_commands_import_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "from naetrigger.pipeline.cli import run_command_line\n"
        f"assert run_command_line({arguments!r}) == 0"
    )
    assert imported_by(code) == set()


@pytest.mark.parametrize(
    "module",
    [
        "contracts.network",
        "contracts.manifest",
        "firmware_configs.input_spec",
        "firmware_configs.board",
        "training.settings",
        "training.data.prepare",
        "export.settings",
        "export.student_settings",
        "validation.settings",
        "pipeline.run",
        "pipeline.engines",
    ],
)
def test_settings_and_contracts_are_light(module: str) -> None:
    assert imported_by(f"import naetrigger.{module}") == set()
