"""Generating files: the same rows whatever the workers and whatever was killed on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import h5py
import numpy as np
import pytest

from naetrigger.contracts import parts, workers
from naetrigger.contracts.errors import EnvironmentProblem, InputError
from naetrigger.contracts.events import read_events
from naetrigger.training.simulate import assembly, chunks, generate, jets, process
from naetrigger.training.simulate.chunks import Chunk, Order
from naetrigger.training.simulate.processes import PROCESSES
from naetrigger.training.simulate.sample import content_hash

PROCESS, ROWS, EVENTS = "svjs_2000_r03", 24, 5


def make(path, rows=ROWS, seed=1, count=1, name=PROCESS, events=EVENTS, view="jets", **more):
    return generate.generate(name, rows, seed, path, view, count, chunk_events=events, **more)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("made") / "jets.h5"
    make(path)
    return path


@pytest.fixture(scope="module")
def tops(tmp_path_factory):
    path = tmp_path_factory.mktemp("tops") / "tops.h5"
    make(path, rows=30, name="ttbar", events=40)
    return read_events(path)[0]


def digest(path):
    return content_hash(read_events(path))


def test_file_holds_what_was_asked_for(made):
    (events,) = read_events(made)
    assert len(events) == ROWS
    assert events.columns == jets.COLUMNS
    assert events.units == jets.UNITS
    assert events.role == "signal"
    assert np.all(events.weights == 1)
    assert events.column("jet_pt").min() >= 200
    attributes = events.attributes
    assert json.loads(attributes["commands"]) == list(PROCESSES[PROCESS].commands)
    assert json.loads(attributes["seeds"])["sample"] == 1
    assert json.loads(attributes["versions"])["pythia8mc"]
    assert attributes["cross_section_mb"] > 0
    assert attributes["cross_section_error_mb"] > 0
    assert attributes["events_generated"] <= 8 * EVENTS
    assert attributes["generator"].startswith("Pythia 8.")
    with h5py.File(made) as file:
        assert "never collision data" in file.attrs["label"]
    assert not made.with_name("jets.h5.parts").exists()


def test_two_workers_make_the_same_file(made, tmp_path):
    make(tmp_path / "two.h5", count=2)
    assert digest(tmp_path / "two.h5") == digest(made)
    assert (tmp_path / "two.h5").read_bytes() == made.read_bytes()


def test_fewer_rows_are_the_first_ones_and_another_seed_gives_others(made, tmp_path):
    make(tmp_path / "few.h5", rows=5)
    make(tmp_path / "other.h5", rows=5, seed=2)
    (whole,), (few,), (other,) = (
        read_events(path) for path in (made, tmp_path / "few.h5", tmp_path / "other.h5")
    )
    np.testing.assert_array_equal(few.values, whole.values[:5])
    np.testing.assert_array_equal(few.event_ids, whole.event_ids[:5])
    assert not np.intersect1d(other.column("jet_pt"), whole.column("jet_pt")).size


def start_generating(path, count=2):
    code = (
        "from pathlib import Path\n"
        "from naetrigger.training.simulate.generate import generate\n"
        "if __name__ == '__main__':\n"
        f"    generate({PROCESS!r}, {ROWS}, 1, Path({str(path)!r}), 'jets', {count}, "
        f"chunk_events={EVENTS})\n"
    )
    script = path.with_suffix(".py")
    script.write_text(code)
    return subprocess.Popen(
        [sys.executable, str(script)], stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def wait_for_chunk(folder, process_):
    deadline = time.monotonic() + 120
    while not list(folder.glob("chunk-*.npz")):
        assert time.monotonic() < deadline
        assert process_.poll() is None, process_.stderr.read()
        time.sleep(0.05)


def children(pid):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as file:
                    parent = int(file.read().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent == pid:
                found.append(int(entry))
    return found


def is_worker(pid):
    with open(f"/proc/{pid}/cmdline") as file:
        return "spawn_main" in file.read()


def gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_kill_of_the_parent_then_the_same_command(made, tmp_path):
    path = tmp_path / "killed.h5"
    running = start_generating(path)
    wait_for_chunk(tmp_path / "killed.h5.parts", running)
    orphans = [pid for pid in children(running.pid) if is_worker(pid)]
    with pytest.raises(EnvironmentProblem, match=f"pid {running.pid}"):
        make(path)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    assert not path.exists()
    make(path)
    assert digest(path) == digest(made)
    deadline = time.monotonic() + 60
    while not all(gone(pid) for pid in orphans):
        assert time.monotonic() < deadline, "workers outlive their parent"
        time.sleep(0.1)


def test_kill_of_a_worker_then_the_same_command(made, tmp_path):
    path = tmp_path / "killed.h5"
    running = start_generating(path)
    wait_for_chunk(tmp_path / "killed.h5.parts", running)
    victim = next(pid for pid in children(running.pid) if is_worker(pid))
    os.kill(victim, signal.SIGKILL)
    _, said = running.communicate(timeout=120)
    if running.returncode:  # the victim was at work
        assert f"worker process {victim} ended" in said
        assert "exit code -9" in said
        assert not path.exists()
        make(path)
    assert digest(path) == digest(made)


def interrupted_with(path, wanted, packed):
    """Parts as a kill after the first chunk leaves them."""
    claim = parts.claimed(path, wanted.document(), "delete the folder")
    with suppress(KeyboardInterrupt), claim as folder:
        chunks.keep_chunk(parts.chunk_path(folder, 0), packed)
        raise KeyboardInterrupt


def test_damaged_and_half_written_parts_are_made_again(made, tmp_path):
    path = tmp_path / "jets.h5"
    folder = tmp_path / "jets.h5.parts"
    wanted = chunks.order(PROCESS, "jets", 1, EVENTS)
    good = chunks.packed_chunk(chunks.make_chunk(wanted, 0))
    interrupted_with(path, wanted, good)
    parts.chunk_path(folder, 1).write_bytes(good[: len(good) // 2])
    (folder / "chunk-0000002.npz.77.partial").write_bytes(good)
    make(path)
    assert digest(path) == digest(made)


def test_parts_of_other_settings_are_refused(tmp_path):
    interrupted_with(tmp_path / "jets.h5", chunks.order(PROCESS, "jets", 1, EVENTS), b"rows")
    with pytest.raises(InputError, match="seed 1, not 2"):
        make(tmp_path / "jets.h5", seed=2)
    with pytest.raises(InputError, match="delete the folder"):
        make(tmp_path / "jets.h5", name="svjt_2000_r03")


def test_parts_that_do_not_say_whose_they_are_are_not_taken_over(made, tmp_path):
    """As a kill can leave them that comes while the parts of a finished file are removed."""
    other = chunks.order(PROCESS, "jets", 2, EVENTS)
    packed = chunks.packed_chunk(chunks.make_chunk(other, 0))
    interrupted_with(tmp_path / "jets.h5", other, packed)
    (tmp_path / "jets.h5.parts" / parts.ORDER_FILE).unlink()
    make(tmp_path / "jets.h5")
    assert digest(tmp_path / "jets.h5") == digest(made)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"rows": 0}, "--events: must be 1 to"),
        ({"count": 0}, "--workers"),
        ({"seed": -1}, "--seed"),
        ({"name": "tbar"}, "did you mean 'ttbar'"),
        ({"view": "image"}, "did you mean 'images'"),
        ({"name": "zero_bias"}, "zero_bias: cannot be looked at as jets"),
        ({"name": "a_4l", "view": "images"}, "its views are l1-objects, regions"),
    ],
)
def test_bad_requests(arguments, said, tmp_path):
    with pytest.raises(InputError, match=said):
        make(tmp_path / "jets.h5", **arguments)
    assert not list(tmp_path.iterdir())


def test_places_that_cannot_be_written(made, tmp_path):
    with pytest.raises(InputError, match="exists already"):
        make(made)
    with pytest.raises(InputError, match="no such folder"):
        make(tmp_path / "nowhere" / "jets.h5")
    (tmp_path / "jets.h5.parts").write_text("a file")
    with pytest.raises(InputError, match=r"jets\.h5\.parts: cannot be written"):
        make(tmp_path / "jets.h5")


def test_progress_counts_to_the_rows_asked_for(made, tmp_path):
    calls = []

    class Listener:
        def start(self, label, total):
            calls.append((label, total))

        def update(self, done, **values):
            calls.append(done)

    make(tmp_path / "jets.h5", rows=3, progress=Listener())
    assert (f"{PROCESS}: jets", 3) in calls
    assert calls[-1] == 3


def test_waiting_for_the_first_chunk_is_not_silent(tmp_path, monkeypatch):
    """A listener that prints now and then can only do so when it is told something."""
    waits, told = iter(range(3)), []

    class Slow(workers.Here):
        def answers(self, patience=None):
            assert patience == generate.PATIENCE_SECONDS
            return super().answers(patience) if next(waits, None) is None else iter(())

    class Listener:
        def start(self, label, total):
            told.append(label)

        def update(self, done, **values):
            told.append((done, values.get("at_work")))

    monkeypatch.setattr(workers, "Here", Slow)
    make(tmp_path / "jets.h5", rows=2, progress=Listener())
    assert told.count((0, 1.0)) == 3


def test_a_full_disk_is_told_where_a_chunk_is_kept(tmp_path, monkeypatch):
    def full(path, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("naetrigger.contracts.whole_file.os.replace", full)
    with pytest.raises(EnvironmentProblem, match=r"No space left on device.*chunks are kept"):
        chunks.keep_chunk(tmp_path / "chunk-0000000.npz", b"rows")
    assert not list(tmp_path.iterdir())


def test_full_disk_is_told_before_assembling(tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 10})()
    monkeypatch.setattr(assembly.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(EnvironmentProblem, match="make room"):
        make(tmp_path / "jets.h5", rows=2)
    monkeypatch.undo()
    assert not (tmp_path / "jets.h5").exists()
    make(tmp_path / "jets.h5", rows=2)


def test_seeds_of_all_chunks_and_slices_differ():
    orders = [Order(name, "jets", seed, 100) for name in ("ttbar", PROCESS) for seed in (0, 1)]
    for order in orders:
        seeds = {
            chunks.pythia_seed(order, number, piece)
            for number in range(500)
            for piece in range(len(order.slices))
        }
        assert len(seeds) == 500 * len(order.slices)
    assert len({chunks.pythia_seed(order, 0, 0) for order in orders}) == len(orders)


def test_event_ids_of_small_sliced_chunks_do_not_meet():
    order = chunks.order("ttbar", "jets", 1, 10)
    assert order.made_events == sum(order.slice_events()) == 12  # every slice at least one
    ids = [_ids_of_a_chunk(order, number) for number in range(3)]
    assert len(np.unique(np.concatenate(ids))) == 36


def _ids_of_a_chunk(order, number):
    n = order.made_events
    table = generate.layout(order.view)
    chunk = Chunk(
        values=np.ones((n, len(table.columns)), np.float32),
        context=np.ones((n, len(table.context_columns)), np.float32),
        weights=np.ones(n),
        event=np.arange(n),
        piece=np.zeros(n, np.int16),
        generated=np.asarray(order.slice_events()),
        sigma_mb=np.ones(len(order.slices)),
        dropped=0,
    )
    return assembly._events(order, number, chunk, chunk.weights, {}).event_ids


def test_a_file_that_another_process_has_just_finished_is_kept(tmp_path, monkeypatch):
    path = tmp_path / "jets.h5"
    monkeypatch.setattr(generate, "layout", lambda view: path.write_text("theirs"))
    with pytest.raises(InputError, match="exists already"):
        make(path)
    assert path.read_text() == "theirs"


def test_slices_are_weighted_by_cross_section_over_events(tops):
    slices = json.loads(tops.attributes["slices"])
    assert tops.weights.mean() == pytest.approx(1)
    expected = [piece["cross_section_mb"] / piece["events"] for piece in slices if piece["rows"]]
    found = sorted(set(tops.weights.tolist()))
    ratio = np.sort(expected) / np.sort(found)
    assert ratio == pytest.approx(np.full(len(found), ratio[0]), rel=0.1)  # events are rounded
    assert tops.attributes["cross_section_mb"] == pytest.approx(
        sum(piece["cross_section_mb"] for piece in slices)
    )
    assert tops.attributes["effective_rows"] == pytest.approx(
        tops.weights.sum() ** 2 / np.sum(tops.weights**2), abs=0.1
    )


def test_jets_of_one_event_share_id_and_weight(tops):
    ids, first, counts = np.unique(tops.event_ids, return_index=True, return_counts=True)
    assert counts.max() >= 2
    weight_of = dict(zip(ids.tolist(), tops.weights[first].tolist(), strict=True))
    assert [weight_of[i] for i in tops.event_ids.tolist()] == tops.weights.tolist()


def chunk_of(piece, generated, sigma):
    n = len(piece)
    return Chunk(
        values=np.arange(n, dtype=np.float32)[:, None],
        context=np.zeros((n, 0), np.float32),
        weights=np.ones(n),
        event=np.arange(n),
        piece=np.array(piece, np.int16),
        generated=np.array(generated),
        sigma_mb=np.array(sigma, float),
        dropped=0,
    )


def test_weights_of_slices_by_hand(tmp_path, monkeypatch):
    half = (process.Slice(0, 1, 0.5), process.Slice(1, 2, 0.5))
    monkeypatch.setattr(chunks.Order, "slices", half)
    for number, chunk in enumerate(
        [chunk_of([0, 1, 1], [10, 10], [8, 1]), chunk_of([0, 0, 1], [10, 10], [4, 3])]
    ):
        chunks.keep_chunk(parts.chunk_path(tmp_path, number), chunks.packed_chunk(chunk))
    totals = assembly.Totals.of(Order("ttbar", "jets", 1, 20), 6, tmp_path, [3, 3])
    assert totals.generated.tolist() == [20, 20]
    assert totals.sigma_mb.tolist() == [6, 2]
    # Raw weights 6/20 and 2/20, three rows of each: scaled to mean 1 they are 1.5 and 0.5.
    assert totals.weight_of_slice() == pytest.approx([1.5, 0.5])
    assert totals.sigma_error_mb == pytest.approx([2, 1])


def test_a_cut_chunk_counts_the_events_up_to_the_cut():
    cut = assembly.first_rows(chunk_of([0, 0, 0, 0], [9], [1]), 2)
    assert cut.generated.tolist() == [2]
    assert cut.values[:, 0].tolist() == [0, 1]


def test_a_cut_sliced_chunk_keeps_all_slices():
    cut = assembly.first_rows(chunk_of([0, 0, 0, 0, 1, 1, 1, 1], [8, 8], [1, 1]), 4)
    assert cut.piece.tolist() == [0, 0, 1, 1]
    assert cut.generated.tolist() == [4, 4]


@pytest.mark.parametrize("array", ["values", "weights", "event_ids", "context"])
def test_hash_sees_every_array(tops, array):
    from dataclasses import replace

    changed = getattr(tops, array).copy()
    changed.flat[17] += 1
    assert content_hash([replace(tops, **{array: changed})]) != content_hash([tops])
