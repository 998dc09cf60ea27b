"""Every back end of hls4ml: projects of all, those that g++ compiles equal to the network."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from naetrigger.contracts.errors import EnvironmentProblem, InputError, MissingExtra
from naetrigger.contracts.fixed_point import Fixed, Overflow, Rounding
from naetrigger.contracts.network import FixedPointNetwork
from naetrigger.export import hls_choices
from naetrigger.export.hls import write_hls
from naetrigger.export.hls_backends import BACKENDS, hls_folders, part_for
from naetrigger.export.hls_library import FLAGS, HlsLibrary, compile_library
from naetrigger.export.settings import FirmwareSettings, HlsBackend, HlsLayer
from naetrigger.firmware_configs.board import Board, load_board
from tests.export.targets.networks import random_network
from tests.export.targets.projects import Projects, copy_sources, files_of, vectors_of

ALL = get_args(HlsBackend)
TINY = random_network(4, features=3, hidden=4)


def write(folder: Path, board: Board, network: FixedPointNetwork = TINY, **settings: Any) -> Path:
    words = vectors_of(network, 1000)[:20]
    write_hls(network, folder, board, FirmwareSettings(**settings), words)
    return folder


def test_every_back_end_is_known() -> None:
    assert set(ALL) == set(BACKENDS)


@pytest.mark.parametrize("backend", ALL)
def test_projects_are_the_same_each_time_and_say_whether_they_are_emulated(
    backend: str, tmp_path: Path, board: Board
) -> None:
    first, second = (write(tmp_path / name, board, hls_backend=backend) for name in "ab")
    files = files_of(first)
    assert files == files_of(second)
    assert not [name for name, data in files.items() if str(tmp_path).encode() in data]
    record = json.loads(files["hls.json"])
    assert record["backend"] == backend
    lacking = BACKENDS[backend].lacking
    assert ("emulation.cpp" in files) == (lacking is None)
    if lacking is not None:
        assert lacking in record["emulation"]
        with pytest.raises(EnvironmentProblem, match="written and not emulated, which needs"):
            compile_library(first)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("Quartus", {"hls_backend": "Quartus"}),
        pytest.param(
            "stream",
            {"hls_io": "io_stream", "hls_strategy": "resource", "reuse_factor": 2},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_compiled_projects_equal_the_network(
    name: str, settings: dict[str, Any], hls_project: Projects
) -> None:
    library = HlsLibrary(hls_project(name, TINY, **settings))
    words = vectors_of(TINY, 2000)
    inputs = TINY.input.type.real(words)
    np.testing.assert_array_equal(library.scores(inputs), TINY.scores(words))
    edges = TINY.trace(words)
    for layer, values in library.trace(inputs).items():
        np.testing.assert_array_equal(values, edges[layer], err_msg=layer)


def bench(folder: Path, compiler: str) -> subprocess.CompletedProcess[str]:
    """The project's own test bench, compiled by g++ and run."""
    sources = ["anomaly_score_test.cpp", "firmware/anomaly_score.cpp"]
    flags = [flag for flag in FLAGS if flag not in ("-shared", "-fPIC")]
    subprocess.run([compiler, *flags, *sources, "-o", "bench"], cwd=folder, check=True)
    return subprocess.run(["./bench"], cwd=folder, capture_output=True, text=True, check=False)


