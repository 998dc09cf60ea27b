"""What the machine does: full and read-only disks, links, locks, clocks, paths of any letters."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from naetrigger.contracts import whole_file
from naetrigger.contracts.manifest import read_manifest, write_atomically
from naetrigger.pipeline.cli import run_command_line
from naetrigger.pipeline.run_folder import begin_stage, locked
from tests.hostile.case import DEFECT, listing

WRITING = {
    "data convert to hdf5": "data convert good.csv --out x.h5",
    "data convert to csv": "data convert good.csv --out x.csv",
    "data convert to parquet": "data convert good.csv --out x.parquet",
    "score to hdf5": "score done events.h5 --workers 1 --out x.h5",
    "score to parquet": "score done events.h5 --workers 1 --out x.parquet",
    "rates": "rates done events.h5 --workers 1 --out out --rate 5000",
    "monitor": "monitor done events.h5 --reference events.h5 --workers 1 --out out --quiet",
}

NAMES = {
    "blanks": "a b  c",
    "quotes": "a'b\"c",
    "shell": "$(touch hacked);`touch hacked`&|<>",
    "options": "--force",
    "newline": "a\nb",
    "markup": "[bold]x[/bold]",
    "html": "<script>alert(1)</script>",
    "percent": "%s{0}{x}",
    "non-ASCII": "Größe-事象-\u202e",
    "dots": "...",
    "HDF5": "x::y",
    "not UTF-8": os.fsdecode(b"caf\xe9"),
}


def said(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    text = captured.out + captured.err
    assert not [word for word in DEFECT if word in text], text
    return text


@pytest.mark.parametrize("name", NAMES, ids=str)
def test_a_path_of_any_letters_is_read_and_written(
    name: str, working_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every letter that a file system takes, in the name of a folder and of a file."""
    folder = working_folder / NAMES[name].replace("/", "")
    folder.mkdir()
    (working_folder / "good.csv").rename(folder / "good.csv")
    out = folder / f"{folder.name}.h5"
    before = listing(working_folder)
    status = run_command_line(["data", "convert", str(folder / "good.csv"), "--out", str(out)])
    text = said(capsys)
    assert (status, out.is_file()) == (0, True), text
    assert run_command_line(["data", "info", str(out)]) == 0
    assert len(listing(working_folder) - before) == 1  # nothing was run, nothing lies elsewhere
    assert "hacked" not in os.listdir(working_folder)


@pytest.mark.parametrize("what", WRITING, ids=str)
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_disk_that_takes_nothing(
    what: str,
    number: int,
    working_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every way to write a file fails when its place in the folder is taken."""

    def fails(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number), "x")

    monkeypatch.setattr(os, "replace", fails)
    monkeypatch.setattr(Path, "replace", fails)
    status = run_command_line(WRITING[what].split())
    text = said(capsys)
    assert status == 3, text
    assert os.strerror(number) in text
    assert not [name for name in listing(working_folder) if name.endswith(".partial")]
    assert not any((working_folder / name).exists() for name in ("x.h5", "x.csv", "x.parquet"))


FILE_SIZE_LIMIT = """
import resource, signal, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from naetrigger.pipeline.cli import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize("out", ["x.h5", "x.csv", "x.parquet"])
def test_a_disk_that_fills_while_it_is_written(out: str, working_folder: Path) -> None:
    command = [sys.executable, "-c", FILE_SIZE_LIMIT, "data", "convert", "good.csv", "--out", out]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    assert "make room" in done.stderr.lower()
    assert sorted(os.listdir(working_folder)) == ["done", "events.h5", "good.csv", "two.csv"]


def test_links_of_a_run_folder_lead_no_write_out_of_it(
    working_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A lock and a manifest's own temporary file that are links to a file of the user's."""
    mine, root = working_folder / "mine.txt", working_folder / "done"
    mine.write_text("mine\n")
    (root / ".lock").symlink_to(mine)
    assert run_command_line(["train", "jets-quickstart", "--out", "done", "--quiet"]) == 2
    assert ".lock" in said(capsys)
    (root / "manifest.json.partial").symlink_to(mine)
    with pytest.raises(OSError, match="symbolic links"):
        write_atomically(root / "manifest.json", "{}")
    assert mine.read_text() == "mine\n"


def test_a_stage_in_work_that_is_a_link_is_not_worked_in(working_folder: Path) -> None:
    root, mine = working_folder / "done", working_folder / "mine"
    mine.mkdir()
    (mine / "kept").write_text("mine\n")
    (root / ".training.k.partial").symlink_to(mine)
    (root / ".training.json").write_text('{"key": "k"}')
    folder = begin_stage(root, "training", "k", resumes=True)
    assert not folder.is_symlink()
    assert list(folder.iterdir()) == []
    assert (mine / "kept").read_text() == "mine\n"


HOLDING = """
import fcntl, sys, time
file = open(sys.argv[1], "a+")
fcntl.lockf(file, fcntl.LOCK_EX)
file.truncate(0); file.write("pid 1 on elsewhere"); file.flush()
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def held() -> Any:
    """Another process that holds a lock."""
    started: list[subprocess.Popen[str]] = []

    def hold(path: Path) -> None:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDING, str(path)], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"

    yield hold
    for process in started:
        process.kill()
        process.communicate()


def test_two_processes_at_once(
    working_folder: Path, held: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    parts = working_folder / "x.h5.parts"
    parts.mkdir()
    held(parts / ".lock")
    assert run_command_line(["score", "done", "events.h5", "--workers", "1", "--out", "x.h5"]) == 3
    assert "another process writes it (pid 1 on elsewhere)" in said(capsys)
    held(working_folder / "done" / ".lock")
    assert run_command_line(["train", "jets-quickstart", "--out", "done", "--quiet"]) == 3
    assert "another run works here (pid 1 on elsewhere)" in said(capsys)
    assert not (working_folder / "x.h5").exists()


def test_two_writers_of_one_file_leave_a_whole_one(tmp_path: Path) -> None:
    with whole_file.whole_file(tmp_path / "x") as first:
        first.write_text("first")
        (tmp_path / "x").write_text("second")
    assert (tmp_path / "x").read_text() == "first"
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize("time_s", [0, 1, 4_102_444_800, 2**33])  # 1970, 2100, 2242
def test_clocks_that_are_wrong(
    time_s: int, working_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files from the future, or from before 1980, as a wrong clock leaves them."""
    for path in working_folder.rglob("*"):
        os.utime(path, (time_s, time_s))
    assert run_command_line(["score", "done", "events.h5", "--workers", "1", "--out", "x.h5"]) == 0
    assert run_command_line(
        ["rates", "done", "events.h5", "--out", "v", "--workers", "1", "--rate", "5000"]
    ) in (0, 1)
    assert run_command_line(["show", "done"]) == 0
    said(capsys)


def test_no_such_thing_as_a_lock_of_one_process(working_folder: Path) -> None:
    """The lock that the tests above hold is the one that a run takes."""
    with locked(working_folder / "done"), (working_folder / "done" / ".lock").open("a+") as file:
        read_manifest(working_folder / "done")
        script = (
            "import fcntl,sys; fcntl.lockf(open(sys.argv[1],'a+'), fcntl.LOCK_EX|fcntl.LOCK_NB)"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, file.name], capture_output=True, check=False
        )
        assert b"BlockingIOError" in done.stderr
