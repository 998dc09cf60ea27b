"""Compiled HLS projects, each made once for all test workers."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from naetrigger.contracts.network import FixedPointNetwork
from naetrigger.export.hls import compile_library, write_hls
from naetrigger.export.settings import FirmwareSettings
from naetrigger.firmware_configs.board import Board, load_board
from tests.export.targets.projects import Projects, vectors_of
from tests.quick_compiler import quick_compiler


@pytest.fixture(scope="session")
def board() -> Board:
    return load_board("vu13p-5ns")


@pytest.fixture(scope="session")
def quick(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A compiler that does not optimise."""
    return str(quick_compiler(tmp_path_factory.mktemp("quick")))


@pytest.fixture(scope="session")
def hls_project(tmp_path_factory: pytest.TempPathFactory, board: Board, quick: str) -> Projects:
    """A function that writes and compiles a network's project under a name of its own."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "hls-projects"
    shared.mkdir(exist_ok=True)

    def project(name: str, network: FixedPointNetwork, **changes: object) -> Path:
        folder = shared / name
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            settings = FirmwareSettings(compiler=quick).model_copy(update=changes)
            if not folder.exists():
                write_hls(network, folder, board, settings, vectors_of(network, 1000)[:50])
            compile_library(folder, settings.compiler)
        return folder

    return project
