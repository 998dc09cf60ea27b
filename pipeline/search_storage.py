"""Where a search is kept: a database in the run folder, or any that SQLAlchemy reaches by a URL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from naetrigger.contracts.errors import EnvironmentProblem, InputError
from naetrigger.pipeline.passwords import masked, masked_in

DATABASE = "study.sqlite3"
OPTION = "--storage (search.storage)"
Place = str | Path
"""A URL, or the path of an SQLite file: no URL holds every name that a folder can have."""


def storage_place(storage: str | None, folder: Path) -> Place:
    """As asked for, else a database in the search's folder; InputError for a URL that is none."""
    if storage is None:
        return (folder / DATABASE).resolve()
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    try:
        url = make_url(storage)
        url.get_dialect()
    except NoSuchModuleError as error:
        raise InputError(
            f"{OPTION}: SQLAlchemy knows no database '{url.drivername}'; it takes sqlite, "
            "postgresql, mysql and others that are installed"
        ) from error
    except (ArgumentError, ValueError) as error:
        raise _no_url() from error
    if "@" in (url.host or ""):
        raise _no_url()
    return storage


def _no_url() -> InputError:
    return InputError(
        f"{OPTION}: must be a URL as SQLAlchemy takes it, like sqlite:////shared/s.db or "
        "postgresql://user@host/name; in a password @ is written %40, / %2F, : %3A and ? %3F. What "
        "came is not repeated here: it may hold a password"
    )


def database(optuna: Any, place: Place) -> Any:
    """Optuna's storage there.

    Raises InputError for a URL with what its database does not take, EnvironmentProblem for one
    out of reach.
    """
    try:
        with storage_needed(place):
            if isinstance(place, Path):
                connect = partial(sqlite3.connect, place, check_same_thread=False)
                url = f"sqlite:///{DATABASE}"  # says the kind of database alone
                return optuna.storages.RDBStorage(url, engine_kwargs={"creator": connect})
            literal = place.replace("{", "{{").replace("}", "}}")  # Optuna formats it
            return optuna.storages.RDBStorage(literal)
    except ImportError as error:
        raise EnvironmentProblem(
            f"{shown(place)}: this database needs a Python driver ({error.__cause__ or error}); "
            "install it, or name another in the URL, as postgresql+DRIVER://"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{OPTION}: {shown(place)}: its database does not take this URL "
            f"({type(error).__name__}); see the options behind ? in it"
        ) from error


def shown(place: Place) -> str:
    """The place without its password."""
    return str(place) if isinstance(place, Path) else masked(place)


@contextmanager
def storage_needed(place: Place) -> Iterator[None]:
    """What a database raises that is out of reach or damaged, as one error."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) else error
        found = getattr(cause, "orig", None) or cause or error
        said = (str(found).strip() or type(found).__name__).splitlines()[0]
        raise EnvironmentProblem(
            f"{shown(place)}: cannot be used as the search's database "
            f"({masked_in(said, str(place))}); see that it can be reached, or move it away if it "
            "is damaged. Finished trials are kept: the same command goes on"
        ) from error
