"""`naetrigger compare` on runs with faults: found, the layer named; the benchmark has all."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import planted_faults
import planted_run
from naetrigger.contracts.decision import with_decision
from naetrigger.contracts.errors import EnvironmentProblem, InputError
from naetrigger.contracts.events import write_events
from naetrigger.contracts.network import FixedPointNetwork
from naetrigger.export.rtl import write_rtl
from naetrigger.export.settings import FirmwareSettings
from naetrigger.firmware_configs.board import load_board
from naetrigger.pipeline import engines, run_on_disk
from naetrigger.pipeline.cli import run_command_line
from naetrigger.pipeline.comparing import CompareOptions, compare_run
from naetrigger.pipeline.model_inputs import BLOCK
from naetrigger.validation.compare_schema import CompareReport
from tests.quick_compiler import quick_compiler

N = BLOCK + 900
QUICK = ("network", "qcdq", "rtl")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("planted")
    return planted_run.make_run(folder / "run", str(quick_compiler(folder)), vectors=500)


def file_of(folder: Path, n: int) -> Path:
    path = folder / "events.h5"
    signal = replace(planted_run.crossings(300, seed=5), process="odd", role="signal")
    write_events(path, [planted_run.crossings(n, seed=3), signal])
    return path


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return file_of(tmp_path_factory.mktemp("events"), N)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For what is compiled without optimisation."""
    return file_of(tmp_path_factory.mktemp("few"), 500)


def fault(name: str, layer: str | None) -> Any:
    every = (*planted_faults.FAULTS, *planted_faults.HARMLESS)
    return next(f for f in every if f.name == name and f.layer == layer)


def test_all_engines_agree_on_the_run_as_it_is(run: Path, few: Path, tmp_path: Path) -> None:
    report = compare_run(run, few, tmp_path)
    assert report.passed
    assert report.agree == (("network", "qcdq", "hls", "rtl"),)
    assert report.events == {"background": 500, "odd": 300}
    assert report.edited == ()
    assert {pair.events for pair in report.pairs} == {"events.h5", "test vectors"}
    assert all(pair.exact_fraction == 1 for pair in report.pairs)
    assert {check.engine for check in report.layers} == {"qcdq", "hls"}
    assert {(bit.engine, bit.bit) for bit in report.bits} >= {("hls", 0), ("rtl", 1)}
    written = (tmp_path / "compare.json").read_text()
    assert CompareReport.model_validate_json(written) == report
    page = (tmp_path / "compare.html").read_text()
    assert "PASSED" in page
    assert "http" not in page.replace("http://www.w3.org", "")


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("rounding: half up", "latent"),
        ("a weight of the reference", "d2"),
        ("one weight", "d1"),
    ],
)
def test_a_planted_fault_is_found_and_its_layer_named(
    name: str, layer: str, run: Path, few: Path, tmp_path: Path
) -> None:
    planted = fault(name, layer)
    engines = ("network", "hls") if planted.engine == "hls" else QUICK
    verdict = planted_faults.judge(planted, run, few, tmp_path, engines)
    assert verdict.right, verdict
    assert len(verdict.edited) == 1
    report = CompareReport.model_validate_json((tmp_path / "verdict" / "compare.json").read_text())
    if name == "a weight of the reference":
        assert report.agree == (("qcdq", "rtl"), ("network",))
        place = next(p for p in report.partings if p.b == "rtl" and p.events == "events.h5")
        assert place.layer == "d2"  # of the RTL, which shows none, as of QCDQ, which is equal
        assert place.first is not None
        assert place.worst is not None
        assert place.traced == sum(place.by_layer.values())
        pair = next(p for p in report.pairs if p.b == "student/rtl" and p.a == "student/network")
        assert [flip.point for flip in pair.flips] == ["bit 0", "bit 1"]
        assert sum(flip.only_a + flip.only_b for flip in pair.flips) > 0
        assert pair.first is not None
        assert (pair.first.row, pair.first.process) == (place.first.row, place.first.process)
        assert "part at layer" in (tmp_path / "verdict" / "compare.html").read_text()


def test_a_comment_is_no_fault(run: Path, few: Path, tmp_path: Path) -> None:
    """In the project's script; the benchmark has one in the sources, too."""

    def comment(root: Path) -> None:
        with (root / "export" / "hls" / "build_prj.tcl").open("a") as script:
            script.write("# nothing\n")

    harmless = planted_faults.Fault("a comment", "hls", None, comment)
    verdict = planted_faults.judge(harmless, run, few, tmp_path, ("network", "hls"))
    assert verdict.right, verdict
    assert verdict.edited[0].startswith("export/hls/build_prj.tcl: edited")


def with_rtl_of(other: FixedPointNetwork, run: Path, folder: Path) -> Path:
    """A copy of the run whose RTL's logic is another network's."""
    shutil.copytree(run, folder / "broken")
    settings, board = FirmwareSettings(languages=("verilog",)), load_board(planted_run.BOARD)
    write_rtl(other, folder / "other", board, settings)
    logic = folder / "broken" / "export" / "rtl" / "logic.json"
    shutil.copy(folder / "other" / "logic.json", logic)
    return folder / "broken"


