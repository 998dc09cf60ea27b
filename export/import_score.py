"""The score of an imported model: what one number an event makes of its outputs."""

from __future__ import annotations

import numpy as np

from naetrigger.contracts.errors import InputError, suggestion
from naetrigger.contracts.fixed_point import Fixed
from naetrigger.export.import_draft import Constants, Draft, ImportedModel

FORMS = ("squared_norm", "squared_error", "absolute_error")


def finished(
    draft: Draft,
    outputs: str,
    score: str | None,
    about: dict[str, str],
    axes: tuple[int, ...] = (),
) -> ImportedModel:
    """The model that ends in node `outputs`, with its score; see add_score."""
    output = add_score(draft, outputs, score, axes)
    about = {"score": score or outputs, **about}
    return ImportedModel(draft.network(output, about), outputs)


def add_score(draft: Draft, outputs: str, score: str | None, axes: tuple[int, ...] = ()) -> str:
    """The node of the score, made of the model's outputs.

    score : the number of an output, from 0; 'squared_norm', the sum of their squares;
        'squared_error' or 'absolute_error', of the outputs against the inputs; None: the model
        has one output, and that is it
    axes : the order in which a vector of the model holds an image; (): the image's own here
    """
    size = draft[outputs].size
    if score is None:
        if size == 1:
            return outputs
        raise InputError(
            f"{draft.where}: has {size} outputs; say which number is the score: --score N (from 0) "
            f"or one of {', '.join(FORMS)}"
        )
    flat = draft.flat(outputs)
    if score.isdecimal():
        if int(score) >= size:
            raise InputError(f"{draft.where}: --score {score}: has outputs 0 to {size - 1}")
        chosen = np.zeros((size, 1), np.int64)
        chosen[int(score)] = 1
        return draft.add(
            "score", "dense", [flat], (1,), None, Constants(chosen, Fixed(False, 1, 1))
        )
    if score not in FORMS:
        raise InputError(
            f"--score {score}: is no number and none of {', '.join(FORMS)}"
            f"{suggestion(score, FORMS)}"
        )
    if score != "squared_norm":
        first = _as_vector(draft, axes) if len(draft[outputs].dims) == 1 else draft.flat("x")
        if draft[first].size != size:
            raise InputError(
                f"{draft.where}: --score {score} compares outputs with inputs, and there are "
                f"{size} and {draft[first].size}"
            )
        flat = draft.add("score_sub", "sub", [first, flat])
    form = "abs" if score == "absolute_error" else "square"
    return draft.add("score", "sum", [draft.add(f"score_{form}", form, [flat])], (1,))


def _as_vector(draft: Draft, axes: tuple[int, ...]) -> str:
    """The inputs as the model's vectors hold them."""
    dims = draft["x"].dims
    ordered = len(dims) != len(axes) or dims[-1] == 1 or draft["x"].size == dims[-1]
    return draft.flat("x" if ordered else draft.transpose("x_order", "x", axes))
