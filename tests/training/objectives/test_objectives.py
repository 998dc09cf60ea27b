"""Every objective's loss gradient against finite differences in float64, and its own laws."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from naetrigger.contracts.errors import TrainingDiverged
from naetrigger.training.langevin import sample
from naetrigger.training.models import build_model
from naetrigger.training.models.autoencoder import Autoencoder
from naetrigger.training.models.energy_model import EnergyModel
from naetrigger.training.objectives import OBJECTIVES, build_objective
from naetrigger.training.objectives.contrastive import Contrastive
from naetrigger.training.objectives.divergence import stop_if_diverged, watched
from naetrigger.training.objectives.nae import Nae, shuffled
from naetrigger.training.objectives.objective import State
from naetrigger.training.objectives.wnae import Wnae
from naetrigger.training.settings import (
    AnyObjective,
    Langevin,
    ModelSettings,
    NaeObjective,
    ObjectiveSettings,
    Replay,
    WnaeObjective,
)
from naetrigger.training.transport import wasserstein2_squared

SMOOTH = ModelSettings(hidden=(6,), latent=2, activation="softplus")
KINKED = ModelSettings(hidden=(6,), latent=2, activation="relu")


def model_of(settings: ModelSettings) -> Autoencoder:
    return build_model(settings, 4, torch.Generator().manual_seed(11)).double()


def batch(n: int = 16, seed: int = 12) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, 4, generator=g, dtype=torch.float64)


def events(settings: ObjectiveSettings) -> Tensor:
    """What the objective is given: the batch, with its classes where the objective knows them."""
    x = batch()
    if getattr(settings, "labels", None) is None:
        return x
    return torch.cat([x, torch.bucketize(x[:, :1].contiguous(), x.new_tensor([-0.5, 0.5]))], dim=1)


def started(settings: ObjectiveSettings, model: EnergyModel) -> State:
    return build_objective(settings).start(model, torch.Generator().manual_seed(22))


def loss_of(
    settings: ObjectiveSettings, model: EnergyModel, step: int, state: State | None = None
) -> Tensor:
    """The same starts, noise and buffer each time, so that only the weights make a difference."""
    objective = build_objective(settings)
    modules = started(settings, model).modules if state is None else state.modules
    state = started(settings, model)
    state.modules, state.step = modules, step
    if "inputs" in state.buffers:
        state.buffers["inputs"].push(batch(30, 13))
    return objective.loss(model, events(settings), state, torch.Generator().manual_seed(14)).loss


def slopes(settings: ObjectiveSettings, model: EnergyModel, step: int) -> tuple[float, float]:
    """d loss along a random direction of all weights: by autograd, by central differences."""
    g = torch.Generator().manual_seed(15)
    state = started(settings, model)
    parameters = [p for m in (model, *state.modules.values()) for p in m.parameters()]
    directions = [torch.randn(p.shape, generator=g, dtype=p.dtype) for p in parameters]
    gradients = torch.autograd.grad(
        loss_of(settings, model, step, state), parameters, allow_unused=True
    )
    exact = sum(
        (g * d).sum().item() for g, d in zip(gradients, directions, strict=True) if g is not None
    )
    eps, values = 1e-6, []
    for sign in (1, -2):
        with torch.no_grad():
            for p, d in zip(parameters, directions, strict=True):
                p += sign * eps * d
        values.append(loss_of(settings, model, step, state).item())
    return exact, (values[0] - values[1]) / (2 * eps)


@pytest.mark.parametrize("settings", [SMOOTH, KINKED], ids=["softplus", "relu"])
@pytest.mark.parametrize(
    "chain",
    [
        Langevin(steps=5, temperature=0.1, boundary="none"),
        Langevin(steps=5, temperature=0.1, boundary="clip", bounds=(-1.0, 1.0)),
        Langevin(steps=5, temperature=0.1, boundary="none", gradient_clip=0.3),
        Langevin(steps=5, temperature=0.1, noise=0.3, spherical=True),
    ],
    ids=["smooth", "clipped", "gradient clip", "spherical"],
)
def test_wnae_gradient(settings: ModelSettings, chain: Langevin) -> None:
    objective = WnaeObjective(chain=chain, replay=Replay(size=30))
    exact, differences = slopes(objective, model_of(settings), step=0)
    assert abs(exact) > 1e-3
    assert exact == pytest.approx(differences, rel=1e-5)


def test_wnae_gradient_without_the_chain_would_be_none() -> None:
    """The whole gradient comes through the chain: with no drift there is nothing left of it."""
    chain = Langevin(steps=5, temperature=1e12, boundary="none")
    exact, _ = slopes(WnaeObjective(chain=chain), model_of(SMOOTH), step=0)
    assert abs(exact) < 1e-9


def test_wnae_loss_is_the_distance_to_the_chains_ends() -> None:
    settings = WnaeObjective(replay=Replay(size=30))
    model = model_of(KINKED)
    g = torch.Generator().manual_seed(14)
    state = Wnae(settings).start(model, torch.Generator())
    state.buffers["inputs"].push(batch(30, 13))
    ends = sample(model.energy, state.buffers["inputs"].starts(16, g), settings.chain, g)
    loss = loss_of(settings, model, 0)
    assert loss.item() == wasserstein2_squared(batch(), ends).item()


def network_of(settings: ObjectiveSettings, model: ModelSettings = SMOOTH) -> EnergyModel:
    g = torch.Generator().manual_seed(11)
    return build_objective(settings).network(model, 4, g).double()


@pytest.mark.parametrize("step", [0, 8])
def test_gradient_of_every_objective(
    objective: ObjectiveSettings, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negatives, where no gradient flows through them, stand still."""
    network = network_of(objective)
    kind = OBJECTIVES[objective.name]
    if issubclass(kind, Contrastive) and kind is not Wnae:
        built = build_objective(objective)
        g = torch.Generator().manual_seed(16)
        fixed = built.negatives(network, batch(), started(objective, network), g, store=False)
        assert not fixed.requires_grad
        monkeypatch.setattr(kind, "negatives", lambda *args, **options: fixed)
    exact, differences = slopes(objective, network, step)
    assert abs(exact) > 1e-4
    assert exact == pytest.approx(differences, rel=1e-5)


