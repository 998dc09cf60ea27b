"""Exact transport on a hundred small random problems, and the check itself on known answers."""

from __future__ import annotations

import importlib.util
import itertools
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from naetrigger.training import transport
from naetrigger.training.kernels.library import kernel_library

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "transport_agreement.py"


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("transport_agreement", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["transport_agreement"] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    if kernel_library("auction") is None:  # no compiler here: numba alone
        del module.SOLVERS["compiled"]
    yield module
    del sys.modules["transport_agreement"]


def test_a_hundred_problems_agree_with_pot(benchmark):
    verdicts = [benchmark.check(number, 7, 150) for number in range(100)]
    assert [v for v in verdicts if v.wrong] == []
    assert {v.kind for v in verdicts} == set(benchmark.KINDS)
    assert sum(v.unique for v in verdicts) > 50
    assert any(v.sizes[0] != v.sizes[1] for v in verdicts)
    assert "| all | 100 |" in benchmark.table(verdicts)


def test_a_plan_that_is_not_the_best_is_found_out(benchmark, monkeypatch):
    right = transport._assignment

    def swapped(costs):
        match = right(costs)
        match[:2] = match[:2][::-1]
        return match

    monkeypatch.setattr(transport, "_assignment", swapped)
    assert benchmark.check(0, 7, 150).wrong  # number 0 has the largest size


def test_the_only_optimum_by_trying_all_permutations(benchmark):
    rng = np.random.default_rng(3)
    seen = set()
    for _ in range(200):
        n = int(rng.integers(1, 6))
        x, y = rng.integers(0, 4, (2, n, 2)).astype(float)
        value, _, unique = benchmark.pot(x, y)
        costs = ((x[:, None] - y[None]) ** 2).sum(-1)
        totals = [costs[range(n), list(p)].sum() for p in itertools.permutations(range(n))]
        assert value == pytest.approx(min(totals) / n)
        assert unique == (totals.count(min(totals)) == 1)
        seen.add(unique)
    assert seen == {True, False}


def test_the_only_plan_between_samples_of_two_sizes(benchmark):
    line = np.arange(6.0)[:, None]
    assert benchmark.pot(line, line[:4] * 2)[2]  # on a line, the monotone plan alone
    corners = np.array([[0.0, 1.0], [0.0, -1.0]])
    assert not benchmark.pot(corners, np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]]))[2]


def test_potentials_that_prove_nothing_are_refused(benchmark):
    costs = np.array([[0.0, 1.0], [1.0, 0.0]])
    worst = np.array([[0.0, 0.5], [0.5, 0.0]])
    with pytest.raises(ValueError, match="do not prove"):
        benchmark.is_unique(worst, costs, np.zeros(2), np.zeros(2))


def test_an_interrupted_run_goes_on(benchmark, tmp_path, monkeypatch, capsys):
    def run(problems):
        monkeypatch.setattr(
            sys,
            "argv",
            ["x", "--problems", str(problems), "--largest", "20", "--out", str(tmp_path)],
        )
        with pytest.raises(SystemExit) as stop:
            benchmark.main()
        return stop.value.code

    threads = torch.get_num_threads()
    assert run(6) == 0
    (kept,) = tmp_path.iterdir()
    kept.write_text(kept.read_text() + '{"number": 6, "ki')  # killed while writing
    assert run(8) == 0
    torch.set_num_threads(threads)
    numbers = [json.loads(line)["number"] for line in kept.read_text().splitlines()]
    assert numbers == list(range(8))
    assert "refused" in capsys.readouterr().out
    first = benchmark.check(0, 1, 20)
    assert replace(first, value=0, gradient=None) == replace(
        benchmark._kept(kept)[0], value=0, gradient=None
    )
