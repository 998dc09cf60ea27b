"""Passwords are masked however they are written; what is none stays."""

from __future__ import annotations

import pytest

from naetrigger.pipeline.passwords import masked, masked_in


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:secret@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:sec/ret@host/db", "postgresql://me:***@host/db"),
        ("https://me:sec@ret@host", "https://me:***@host"),
        ("https://me:sec ret@host", "https://me:***@host"),
        ("redis://:secret@[::1]:6379/0", "redis://:***@[::1]:6379/0"),
        ("postgresql//me:secret@host/db", "postgresql//me:***@host/db"),
        ("me:sec:ret@host", "me:***@host"),
        ("https://host?password=secret", "https://host?password=***"),
        ("mysql://host/db?a=1&ssl_KEY=secret&b=2", "mysql://host/db?a=1&ssl_KEY=***&b=2"),
        ("mssql+pyodbc://?odbc_connect=PWD%3Dsecret", "mssql+pyodbc://?odbc_connect=***"),
    ],
)
def test_what_is_secret_is_masked(url: str, shown: str) -> None:
    assert masked(url) == shown
    assert masked(shown) == shown
    assert masked_in(f"see '{url}'.", url) == f"see '{shown}'."


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me@db.example.org:5432/searches?connect_timeout=10",
        "sqlite:////shared/my searches/a@b.db",
        "http://127.0.0.1:5000",
        "runs/mlruns",
    ],
)
def test_what_is_no_secret_is_shown(url: str) -> None:
    assert masked(url) == masked_in(url) == url


def test_every_url_of_a_text_is_masked() -> None:
    text = "storage: sqlite:///x.db\n  (http://me:secret@a/b), http://you:secret@c/d"
    assert "secret" not in masked_in(text)
    assert masked_in(text) == "storage: sqlite:///x.db\n  (http://me:***@a/b), http://you:***@c/d"


def test_pieces_of_a_password_are_masked_in_what_is_said_of_its_url() -> None:
    said = 'could not translate host name "word@host"'
    assert "word" not in masked_in(said, "postgresql://me:pass@word@host/db")