def test_every_objective_is_tested(small_objectives: dict[str, ObjectiveSettings]) -> None:
    tested = {(o.name, o.offered) for o in small_objectives.values()}
    kinds = get_args(AnyObjective)
    assert tested == {(k.model_fields["name"].default, s) for k in kinds for s in k.offers}
    assert {name for name, _ in tested} == set(OBJECTIVES)


def test_shuffled_columns_keep_their_values_and_lose_their_correlation() -> None:
    t = torch.linspace(-1, 1, 4000, dtype=torch.float64)
    samples = torch.stack([t, t**3, -t], dim=1)
    mixed = shuffled(samples, torch.Generator().manual_seed(5))
    assert torch.equal(mixed.sort(dim=0).values, samples.sort(dim=0).values)
    off_diagonal = mixed.T.corrcoef()[~torch.eye(3, dtype=torch.bool)]
    assert off_diagonal.abs().max() < 0.08  # five standard errors
    assert samples.T.corrcoef().abs().min() > 0.9


def test_shuffled_starts_are_latents_of_the_batch() -> None:
    """Chains that stand still show where they started; nothing is kept from step to step."""
    still = Langevin(steps=1, noise=0, step_size=1e-12)
    settings = NaeObjective(chain=still, latent_chain=still, latent_start="shuffled")
    model = model_of(SMOOTH)
    state = started(settings, model)
    assert not state.buffers
    starts: list[Tensor] = []

    def drawn(energy: object, start: Tensor, *rest: object) -> Tensor:
        starts.append(start)
        return start

    generator = torch.Generator().manual_seed(5)
    Nae(settings).negatives(model, batch(), state, generator, store=True, draw=drawn)
    latents = model.encode(batch())
    assert torch.equal(starts[0].sort(dim=0).values, latents.sort(dim=0).values)
    assert not torch.equal(starts[0], latents)
    torch.testing.assert_close(starts[1], model.decode(starts[0]).clamp(*still.bounds))


