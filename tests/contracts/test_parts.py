"""Folders of parts: whose chunks are gone on from, whose are refused, and what a kill leaves."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from naetrigger.contracts import parts
from naetrigger.contracts.errors import EnvironmentProblem, InputError
from naetrigger.contracts.parts import ORDER_FILE, chunk_path, chunk_paths, claimed

ORDER: dict[str, Any] = {"file": "a.h5", "rows": 4096, "reading": ["csv", {}], "run": "f" * 64}


class Killed(BaseException):
    """Stands for SIGKILL."""


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A file that was interrupted after its first chunk."""
    path = tmp_path / "x.h5"
    with suppress(Killed), claimed(path, ORDER, "say --force") as folder:
        chunk_path(folder, 0).write_text("theirs")
        raise Killed
    return path


def folder_of(target: Path) -> Path:
    return target.with_name("x.h5.parts")


def test_what_is_interrupted_is_gone_on_from_and_what_ends_leaves_nothing(target: Path) -> None:
    with claimed(target, ORDER, "say --force") as folder:
        assert folder == folder_of(target)
        assert list(chunk_paths(folder)) == [0]
    assert not folder.exists()


def test_what_has_no_chunk_yet_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(Killed), claimed(tmp_path / "x.h5", ORDER, "say --force"):
        raise Killed
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rows": 8192}, r"\(rows 4096, not 8192\)"),
        ({"file": "b.h5", "run": "e" * 64}, r"\(file a\.h5, not b\.h5, other run\)"),
        ({"reading": ["csv", {"units": "hw"}]}, r"\(other reading\)"),
        ({"new": 1}, r"\(new None, not 1\)"),
    ],
)
def test_chunks_of_another_order_are_refused(
    target: Path, change: dict[str, Any], said: str
) -> None:
    with (
        pytest.raises(InputError, match=rf"{said}; finish .* say --force to start anew"),
        claimed(target, ORDER | change, "say --force"),
    ):
        pass
    assert list(chunk_paths(folder_of(target))) == [0]


def test_force_deletes_them(target: Path) -> None:
    with claimed(target, ORDER | {"rows": 1}, "say --force", force=True) as folder:
        assert not chunk_paths(folder)


def test_force_keeps_chunks_of_the_same_order(target: Path) -> None:
    with claimed(target, ORDER, "say --force", force=True) as folder:
        assert list(chunk_paths(folder)) == [0]


def test_a_damaged_note_is_refused(target: Path) -> None:
    (folder_of(target) / ORDER_FILE).write_text("{")
    with (
        pytest.raises(InputError, match=r"order\.json cannot be read"),
        claimed(target, ORDER, "say --force"),
    ):
        pass


@pytest.mark.parametrize("force", [False, True])
def test_chunks_without_a_note_are_nobodys(target: Path, force: bool) -> None:
    """They may be of any file, so none is taken over as one's own."""
    (folder_of(target) / ORDER_FILE).unlink()
    with claimed(target, ORDER, "say --force", force) as folder:
        assert not chunk_paths(folder)


def test_a_kill_at_the_end_leaves_no_chunk_without_its_note(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(path: Path, **_: Any) -> None:
        assert not chunk_paths(path)
        raise Killed

    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(Killed), claimed(target, ORDER, "say --force"):
        pass
    assert (folder_of(target) / ORDER_FILE).exists()


def test_what_a_kill_cut_short_is_removed(target: Path) -> None:
    (folder_of(target) / "chunk-0000001.npz.77.partial").touch()
    (folder_of(target) / "chunk-strange.npz").touch()
    with claimed(target, ORDER, "say --force") as folder:
        assert list(chunk_paths(folder)) == [0]
        assert not list(folder.glob("*.partial"))
    assert not folder.exists()


def test_a_folder_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder_of(tmp_path / "x.h5").write_text("a file")
    with (
        pytest.raises(InputError, match=r"cannot be written .*choose another with --out"),
        claimed(tmp_path / "x.h5", ORDER, "say --force"),
    ):
        pass

    def taken(path: Path, said: str) -> Any:
        raise EnvironmentProblem(said)

    monkeypatch.setattr(parts, "lock", taken)
    with (
        pytest.raises(EnvironmentProblem, match=r"y\.h5: another process writes it"),
        claimed(tmp_path / "y.h5", ORDER, "say --force"),
    ):
        pass
