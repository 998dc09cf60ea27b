"""Kernels are built once, and nothing fails where they cannot be."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from naetrigger.training.kernels import library
from naetrigger.training.kernels.library import kernel_library


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache of files, and none in memory."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    kernel_library.cache_clear()
    yield tmp_path / "naetrigger" / "kernels"
    kernel_library.cache_clear()


def test_it_is_built_once_and_variants_apart(fresh: Path) -> None:
    assert kernel_library("auction") is not None
    (built,) = fresh.glob("*.so")
    made = built.stat().st_mtime_ns
    kernel_library.cache_clear()
    assert kernel_library("auction") is not None
    assert built.stat().st_mtime_ns == made
    assert kernel_library("chain", "REAL=float") is not None
    assert kernel_library("chain", "REAL=double") is not None
    assert len(list(fresh.iterdir())) == 3  # and no scratch left


def test_it_can_be_switched_off(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAETRIGGER_KERNELS", "off")
    assert kernel_library("auction") is None
    assert not fresh.exists()


def test_no_compiler(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(fresh))
    assert kernel_library("auction") is None


def test_a_failed_build_is_said_and_survived(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(library, "OPTIONS", ("-no-such-option",))
    with caplog.at_level(logging.WARNING):
        assert kernel_library("auction") is None
    assert "no-such-option" in caplog.text
    caplog.clear()


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(in_the_way))
    assert kernel_library("auction") is None


def test_a_cache_that_others_can_write_is_not_used(
    fresh: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert kernel_library("auction") is not None
    assert fresh.stat().st_mode & 0o777 == 0o700
    fresh.chmod(0o777)
    kernel_library.cache_clear()
    with caplog.at_level(logging.WARNING):
        assert kernel_library("auction") is None
    assert "others may write" in caplog.text
    caplog.clear()


def test_a_damaged_library_is_built_again(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kernel_library("auction") is not None
    (built,) = fresh.glob("*.so")
    content = built.read_bytes()
    monkeypatch.setenv("XDG_CACHE_HOME", str(fresh))  # elsewhere: the loader knows the first path
    damaged = fresh / "naetrigger" / "kernels" / built.name
    damaged.parent.mkdir(mode=0o700, parents=True)
    damaged.write_bytes(content[:100])
    kernel_library.cache_clear()
    assert kernel_library("auction") is not None
    assert len(damaged.read_bytes()) == len(content)


def test_a_relative_cache_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert kernel_library("auction") is not None
    assert not (tmp_path / "here").exists()
    assert list((tmp_path / "home/.cache/naetrigger/kernels").glob("*.so"))
