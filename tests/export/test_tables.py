"""Table files hold the words that training reads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from naetrigger.contracts.fixed_point import parse_fixed
from naetrigger.export.tables import write_tables
from naetrigger.firmware_configs.feature import Feature
from naetrigger.firmware_configs.input_spec import InputSpec

SIGNED = Feature(
    name="eta",
    lsb=0.0435,
    bits=4,
    signed=True,
    offline="log1p",
    table_type="fixed<9,3,RND_CONV,SAT>",
    offset=0,
    shift=0,
)
PT = SIGNED.model_copy(update={"name": "jet1_pt", "signed": False, "bits": 11})
PLAIN = Feature(name="mass", offset=0, shift=7)


def spec_of(*features: Feature) -> InputSpec:
    return InputSpec(
        name="s", description="d", source="here", type="fixed<9,3,RND_CONV,SAT>", features=features
    )


def test_files_hold_what_the_inputs_are_made_from(tmp_path: Path) -> None:
    spec = spec_of(PT, PT.model_copy(update={"name": "jet2_pt"}), PLAIN)
    assert write_tables(spec, tmp_path / "tables")
    document = json.loads((tmp_path / "tables" / "tables.json").read_text())
    first, second = document["features"]
    assert (first["feature"], second["feature"]) == ("jet1_pt", "jet2_pt")
    assert first["file"] == second["file"], "the same table is written once"
    words = (tmp_path / "tables" / first["file"]).read_text().split()
    assert len(words) == 2 ** first["address_bits"] == 2048
    fixed = parse_fixed(first["word"])
    mantissas = np.array([int(word, 16) for word in words])
    mantissas = np.where(
        mantissas >= 1 << fixed.width - 1, mantissas - (1 << fixed.width), mantissas
    )
    n = np.arange(2048.0)
    seen = spec.inputs(np.stack([n, n, n], axis=1))[:, 0]
    np.testing.assert_array_equal(fixed.real(mantissas), seen)
    assert seen.max() == fixed.max, "saturates as its type says"


def test_without_tables_nothing_is_written(tmp_path: Path) -> None:
    assert not write_tables(spec_of(PLAIN), tmp_path / "tables")
    assert not (tmp_path / "tables").exists()