@pytest.mark.parametrize("boundary", ["clip", "none"])
def test_without_a_latent_chain_shuffled_latents_are_decoded_into_the_box(boundary: str) -> None:
    chain = Langevin(bounds=(-0.1, 0.2), boundary=boundary)
    settings = NaeObjective(chain=chain, latent_chain=None, latent_start="shuffled")
    model = model_of(SMOOTH)
    starts: list[Tensor] = []

    def drawn(energy: object, start: Tensor, *rest: object) -> Tensor:
        starts.append(start)
        return start

    state = started(settings, model)
    Nae(settings).negatives(
        model, batch(), state, torch.Generator().manual_seed(5), store=True, draw=drawn
    )
    mixed = shuffled(model.encode(batch()), torch.Generator().manual_seed(5))
    expected = model.decode(mixed)
    assert expected.max() > 0.2
    assert len(starts) == 1
    torch.testing.assert_close(
        starts[0], expected.clamp(-0.1, 0.2) if boundary == "clip" else expected
    )


def test_shuffled_latents_are_brought_back_to_the_sphere() -> None:
    settings = NaeObjective(latent_chain=None, latent_start="shuffled")
    model = model_of(SMOOTH.model_copy(update={"spherical": True}))
    decoded: list[Tensor] = []
    model.decoder.register_forward_pre_hook(lambda module, inputs: decoded.append(inputs[0]))
    g = torch.Generator().manual_seed(5)
    Nae(settings).negatives(
        model, batch(), started(settings, model), g, store=True, draw=lambda energy, x, *rest: x
    )
    length = decoded[0].norm(dim=1)
    torch.testing.assert_close(length, torch.ones_like(length))
    mixed = shuffled(model.encode(batch()), torch.Generator().manual_seed(5))
    torch.testing.assert_close(decoded[0], mixed / mixed.norm(dim=1, keepdim=True))


@pytest.mark.parametrize("spherical", [False, True])
def test_latent_chains_off_the_networks_sphere_are_refused(spherical: bool) -> None:
    chain = Langevin(spherical=not spherical)
    model = ModelSettings(spherical=spherical)
    said = NaeObjective(latent_chain=chain).unused(model)
    assert said.startswith("objective.latent_chain.spherical: ")
    same = chain.model_copy(update={"spherical": spherical})
    assert not NaeObjective(latent_chain=same).unused(model)
    assert not NaeObjective(latent_chain=None, latent_start="shuffled").unused(model)
    assert not NaeObjective(negatives="cd").unused(model)


def test_no_latent_chain_without_shuffled_starts_is_refused() -> None:
    with pytest.raises(ValidationError, match="latent_chain: none needs"):
        NaeObjective(latent_chain=None)


@pytest.mark.parametrize("negatives", ["cd", "pcd"])
def test_a_latent_start_without_latent_chains_is_refused(negatives: str) -> None:
    with pytest.raises(ValidationError, match="latent_start"):
        NaeObjective(negatives=negatives, latent_start="shuffled")


def test_large_energies_of_data_weigh_more_after_pretraining() -> None:
    """Of chains that stand still, so that both losses have the same negatives."""
    still = Langevin(steps=1, noise=0, step_size=1e-12)
    model = model_of(SMOOTH)

    def loss(step: int, gamma_data: float) -> Tensor:
        settings = NaeObjective(
            negatives="cd", chain=still, pretrain_steps=2, gamma_data=gamma_data
        )
        return loss_of(settings, model, step)

    squares = model.energy(batch()).square().mean()
    torch.testing.assert_close(loss(2, 3.0) - loss(2, 0.0), 3 * squares)
    assert torch.equal(loss(1, 3.0), loss(1, 0.0))