def test_the_projects_own_bench_passes_and_fails_with_a_perturbed_score(
    tmp_path: Path, board: Board, quick: str
) -> None:
    folder = write(tmp_path / "hls", board)
    passed = bench(folder, quick)
    assert passed.returncode == 0, passed.stderr
    assert "20 events, 0 scores differ" in passed.stdout
    expected = folder / "tb_data" / "tb_output_predictions.dat"
    scores = np.loadtxt(expected)
    scores[7] += TINY.score_type.lsb
    np.savetxt(expected, scores, fmt="%.17g")
    failed = subprocess.run(["./bench"], cwd=folder, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert "ERROR: event 7: expected" in failed.stderr
    expected.write_text("")
    assert subprocess.run(["./bench"], cwd=folder, capture_output=True, check=False).returncode


def test_folders_of_several_back_ends() -> None:
    settings = FirmwareSettings(hls_backends=("Quartus", "Vitis"))
    assert hls_folders(settings) == {"Vitis": "hls", "Quartus": "hls_quartus"}


def test_parts_follow_the_vendor() -> None:
    amd, pynq = load_board("vu13p-5ns"), load_board("pynq-z2")
    plain = FirmwareSettings()
    assert part_for(BACKENDS["Vitis"], amd, plain) == amd.part
    assert part_for(BACKENDS["oneAPI"], amd, plain) == "Agilex7"
    assert part_for(BACKENDS["VivadoAccelerator"], pynq, plain) == "pynq-z2"
    chosen = FirmwareSettings(hls_parts={"Quartus": "Stratix10", "VivadoAccelerator": "no-board"})
    assert part_for(BACKENDS["Quartus"], amd, chosen) == "Stratix10"
    with pytest.raises(InputError, match="must be a board that hls4ml has a shell for"):
        part_for(BACKENDS["VivadoAccelerator"], amd, chosen)


def test_a_proved_choice_is_written(tmp_path: Path, board: Board) -> None:
    layer = HlsLayer(
        strategy="resource",
        reuse_factor=6,
        accumulator="fixed<30,12>",
        result="fixed<26,13>",
        weight="fixed<7,1>",
        bias="fixed<9,3>",
    )
    folder = write(tmp_path / "hls", board, hls_layers={"d0": layer})
    defines = (folder / "firmware" / "defines.h").read_text()
    assert "typedef ap_fixed<30,12> d0_accum_t" in defines
    assert "ap_fixed<7,1> d0_weight_t" in defines
    assert json.loads((folder / "hls.json").read_text())["reuse_factor"]["d0"] == 6


@pytest.mark.parametrize(
    ("layer", "choice", "message"),
    [
        ("d0", {"accumulator": "fixed<8,2>"}, "accum .*would overflow or round: partial sums need"),
        ("d0", {"accumulator": "fixed<30,21>"}, "would overflow or round"),
        ("a0", {"accumulator": "fixed<30,12>"}, "'relu' has no accumulator"),
        ("latent", {"result": "fixed<6,3,RND_CONV,SAT>"}, "would give other values than"),
        ("latent", {"result": "fixed<9,3,RND_CONV,SAT>"}, "would give other values than"),
        ("d0", {"weight": "fixed<5,1>"}, "does not hold the weights"),
        ("d0", {"bias": "what<5,1>"}, "no fixed-point format"),
        ("sq", {"weight": "fixed<5,1>"}, "has no weights"),
        ("d0", {"reuse_factor": 5, "strategy": "resource"}, "hls4ml accepts 1, "),
        ("a0", {"reuse_factor": 2}, "neither strategy nor reuse factor"),
        ("d9", {"reuse_factor": 2}, "no layer 'd9'; did you mean"),
    ],
)
def test_choices_that_would_change_a_number_are_refused(
    layer: str, choice: dict[str, Any], message: str, tmp_path: Path, board: Board
) -> None:
    with pytest.raises(InputError, match=message):
        write(tmp_path / "hls", board, hls_layers={layer: HlsLayer(**choice)})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hls_backend": "Quartus", "hls_strategy": "distributed_arithmetic"}, "has no strategy"),
        ({"hls_backend": "Libero", "hls_io": "io_stream"}, "no io_stream for Libero"),
    ],
)
def test_what_a_back_end_does_not_have_is_refused(
    settings: dict[str, Any], message: str, tmp_path: Path, board: Board
) -> None:
    with pytest.raises(InputError, match=message):
        write(tmp_path / "hls", board, **settings)


@pytest.mark.parametrize("backend", ["Quartus", "Catapult", "oneAPI"])
def test_single_bits_that_would_be_two_are_refused(
    backend: str, tmp_path: Path, board: Board
) -> None:
    bit = Fixed(False, 1, 1, Rounding.TRN, Overflow.SAT)
    nodes = tuple(replace(n, type=bit) if n.op == "relu" else n for n in TINY.nodes)
    network = replace(TINY, nodes=nodes)
    with pytest.raises(InputError, match=rf"a0: hls4ml writes .* with two bits for {backend}"):
        write(tmp_path / "hls", board, network, hls_backend=backend)


def test_distributed_arithmetic_names_its_extra(
    tmp_path: Path, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hls_choices, "find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"naetrigger\[hls-da\]"):
        write(tmp_path / "hls", board, hls_strategy="distributed_arithmetic")


def test_sources_of_a_copy_carry_their_own_weights(
    tmp_path: Path, board: Board, hls_project: Projects
) -> None:
    """The library of a back end is named by its sources and its own flags."""
    folder = copy_sources(hls_project("Quartus", TINY, hls_backend="Quartus"), tmp_path / "q")
    with pytest.raises(InputError, match="not compiled"):
        HlsLibrary(folder)
