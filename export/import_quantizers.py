"""QKeras' quantizers as fixed-point formats, read from what a model file says of them.

Configurations are JSON, or text such as ``quantized_bits(6,0,alpha=1)``, whose arguments are read
as literals and never evaluated.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import Fixed, Overflow, Rounding

ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "quantized_bits": ("bits", "integer", "symmetric", "keep_negative", "alpha"),
    "quantized_relu": ("bits", "integer", "use_sigmoid", "negative_slope"),
    "quantized_tanh": ("bits", "use_stochastic_rounding", "symmetric", "use_real_tanh"),
    "quantized_sigmoid": ("bits", "symmetric", "use_real_sigmoid", "use_stochastic_rounding"),
}
Quantizer = tuple[str, dict[str, Any]]


def read_quantizer(value: Any, where: str) -> Quantizer | None:
    """(class, settings) of a quantizer or activation as Keras stores it; None where there is none.

    Raises InputError for what is neither.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return _from_text(value, where)
    if isinstance(value, dict) and isinstance(value.get("class_name"), str):
        return value["class_name"], dict(value.get("config") or {})
    raise InputError(f"{where}: {value!r} is no quantizer")


def _from_text(text: str, where: str) -> Quantizer:
    if text.isidentifier():
        return text, {}
    try:
        call = ast.parse(text, mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            raise ValueError("no call")
        name = call.func.id
        values = {
            ARGUMENTS[name][i]: ast.literal_eval(argument) for i, argument in enumerate(call.args)
        }
        values |= {str(word.arg): ast.literal_eval(word.value) for word in call.keywords}
    except (SyntaxError, ValueError, KeyError, IndexError, RecursionError, MemoryError) as error:
        raise InputError(f"{where}: '{text[:80]}' is no quantizer that is known here") from error
    return name, values


def format_of(quantizer: Quantizer | None, where: str, *, constants: bool = False) -> Fixed:
    """The format of quantized_bits or quantized_relu; InputError, with the reason, for others.

    constants : of a kernel or bias, where an alpha that is not given is no promise of 1: QKeras'
        layers make a kernel's "auto_po2"; an activation without alpha is scaled by 1
    """
    if quantizer is None:
        raise InputError(f"{where}: has no quantizer, so its numbers have no width; give it one")
    name, config = quantizer
    if config.get("use_stochastic_rounding"):
        raise InputError(f"{where}: {name} rounds at random; set use_stochastic_rounding=False")
    if config.get("qnoise_factor", 1) != 1:
        raise InputError(f"{where}: {name} mixes in what is not quantized; set qnoise_factor=1")
    if name not in ("quantized_bits", "quantized_relu"):
        raise InputError(
            f"{where}: quantizer '{name}' is not supported; quantized_bits and quantized_relu are"
        )
    bits, integer = int(config.get("bits", 8)), int(config.get("integer", 0))
    try:
        if name == "quantized_relu":
            if config.get("negative_slope") or config.get("use_sigmoid"):
                raise InputError(f"{where}: quantized_relu with a slope or a sigmoid; use neither")
            if config.get("relu_upper_bound") is not None:
                raise InputError(f"{where}: quantized_relu with relu_upper_bound; use bits alone")
            return Fixed(False, bits, integer, Rounding.RND_CONV, Overflow.SAT)
        if constants or config.get("alpha") is not None:
            _check_alpha(config.get("alpha"), where)
        signed = bool(config.get("keep_negative", True))
        if signed and bits == 1:
            raise InputError(f"{where}: one signed bit means -1 and 1 to QKeras; use 2 bits")
        overflow = Overflow.SAT_SYM if config.get("symmetric") and signed else Overflow.SAT
        return Fixed(signed, bits, integer + signed, Rounding.RND_CONV, overflow)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error


def _check_alpha(alpha: Any, where: str) -> None:
    if alpha not in (1, 1.0):
        raise InputError(
            f"{where}: quantized_bits with alpha={alpha!r} scales by what is no power of two, or "
            "by what the file does not say; train with alpha=1"
        )
