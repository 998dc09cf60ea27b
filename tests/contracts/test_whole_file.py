"""Files are whole, whoever writes them at the same time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from naetrigger.contracts.whole_file import whole_file


def test_it_appears_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    with whole_file(path) as partial:
        partial.write_text("all")
        assert not path.exists()
    assert path.read_text() == "all"
    assert os.listdir(tmp_path) == ["out.txt"]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_text("before")

    def half_written() -> None:
        with whole_file(path) as partial:
            partial.write_text("ha")
            raise ValueError("half")

    with pytest.raises(ValueError, match="half"):
        half_written()
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["out.txt"]


def test_two_processes_do_not_write_into_each_other(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    code = (
        "import sys; from pathlib import Path\n"
        "from naetrigger.contracts.whole_file import whole_file\n"
        "with whole_file(Path(sys.argv[1])) as partial: partial.write_text('theirs')\n"
    )
    with whole_file(path) as partial, partial.open("w") as file:
        file.write("ours, the first half, ")
        file.flush()
        subprocess.run([sys.executable, "-c", code, str(path)], check=True)
        assert path.read_text() == "theirs"
        file.write("the second")
        file.flush()
        assert path.read_text() == "theirs"
    assert path.read_text() == "ours, the first half, the second"
