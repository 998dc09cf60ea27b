"""What a search's storage says when it cannot be used, by whatever it raises."""

from __future__ import annotations

import pytest
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import OperationalError

from naetrigger.contracts.errors import EnvironmentProblem
from naetrigger.pipeline.search_study import storage_needed


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
