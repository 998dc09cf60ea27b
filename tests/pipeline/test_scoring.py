"""Scoring files: every engine, any number of workers, resumption, output, refusals."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow.parquet
import pytest

from naetrigger.contracts.errors import (
    InputError,
)
from naetrigger.contracts.events import Events, write_events
from naetrigger.contracts.manifest import sha256_of
from naetrigger.firmware_configs.input_spec import load_input_spec
from naetrigger.pipeline import score_output, scoring
from naetrigger.pipeline.cli import run_command_line
from naetrigger.pipeline.model_inputs import BLOCK
from naetrigger.pipeline.score_workers import Task
from naetrigger.pipeline.scoring import Reading, score_file

_spec = importlib.util.spec_from_file_location(
    "small_run", Path(__file__).with_name("small_run.py")
)
assert _spec is not None
assert _spec.loader is not None
small_run: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(small_run)

N = 3 * BLOCK + 100


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root: Path = small_run.make_run(tmp_path_factory.mktemp("run") / "run")
    return root


@pytest.fixture(scope="module")
def events() -> list[Events]:
    return [
        small_run.crossings(N, seed=1),
        replace(small_run.crossings(70, seed=2, process="a_4l"), role="signal"),
    ]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory, events: list[Events]) -> Path:
    path = tmp_path_factory.mktemp("events") / "events.h5"
    write_events(path, events)
    return path


def by_hand(events: Events) -> np.ndarray:
    """The scores in integers alone, straight from the input spec."""
    network = small_run.network()
    x = load_input_spec("l1-57-pt").mantissas(events)
    return np.asarray(network.trace(x)[network.output][:, 0])


def test_scores_ids_and_provenance(
    run: Path, file: Path, events: list[Events], tmp_path: Path
) -> None:
    out = tmp_path / "scores.h5"
    done = score_file(run, file, out)
    assert done["events"] == {"zero_bias": N, "a_4l": 70}
    with h5py.File(out) as scores:
        assert list(scores.attrs["processes"]) == ["zero_bias", "a_4l"]
        for sample in events:
            group = scores[sample.process]
            expected = by_hand(sample)
            assert group["score_hw"].dtype == np.int64
            np.testing.assert_array_equal(group["score_hw"], expected)
            np.testing.assert_array_equal(group["score"], small_run.SCALE * expected)
            np.testing.assert_array_equal(group["event_ids"], sample.event_ids)
            np.testing.assert_array_equal(group["weights"], sample.weights)
        assert scores.attrs["engine"] == "network"
        assert scores.attrs["file_sha256"] == sha256_of(file)
        assert scores.attrs["run_manifest_sha256"] == sha256_of(run / "manifest.json")
        assert scores.attrs["score_scale"] == small_run.SCALE
    assert len(np.unique(by_hand(events[0]))) > 100  # a constant score would prove nothing
    assert [path.name for path in tmp_path.iterdir()] == ["scores.h5"]


def test_neither_workers_nor_chunks_show(
    run: Path, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score_output, "BATCH", 5000)
    for name, workers, rows in (("a", 1, BLOCK), ("b", 2, BLOCK), ("c", 1, 2 * BLOCK)):
        score_file(run, file, tmp_path / f"{name}.h5", workers=workers, rows=rows)
    content = [(tmp_path / f"{name}.h5").read_bytes() for name in "abc"]
    assert content[0] == content[1] == content[2]


def test_parquet(run: Path, file: Path, events: list[Events], tmp_path: Path) -> None:
    score_file(run, file, tmp_path / "scores.parquet")
    table = pyarrow.parquet.read_table(tmp_path / "scores.parquet")
    assert set(table.column_names) == {"process", "event_id", "score_hw", "score", "weight"}
    expected = np.concatenate([by_hand(sample) for sample in events])
    np.testing.assert_array_equal(table["score_hw"].to_numpy(), expected)
    assert table["process"].to_pylist().count("a_4l") == 70
    assert table.schema.metadata[b"file_sha256"].decode() == sha256_of(file)


def test_what_was_interrupted_goes_on_from_its_chunks(
    run: Path, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tmp_path / "whole.h5"
    score_file(run, file, whole, rows=BLOCK)
    out, save = tmp_path / "scores.h5", scoring._save
    saved: list[int] = []

    def dies_at_the_third(folder: Path, chunk: Any) -> Any:
        if len(saved) == 2:
            raise KeyboardInterrupt
        saved.append(chunk.number)
        return save(folder, chunk)

    monkeypatch.setattr(scoring, "_save", dies_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        score_file(run, file, out, rows=BLOCK)
    assert not out.exists()
    parts = tmp_path / "scores.h5.parts"
    assert len(list(parts.glob("chunk-*.npz"))) == 2
    (parts / "chunk-0000000.npz").write_bytes(b"torn")  # is made anew
    made: list[int] = []
    monkeypatch.setattr(scoring, "_save", lambda f, c: (made.append(c.number), save(f, c))[1])
    score_file(run, file, out, rows=BLOCK)
    assert made == [0, 2, 3, 4]
    assert out.read_bytes() == whole.read_bytes()
    assert not parts.exists()


def test_chunks_of_another_order_are_not_mixed_in(
    run: Path, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "scores.h5"

    def fails(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(scoring, "write_scores", fails)
        with pytest.raises(KeyboardInterrupt):
            score_file(run, file, out, rows=BLOCK)
    with pytest.raises(
        InputError, match=rf"another order \(rows {BLOCK}, not {2 * BLOCK}\).*--force"
    ):
        score_file(run, file, out, rows=2 * BLOCK)
    score_file(run, file, out, rows=2 * BLOCK, force=True)
    assert out.exists()


def test_chunks_that_do_not_say_whose_they_are_are_not_taken_over(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts of a.h5 whose note is gone, as a kill at the very end could leave them."""
    for name, seed in (("a", 5), ("b", 6)):
        write_events(tmp_path / f"{name}.h5", [small_run.crossings(2 * BLOCK, seed=seed)])
    out = tmp_path / "s.h5"

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(scoring, "write_scores", killed)
        with pytest.raises(KeyboardInterrupt):
            score_file(run, tmp_path / "a.h5", out, rows=BLOCK)
    (tmp_path / "s.h5.parts" / "order.json").unlink()
    score_file(run, tmp_path / "b.h5", out, rows=BLOCK, force=True)
    score_file(run, tmp_path / "b.h5", tmp_path / "right.h5", rows=BLOCK)
    assert out.read_bytes() == (tmp_path / "right.h5").read_bytes()


