"""The HLS project against the network, to the last bit."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from naetrigger.contracts.errors import EnvironmentProblem, InputError, MissingExtra
from naetrigger.contracts.fixed_point import Fixed, Overflow, Rounding
from naetrigger.contracts.network import FixedPointNetwork, Node
from naetrigger.export import hls
from naetrigger.export.hls import write_hls
from naetrigger.export.hls_library import HlsLibrary, compile_library
from naetrigger.export.settings import FirmwareSettings
from naetrigger.firmware_configs.board import Board
from tests.export.targets.faults import plant_bias_fault
from tests.export.targets.networks import (
    network_of_all_modes,
    network_of_wide_biases,
    random_network,
)
from tests.export.targets.projects import Projects, copy_sources, files_of, vectors_of

KINDS = ("square", "abs")


@pytest.mark.parametrize("kind", KINDS)
def test_scores_and_layers_equal_the_network(kind: str, hls_project: Projects) -> None:
    network = random_network(0, kind=kind)
    library = HlsLibrary(hls_project(kind, network))
    words = vectors_of(network)
    saturated = network.saturation(words)
    assert saturated["latent"] > 0.05, "the vectors must saturate"
    inputs = network.input.type.real(words)
    np.testing.assert_array_equal(library.scores(inputs), network.scores(words))
    layers, edges = library.trace(inputs), network.trace(words)
    assert set(layers) == set(edges) - {"x"}
    for name, values in layers.items():
        np.testing.assert_array_equal(values, edges[name], err_msg=name)


def test_inputs_off_the_grid_are_rounded_by_the_input_type(hls_project: Projects) -> None:
    network = random_network(0)
    library = HlsLibrary(hls_project("square", network))
    inputs = np.random.default_rng(1).uniform(-6, 6, (3000, network.input.size))
    expected = network.scores(network.input.type.mantissas(inputs))
    np.testing.assert_array_equal(library.scores(inputs), expected)


def test_every_mode_of_ap_fixed(hls_project: Projects) -> None:
    """Every rounding and overflow mode, signed and unsigned, on every input word there is."""
    network = network_of_all_modes()
    optimised = {"compiler": "g++", "hls_backend": "Vivado", "project": "modes"}
    folder = hls_project("modes", network, **optimised)
    kind = network.input.type
    every = np.arange(kind.min_mantissa, kind.max_mantissa + 1)
    words = np.stack([every, every[::-1], np.roll(every, 7)], axis=1)
    layers, edges = HlsLibrary(folder).trace(kind.real(words)), network.trace(words)
    for name, values in layers.items():
        np.testing.assert_array_equal(values, edges[name], err_msg=name)
    assert len(layers) == len(edges) - 1


def test_two_projects_of_one_name_in_one_process(hls_project: Projects) -> None:
    networks = [random_network(0, kind=kind) for kind in KINDS]
    libraries = [HlsLibrary(hls_project(k, n)) for k, n in zip(KINDS, networks, strict=True)]
    words = vectors_of(networks[0], 1000)
    inputs = networks[0].input.type.real(words)
    for _ in range(2):
        for library, network in zip(libraries, networks, strict=True):
            np.testing.assert_array_equal(library.scores(inputs), network.scores(words))


def test_a_planted_fault_is_found_and_its_layer_named(
    hls_project: Projects, quick: str, tmp_path: Path
) -> None:
    network = random_network(0)
    folder = copy_sources(hls_project("square", network), tmp_path / "hls")
    plant_bias_fault(folder, "d1")
    compile_library(folder, quick)
    library = HlsLibrary(folder)
    words = vectors_of(network, 1000)
    inputs = network.input.type.real(words)
    assert np.any(library.scores(inputs) != network.scores(words))
    layers, edges = library.trace(inputs), network.trace(words)
    wrong = [name for name in edges if name in layers and np.any(layers[name] != edges[name])]
    assert wrong[0] == "d1"


def test_a_project_may_be_moved_and_its_library_is_the_same_each_time(
    hls_project: Projects, quick: str, tmp_path: Path
) -> None:
    network = random_network(0, kind="abs")
    first = hls_project("abs", network)
    second = copy_sources(first, tmp_path / "elsewhere" / "hls")
    compile_library(second, quick)
    moved = (tmp_path / "elsewhere").rename(tmp_path / "moved") / "hls"
    assert files_of(moved) == files_of(first)
    words = vectors_of(network, 500)
    scores = HlsLibrary(moved).scores(network.input.type.real(words))
    np.testing.assert_array_equal(scores, network.scores(words))


def test_two_writes_are_byte_identical_and_hold_no_paths(tmp_path: Path, board: Board) -> None:
    network = random_network(2)
    words = vectors_of(network, 1000)[:20]
    for name in ("a", "b"):
        write_hls(network, tmp_path / name, board, FirmwareSettings(), words)
    files = files_of(tmp_path / "a")
    assert files == files_of(tmp_path / "b")
    assert not [name for name, data in files.items() if str(tmp_path).encode() in data]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    assert b"Apache License" in files["LICENSE-hls4ml.txt"]


def test_the_test_bench_holds_inputs_and_expected_scores(tmp_path: Path, board: Board) -> None:
    network = random_network(3)
    words = vectors_of(network, 1000)[:300]
    write_hls(network, tmp_path / "hls", board, FirmwareSettings(), words)
    bench = tmp_path / "hls" / "tb_data"
    inputs = np.loadtxt(bench / "tb_input_features.dat")
    scores = np.loadtxt(bench / "tb_output_predictions.dat")
    np.testing.assert_array_equal(network.input.type.mantissas(inputs), words)
    np.testing.assert_array_equal(network.score_type.mantissas(scores), network.scores(words))


def test_the_vendor_project_names_part_and_clock(tmp_path: Path, board: Board) -> None:
    network = random_network(3)
    settings = FirmwareSettings(project="my_score", reuse_factor=4, hls_strategy="resource")
    write_hls(network, tmp_path / "hls", board, settings, vectors_of(network, 1000)[:5])
    script = (tmp_path / "hls" / "project.tcl").read_text()
    assert f'set part "{board.part}"' in script
    assert f"set clock_period {board.clock_ns}" in script
    assert 'set project_name "my_score"' in script
    parameters = (tmp_path / "hls" / "firmware" / "parameters.h").read_text()
    assert (
        "namespace naetrigger_my_score"
        in (tmp_path / "hls" / "firmware" / "my_score.h").read_text()
    )
    assert "reuse_factor = 4" in parameters


def test_a_missing_compiler_is_named(tmp_path: Path, board: Board) -> None:
    network = random_network(3)
    write_hls(network, tmp_path / "hls", board, FirmwareSettings(), vectors_of(network, 1000)[:5])
    with pytest.raises(EnvironmentProblem, match=r"'no-such-g\+\+' is not on PATH"):
        compile_library(tmp_path / "hls", "no-such-g++")
    with pytest.raises(InputError, match="not compiled"):
        HlsLibrary(tmp_path / "hls")


def test_a_compiler_error_is_short_and_its_log_kept(tmp_path: Path, board: Board) -> None:
    network = random_network(3)
    folder = tmp_path / "hls"
    write_hls(network, folder, board, FirmwareSettings(), vectors_of(network, 1000)[:5])
    (folder / "emulation.cpp").write_text("int broken = nothing;\n")
    with pytest.raises(EnvironmentProblem, match=r".nothing. was not declared") as raised:
        compile_library(folder)
    assert len(str(raised.value).splitlines()) <= 6
    assert "nothing" in (folder / "compile.log").read_text()
    assert not list(folder.glob("*.so*"))


def test_an_edited_project_is_noticed(hls_project: Projects, tmp_path: Path) -> None:
    folder = tmp_path / "hls"
    shutil.copytree(hls_project("square", random_network(0)), folder)
    HlsLibrary(folder)
    plant_bias_fault(folder, "d1")
    with pytest.raises(InputError, match="edited after it was compiled"):
        HlsLibrary(folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "naetrigger-hls", "version": 9}'])
def test_other_records_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "hls.json").write_text(text)
    with pytest.raises(InputError, match=r"hls\.json"):
        HlsLibrary(tmp_path)


def test_inputs_of_another_shape_are_refused(hls_project: Projects) -> None:
    library = HlsLibrary(hls_project("square", random_network(0)))
    with pytest.raises(InputError, match=r"shape \(N, 5\)"):
        library.scores(np.zeros((2, 4)))
    assert library.scores(np.zeros((0, 5))).shape == (0,)


def test_an_existing_folder_is_left_alone(tmp_path: Path, board: Board) -> None:
    network = random_network(3)
    with pytest.raises(InputError, match="is there already"):
        write_hls(network, tmp_path, board, FirmwareSettings(), vectors_of(network, 1000)[:5])


def test_a_score_wider_than_a_double_is_refused(tmp_path: Path, board: Board) -> None:
    nodes = (
        Node("x", "input", (), 1, Fixed(True, 30, 10)),
        Node("score", "square", ("x",), 1, Fixed(False, 60, 20)),
    )
    network = FixedPointNetwork(nodes, "score", 1.0)
    words = np.zeros((1, 1), np.int64)
    with pytest.raises(InputError, match=r"score: .* wider than the 53 bits"):
        write_hls(network, tmp_path / "hls", board, FirmwareSettings(), words)


def test_a_missing_extra_is_named(
    tmp_path: Path, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = random_network(3)
    for module in ("hls4ml", "hls4ml.model.graph", "hls4ml.utils.config"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=r"naetrigger\[export\]"):
        write_hls(network, tmp_path / "hls", board, FirmwareSettings(), np.zeros((1, 5), np.int64))
    assert not list(tmp_path.iterdir())


def test_scoring_needs_neither_hls4ml_nor_tensorflow(hls_project: Projects) -> None:
    folder = hls_project("square", random_network(0))
    code = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from naetrigger.export.hls_library import HlsLibrary\n"
        "print(HlsLibrary(Path(sys.argv[1])).scores(np.zeros((3, 5))))\n"
        "heavy = {'hls4ml', 'tensorflow', 'keras', 'torch', 'onnx', 'alkaid'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_hls4ml_prints_nothing(
    tmp_path: Path, board: Board, capsys: pytest.CaptureFixture[str]
) -> None:
    network = random_network(3)
    write_hls(network, tmp_path / "hls", board, FirmwareSettings(), vectors_of(network, 1000)[:5])
    assert capsys.readouterr() == ("", "")


def test_keras_stays_out_while_a_project_is_written(tmp_path: Path, board: Board) -> None:
    before = "keras" in sys.modules
    network = random_network(3)
    write_hls(network, tmp_path / "hls", board, FirmwareSettings(), vectors_of(network, 1000)[:5])
    assert ("keras" in sys.modules) == before
    assert hls.sys.modules.get("keras", "absent") is not None


def test_biases_that_no_float_holds_are_refused_by_name(tmp_path: Path, board: Board) -> None:
    words = np.zeros((1, 1), np.int64)
    with pytest.raises(InputError, match=r"up: .*floats of 53"):
        write_hls(network_of_wide_biases(), tmp_path / "hls", board, FirmwareSettings(), words)


@pytest.mark.parametrize("stamp", ["1a2b3c4d", "12345678", "123e4567"])
def test_a_random_stamp_leaves_no_trace_quoted_or_not(tmp_path: Path, stamp: str) -> None:
    import yaml

    from naetrigger.export.hls_backends import BACKENDS
    from naetrigger.export.hls_project import STAMP, settle

    config = yaml.safe_dump({"OutputDir": str(tmp_path), "Stamp": stamp})
    (tmp_path / "hls4ml_config.yml").write_text(config, encoding="utf-8")
    (tmp_path / "build_lib.sh").write_text(f"LIB_STAMP={stamp}\n", encoding="utf-8")
    settle(tmp_path, BACKENDS["Vitis"], "score", stamp)
    text = (tmp_path / "hls4ml_config.yml").read_text(encoding="utf-8")
    assert text == f"OutputDir: .\nStamp: {STAMP}\n"
    assert (tmp_path / "build_lib.sh").read_text(encoding="utf-8") == f"LIB_STAMP={STAMP}\n"


def behind_zeros(rounding: Rounding) -> FixedPointNetwork:
    """Sums of fewer bits than the casts behind them round away: of no weights, of tiny ones."""
    kind, small = Fixed(True, 6, 3, rounding, Overflow.SAT), Fixed(True, 6, -4)
    zeros, nothing = np.zeros((2, 3), np.int64), np.zeros(3, np.int64)
    tiny, bias = np.array([[1, -1], [0, 3], [2, 0]]), np.array([1, -1])
    nodes = (
        Node("x", "input", (), 2, Fixed(True, 6, 3)),
        Node("d0", "dense", ("x",), 3, Fixed(False, 1, -7), zeros, small, nothing, small),
        Node("a0", "relu", ("d0",), 3, replace(kind, signed=False)),
        Node("d1", "dense", ("a0",), 2, replace(kind, integer=5), tiny, small, bias, small),
        Node("d2", "dense", ("x",), 2, replace(kind, integer=5), tiny[1:], small, bias, small),
        Node("diff", "sub", ("d1", "d2"), 2, Fixed(True, 8, 6)),
        Node("sq", "square", ("diff",), 2, Fixed(False, 14, 12)),
        Node("score", "sum", ("sq",), 1, Fixed(False, 8, 8, rounding, Overflow.SAT)),
    )
    return FixedPointNetwork(nodes, "score", 1.0)


@pytest.mark.parametrize("rounding", [Rounding.RND_CONV, Rounding.TRN_ZERO])
def test_values_without_the_bits_that_are_rounded_away(
    rounding: Rounding, hls_project: Projects
) -> None:
    """ap_fixed would end the whole process."""
    network = behind_zeros(rounding)
    library = HlsLibrary(hls_project(f"zeros_{rounding}", network))
    words = vectors_of(network, 1000)
    real = network.input.type.real(words)
    np.testing.assert_array_equal(library.scores(real), network.scores(words))
    edges = network.trace(words)
    for name, mantissas in library.trace(real).items():
        np.testing.assert_array_equal(mantissas, edges[name])


def test_a_saturating_edge_below_the_last_bit_kept_is_refused(tmp_path: Path, board: Board) -> None:
    coarse = Fixed(True, 6, 9, Rounding.RND_CONV, Overflow.SAT)
    nodes = (Node("x", "input", (), 1, Fixed(True, 4, 2)), Node("s", "cast", ("x",), 1, coarse))
    network = FixedPointNetwork(nodes, "s", 1.0)
    with pytest.raises(InputError, match=r"s: rounds x, .* widen x to 3 integer bits"):
        write_hls(network, tmp_path / "hls", board, FirmwareSettings(), vectors_of(network, 20))
