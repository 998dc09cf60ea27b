"""The search on a toy problem: a teacher that is given, students that cost no training."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest

from naetrigger.contracts.errors import (
    EnvironmentProblem,
    InputError,
    MissingExtra,
    NaetriggerError,
)
from naetrigger.contracts.fixed_point import Fixed, Overflow, Rounding
from naetrigger.contracts.manifest import FileRecord, Manifest, StageRecord, write_manifest
from naetrigger.contracts.network import FixedPointNetwork, Node
from naetrigger.export import distil, qkeras_student
from naetrigger.export.student_task import Sample, StudentTask
from naetrigger.firmware_configs.board import load_board
from naetrigger.pipeline import preflight, run_folder, search_front, search_study
from naetrigger.pipeline import search as search_module
from naetrigger.pipeline.cli import run_command_line
from naetrigger.pipeline.recipe import Recipe
from naetrigger.pipeline.search import Row, SearchResult, front, require_searchable, search
from naetrigger.pipeline.search_front import _in_a_shell
from naetrigger.pipeline.search_measure import fidelity, ranks
from naetrigger.pipeline.search_trial import (
    TrialJob,
    beaten_by,
    beyond,
    changed,
    evaluate,
    nonzero_digits,
    overrides,
    own_choice,
    space,
)

RECIPE = Recipe.model_validate(
    {
        "name": "toy",
        "search": {
            "trials": 6,
            "at_once": 3,
            "epochs": 3,
            "rounding": ["half_even", "half_up"],
        },
        "student": {"weight_bits": 7, "pruning": {"sparsity": 0.25}},
    }
)


REMAKE = search_module._remake
BOARD = load_board("virtex7-690t")  # no DSP, 50 ns of 4.1667


def costs(choice: Mapping[str, Any]) -> dict[str, Any]:
    """Wider is nearer and larger; half up is cheaper; one choice has no student."""
    if choice["weight_bits"] == 3:
        return {"problem": "too narrow"}
    width = choice["weight_bits"] + choice["activation_bits"]
    up = choice["rounding"] == "half_up"
    figures = {
        "rank_shift": 1 / width + choice["sparsity"] / 10,
        "lut": int(100 * width * (1 - choice["sparsity"])) - 20 * up,
        "ff": 1,
        "dsp": 0,
        "cycles": 10 - up,
    }
    return figures | {"beyond": beyond(figures, BOARD)}


@dataclass
class Toy:
    """Workers whose students cost no training: they answer the last question first."""

    evaluate: Callable[..., dict[str, Any]]
    count: int = 1
    asked: dict[int, tuple[Any, ...]] = field(default_factory=dict)

    @property
    def in_work(self) -> list[int]:
        return list(self.asked)

    @contextmanager
    def __call__(self, job: Any, workers: Any) -> Iterator[Toy]:
        self.asked.clear()
        yield self

    @property
    def idle(self) -> bool:
        return len(self.asked) < self.count

    @property
    def busy(self) -> bool:
        return bool(self.asked)

    def ask(self, number: int, *arguments: Any) -> None:
        self.asked[number] = arguments

    def answers(self, patience: float | None = None) -> Iterator[tuple[int, Any]]:
        number, arguments = self.asked.popitem()
        yield number, self.evaluate(*arguments)


def toy(choice: Mapping[str, Any], checks: Any) -> dict[str, Any]:
    return costs(choice)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run with a teacher, and trials that take no time."""
    return toy_run(tmp_path / "run", monkeypatch)


def toy_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder.mkdir()
    write_manifest(folder, manifest("spec"))
    monkeypatch.setattr(search_study, "STARTUP", 3)
    monkeypatch.setattr(search_module, "run", lambda *_, **__: None)
    monkeypatch.setattr(search_module, "working", Toy(toy))
    monkeypatch.setattr(search_module, "_remake", lambda *_: None)
    return folder


def manifest(spec: str) -> Manifest:
    """Of a run whose student has inputs of its own.

    spec : their digest
    """
    student_inputs = FileRecord("data/student_input_spec.yaml", spec, 1, "settings")
    data = StageRecord("key", (), 0, {}, (student_inputs,))
    return Manifest({"data": data, "training": StageRecord("key", ("data",), 0, {}, ())})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    """An undisturbed search."""
    with pytest.MonkeyPatch.context() as patch:
        return search(RECIPE, toy_run(tmp_path_factory.mktemp("whole") / "run", patch))