def test_a_file_that_another_process_has_just_finished_is_kept(
    run: Path, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, real = tmp_path / "s.h5", scoring.checked_run

    def meanwhile(root: Path, engine: str) -> Any:
        out.write_text("theirs")
        return real(root, engine)

    monkeypatch.setattr(scoring, "checked_run", meanwhile)
    with pytest.raises(InputError, match="exists already"):
        score_file(run, file, out)
    assert out.read_text() == "theirs"
    score_file(run, file, out, force=True)
    assert out.read_bytes() != b"theirs"
    assert not list(tmp_path.glob("*.parts"))


def test_a_kill_leaves_no_output_and_the_command_goes_on(run: Path, tmp_path: Path) -> None:
    """SIGKILL in the middle, two workers; none of them stays behind."""
    path = tmp_path / "many.h5"
    write_events(path, [small_run.crossings(2000)])
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom naetrigger.pipeline import scoring\n"
        "save = scoring._save\n"
        "def last(folder, chunk):\n    save(folder, chunk)\n    os.kill(os.getpid(), 9)\n"
        "if __name__ == '__main__':\n    scoring._save = last\n"
        "    scoring.score_file(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), "
        "workers=2)\n"
    )
    (tmp_path / "run.py").write_text(script)
    out = tmp_path / "out.h5"
    command = [sys.executable, str(tmp_path / "run.py"), str(run), str(path), str(out)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == -9, done.stderr  # and the pipes closed: no worker holds them
    assert not out.exists()
    assert (tmp_path / "out.h5.parts" / "chunk-0000000.npz").exists()
    assert score_file(run, path, out)["events"] == {"zero_bias": 2000}


def test_physical_values_become_the_same_scores(run: Path, tmp_path: Path) -> None:
    """As the data stage digitises them: through the layout of the 40-MHz data set and back."""
    sample = small_run.crossings(500, seed=3)
    write_events(tmp_path / "hw.h5", [sample])
    score_file(run, tmp_path / "hw.h5", tmp_path / "a.h5")
    convert = ["data", "convert", str(tmp_path / "hw.h5"), "--to", "particles-40mhz", "--quiet"]
    assert run_command_line([*convert, "--out", str(tmp_path / "physical.h5")]) == 0
    score_file(run, tmp_path / "physical.h5", tmp_path / "b.h5")
    with h5py.File(tmp_path / "a.h5") as a, h5py.File(tmp_path / "b.h5") as b:
        np.testing.assert_array_equal(a["zero_bias/score_hw"], b["physical/score_hw"])


def bad(tmp_path: Path, **changes: Any) -> Path:
    path = tmp_path / "bad.h5"
    write_events(path, [replace(small_run.crossings(10), **changes)])
    return path


def test_events_that_no_model_of_the_run_takes(run: Path, tmp_path: Path) -> None:
    good = small_run.crossings(10)
    other = ("met", *good.columns[1:])
    with pytest.raises(InputError, match="no column 'met_pt'"):
        score_file(run, bad(tmp_path, columns=other), tmp_path / "s.h5")
    values = good.values.copy()
    values[7, 3] = np.nan
    with pytest.raises(InputError, match=r"NaN.*row 7, column 'eg1_pt'"):
        score_file(run, bad(tmp_path, values=values, units=()), tmp_path / "s.h5")
    with pytest.raises(InputError, match="states no unit"):
        score_file(run, bad(tmp_path, units=()), tmp_path / "s.h5")
    score_file(run, tmp_path / "bad.h5", tmp_path / "s.h5", reading=Reading(units="hw"))
    rising = good.values.copy()
    rising[4, 30] = 2000  # jet 2 above jet 1
    with pytest.raises(InputError, match="not sorted by falling pT"):
        score_file(run, bad(tmp_path, values=rising), tmp_path / "t.h5")
    score_file(run, tmp_path / "bad.h5", tmp_path / "t.h5", reading=Reading(sort_objects=True))
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    with pytest.raises(InputError, match="is empty"):
        score_file(run, empty, tmp_path / "u.h5")
    none = replace(good.select(np.arange(0)), context=np.zeros((0, 3), np.float32))
    write_events(tmp_path / "none.h5", [none])
    with pytest.raises(InputError, match="holds no events"):
        score_file(run, tmp_path / "none.h5", tmp_path / "u.h5")
    assert not list(tmp_path.glob("*.parts"))  # nothing stays of what cannot be


def test_runs_and_outputs_that_cannot_be_used(run: Path, file: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.h5"
    with pytest.raises(InputError, match=r"export/rtl/rtl.json: is missing, which engine 'rtl'"):
        score_file(run, file, out, "rtl")
    with pytest.raises(InputError, match="no engine 'netwrk'; did you mean 'network'"):
        score_file(run, file, out, "netwrk")
    with pytest.raises(InputError, match="no such run folder"):
        score_file(tmp_path / "no", file, out, "torch")
    with pytest.raises(InputError, match=r"written as .h5, .hdf5 or .parquet"):
        score_file(run, file, tmp_path / "s.csv")
    with pytest.raises(InputError, match="no such folder"):
        score_file(run, file, tmp_path / "no" / "s.h5")
    with pytest.raises(InputError, match="no such file"):
        score_file(run, tmp_path / "no.h5", out)
    out.write_text("old")
    with pytest.raises(InputError, match="exists already"):
        score_file(run, file, out)
    assert out.read_text() == "old"
    with pytest.raises(InputError, match="cannot be written"):
        score_file(run, file, Path("/proc/self/s.h5"))


@pytest.mark.parametrize(
    ("engine", "compared"), [("torch", True), ("onnx", True), ("network", False), ("rtl", False)]
)
def test_workers_that_sum_floats_need_equal_processors(
    run: Path, engine: str, compared: bool
) -> None:
    """Integers are the same on every one."""
    seen = Task(run, engine).sees()
    assert ("processor" in seen) == compared
    assert seen[str(run / "manifest.json")] == sha256_of(run / "manifest.json")


def test_an_edited_run_is_refused(file: Path, tmp_path: Path) -> None:
    root = small_run.make_run(tmp_path / "run")
    with (root / "export" / "network" / "network.json").open("a") as text:
        text.write(" ")
    with pytest.raises(InputError, match="edited"):
        score_file(root, file, tmp_path / "s.h5")


def test_the_command(
    run: Path, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["score", str(run), str(file), "--out", str(tmp_path / "s.h5"), "--workers", "1"]
    assert run_command_line([*arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["events"] == {"zero_bias": N, "a_4l": 70}
    assert run_command_line(arguments) == 2
    assert "exists already" in capsys.readouterr().err
    assert run_command_line([*arguments, "--force"]) == 0
    assert f"zero_bias {N}, a_4l 70; hardware scores " in capsys.readouterr().out


def test_every_fast_engine_of_a_real_run_agrees(finished_run: Path, tmp_path: Path) -> None:
    """Student engines to the last bit, teacher engines to float rounding, and no worker shows."""
    source = tmp_path / "some.csv"
    with (finished_run.parent / "background.csv").open() as text:
        source.write_text("".join(next(text) for _ in range(401)))
    found: dict[str, Any] = {}
    for engine in ("network", "hls", "rtl", "qcdq", "onnx"):
        out = tmp_path / f"{engine}.h5"
        score_file(finished_run, source, out, engine, workers=1)
        with h5py.File(out) as scores:
            group = scores[source.stem]
            found[engine] = group["score_hw" if "score_hw" in group else "score"][()]
    for engine in ("hls", "rtl", "qcdq"):
        np.testing.assert_array_equal(found[engine], found["network"])
    assert found["onnx"].dtype == np.float64
    assert len(np.unique(found["onnx"])) > 300
    assert os.environ.get("TF_NUM_INTRAOP_THREADS") is None  # the limits are the workers' alone
