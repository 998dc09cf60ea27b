"""What holds for every format: recognised, streamed alike in any pieces, damage always named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import concatenated
from naetrigger.training.data.formats import FORMATS, WRITERS
from naetrigger.training.data.formats.format import ReadOptions
from naetrigger.training.data.readers import open_events, recognise
from naetrigger.training.data.settings import FORMAT_NAMES

FUZZ = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def test_names_of_the_settings_are_those_of_the_registry(valid_files: dict[str, Path]) -> None:
    assert tuple(FORMATS) == FORMAT_NAMES
    assert set(valid_files) == set(FORMATS)


def test_recognised_by_content(
    format_name: str, valid_files: dict[str, Path], tmp_path: Path
) -> None:
    path = valid_files[format_name]
    assert recognise(path) == format_name
    nameless = tmp_path / "file"
    nameless.write_bytes(path.read_bytes())
    assert recognise(nameless) == format_name


def test_streamed_in_pieces_is_read_at_once(format_name: str, valid_files: dict[str, Path]) -> None:
    source = open_events(valid_files[format_name])
    assert source.processes
    for summary in source.processes:
        whole = source.read(summary.name)
        pieces = list(source.chunks(summary.name, size=7))
        again = concatenated(pieces)
        assert max(map(len, pieces)) <= 7 * 3  # jets: up to three of one event
        assert whole.columns == source.columns
        assert whole.units == source.units
        assert whole.context_columns == source.description.context_columns
        np.testing.assert_array_equal(again.values, whole.values)
        np.testing.assert_array_equal(again.event_ids, whole.event_ids)
        np.testing.assert_array_equal(again.context, whole.context)
        assert summary.events in (None, len(whole))
        some = source.read(summary.name, 3)
        rows = np.flatnonzero(np.isin(whole.event_ids, some.event_ids))
        assert len(some) == 3
        assert {row.tobytes() for row in some.values} <= {v.tobytes() for v in whole.values[rows]}


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_round_trip(name: str, valid_files: dict[str, Path], tmp_path: Path) -> None:
    """File -> Events -> file -> Events: equal values, ids and columns."""
    source = open_events(valid_files[name])
    copy = tmp_path / f"{valid_files[name].name}"
    WRITERS[name](copy, source.chunks(size=11))
    again = open_events(copy)
    assert again.format_name == name
    (first,) = (source.read(p.name) for p in source.processes)
    (second,) = (again.read(p.name) for p in again.processes)
    assert (first.columns, first.units) == (second.columns, second.units)
    np.testing.assert_array_equal(first.values, second.values)
    np.testing.assert_array_equal(first.event_ids, second.event_ids)
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_whole_or_not_at_all(name: str, valid_files: dict[str, Path], tmp_path: Path) -> None:
    def broken() -> object:
        yield from open_events(valid_files[name]).chunks(size=11)
        raise InputError("later")

    with pytest.raises(InputError, match="later"):
        WRITERS[name](tmp_path / "out", broken())
    assert not list(tmp_path.iterdir())


def test_empty_file(format_name: str, tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    with pytest.raises(InputError, match="is empty"):
        open_events(path)
    with pytest.raises(InputError):
        read_all(path, format_name)


def test_folder_and_missing_file(format_name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        open_events(tmp_path, format_name=format_name)
    with pytest.raises(InputError, match="no such file"):
        open_events(tmp_path / "absent", format_name=format_name)


@pytest.mark.parametrize("keep", [0.02, 0.3, 0.6, 0.9, 0.97])
def test_truncated(
    format_name: str, keep: float, valid_files: dict[str, Path], tmp_path: Path
) -> None:
    """A cut file is an error, but for text cut at the end of a line."""
    content = valid_files[format_name].read_bytes()
    path = tmp_path / valid_files[format_name].name
    path.write_bytes(content[: int(len(content) * keep) - 5])
    if format_name == "csv":  # where a number was cut, a shorter one is left
        path.write_bytes(path.read_bytes() + b",")
    with pytest.raises(InputError) as raised:
        read_all(path)
    assert str(path) in str(raised.value)


@FUZZ
@given(st.binary(max_size=300), st.sampled_from(sorted(FORMATS)))
def test_random_bytes(tmp_path: Path, content: bytes, name: str) -> None:
    path = tmp_path / "random"
    path.write_bytes(content)
    for forced in (None, name):
        with pytest.raises(InputError):
            read_all(path, forced)


@FUZZ
@given(st.data())
def test_random_damage(tmp_path: Path, valid_files: dict[str, Path], data: st.DataObject) -> None:
    """A cut anywhere, or a few bytes overwritten in text: fine, or InputError; nothing else."""
    name = data.draw(st.sampled_from(sorted(FORMATS)))
    content = bytearray(valid_files[name].read_bytes())
    if name in ("csv", "global-trigger"):
        for _ in range(data.draw(st.integers(0, 3))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / valid_files[name].name
    path.write_bytes(bytes(content[: data.draw(st.integers(0, len(content)))]))
    try:
        read_all(path)
    except InputError:
        return


@pytest.mark.parametrize("magic", [b"PK\x03\x04", b"\x7fELF", b"\x1f\x8b", b"%PDF-1.7"])
@pytest.mark.parametrize("suffix", ["", ".h5", ".csv", ".root", ".parquet", ".txt"])
def test_other_files(magic: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"file{suffix}"
    path.write_bytes(magic + bytes(range(256)) * 4)
    with pytest.raises(InputError, match="file"):
        read_all(path)


def test_format_of_another_kind(format_name: str, valid_files: dict[str, Path]) -> None:
    """A file forced to be read as what it is not."""
    for name, path in valid_files.items():
        if name != format_name and (name, format_name) != ("global-trigger", "csv"):
            with pytest.raises(InputError):
                read_all(path, format_name)


def read_all(path: Path, name: str | None = None) -> int:
    return sum(len(events) for events in open_events(path, ReadOptions(), name).chunks())
