"""The buffer keeps the newest samples and nothing else."""

from __future__ import annotations

import pytest
import torch

from naetrigger.training.replay import ReplayBuffer
from naetrigger.training.settings import Langevin, Replay

LIKE = torch.zeros(1, dtype=torch.float64)


def buffer(size: int = 10, ratio: float = 1.0, start: str = "uniform") -> ReplayBuffer:
    return ReplayBuffer(
        Replay(size=size, ratio=ratio, start=start), Langevin(bounds=(-1.0, 1.0)), 2, LIKE
    )


def rows(first: int, last: int) -> torch.Tensor:
    """Samples that carry their number, outside of the box of fresh starts."""
    return torch.arange(first, last, dtype=torch.float64)[:, None].repeat(1, 2) + 100


def held(b: ReplayBuffer) -> set[float]:
    return set((b.samples[: len(b), 0] - 100).tolist())


def test_an_empty_buffer_gives_fresh_starts(generator: torch.Generator) -> None:
    starts = buffer().starts(200, generator)
    assert starts.abs().max() <= 1
    assert starts.std() > 0.4


@pytest.mark.parametrize("chunks", [(4, 4, 4, 4), (16,), (9, 7), (3, 30), (10,), (25, 1)])
def test_the_newest_samples_are_kept(chunks: tuple[int, ...]) -> None:
    b, n = buffer(), 0
    for chunk in chunks:
        b.push(rows(n, n + chunk))
        n += chunk
    assert held(b) == set(range(max(0, n - 10), n))


def test_starts_come_only_from_filled_slots(generator: torch.Generator) -> None:
    b = buffer()
    b.push(rows(0, 3))
    assert set((b.starts(300, generator)[:, 0] - 100).tolist()) == {0.0, 1.0, 2.0}


@pytest.mark.parametrize("ratio", [0.0, 0.3, 0.95])
def test_the_share_of_replayed_starts(ratio: float, generator: torch.Generator) -> None:
    b = buffer(ratio=ratio)
    b.push(rows(0, 10))
    share = (b.starts(20_000, generator)[:, 0] > 50).double().mean().item()
    assert share == pytest.approx(ratio, abs=0.015)  # four standard errors


def test_state_goes_over(generator: torch.Generator) -> None:
    a, b = buffer(ratio=0.5), buffer(ratio=0.5)
    a.push(rows(0, 13))
    b.load(a.tensors())
    a.push(rows(13, 15))
    assert held(b) == set(range(3, 13))
    b.push(rows(13, 15))
    seed = generator.get_state()
    expected = a.starts(50, generator)
    generator.set_state(seed)
    assert torch.equal(b.starts(50, generator), expected)


def test_pushed_samples_are_copies_without_a_graph() -> None:
    b = buffer()
    x = torch.ones(4, 2, dtype=torch.float64, requires_grad=True)
    b.push(x * 2)
    assert not b.samples.requires_grad
    assert b.samples[:4].eq(2).all()