def another(root: Path, name: str) -> Path:
    """A run folder with the same teacher."""
    folder = root.with_name(name)
    folder.mkdir()
    (folder / "manifest.json").write_bytes((root / "manifest.json").read_bytes())
    return folder


@pytest.mark.parametrize("count", [3])
def test_a_killed_search_ends_with_the_same_front(
    root: Path, whole: SearchResult, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """Also where more workers answer in another order."""
    recipe = RECIPE
    calls = 0

    def killed(choice: Mapping[str, Any], checks: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls in (1, 4, 5):  # before the first ends, among the random, behind them
            raise KeyboardInterrupt
        return costs(choice)

    again = another(root, "again")
    monkeypatch.setattr(search_module, "working", Toy(killed, count))
    stops = 0
    while True:
        try:
            resumed = search(recipe, again)
            break
        except KeyboardInterrupt:
            stops += 1
    assert stops == 3
    assert resumed.rows == whole.rows
    assert resumed.front == whole.front
    assert whole.rows[0].choice["weight_bits"] == 7, "the recipe's own student is the first"
    assert len(whole.rows) + whole.failed == 6


def with_search(**settings: Any) -> Recipe:
    document = RECIPE.model_dump(mode="json")
    return Recipe.model_validate({**document, "search": document["search"] | settings})


@pytest.mark.parametrize("killed_at", [2])
def test_killed_while_it_asks_it_asks_the_same(
    root: Path, whole: SearchResult, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    """A half trial in the storage, and a round of which a part was asked for."""
    recipe = RECIPE
    again = another(root, "again")
    import optuna

    real, calls = optuna.trial.Trial.set_user_attr, 0

    def killed(self: Any, key: str, value: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == killed_at:
            raise KeyboardInterrupt
        real(self, key, value)

    monkeypatch.setattr(optuna.trial.Trial, "set_user_attr", killed)
    with pytest.raises(KeyboardInterrupt):
        search(recipe, again)
    assert search(recipe, again).rows == whole.rows


def test_more_trials_go_on_from_those_there(
    root: Path, whole: SearchResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the same trials as a search that had been asked for so many at once."""
    first = search(with_search(trials=4), root)
    assert first.rows == tuple(row for row in whole.rows if row.trial < 4)
    monkeypatch.setattr(search_module, "working", Toy(lambda *_: pytest.fail("none is missing")))
    assert search(with_search(trials=4), root).rows == first.rows
    monkeypatch.setattr(search_module, "working", Toy(toy))
    assert search(RECIPE, root).rows == whole.rows


def test_what_the_student_reads_has_a_search_of_its_own(root: Path) -> None:
    """Also where neither the teacher nor the recipe has changed."""
    name = search_module._study_name(RECIPE, root, BOARD)
    write_manifest(root, manifest("another spec"))
    assert search_module._study_name(RECIPE, root, BOARD) != name
    write_manifest(root, manifest("spec"))
    more = with_search(trials=9, storage="sqlite:////shared/s.db")
    assert search_module._study_name(more, root, BOARD) == name


def test_another_machine_goes_on_in_the_same_storage(root: Path, whole: SearchResult) -> None:
    url = f"sqlite:///{root.parent / 'shared.sqlite3'}"
    search(with_search(trials=4), another(root, "one"), storage=url)
    elsewhere = search(with_search(storage=url), another(root, "two"))
    assert elsewhere.rows == whole.rows
    assert not (root.parent / "two" / "search" / "study.sqlite3").exists()


def test_students_of_another_machine_are_made_again(
    root: Path, whole: SearchResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And must come out as they did there."""
    job, students = TrialJob(RECIPE, root, BOARD), root / "students"
    files = {"student.json": b"{}", "network/network.json": b"{}"}
    there = students / f"trial_{whole.front[0].trial}" / "network"
    there.mkdir(parents=True)
    made = Toy(lambda choice, checks: {**costs(choice), "student": files})
    monkeypatch.setattr(search_module, "working", made)
    REMAKE(list(whole.front), job, students, 1)
    assert not list(there.iterdir()), "it was there"
    for row in whole.front[1:]:
        folder = students / f"trial_{row.trial}"
        assert (folder / "network" / "network.json").read_bytes() == b"{}"
    other = Toy(lambda choice, checks: {**costs(choice), "lut": 1})
    monkeypatch.setattr(search_module, "working", other)
    with pytest.raises(EnvironmentProblem, match=r"comes out otherwise .*\(lut 1, was"):
        REMAKE(list(whole.front), job, root / "elsewhere", 1)


def test_a_student_is_on_disk_before_its_trial_is_finished(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"student.json": b"{}", "network/network.json": b"{}"}
    made = Toy(lambda choice, checks: {**costs(choice), "student": files})
    monkeypatch.setattr(search_module, "working", made)
    flushed: set[int] = set()
    monkeypatch.setattr(os, "fsync", lambda file: flushed.add(os.fstat(file).st_ino))
    real, students = search_study.Study.tell, []

    def tell(self: Any, trial: Any, figures: Any) -> None:
        students.append(root / "search" / self.name / f"trial_{trial.place}")
        for path in (students[-1].parent, students[-1], *students[-1].rglob("*")):
            assert path.stat().st_ino in flushed, path
        real(self, trial, figures)

    monkeypatch.setattr(search_study.Study, "tell", tell)
    search(with_search(trials=2), root)
    assert [(folder / "network" / "network.json").read_bytes() for folder in students] == [
        b"{}"
    ] * 2


def test_two_processes_at_one_search_do_not_mix(
    root: Path, whole: SearchResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that asked later ends, and what it asked for does not count."""
    real, other = search_study.Study._refuse_company, []

    def together(self: Any, asked: Any) -> None:
        if not other:
            other.append(True)
            mine = self.trials()[0]
            late = [self._ask(0, {"weight_bits": [3, 4]}, 0, {})]
            with pytest.raises(EnvironmentProblem, match="another process works on the same"):
                real(self, late)
            assert self.trials()[0] == mine
        real(self, asked)

    monkeypatch.setattr(search_study.Study, "_refuse_company", together)
    assert search(RECIPE, root).rows == whole.rows


def test_a_storage_out_of_reach_is_said_to_be_before_the_teacher_trains(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_module, "run", lambda *_, **__: pytest.fail("it trains"))
    with pytest.raises(EnvironmentProblem, match="unable to open database"):
        search(RECIPE, root, storage="sqlite:////nowhere/at/all.db")
    with pytest.raises(InputError, match="must be a URL"):
        search(with_search(storage="nowhere"), root)


def test_a_damaged_database_is_said_to_be(root: Path) -> None:
    (root / "search").mkdir()
    (root / "search" / "study.sqlite3").write_bytes(b"no database" * 500)
    with pytest.raises(EnvironmentProblem, match="move it away if it is damaged"):
        search(RECIPE, root)


def test_only_much_worse_students_are_given_up() -> None:
    others = [{"rank_shift": 0.1, "adder_bits": 100.0, "trial": 3}]
    worse = {"rank_shift": 0.16, "adder_bits": 100.0}
    assert beaten_by(worse, others, 1.5) == others[0]
    assert beaten_by({**worse, "rank_shift": 0.14}, others, 1.5) is None
    assert beaten_by({**worse, "adder_bits": 99.0}, others, 1.5) is None, "it is cheaper"
    assert beaten_by(worse, [], 1.5) is None


def test_adders_are_counted_in_nonadjacent_form() -> None:
    """7 = 8 - 1 has two digits, 5 = 4 + 1 two, 11 = 8 + 4 - 1 three."""
    found = nonzero_digits(np.array([[0, 1, -2, 7], [5, -11, 8, 3]]))
    assert found.tolist() == [[0, 1, 1, 2], [2, 3, 1, 2]]


def test_what_was_given_up_is_not_on_the_front_and_is_counted(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[int] = []

    def pruned(choice: Mapping[str, Any], checks: list[Any]) -> dict[str, Any]:
        heard.append(len(checks))
        figures = costs(choice)
        if "problem" in figures:
            return figures
        seen = {"rank_shift": figures["rank_shift"], "adder_bits": 1.0}
        if choice["sparsity"] > 0.2:
            figures |= {"pruned": 2, "rank_shift": 1e-9}
        return figures | {"check": seen}

    monkeypatch.setattr(search_module, "working", Toy(pruned))
    result = search(with_search(trials=8, at_once=4), root)
    given_up = {row.trial for row in result.rows if row.figures.get("pruned")}
    assert result.pruned == len(given_up) > 0
    assert not given_up & {row.trial for row in result.front}
    assert heard == sorted(heard), "a round hears of the rounds before"
    assert set(heard[:4]) == {0}


def row(trial: int, objectives: tuple[float, float, float], fits: bool = True) -> Row:
    shift, lut, cycles = objectives
    beyond_ = {"lut": -0.5 if fits else 0.5}
    figures = {"rank_shift": shift, "lut": lut, "cycles": cycles, "beyond": beyond_}
    return Row(trial, {}, figures, [])


def test_front_holds_what_no_other_beats_within_the_budget() -> None:
    rows = [
        row(0, (0.1, 100, 5)),
        row(1, (0.1, 100, 5)),  # the same again
        row(2, (0.1, 101, 5)),  # beaten
        row(3, (0.2, 50, 6)),
        row(4, (0.3, 60, 4)),
        row(5, (0.01, 10, 1), fits=False),
    ]
    assert [r.trial for r in front(rows)] == [3, 4, 0]
    assert [r.trial for r in front(rows[5:])] == [5]


def test_beyond_says_by_what_part() -> None:
    found = beyond({"cycles": 24, "lut": 21660, "ff": 43320 * 2, "dsp": 3}, BOARD)
    assert found["latency_ns"] == pytest.approx(1.0, abs=1e-3)
    assert (found["lut"], found["ff"], found["dsp"]) == (0.0, 1.0, 3.0)


def sample(x: Any, scores: Any, weight: float = 1.0) -> Sample:
    return Sample(np.asarray(x, float), np.full(len(x), weight), np.asarray(scores, float), None)


def test_rank_shift_bounds_the_change_of_auc() -> None:
    rng = np.random.default_rng(0)
    kind = Fixed(True, 6, 3, Rounding.RND_CONV, Overflow.SAT)
    wide = Fixed(False, 12, 8)
    nodes = (
        Node("x", "input", (), 2, kind),
        Node("sq", "square", ("x",), 2, wide),
        Node("score", "sum", ("sq",), 1, Fixed(False, 6, 4, Rounding.RND, Overflow.SAT)),
    )
    network = FixedPointNetwork(nodes, "score", 1.0)
    x = kind.quantize(rng.normal(size=(2000, 2)))
    around = kind.quantize(2 * rng.normal(size=(1000, 2)))
    truth = [(v**2).sum(axis=1) + 0.3 * v[:, 0] for v in (x, around)]
    task = StudentTask(
        kind, ("a", "b"), "squared_error", sample(x, truth[0]), sample(x, truth[0]),
        sample(around, truth[1], 2.0), sample(around, truth[1], 2.0),
    )  # fmt: skip
    found = fidelity(task, network)
    assert 0 < found.auc_shift <= found.rank_shift < 0.2
    assert 0.9 < found.spearman < 1
    exact = fidelity(
        StudentTask(**{**vars(task), "validation": sample(x, network.scores(kind.mantissas(x)))}),
        network,
    )
    assert exact.spearman == pytest.approx(1.0)


def test_ranks_are_fractions_above_with_ties_half() -> None:
    got = ranks(np.array([5.0, 2.0, 0.0, 9.0]), np.array([1.0, 2.0, 2.0, 3.0]), np.ones(4))
    np.testing.assert_allclose(got, [0.0, 0.5, 1.0, 0.0])


def test_choices_and_their_options() -> None:
    choices = space(RECIPE, ["encoder_0"])
    assert choices["weight_bits"] == [3, 4, 5, 6, 7, 8]
    own = own_choice(RECIPE, choices)
    assert own == {
        "rounding": "half_even", "sparsity": 0.3, "activation_bits": 8, "latent_bits": 10,
        "weight_bits": 7,
    }  # fmt: skip
    settings = changed(RECIPE, {**own, "weight_bits": 4, "rounding": "half_up"})
    assert (settings.weight_bits, settings.rounding, settings.epochs) == (4, "half_up", 3)
    assert settings.pruning.sparsity == 0.3
    each = RECIPE.model_validate({"search": {"per_layer": True}, "student": {"mode": "distil"}})
    named = space(each, ["encoder_0", "decoder_0"])
    assert {"weight_bits.encoder_0", "weight_bits.decoder_0"} < set(named)
    choice = {"weight_bits.encoder_0": 5, "sparsity": 0.5, "hidden": "16-8"}
    assert changed(each, choice).layers["encoder_0"].weight == 5
    assert changed(each, choice).hidden == (16, 8)
    assert overrides(each, choice) == [
        "--set student.layers.encoder_0.weight=5",
        "--set student.pruning.sparsity=0.5",
        "--set student.hidden=[16,8]",
    ]


def test_shapes_need_a_mode_that_has_them() -> None:
    wanted = Recipe.model_validate({"search": {"hidden": [[8], [4]]}})
    with pytest.raises(InputError, match=r"search\.hidden: student\.mode quantize"):
        require_searchable(wanted)


def test_the_options_of_a_row_are_settings_of_a_recipe() -> None:
    assert json.loads(json.dumps(overrides(RECIPE, {"weight_bits": 4}))) == [
        "--set student.weight_bits=4",
        "--set student.epochs=3",
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weight_bits": [8, 3]}, "smallest <= largest"),
        ({"sparsity": [1.0]}, "fractions of 0 to 0.99"),
        ({"rounding": []}, "at least one choice"),
        ({"latency_cutoffs": [0.0]}, "numbers > 0"),
    ],
)
def test_impossible_ranges_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recipe.model_validate({"search": settings})


def test_a_choice_without_a_student_is_refused_before_the_teacher_trains() -> None:
    """Nothing can be pruned in no epochs; sparsity 0 alone is fine."""
    settings = {"student": {"epochs": 0}, "search": {"sparsity": [0.0, 0.5]}}
    recipe = Recipe.model_validate(settings)
    with pytest.raises(InputError, match=r"search: .*sparsity 0\.5.*raise epochs"):
        require_searchable(recipe)
    require_searchable(Recipe.model_validate({**settings, "search": {"sparsity": [0.0]}}))


def test_a_trial_without_a_student_has_a_problem_not_a_traceback() -> None:
    recipe = Recipe.model_validate({"student": {"epochs": 0}})
    with pytest.raises(InputError, match="raise epochs"):
        changed(recipe, {"sparsity": 0.5})


def test_why_trials_have_no_student_is_said(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where it is all of them, too."""
    made = Toy(lambda choice, checks: {"problem": "its weights\nwent wrong"})
    monkeypatch.setattr(search_module, "working", made)
    monkeypatch.setattr(search_front, "signal_differences", lambda *_: {})
    path = tmp_path / "toy.yaml"
    path.write_text("name: toy\nsearch: {trials: 2, at_once: 1}\n")
    assert run_command_line(["search", str(path), "--out", str(root)]) == 1
    assert "2 trials have no student; trial 0: its weights" in capsys.readouterr().err
    assert "- its weights went wrong (trials 0, 1)" in (root / "search" / "front.md").read_text()
    document = json.loads((root / "search" / "front.json").read_text())
    assert document["problems"] == dict.fromkeys("01", "its weights\nwent wrong")
    assert document["failed"] == 2


def test_a_shape_without_a_layer_ends_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "toy.yaml", tmp_path / "run"
    path.write_text("name: toy\nstudent: {mode: distil}\n")
    arguments = ["search", str(path), "--out", str(out), "--set", "search.hidden=[[]]"]
    assert run_command_line(arguments) == 2
    assert "hidden" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("error", [MissingExtra("alkaid", "export"), EnvironmentProblem("full")])
def test_what_the_machine_lacks_is_no_trial_without_a_student(
    monkeypatch: pytest.MonkeyPatch, error: NaetriggerError
) -> None:
    monkeypatch.setattr(qkeras_student, "libraries", MagicMock())

    def fit(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(distil, "fit_student", fit)
    with pytest.raises(EnvironmentProblem, match=re.escape(str(error))):
        evaluate(RECIPE, None, BOARD, {}, {})
    error = InputError("too wide")
    assert evaluate(RECIPE, None, BOARD, {}, {}) == ({"problem": "too wide"}, None)


def test_packages_of_trials_are_looked_for_before_the_teacher_trains(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_module, "run", lambda *_, **__: pytest.fail("it trains"))
    monkeypatch.setattr(preflight, "find_spec", lambda name: None if name == "alkaid" else 1)
    with pytest.raises(EnvironmentProblem, match=r"alkaid are not installed.*naetrigger\[export\]"):
        search(RECIPE, root)


def test_options_are_quoted_for_a_shell() -> None:
    options = ["--set student.hidden=[16,8]", "--set student.epochs=3"]
    assert _in_a_shell(options) == "--set 'student.hidden=[16,8]' --set student.epochs=3"


def test_the_front_is_written_under_the_runs_lock(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "toy.yaml"
    path.write_text("name: toy\nsearch: {trials: 1}\n")
    held: list[bool] = []

    @contextmanager
    def lock(folder: Path) -> Iterator[None]:
        held.append(True)
        yield
        held.pop()

    def write(*_: Any) -> dict[str, Any]:
        assert held
        return {}

    monkeypatch.setattr(run_folder, "locked", lock)
    monkeypatch.setattr(search_front, "write_front", write)
    assert run_command_line(["search", str(path), "--out", str(root), "--json"]) in (0, 1)
    assert not held
