"""`naetrigger data info` and `naetrigger data convert`, as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import uproot
import yaml

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import read_events
from naetrigger.pipeline.cli import run_command_line
from naetrigger.pipeline.event_files import readable
from naetrigger.training.data.readers import read_source
from naetrigger.training.data.settings import DataSettings


@pytest.fixture
def particles(tmp_path: Path) -> Path:
    """A file of the 40-MHz layout, written by h5py alone."""
    table = np.zeros((30, 19, 4))
    table[:, 0] = [20.0, 0.0, 1.0, 1.0]
    table[:, 9] = [50.0, -1.0, 2.0, 4.0]
    with h5py.File(tmp_path / "background.h5", "w") as file:
        file["Particles"] = table
        file["Particles_Names"] = ["Pt", "Eta", "Phi", "Class"]
    return tmp_path / "background.h5"


def test_info(particles: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["data", "info", str(particles)]) == 0
    said = capsys.readouterr().out
    for word in ("format: particles-40mhz", "event ids are row numbers", "background", "jet10_phi"):
        assert word in said
    assert run_command_line(["data", "info", str(particles), "--json"]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert captured.err == ""
    (process,) = document["processes"]
    assert process["events"] == 30
    assert process["columns"][0] == {
        "name": "met_pt",
        "context": False,
        "unit": "GeV",
        "min": 20.0,
        "median": 20.0,
        "max": 20.0,
    }


def test_info_names_weights_and_problems(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "f.csv").write_text("pt,weight,event_id\n1,2,3\nnan,1,4\n")
    assert run_command_line(["data", "info", str(tmp_path / "f.csv")]) == 1
    said = capsys.readouterr().out
    assert "weights from column 'weight'" in said
    assert "event ids from column 'event_id'" in said
    assert "problem: f: 1 rows hold NaN or infinity" in said


def test_convert(particles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "mine.h5"
    arguments = ["data", "convert", str(particles), "--out", str(out)]
    assert run_command_line([*arguments, "--quiet"]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{out}: naetrigger: background 30\n"
    assert captured.err == ""
    (events,) = read_events(out)
    assert (len(events), events.unit_of("met_pt")) == (30, "GeV")
    assert run_command_line(arguments) == 2
    assert "--force replaces it" in capsys.readouterr().err
    assert run_command_line([*arguments, "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["events"] == {"background": 30}
    vectors = ["data", "convert", str(out), "--out", str(tmp_path / "vectors.txt")]
    assert run_command_line(vectors) == 0
    assert len((tmp_path / "vectors.txt").read_text().splitlines()) == 30


@pytest.mark.parametrize("content", [b"", b"\x7fELF\x02\x01", b"PK\x03\x04rest", b"no table"])
def test_unknown_file(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(content)
    assert run_command_line(["data", "info", str(path)]) == 2
    assert str(path) in capsys.readouterr().err
    command = ["data", "convert", str(path), "--out", str(tmp_path / "out.h5")]
    assert run_command_line(command) == 2
    assert not (tmp_path / "out.h5").exists()


def test_branches_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["data", "convert", "x.root", "--out", str(tmp_path / "o.h5"), "--branch", "pt"]
    assert run_command_line(command) == 2
    assert "--branch pt: expected COLUMN=BRANCH" in capsys.readouterr().err


def test_a_flat_tree_is_looked_at_by_its_branches(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "flat.root"
    with uproot.recreate(path) as file:
        file.mktree("t", {"ht": np.float32, "met": np.float32})
        file["t"].extend({"ht": np.arange(30, dtype=np.float32), "met": np.ones(30, np.float32)})
    chosen = ["--tree", "t", "--branch", "HT=ht"]
    assert run_command_line(["data", "info", str(path), *chosen, "--json"]) == 0
    (process,) = json.loads(capsys.readouterr().out)["processes"]
    assert (process["events"], process["columns"][0]["name"]) == (30, "HT")
    assert run_command_line(["data", "spec", str(path), *chosen]) == 0
    assert "name: HT" in capsys.readouterr().out
    assert run_command_line(["data", "info", str(path), "--tree", "t"]) == 2
    assert "name the branches: --branch ht=ht" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "key", "value"),
    [
        (["--tree", "Events"], "tree", "Events"),
        (["--branch", "a=b", "--branch", "c=d"], "branches", {"a": "b", "c": "d"}),
    ],
)
def test_trees_and_branches_of_other_formats_are_refused(
    option: list[str],
    key: str,
    value: object,
    particles: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = str(tmp_path / "o.h5")
    for command in (["info"], ["spec"], ["convert", "--out", out]):
        assert run_command_line(["data", *command, str(particles), *option]) == 2
        said = " ".join(capsys.readouterr().err.split())
        assert f"background.h5: {key[:4]}" in said
        assert "only ROOT files have" in said
        assert f"leave out {option[0]}, in a recipe data.{key}" in said
    settings = DataSettings.model_validate({"source": str(particles), key: value})
    with pytest.raises(InputError, match=f"leave out {option[0]}"):
        read_source(settings)


def test_a_view_that_no_file_has_is_refused(
    particles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (["info"], ["convert", "--out", str(tmp_path / "o.h5")]):
        assert run_command_line(["data", *command, str(particles), "--view", "images"]) == 2
        said = " ".join(capsys.readouterr().err.split())
        assert "background.h5: view 'images': " in said
        assert "has one way to read a row; leave the view out" in said
    settings = DataSettings(source=str(particles), view="images")
    with pytest.raises(InputError, match="leave the view out"):
        read_source(settings)


def test_a_spec_of_physical_trigger_objects_counts_in_steps(
    particles: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line(["data", "spec", str(particles)]) == 0
    (first, *_) = yaml.safe_load(capsys.readouterr().out)["features"]
    assert (first["name"], first["unit"], first["lsb"], first["bits"]) == ("met_pt", "GeV", 0.5, 12)


def test_a_spec_of_constant_columns(
    particles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = str(tmp_path / "without-units.csv")
    assert run_command_line(["data", "convert", str(particles), "--out", table]) == 0
    assert run_command_line(["data", "spec", table]) == 2
    assert "--keep-constant" in capsys.readouterr().err
    assert run_command_line(["data", "spec", table, "--keep-constant"]) == 0
    assert "name: met_eta" in capsys.readouterr().out


def test_a_table_without_units_becomes_trigger_objects_when_they_are_said(
    particles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, back, text = (str(tmp_path / name) for name in ("t.csv", "back.h5", "hw.csv"))
    convert = ["data", "convert", "--to", "particles-40mhz", "--out", back]
    assert run_command_line(["data", "convert", str(particles), "--out", table]) == 0
    assert run_command_line([*convert, table]) == 2
    assert "--units physical" in " ".join(capsys.readouterr().err.split())
    assert run_command_line([*convert, table, "--units", "physical"]) == 0
    with h5py.File(particles) as before, h5py.File(back) as after:
        np.testing.assert_array_equal(before["Particles"][:], after["Particles"][:])
    info = ["data", "info", table, "--input-spec", "l1-57"]
    assert run_command_line(info) == 2
    assert "--units" in capsys.readouterr().err
    assert run_command_line([*info, "--units", "physical"]) == 0
    assert "no value saturates" in capsys.readouterr().out
    assert run_command_line(["data", "convert", back, "--out", str(tmp_path / "v.txt")]) == 0
    assert run_command_line(["data", "convert", str(tmp_path / "v.txt"), "--out", text]) == 0
    assert run_command_line([*convert, text, "--units", "hw", "--force"]) == 0
    with h5py.File(back) as file:
        assert file["Particles"][0, 0, 0] == 20.0  # GeV, of 40 steps


def test_beams_are_put_in_words() -> None:
    assert readable("Pythia 8.3, Beams:eCM=13000") == "Pythia 8.3, proton-proton at 13 TeV"
    assert readable("Beams:eCM = 13600.") == "proton-proton at 13.6 TeV"
