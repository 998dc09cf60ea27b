"""The squared Wasserstein-2 distance between two samples, exact, with its gradient.

W2^2(x, y) = min over plans P of sum_ij P_ij |x_i - y_j|^2, P having the samples' weights as its
margins. The minimum is attained at a plan that stays optimal nearby, so (envelope theorem) the
gradient is that of the sum at fixed P: dW/dx_i = 2 sum_j P_ij (x_i - y_j). The plan is found by
POT's network simplex (Bonneel et al. 2011), or where it is a permutation of many points, by
`assignment`, which is several times faster and as exact.
"""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from naetrigger.contracts.errors import InputError
from naetrigger.training.processes import Processes

for _library in ("JAX", "CUPY", "TENSORFLOW"):  # POT imports whatever it finds: seconds, unused
    os.environ.setdefault(f"POT_BACKEND_DISABLE_{_library}", "1")
import ot  # noqa: E402

FEWEST_FOR_ASSIGNMENT = 128  # below, network simplex takes a millisecond or two


def wasserstein2_squared(
    x: Tensor, y: Tensor, x_weights: Tensor | None = None, y_weights: Tensor | None = None
) -> Tensor:
    """W2^2 of the samples x (N, F) and y (M, F): a scalar that passes gradients to both.

    Weights, of shape (N,) and (M,), are scaled to a sum of one; none: uniform. Raises
    InputError for NaN or infinite samples, and weights that are negative or all zero.
    """
    a, b = _margin(x, x_weights, "x"), _margin(y, y_weights, "y")
    costs = _costs(x, y)
    if x_weights is None and y_weights is None and len(x) == len(y) >= FEWEST_FOR_ASSIGNMENT:
        match = _assignment(costs)
        if match is not None:
            return (x - y[torch.from_numpy(match).to(y.device)]).square().sum(dim=1).mean()
    plan = _optimal_plan(a, b, costs)
    rows, columns = np.nonzero(plan)
    mass = torch.from_numpy(plan[rows, columns]).to(x)
    i, j = torch.from_numpy(rows).to(x.device), torch.from_numpy(columns).to(x.device)
    return torch.dot(mass, (x[i] - y[j]).square().sum(dim=1))


def joint_wasserstein2_squared(
    x: Tensor, y: Tensor, everyones_y: Tensor, processes: Processes
) -> Tensor:
    """W2^2 of what all processes have together, x (B, F) and y (B, F) being this one's share.

    everyones_y : (size * B, F), y of all by rank. The value is the same in all processes; the
    gradient reaches this one's y alone, times `size`: averaged over processes, as gradients of
    weights are, it is that of the joint distance. (The mean of the shares' own distances would
    be another loss: with fewer samples W2^2 is larger, the more so the more features there are.)
    """
    if processes.size == 1:
        return wasserstein2_squared(x, y)
    first = processes.rank * len(y)
    samples = torch.cat([everyones_y[:first], y, everyones_y[first + len(y) :]])
    distance = wasserstein2_squared(processes.joined(x), samples)
    return distance.detach() + processes.size * (distance - distance.detach())


def _assignment(costs: npt.NDArray[np.float64]) -> npt.NDArray[np.int64] | None:
    from naetrigger.training.assignment import assignment  # numba takes a second to import

    return assignment(costs)


def _margin(x: Tensor, weights: Tensor | None, name: str) -> npt.NDArray[np.float64]:
    if x.ndim != 2 or len(x) == 0:
        raise InputError(f"transport: {name} must have shape (N, F), got {tuple(x.shape)}")
    if not torch.isfinite(x).all():
        raise InputError(f"transport: {name} holds NaN or infinite values")
    if weights is None:
        return np.full(len(x), 1 / len(x))
    w = weights.detach().cpu().double().numpy()
    if w.shape != (len(x),) or not np.isfinite(w).all() or (w < 0).any() or w.sum() <= 0:
        raise InputError(
            f"transport: weights of {name} must be {len(x)} finite numbers >= 0, not all zero"
        )
    return np.asarray(w / w.sum())


def _costs(x: Tensor, y: Tensor) -> npt.NDArray[np.float64]:
    """Squared distances of the centred samples, shape (N, M), in float64 whatever they are.

    Moving one sample as a whole changes the costs of all plans alike, so the best plan is the
    same; that of samples far apart is then told from others as exactly as that of near ones.
    """
    u, v = x.detach().cpu().double(), y.detach().cpu().double()
    if u.shape[1] != v.shape[1]:
        raise InputError(f"transport: x has {u.shape[1]} features, y has {v.shape[1]}")
    u, v = u - u.mean(dim=0), v - v.mean(dim=0)
    costs = u.square().sum(1)[:, None] + v.square().sum(1)[None, :]
    return costs.addmm_(u, v.T, alpha=-2).clamp_min_(0).numpy()


def _optimal_plan(
    a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], costs: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    plan, log = ot.emd(a, b, costs, numItermax=100_000_000, log=True)
    if log["warning"] is not None:
        raise InputError(f"transport: no optimal plan was found ({log['warning']})")
    return np.asarray(plan)
