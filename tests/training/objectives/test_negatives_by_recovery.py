"""Where the chains of recovery objectives end, against known answers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from naetrigger.training.objectives.mpdr import Mpdr
from naetrigger.training.objectives.recovery import Recovery
from naetrigger.training.settings import (
    Langevin,
    ModelSettings,
    MpdrObjective,
    RecoveryObjective,
)

MODEL = ModelSettings(hidden=(6,), latent=2)
STILL = Langevin(steps=1, noise=1e-6, step_size=1e-12, boundary="none")


def batch(n: int) -> Tensor:
    g = torch.Generator().manual_seed(1)
    return torch.randn(n, 4, generator=g, dtype=torch.float64)


def test_recovered_points_have_the_posterior_of_a_quadratic() -> None:
    """E = |x|^2 / 4 makes p(x | x~) a Gaussian of precision 1 / (2 T) + 1 / s^2."""
    s, temperature, noise = 0.8, 0.5, 0.2
    chain = Langevin(steps=120, noise=noise, temperature=temperature, boundary="none")
    objective = Recovery(RecoveryObjective(chain=chain, perturbation=s))
    model = objective.network(MODEL, 4, torch.Generator()).double()
    model.energy = lambda x: x.square().sum(dim=1) / 4  # type: ignore[method-assign]
    origin = torch.full((4000, 4), 1.5, dtype=torch.float64)
    state = objective.start(model, torch.Generator())
    ends = objective.negatives(model, origin, state, torch.Generator().manual_seed(2), store=False)
    precision = 1 / (2 * temperature) + 1 / s**2
    shrink = (1 / s**2) / precision
    a = noise**2 / 2 * precision  # of the chain's finite step
    variance = noise**2 / (1 - (1 - a) ** 2) + (shrink * s) ** 2
    assert ends.mean().item() == pytest.approx(1.5 * shrink, abs=0.02)
    assert ends.var().item() == pytest.approx(variance, rel=0.04)


def test_an_annealed_temperature_leaves_the_hold_of_recovery_alone() -> None:
    """Where E is flat, ends are those of the hold alone: a Gaussian of precision 1 / s^2."""
    s, noise = 0.8, 0.2
    chain = Langevin(
        steps=120, noise=noise, temperature=4.0, final_temperature=0.01, boundary="none"
    )
    objective = Recovery(RecoveryObjective(chain=chain, perturbation=s))
    model = objective.network(MODEL, 4, torch.Generator()).double()
    model.energy = lambda x: 0 * x.sum(dim=1)  # type: ignore[method-assign]
    origin = torch.zeros((4000, 4), dtype=torch.float64)
    state = objective.start(model, torch.Generator())
    ends = objective.negatives(model, origin, state, torch.Generator().manual_seed(2), store=False)
    a = noise**2 / 2 / s**2  # of the chain's finite step
    variance = noise**2 / (1 - (1 - a) ** 2) * (1 - (1 - a) ** 240) + s**2
    assert ends.var().item() == pytest.approx(variance, rel=0.04)


@pytest.mark.parametrize("which", ["latent_chain", "chain"])
@pytest.mark.parametrize("final", [None, 1e-3])
def test_no_temperature_changes_the_hold_of_mpdr(which: str, final: float | None) -> None:
    """Where E is flat, chains walk on w |encode(y) - z~|^2 / (2 s^2) whatever their T is."""
    still = STILL.model_copy(update={"spherical": True})

    def ends(temperature: float, final_temperature: float | None) -> Tensor:
        update = {"temperature": temperature, "final_temperature": final_temperature}
        walking = Langevin(steps=8, noise=0.05, boundary="none", spherical=which == "latent_chain")
        chains = {"chain": STILL, "latent_chain": still, which: walking.model_copy(update=update)}
        objective = Mpdr(MpdrObjective(**chains, perturbation=(0.1, 0.1), recovery_weight=1.0))
        model = objective.network(MODEL, 4, torch.Generator().manual_seed(3)).double()
        state = objective.start(model, torch.Generator().manual_seed(4))
        model.energy = lambda x: 0 * x.sum(dim=1)  # type: ignore[method-assign]
        g = torch.Generator().manual_seed(5)
        return objective.negatives(model, batch(50), state, g, store=False)

    torch.testing.assert_close(ends(0.5, final), ends(0.05, None), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("score", ["reconstruction", "network"])
def test_mpdr_starts_at_decoded_points_near_the_projection(score: str) -> None:
    """With chains that stand still, the ends are decoded latents at the drawn distance."""
    still = STILL.model_copy(update={"spherical": True})
    settings = MpdrObjective(
        score=score, chain=STILL, latent_chain=still, perturbation=(0.1, 0.1), recovery_weight=0
    )
    objective = Mpdr(settings)
    model = objective.network(MODEL, 4, torch.Generator().manual_seed(3)).double()
    state = objective.start(model, torch.Generator().manual_seed(4))
    manifold = state.modules["manifold"]
    g = torch.Generator().manual_seed(5)
    ends = objective.negatives(model, batch(500), state, g, store=False)
    g = torch.Generator().manual_seed(5)
    torch.rand((500, 1), generator=g, dtype=torch.float64)
    z = manifold.encode(batch(500))
    z = z + 0.1 * torch.randn(z.shape, generator=g, dtype=torch.float64)
    expected = manifold.decode(z / z.norm(dim=1, keepdim=True))
    torch.testing.assert_close(ends, expected.detach(), rtol=0, atol=1e-4)
    assert manifold.settings.latent == 3


def test_mpdr_trains_its_manifold_first_and_then_leaves_it() -> None:
    objective = Mpdr(MpdrObjective(pretrain_steps=5))
    model = objective.network(MODEL, 4, torch.Generator().manual_seed(3)).double()
    state = objective.start(model, torch.Generator().manual_seed(4))
    for step, trained, left in ((4, state.modules["manifold"], model), (5, model, None)):
        state.step = step
        loss = objective.loss(model, batch(20), state, torch.Generator().manual_seed(5)).loss
        others = [left, *([] if step == 4 else state.modules.values())]
        quiet = [p for m in others if m is not None for p in m.parameters()]
        gradients = torch.autograd.grad(loss, quiet, allow_unused=True, retain_graph=True)
        assert all(g is None for g in gradients)
        assert all(g.abs().sum() > 0 for g in torch.autograd.grad(loss, list(trained.parameters())))
