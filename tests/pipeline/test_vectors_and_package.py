"""The commands `vectors` and `package` on a run made by hand."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from naetrigger.contracts import calo_regions
from naetrigger.contracts.decision import with_decision
from naetrigger.contracts.errors import InputError
from naetrigger.contracts.manifest import (
    Manifest,
    StageRecord,
    read_manifest,
    sha256_of,
    write_manifest,
)
from naetrigger.contracts.network_file import load_network, save_network
from naetrigger.export.vectors import agreement_vectors
from naetrigger.firmware_configs.board import load_board
from naetrigger.firmware_configs.input_spec import load_input_spec
from naetrigger.pipeline.cli import run_command_line
from naetrigger.pipeline.package_command import _written
from naetrigger.pipeline.packaging import model_name, thresholds_of
from naetrigger.pipeline.recipe import Recipe
from naetrigger.pipeline.run import run_recipe
from naetrigger.pipeline.stages import VALIDATION
from naetrigger.pipeline.vector_writing import FORMATS
from tests.pipeline.small_run import crossings, make_run


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_run(tmp_path_factory.mktemp("run") / "run")
    plain = load_network(root / "export" / "network")
    scores = plain.scores(load_input_spec("l1-57-pt").mantissas(crossings(50)))
    network = with_decision(plain, [int(np.quantile(scores, q)) for q in (0.5, 0.9)])
    save_network(network, root / "export" / "network")
    inputs = agreement_vectors(network, 1000, np.random.default_rng(0))
    np.savez(root / "export" / "vectors.npz", inputs=inputs)
    board = load_board("vu13p-5ns").model_dump_json()
    (root / "export" / "board.yaml").write_text(board)
    return root


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "regions"])
def test_vectors_are_written_and_checked(
    name: str, run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "vectors"
    command = ["vectors", str(run_folder), "--format", name]
    assert run_command_line([*command, "--out", str(out), "--events", "40"]) == 0
    assert run_command_line([*command, "--check", str(out), "--events", "40", "--json"]) == 0
    document = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert document == {"file": str(out), "format": name, "events": 40}
    assert run_command_line([*command, "--check", str(out), "--events", "41"]) == 2
    assert run_command_line([*command, "--out", str(out)]) == 2


def test_a_changed_expectation_is_found(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "vectors.hex"
    command = ["vectors", str(run_folder), "--format", "hex"]
    assert run_command_line([*command, "--out", str(out), "--events", "9"]) == 0
    lines = out.read_text().splitlines()
    *words, score, bits = lines[4].split()
    lines[4] = " ".join([*words, f"{int(score, 16) ^ 1:04x}", bits])
    out.write_text("\n".join(lines) + "\n")
    assert run_command_line([*command, "--check", str(out)]) == 1
    assert "score: 1 of 9 events differ from the network, first event 3" in capsys.readouterr().err


def test_global_trigger_bits_that_are_wrong_are_found(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "gt.txt"
    command = ["vectors", str(run_folder), "--format", "gt", "--first-bit", "8"]
    assert run_command_line([*command, "--out", str(out)]) == 0
    text = out.read_text().splitlines()
    fired = [line.split()[-1] for line in text]
    assert set(fired) == {"0", "1"}, "some events must fire, some not"
    first = fired.index("1")
    *fields, bits, final = text[first].split()
    text[first] = " ".join([*fields, f"{int(bits, 16) ^ 0x300:0128x}", final])
    out.write_text("\n".join(text) + "\n")
    assert run_command_line([*command, "--check", str(out)]) in (1, 2)
    error = capsys.readouterr().err
    assert f"first event {first}" in error or f"line {first + 1}" in error


def test_global_trigger_lines_that_are_cut_off_are_found(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "gt.txt"
    command = ["vectors", str(run_folder), "--format", "gt"]
    assert run_command_line([*command, "--out", str(out)]) == 0
    assert run_command_line([*command, "--check", str(out)]) == 0
    out.write_text("".join(out.read_text().splitlines(keepends=True)[:-1]))
    assert run_command_line([*command, "--check", str(out)]) == 2
    assert "holds 49 events, the run's vectors are 50" in capsys.readouterr().err
    assert run_command_line([*command, "--check", str(out), "--events", "49"]) == 0


def test_algorithm_bits_that_there_are_not_are_no_disagreement(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "gt.txt"
    command = ["vectors", str(run_folder), "--format", "gt"]
    assert run_command_line([*command, "--out", str(out)]) == 0
    assert run_command_line([*command, "--check", str(out), "--first-bit", "600"]) == 2
    assert "512 algorithm bits; 2 from 600 on do not fit" in capsys.readouterr().err


def test_global_trigger_lines_without_a_decision_are_not_compared(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "gt.txt"
    assert run_command_line(["vectors", str(run_folder), "--format", "gt", "--out", str(out)]) == 0
    plain = make_run(tmp_path / "plain")
    assert run_command_line(["vectors", str(plain), "--format", "gt", "--check", str(out)]) == 2
    error = capsys.readouterr().err
    assert "gt holds decision bits alone; this network has none" in error


def test_a_folder_that_is_not_there_is_named(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "nodir"
    command = ["vectors", str(run_folder), "--format", "hex"]
    assert run_command_line([*command, "--out", str(folder / "x.hex")]) == 2
    assert f"there is no folder {folder}; make it first" in " ".join(
        capsys.readouterr().err.split("\n")
    )
    assert not folder.exists()


def test_formats_of_other_inputs_are_refused(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "x")]
    assert run_command_line(["vectors", str(run_folder), "--format", "regions", *out]) == 2
    assert f"the {len(calo_regions.COLUMNS)} of calorimeter regions" in capsys.readouterr().err
    assert run_command_line(["vectors", str(run_folder), "--format", "cow", *out]) == 2
    assert "no format 'cow'; did you mean 'coe'?" in capsys.readouterr().err


def test_a_package_is_written_from_a_run(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "package"
    command = ["package", str(run_folder), "--out", str(out), "--version", "7"]
    command += ["--name", "GTADModel"]
    assert run_command_line([*command, "--vectors", "60", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["model"], document["callers_steps"]) == ("GTADModel_v7", [])
    table = np.loadtxt(out / "test_vectors.txt", dtype=np.int64, comments="#")
    assert table.shape == (60, 58)
    scales = (out / "GTADModel_v7" / "scales.h").read_text()
    assert "ad_offsets[57] = {94, 0, 0, 14," in scales
    assert "typedef ap_fixed<18,13,AP_TRN,AP_WRAP,0> unscaled_t;" in scales
    assert run_command_line(command) == 2
    (out / "README.md").write_text("other")
    assert run_command_line(["package", str(out), "--check"]) == 2
    assert "README.md: edited" in capsys.readouterr().err


def test_a_package_is_called_as_its_recipe_and_says_how_it_is_tried(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a package"
    assert run_command_line(["package", str(run_folder), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert said == f"written: {out}; test it: (cd '{out}' && make && ./test)\n"
    assert (out / "small_v1" / "scales.h").is_file()


@pytest.mark.parametrize(
    ("recipe", "model"),
    [("l1-objects", "l1_objects"), ("2.1+x", "model_2_1_x"), ("a" * 60, "a" * 41)],
)
def test_names_that_are_none_in_cpp_become_such(
    recipe: str, model: str, run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("naetrigger.pipeline.run.run_recipe", lambda root: Recipe(name=recipe))
    assert model_name(run_folder) == model


def test_steps_that_are_left_to_the_caller_are_said() -> None:
    text = _written(Path("p"), ["`ht`: (log(x) - 5.0) / 2^1", "rounding to `ap_fixed<10,3>`"])
    assert text.splitlines()[1] == (
        "the caller does 2 steps before each call, such as `ht`: (log(x) - 5.0) / 2^1; "
        "README.md there lists them under 'Before the call'"
    )


def test_thresholds_of_rates_report_and_decision(run_folder: Path) -> None:
    network = load_network(run_folder / "export" / "network")
    assert thresholds_of(run_folder, network)["rates"] == []
    manifest = read_manifest(run_folder)
    key = VALIDATION.key(run_recipe(run_folder), manifest)
    assert key is not None
    record = StageRecord(key, VALIDATION.parents, 0, {}, ())
    write_manifest(run_folder, Manifest({**manifest.stages, "validation": record}))
    rates = {
        "run_manifest_sha256": sha256_of(run_folder / "manifest.json"),
        "machine": {"name": "m"},
        "rates": [
            {"requested_khz": 1.0, "threshold_hw": 77, "threshold": 19.25, "status": "ok"},
            {"requested_khz": 0.1, "threshold_hw": None, "threshold": None, "status": "refused"},
        ],
    }
    folder = run_folder / "validation"
    folder.mkdir()
    (folder / "rates.json").write_text(json.dumps(rates))
    point = {"target": 1e-3, "threshold_hw": 80, "threshold_float": 20.0}
    (folder / "report.json").write_text(json.dumps({"working_points": [point]}))
    try:
        found = thresholds_of(run_folder, network)
        assert found["rates"] == [
            {"rate_khz": 1.0, "threshold_hw": 77, "threshold": 19.25, "status": "ok"}
        ]
        assert [p["threshold_hw"] for p in found["working_points"]] == [80]
        assert found["rates_note"] == found["working_points_note"] == ""
        (folder / "rates.json").write_text(json.dumps(rates | {"run_manifest_sha256": "0"}))
        found = thresholds_of(run_folder, network)
        assert (found["rates"], len(found["working_points"])) == ([], 1)
        assert "rates.json is of another export" in found["rates_note"]
        (folder / "rates.json").write_text("{")
        with pytest.raises(InputError, match=r"rates\.json: not readable"):
            thresholds_of(run_folder, network)
        _of_another_export(run_folder, rates)
    finally:
        write_manifest(run_folder, manifest)
        shutil.rmtree(folder)


def _of_another_export(run_folder: Path, rates: dict[str, object]) -> None:
    """A validation that is not of the export as it is: its thresholds are left out, and why."""
    network = load_network(run_folder / "export" / "network")
    manifest = read_manifest(run_folder)
    stale = replace(manifest.stages["validation"], key="0")
    write_manifest(run_folder, Manifest({**manifest.stages, "validation": stale}))
    digest = sha256_of(run_folder / "manifest.json")
    document = json.dumps(rates | {"run_manifest_sha256": digest})
    (run_folder / "validation" / "rates.json").write_text(document)
    found = thresholds_of(run_folder, network)
    assert (found["rates"], found["working_points"]) == ([], [])
    for note in ("rates_note", "working_points_note"):
        assert "validation is not of this export" in found[note]


@pytest.mark.parametrize("command", ["vectors", "package", "synthesize"])
def test_a_folder_that_is_no_run_is_named(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line([command, str(tmp_path)]) == 2
    assert "not a run folder" in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.iterdir())
