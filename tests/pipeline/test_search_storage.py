"""Where a search is kept: any folder, any URL, and what is said where it cannot be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import OperationalError

from naetrigger.contracts.errors import EnvironmentProblem, InputError, NaetriggerError
from naetrigger.pipeline.search_storage import storage_needed, storage_place
from naetrigger.pipeline.search_study import open_study, optuna_library

NAMES = ("a b", "a?b", "a#b", "a%20b", "a%b", "{x}", "a'b\"c", "Ü", os.fsdecode(b"\xff"))


def test_the_database_is_in_the_folder_whatever_its_name(tmp_path: Path) -> None:
    for name in NAMES:
        folder = tmp_path / name
        folder.mkdir()
        open_study(optuna_library(), storage_place(None, folder), "study")
        assert os.listdir(folder) == ["study.sqlite3"]
    assert sorted(os.listdir(tmp_path)) == sorted(NAMES)


def test_a_url_is_taken_as_it_stands(tmp_path: Path) -> None:
    """Optuna formats URLs."""
    place = storage_place(f"sqlite:///{tmp_path}/{{x}}.db", tmp_path)
    open_study(optuna_library(), place, "study")
    assert os.listdir(tmp_path) == ["{x}.db"]


@pytest.mark.parametrize(
    ("url", "kind", "said"),
    [
        ("secret", InputError, "must be a URL"),
        ("postgresql//me:secret@host/db", InputError, "must be a URL"),
        ("postgresql://me:secret@host:port/db", InputError, "must be a URL"),
        ("postgresql://me:se@cret@host/db", InputError, "@ is written %40"),
        ("postgresql://me:secret", InputError, "must be a URL"),
        ("redis://me:secret@host/0", InputError, "no database 'redis'"),
        ("mysql+nodriver://me:secret@host/db", InputError, r"no database 'mysql\+nodriver'"),
        ("sqlite:///x.db?timeout=long", InputError, "does not take this URL"),
        ("sqlite:////nowhere/x.db", EnvironmentProblem, "unable to open"),
    ],
)
def test_what_cannot_be_used_is_no_defect_and_tells_no_password(
    tmp_path: Path, url: str, kind: type[NaetriggerError], said: str
) -> None:
    with pytest.raises(kind, match=said) as caught:
        open_study(optuna_library(), storage_place(url, tmp_path), "study")
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("met", "said"),
    [
        (OperationalError("SELECT 1", None, OSError("no route\nto it")), r"\(no route\)"),
        (StorageInternalError(), r"\(StorageInternalError\)"),
    ],
)
def test_whatever_it_raises_is_one_line_without_the_password(met: Exception, said: str) -> None:
    with (
        pytest.raises(EnvironmentProblem, match=said) as caught,
        storage_needed("postgresql://me:secret@db/searches"),
    ):
        raise met
    assert "secret" not in str(caught.value)
    assert "postgresql://me:***@db/searches" in str(caught.value)
