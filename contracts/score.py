"""An anomaly score as a small expression, written once and read by every engine.

``squared_error`` is ``sum_i (x_i - r_i)^2`` with r the reconstruction: up to the factor 1/D it
is the energy E(x) of a (Wasserstein) normalized autoencoder. Hardware drops constant factors;
``Score.factor`` is what the float world multiplies the sum with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from naetrigger.contracts.errors import InputError, suggestion

T = TypeVar("T")


@dataclass(frozen=True)
class Value:
    """A vector by name: 'x' (the inputs), 'reconstruction', 'latent' or 'output'."""

    name: str


@dataclass(frozen=True)
class Sub:
    left: Expression
    right: Expression


@dataclass(frozen=True)
class Square:
    of: Expression


@dataclass(frozen=True)
class Abs:
    of: Expression


@dataclass(frozen=True)
class Sum:
    """Sum over the features, each with its integer weight (None: all ones)."""

    of: Expression
    weights: tuple[int, ...] | None = None


Expression = Value | Sub | Square | Abs | Sum


class Algebra(Protocol, Generic[T]):
    """What an engine's library needs to read a score: numpy, torch, Keras, our network."""

    def sub(self, left: T, right: T) -> T: ...
    def square(self, of: T) -> T: ...
    def abs(self, of: T) -> T: ...
    def sum(self, of: T, weights: tuple[int, ...] | None) -> T: ...


def evaluate(expression: Expression, values: Mapping[str, T], algebra: Algebra[T]) -> T:
    """The expression read in one library's own terms."""
    match expression:
        case Value(name):
            if name not in values:
                raise InputError(f"the score needs '{name}', the model has {', '.join(values)}")
            return values[name]
        case Sub(left, right):
            return algebra.sub(evaluate(left, values, algebra), evaluate(right, values, algebra))
        case Square(of):
            return algebra.square(evaluate(of, values, algebra))
        case Abs(of):
            return algebra.abs(evaluate(of, values, algebra))
        case Sum(of, weights):
            return algebra.sum(evaluate(of, values, algebra), weights)


@dataclass(frozen=True)
class Score:
    """A named score. `mean`: the float score divides the sum by the number of inputs."""

    name: str
    expression: Expression
    mean: bool
    description: str

    def factor(self, n_inputs: int) -> float:
        """float score = factor * sum."""
        return 1.0 / n_inputs if self.mean else 1.0


_RESIDUAL = Sub(Value("x"), Value("reconstruction"))

SCORES: dict[str, Score] = {
    score.name: score
    for score in (
        Score("squared_error", Sum(Square(_RESIDUAL)), True, "mean squared reconstruction error"),
        Score("absolute_error", Sum(Abs(_RESIDUAL)), True, "mean absolute reconstruction error"),
        Score("latent_norm", Sum(Square(Value("latent"))), False, "squared length of the latent"),
        Score("energy", Value("output"), False, "a teacher's energy of any other form"),
        Score("regression", Value("output"), False, "a score that a student learned to regress"),
    )
}


def score_named(name: str) -> Score:
    """The registered score of that name."""
    if name not in SCORES:
        raise InputError(
            f"no score '{name}'{suggestion(name, SCORES)} (there are {', '.join(SCORES)})"
        )
    return SCORES[name]


class ArrayAlgebra:
    """Reads a score over arrays or tensors of shape (B, D), features last."""

    def sub(self, left: Any, right: Any) -> Any:
        return left - right

    def square(self, of: Any) -> Any:
        return of * of

    def abs(self, of: Any) -> Any:
        return abs(of)

    def sum(self, of: Any, weights: tuple[int, ...] | None) -> Any:
        if weights is None:
            return of.sum(-1)
        return sum(of[..., i] * weight for i, weight in enumerate(weights))
