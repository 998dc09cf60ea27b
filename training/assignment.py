"""The assignment problem of two equally large, equally weighted samples, exact and fast.

Find the permutation s that minimises sum_i C[i, s(i)]. An auction with falling epsilon (Bertsekas
1988) in single precision comes within n epsilon of the minimum; label correction on the residual
graph in double precision (Bellman-Ford, cancelling negative cycles) then either proves its
result optimal, with prices as the certificate, or repairs it. The auction is compiled C++ where
the machine has a compiler, else numba; blocks of fixed length let its search for the best and
second-best offer vectorise.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from naetrigger.training.kernels.library import kernel_library

Singles = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

BLOCK = 64
FIRST_EPSILON = 0.1  # of the mean cost
LAST_EPSILON = 1e-6  # of the mean cost; 1e-5 leaves more cycles to cancel
EPSILON_RATIO = 5.0
TOLERANCE = 1e-12  # of the mean cost: rounding of double precision, no more
MAX_BIDS = 1000  # a row; far more than any sample took but those made of ties
MAX_SCANS = 200  # a column
FAR = np.float32(1e30)


def assignment(costs: Doubles) -> Indices | None:
    """s of shape (n,) for costs of shape (n, n), all >= 0; none where it took too long.

    Samples made of ties can keep the auction busy; the caller then has the network simplex.
    """
    n = len(costs)
    mean = float(costs.mean())
    if mean == 0:
        return np.arange(n)
    padded = np.full((n, -(-n // BLOCK) * BLOCK), FAR, dtype=np.float32)
    np.multiply(costs, 1 / mean, out=padded[:, :n], casting="same_kind")
    auction = _compiled_auction() or _auction
    owner, prices, sold = auction(padded, FIRST_EPSILON, LAST_EPSILON, EPSILON_RATIO, MAX_BIDS)
    if not sold:
        return None
    owner = owner[:n].copy()
    potentials = -mean * prices[:n].astype(np.float64)
    if not _finish(costs, owner, potentials, TOLERANCE * mean, MAX_SCANS):
        return None
    return np.argsort(owner)


@functools.cache
def _compiled_auction() -> Callable[..., tuple[Indices, Singles, bool]] | None:
    """The same auction from kernels/auction.cpp, three times faster; none without a compiler."""
    library = kernel_library("auction")
    if library is None:
        return None
    run = library.auction
    size, real, array = ctypes.c_int64, ctypes.c_double, ctypes.c_void_p
    run.argtypes = [array, size, size, real, real, real, size, array, array]
    run.restype = ctypes.c_int

    def auction(
        costs: Singles, first: float, last: float, ratio: float, max_bids: int
    ) -> tuple[Indices, Singles, bool]:
        n, width = costs.shape
        owner, prices = np.empty(width, np.int64), np.empty(width, np.float32)
        to = owner.ctypes.data, prices.ctypes.data
        sold = run(costs.ctypes.data, n, width, first, last, ratio, max_bids, *to)
        return owner, prices, bool(sold)

    return auction


_exact: Any = numba.njit(cache=True, boundscheck=False)
_fast: Any = numba.njit(cache=True, boundscheck=False, fastmath=True)


@_fast  # type: ignore[untyped-decorator]
def _auction(
    costs: Singles, first: float, last: float, ratio: float, max_bids: int
) -> tuple[Indices, Singles, bool]:
    """Owners (row of each column) and prices with c_ij + p_j within `last` of each row's best."""
    n, width = costs.shape
    blocks = width // BLOCK
    prices = np.zeros(width, np.float32)
    owner = np.full(width, -1, np.int64)
    queue = np.empty(n, np.int64)
    epsilon, bids = first, 0
    while True:
        owner[:] = -1
        for i in range(n):
            queue[i] = n - 1 - i
        waiting = n
        step = np.float32(epsilon)
        while waiting > 0:
            bids += 1
            if bids > max_bids * n:
                return owner, prices, False
            waiting -= 1
            row = queue[waiting]
            c = costs[row]
            best, second, best_block = np.float32(3e38), np.float32(3e38), 0
            for k in range(blocks):
                at = k * BLOCK
                least = np.float32(3e38)
                for j in range(BLOCK):
                    least = min(least, c[at + j] + prices[at + j])
                if least < best:
                    second, best, best_block = best, least, k
                elif least < second:
                    second = least
            at = best_block * BLOCK
            column = at
            best, other = np.float32(3e38), np.float32(3e38)
            for j in range(BLOCK):
                offer = c[at + j] + prices[at + j]
                if offer < best:
                    other, best, column = best, offer, at + j
                elif offer < other:
                    other = offer
            second = min(second, other)
            prices[column] += (second - best) + step
            loser = owner[column]
            owner[column] = row
            if loser >= 0:
                queue[waiting] = loser
                waiting += 1
        if epsilon <= last:
            return owner, prices, True
        epsilon = max(epsilon / ratio, last)
        prices -= prices[:n].min()


@_exact  # type: ignore[untyped-decorator]
def _finish(costs: Doubles, owner: Indices, v: Doubles, tolerance: float, max_scans: int) -> bool:
    """Make `owner` optimal in place. True once v proves it:

    v_j <= v_k + c[i, j] - c[i, k] for every row i, its column k, and every column j.
    """
    n = len(costs)
    parent = np.full(n, -1, np.int64)
    queue = np.arange(n)
    queued = np.ones(n, np.bool_)
    head, length, scans = 0, n, 0
    while length > 0:
        k = queue[head]
        head = (head + 1) % n
        length -= 1
        queued[k] = False
        c = costs[owner[k]]
        base = v[k] - c[k]
        for j in range(n):
            if base + c[j] < v[j] - tolerance:
                v[j] = base + c[j]
                parent[j] = k
                if not queued[j]:
                    queued[j] = True
                    queue[(head + length) % n] = j
                    length += 1
        scans += 1
        if scans > max_scans * n:
            return False
        if scans % n == 0 and _cancel_cycle(parent, owner):
            parent[:] = -1
            queued[:] = True
            for j in range(n):
                queue[j] = j
            head, length = 0, n
    return True


@_exact  # type: ignore[untyped-decorator]
def _cancel_cycle(parent: Indices, owner: Indices) -> bool:
    """Move the rows along one cycle of the parent graph, if there is one: it has negative cost."""
    n = len(parent)
    seen = np.zeros(n, np.int64)
    for start in range(n):
        column = start
        while column >= 0 and seen[column] == 0:
            seen[column] = start + 1
            column = parent[column]
        if column >= 0 and seen[column] == start + 1:
            first, displaced = column, owner[column]
            while parent[column] != first:
                owner[column] = owner[parent[column]]
                column = parent[column]
            owner[column] = displaced
            return True
    return False
