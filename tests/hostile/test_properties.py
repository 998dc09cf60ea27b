"""Laws of every reader, on documents of hypothesis: read, or refused by name; no third way."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.network_file import load_network, save_network
from naetrigger.firmware_configs.shipped import parse_yaml
from naetrigger.pipeline.recipe import Recipe, parse_recipe
from tests.hostile.fuzz_targets import (
    SEEDS,
    TARGETS,
    has_endless_heap,
    recipe,
    seeds,
    text_events,
)
from tests.pipeline.small_run import network

EXAMPLES = 60
FIELD = st.text("0123456789.-+eE,\"' \tnaif", max_size=6)
CORPUS = Path(__file__).with_name("corpus")

LETTERS = "ab1 ./\\\n\0\"'{}[]<>é事\u202e"
SHORT = st.text(LETTERS, max_size=4)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | st.text(LETTERS, max_size=8)
    | st.sampled_from(["fixed<8,4>", "ufixed<1,1,TRN,WRAP>", "dense", "score", "../x", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SHORT, inner, max_size=3),
    max_leaves=6,
)


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a JSON document."""
    found = [path] if path else []
    if isinstance(document, dict):
        for key, value in document.items():
            found += places(value, (*path, key))
    if isinstance(document, list):
        for i, value in enumerate(document):
            found += places(value, (*path, i))
    return found


@st.composite
def edited(draw: Any, document: Any) -> Any:
    """A good document with a value or two replaced by anything, or taken away."""
    result = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 2))):
        known = places(result)
        if not known:
            break
        *path, last = draw(st.sampled_from(known))
        place = result
        for key in path:
            place = place[key]
        if draw(st.booleans()):
            place[last] = draw(VALUES)
        else:
            del place[last]
    return result


NETWORK = json.loads(seeds("network_document")[0])
MANIFEST = json.loads(seeds("manifest")[1])
RECIPE = Recipe().model_dump(mode="json")


@settings(max_examples=EXAMPLES)
@given(edited(NETWORK))
def test_networks(document: Any) -> None:
    TARGETS["network_document"](json.dumps(document).encode())


@settings(max_examples=EXAMPLES)
@given(edited(MANIFEST))
def test_manifests(document: Any) -> None:
    TARGETS["manifest"](json.dumps(document).encode())


@settings(max_examples=EXAMPLES)
@given(edited(RECIPE))
def test_recipes(document: Any) -> None:
    recipe(yaml.safe_dump(document, allow_unicode=True).encode("utf-8", "surrogatepass"))


@settings(max_examples=EXAMPLES)
@given(st.lists(st.lists(FIELD, max_size=4), max_size=5))
def test_tables(rows: list[list[str]]) -> None:
    text_events(("a,b,weight\n" + "\n".join(",".join(row) for row in rows)).encode())


@settings(max_examples=EXAMPLES)
@given(st.data(), st.sampled_from(["binary_events", "network_arrays", "qonnx", "text_events"]))
def test_bytes_that_are_wrong(data: st.DataObject, name: str) -> None:
    content = bytearray(data.draw(st.sampled_from(GOOD[name])))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        match data.draw(st.integers(0, 2)):
            case 0:
                content[place] = data.draw(st.integers(0, 255))
            case 1:
                del content[place:]
                content += b"\0"
            case _:
                content[place:place] = data.draw(st.binary(max_size=8))
    TARGETS[name](bytes(content))


GOOD = {name: seeds(name) for name in ("binary_events", "network_arrays", "qonnx", "text_events")}


@settings(max_examples=EXAMPLES)
@given(edited(RECIPE))
def test_a_recipe_that_is_taken_is_kept_as_it_is(document: Any) -> None:
    """What a run folder keeps of a recipe is that recipe: nothing is read as something else."""
    try:
        taken = parse_recipe(document, "r.yaml")
    except InputError:
        return
    again = parse_recipe(parse_yaml(yaml.safe_dump(taken.model_dump(mode="json")), "r.yaml"), "r")
    assert again == taken


def test_a_network_that_is_taken_is_kept_as_it_is(tmp_path: Path) -> None:
    save_network(network(), tmp_path)
    again = load_network(tmp_path)
    save_network(again, tmp_path / "again")
    for name in ("network.json", "network.npz"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_of_every_target_are_good(name: str) -> None:
    assert set(SEEDS) == set(TARGETS)
    for data in seeds(name):
        TARGETS[name](data)


@pytest.mark.parametrize(
    "path", sorted(CORPUS.glob("*/*")), ids=lambda path: f"{path.parent.name}-{path.name}"
)
def test_what_fuzzing_found_stays_mended(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


def test_a_heap_that_the_hdf5_library_reads_without_end_is_seen() -> None:
    """As fuzzing made it: of the free space at the heap's end, the size became 0."""
    (own, *_) = seeds("binary_events")
    assert not has_endless_heap(own)
    start = own.index(b"GCOL")
    place = start + 16
    while own[place : place + 2] != b"\0\0":  # objects have numbers, free space has none
        place += 16 + -(-int.from_bytes(own[place + 8 : place + 16], "little") // 8) * 8
    assert has_endless_heap(own[: place + 8] + bytes(8) + own[place + 16 :])


def test_a_target_sees_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that fails in any other way than by a refusal is found."""
    from tests.hostile import fuzz_targets

    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(fuzz_targets, "parse_yaml", broken)
    with pytest.raises(ZeroDivisionError):
        recipe(b"seed: 1\n")
