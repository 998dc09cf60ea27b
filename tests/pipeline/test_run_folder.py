"""Places where no run folder can be."""

from __future__ import annotations

from pathlib import Path

import pytest

from naetrigger.contracts.errors import InputError
from naetrigger.pipeline.run_folder import locked


@pytest.mark.parametrize("place", ["file/run", "nowhere", "loop"])
def test_a_place_that_cannot_be_a_folder_is_refused(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with (
        pytest.raises(InputError, match=r"cannot be made a folder.*--out"),
        locked(tmp_path / place),
    ):
        pass