def test_the_rtl_shows_no_layers_and_that_is_said(run: Path, few: Path, tmp_path: Path) -> None:
    first, dense, *others = planted_run.network().nodes
    changed = replace(dense, bias=np.asarray(dense.bias) + 1)
    other = replace(planted_run.network(), nodes=(first, changed, *others))
    broken = with_rtl_of(planted_run.decided(other), run, tmp_path)
    report = compare_run(broken, few, tmp_path / "out", CompareOptions(engines=QUICK))
    assert not report.passed
    assert report.agree == (("network", "qcdq"), ("rtl",))
    assert report.edited[0].startswith("export/rtl/logic.json")
    (place,) = (p for p in report.partings if (p.a, p.events) == ("network", "events.h5"))
    assert place.layer == "score"
    assert "'rtl' shows no layers" in place.note


def test_a_threshold_in_the_rtl(run: Path, few: Path, tmp_path: Path) -> None:
    """The scores are equal; one bit fires a step earlier."""
    network = planted_run.decided(planted_run.network())
    low, high = network.thresholds
    broken = with_rtl_of(with_decision(network, [low - 1, high]), run, tmp_path)
    report = compare_run(broken, few, tmp_path / "out", CompareOptions(engines=QUICK))
    assert report.agree == (QUICK,)
    assert planted_faults.named_layer(report, "rtl") == "decision"
    wrong = [bit for bit in report.bits if bit.only_engine]
    assert {(bit.engine, bit.bit, bit.only_network) for bit in wrong} == {("rtl", 0, 0)}
    scores = np.concatenate(
        [
            network.scores(network.input.type.mantissas(e.values))
            for e in (planted_run.crossings(500, seed=3), planted_run.crossings(300, seed=5))
        ]
    )
    (on_file,) = (bit for bit in wrong if bit.events == "events.h5")
    assert on_file.only_engine == np.sum(scores == low - 1)
    assert not report.passed


def test_neither_chunks_nor_processes_show(run: Path, events: Path, tmp_path: Path) -> None:
    found = [
        compare_run(
            run,
            events,
            tmp_path,
            CompareOptions(engines=("network", "qcdq"), rows=rows, workers=workers),
        )
        for rows, workers in ((None, 1), (BLOCK, 1), (BLOCK, 2))
    ]
    assert found[0] == found[1] == found[2]


def test_so_many_events_of_each_process(run: Path, events: Path, tmp_path: Path) -> None:
    options = CompareOptions(engines=("network", "rtl"), events=500, vectors=False)
    report = compare_run(run, events, tmp_path, options)
    assert report.events == {"background": 500, "odd": 300}
    assert {pair.n for pair in report.pairs} == {800}


def test_edges_that_saturate_are_counted_with_their_events(
    run: Path, events: Path, tmp_path: Path
) -> None:
    report = compare_run(run, events, tmp_path, CompareOptions(engines=("network", "rtl")))
    network = planted_run.network()
    words = np.concatenate(
        [
            network.input.type.mantissas(e.values)
            for e in (planted_run.crossings(N, seed=3), planted_run.crossings(300, seed=5))
        ]
    )
    expected = {name: share for name, share in network.saturation(words).items() if share}
    assert {edge.edge: edge.fraction for edge in report.edges} == pytest.approx(expected)
    latent = next(edge for edge in report.edges if edge.edge == "latent")
    assert latent.kind == "saturates"
    _, beyond = network.overflows(words)
    first = np.flatnonzero(beyond["latent"].any(axis=1))[0]
    assert (latent.first[0].row, latent.first[0].event_id) == (first, 1000 + first)


