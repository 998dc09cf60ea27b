"""Lookup tables: an offline step of a feature as a ROM, one word for every address.

The address is the hardware integer, two's complement where it is signed; with fewer `table_bits`,
its highest ones, and the word is f at the middle of the integers that share it. Training reads
the same words, so float model and firmware see the same numbers.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import Floats, Integers
from naetrigger.firmware_configs.feature import Feature, offline_step


def table_words(feature: Feature) -> Integers:
    """The mantissas of a feature's table in the order of addresses, shape (2**table_bits,).

    Raises InputError for a feature without a table, or where f is not defined on all addresses.
    """
    return _words(feature)


def looked_up(feature: Feature, x: Floats, first_row: int = 0) -> Floats:
    """The numbers that the table gives for hardware integers (N,).

    Raises InputError for other values, naming the row counted from `first_row`.
    """
    words, scale, fixed = _words(feature), feature.scale, feature.table_fixed
    assert scale is not None
    assert fixed is not None
    wrong = ~((x == np.floor(x)) & (x >= scale.low) & (x <= scale.high))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"column '{feature.name}': its table takes whole numbers from {scale.low} to "
            f"{scale.high}, row {first_row + row} holds {x[row]}"
        )
    n = x.astype(np.int64)
    return fixed.real(words[(n % (1 << scale.bits)) >> _dropped(feature)])


def _dropped(feature: Feature) -> int:
    bits = feature.bits or 0
    return bits - (feature.table_bits or bits)


@lru_cache(maxsize=4096)
def _words(feature: Feature) -> Integers:
    scale, fixed = feature.scale, feature.table_fixed
    if scale is None or fixed is None:
        raise InputError(f"column '{feature.name}': has no table")
    dropped = _dropped(feature)
    address = np.arange(1 << scale.bits - dropped, dtype=np.int64) << dropped
    n = np.where(scale.signed & (address > scale.high), address - (1 << scale.bits), address)
    middle = n + ((1 << dropped) - 1) / 2
    words = fixed.mantissas(offline_step(middle, feature.offline, feature.name))
    words.flags.writeable = False
    return words