@pytest.mark.parametrize("step", [0, 7])
@pytest.mark.parametrize("negatives", ["cd", "pcd", "omi"])
def test_nae_gradient_at_fixed_negatives(
    negatives: str,
    step: int,
    small_objectives: dict[str, ObjectiveSettings],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = small_objectives[f"nae-{negatives}"]
    model = model_of(SMOOTH)
    objective = Nae(settings)
    fixed = objective.negatives(
        model,
        batch(),
        objective.start(model, torch.Generator()),
        torch.Generator().manual_seed(16),
        store=False,
    )
    assert not fixed.requires_grad
    monkeypatch.setattr(Nae, "negatives", lambda *args, **options: fixed)
    exact, differences = slopes(settings, model, step)
    assert exact == pytest.approx(differences, rel=1e-6)
    z = model.encode(batch())
    positive, energies = model.energy(batch()).mean(), model.energy(fixed)
    by_hand = positive + settings.latent_penalty * z.square().sum(1).mean()
    if step == 7:
        by_hand = by_hand - energies.mean() + settings.gamma * energies.square().mean()
    assert loss_of(settings, model, step).item() == pytest.approx(by_hand.item(), rel=1e-12)


def test_nae_chains_start_where_they_should() -> None:
    """With hardly any noise or drift the ends are the starts."""
    still = Langevin(steps=1, noise=1e-9, temperature=1.0)
    model = model_of(SMOOTH)

    def ends(negatives: str, state: State | None = None) -> Tensor:
        used = {} if negatives == "cd" else {"replay": Replay(ratio=1)}
        used |= {"latent_chain": still} if negatives == "omi" else {}
        objective = Nae(NaeObjective(negatives=negatives, chain=still, **used))
        state = objective.start(model, torch.Generator())
        for buffer in state.buffers.values():
            buffer.push(torch.ones_like(buffer.samples[:5]))
        g = torch.Generator().manual_seed(17)
        return objective.negatives(model, batch(), state, g, store=True)

    torch.testing.assert_close(ends("cd"), batch(), atol=1e-6, rtol=0)
    torch.testing.assert_close(ends("pcd"), torch.ones_like(batch()), atol=1e-6, rtol=0)
    on_manifold = model.decode(torch.ones(16, 2, dtype=torch.float64)).detach()
    torch.testing.assert_close(ends("omi"), on_manifold, atol=1e-6, rtol=0)


def test_validation_leaves_the_state_alone(objective: ObjectiveSettings) -> None:
    model = network_of(objective, KINKED)
    built = build_objective(objective)
    state = built.start(model, torch.Generator().manual_seed(1))
    state.step = 8
    x = events(objective)
    built.loss(model, x, state, torch.Generator().manual_seed(18))
    before = {k: v.clone() for k, v in state.tensors().items()}
    g = torch.Generator().manual_seed(19)
    first = built.validate(model, x, state, g)
    second = built.validate(model, x, state, torch.Generator().manual_seed(19))
    assert first == second
    assert first.criterion is not None
    assert all(torch.equal(before[k], v) for k, v in state.tensors().items())


def test_state_goes_over(objective: ObjectiveSettings) -> None:
    model = network_of(objective, KINKED)
    built = build_objective(objective)
    a, b = (built.start(model, torch.Generator().manual_seed(i)) for i in (1, 2))
    a.step = 8
    x = events(objective)
    built.loss(model, x, a, torch.Generator().manual_seed(20))
    b.load(a.step, a.tensors())
    assert b.step == 8
    losses = [built.loss(model, x, s, torch.Generator().manual_seed(21)).loss for s in (a, b)]
    assert torch.equal(*losses)


def test_divergence_stop_takes_mean_and_spread_of_its_window() -> None:
    settings = NaeObjective(divergence_window=10, divergence_sigmas=6)
    state = watched(settings)
    calm = [1.0, 1.2] * 20
    for value in calm:
        stop_if_diverged(settings, state, value)
    sigma = torch.tensor(calm[:10]).std().item()
    stop_if_diverged(settings, state, 1.1 + 5.9 * sigma)
    for value in calm:
        stop_if_diverged(settings, state, value)
    with pytest.raises(TrainingDiverged, match=r"last 10 steps.*gamma"):
        stop_if_diverged(settings, state, 1.1 + 6.1 * sigma)
    stop_if_diverged(settings, state, -50.0)  # falling energies are no divergence


def test_wnae_reports_chains_that_left_the_numbers() -> None:
    model = model_of(KINKED)
    with torch.no_grad():
        model.layers[0].linear.weight.fill_(float("nan"))
    with pytest.raises(TrainingDiverged, match="NaN or infinite"):
        loss_of(WnaeObjective(), model, 0)