def test_the_command(
    run: Path, events: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["compare", str(run), str(events), "--out", str(tmp_path), "--engines", "network,rtl"]
    assert run_command_line([*asked, "--workers", "1"]) == 0
    said = capsys.readouterr().out
    assert "equal on every event: network = rtl (" in said
    assert "passed" in said
    assert run_command_line([*asked, "--json", "--workers", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["exit_status"] == 0
    broken = tmp_path / "broken"
    shutil.copytree(run, broken)
    fault("a weight of the reference", "d2").plant(broken)
    assert run_command_line(["compare", str(broken), *asked[2:], "--workers", "1"]) == 1
    said = capsys.readouterr().out
    assert "edited: export/network/network.npz" in said
    assert "differ: network and rtl" in said
    assert "equal among themselves: network | rtl" in said
    assert "FAILED: " in said


def test_what_cannot_be_compared_is_refused(run: Path, events: Path, tmp_path: Path) -> None:
    def refused(match: str, path: Path = events, **options: Any) -> None:
        with pytest.raises(InputError, match=match):
            compare_run(run, path, tmp_path / "out", CompareOptions(**options))

    refused("no engine 'hsl'; did you mean 'hls'", engines=("hsl", "rtl"))
    refused("needs two engines, there is rtl", engines=("rtl",))
    refused("is missing, which engine 'torch' reads", engines=("torch", "rtl"))
    refused("--events: must be at least 1, got 0", events=0)
    other = replace(planted_run.crossings(10), columns=("a", "b", "c", "d"))
    write_events(tmp_path / "other.h5", [other])
    refused("f0", tmp_path / "other.h5", engines=QUICK)
    (tmp_path / "empty.csv").write_text("f0,f1,f2,f3\n")
    refused("no events", tmp_path / "empty.csv", engines=QUICK)
    with pytest.raises(InputError, match="not validated yet"):
        compare_run(run, events)


def test_one_event_is_compared(run: Path, tmp_path: Path) -> None:
    write_events(tmp_path / "one.h5", [planted_run.crossings(1)])
    report = compare_run(run, tmp_path / "one.h5", tmp_path, CompareOptions(engines=QUICK))
    assert report.passed
    assert report.pairs[0].spearman is None


def test_edited_inputs_are_refused(run: Path, events: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(run, broken)
    with (broken / "data" / "input_spec.yaml").open("a") as spec:
        spec.write("# edited\n")
    with pytest.raises(InputError, match=r"input_spec\.yaml: edited"):
        compare_run(broken, events, tmp_path / "out")


def test_an_engine_that_lost_a_file_is_not_left_out_in_silence(
    run: Path, few: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(run, broken)
    (broken / "export" / "rtl" / "logic.json").unlink()
    with pytest.raises(InputError, match=r"logic\.json: is missing, which engine 'rtl' reads"):
        compare_run(broken, few, tmp_path / "out")
    report = compare_run(broken, few, tmp_path / "out", CompareOptions(engines=("network", "qcdq")))
    assert report.passed
    assert report.edited == ("export/rtl/logic.json: is missing",)
    shutil.rmtree(broken / "export")
    with pytest.raises(InputError, match=r"broken/export: is missing; have it made anew"):
        compare_run(broken, few, tmp_path / "out")


def test_a_damaged_library_is_compiled_anew_and_a_users_own_is_taken(
    run: Path, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(run, broken)
    (library,) = (broken / "export" / "hls").glob("*.so")
    library.write_bytes(b"torn")
    own = library.with_name("anomaly_score-0123456789abcdef.so")
    own.write_bytes(b"compiled by hand")
    seen: list[set[str]] = []

    def compiled(project: Path, compiler: str) -> None:
        seen.append({path.name for path in project.glob("*.so")})

    monkeypatch.setattr(run_on_disk, "_compile", compiled)
    with run_on_disk.run_on_disk(broken) as found:
        assert found.root != broken
        assert found.edited[0].startswith(f"export/hls/{library.name}: truncated")
    assert seen == [{own.name}]
    assert library.read_bytes() == b"torn"  # the run folder stays as it is


def test_a_project_that_does_not_compile_any_more(run: Path, events: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(run, broken)
    (broken / "export" / "hls" / "emulation.cpp").write_text("int broken = nothing;\n")
    with pytest.raises(EnvironmentProblem, match="edited after export, and does not compile"):
        compare_run(broken, events, tmp_path / "out")


@pytest.mark.parametrize("torch", [2.0, np.nan, np.inf])
@pytest.mark.parametrize("onnx", [np.nan, np.inf])
def test_scores_that_are_no_numbers_fail(
    run: Path,
    events: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    torch: float,
    onnx: float,
) -> None:
    """Two float engines, one or both of which give NaN or infinity now and then, maybe alike."""

    class Constant:
        def __init__(self, value: float) -> None:
            self.value = value

        def scores(self, inputs: Any) -> Any:
            scores = np.full(len(inputs), 2.0)
            scores[0] = self.value
            return scores

    for name, value in (("torch", torch), ("onnx", onnx)):
        load = partial(lambda value, root: Constant(value), value)
        kind = replace(engines.ENGINES[name], files=(), load=load)
        monkeypatch.setitem(engines.ENGINES, name, kind)
    monkeypatch.setattr("naetrigger.pipeline.compared_stream._pool", _alone)
    options = CompareOptions(engines=("torch", "onnx"), vectors=False)
    report = compare_run(run, events, tmp_path, options)
    assert not report.passed
    assert [check.name for check in report.failed_checks] == [
        "agreement teacher/torch = teacher/onnx (events.h5)",
        *(["scores of torch are numbers"] if torch != 2.0 else []),
        "scores of onnx are numbers",
    ]
    assert all(check.value for check in report.failed_checks)
    if torch == 2.0:
        assert report.pairs[0].spearman is None  # the others are constant
    assert report.partings == ()


def _alone(stack: Any, task: Any, workers: int, engines: int) -> Any:
    from naetrigger.contracts.workers import Here

    del stack, workers, engines
    return Here(task)
