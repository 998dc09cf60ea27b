"""Whether the bits of the firmware's decision fire on the test background as in training.

Their thresholds are set on the training background (working points: at or below the target). Test
events are of the same kind, so a bit fires on as large a part of them but for chance. The value

    D = max(0, |e_test - e_train| - 3 sigma) / e_train,   sigma^2 = sigma_test^2 + sigma_train^2

is what chance does not explain, relative to e_train. Each sigma reaches from an efficiency to that
end of its 68.3% interval which lies towards the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from naetrigger.validation.report.schema import Check, DecisionBit

SIGMAS = 3.0


def decision_checks(bits: Iterable[DecisionBit], limit: float) -> Iterator[Check]:
    """A check for each bit; the name is the same whatever is measured."""
    for bit in bits:
        value = beyond_chance(bit)
        if value is not None:
            yield Check(
                name=f"decision bit {bit.bit} on the test background",
                passed=value <= limit,
                value=value,
                limit=limit,
                unit="beyond chance",
                advice="" if value <= limit else _advice(bit),
            )


def beyond_chance(bit: DecisionBit) -> float | None:
    """D; None where the report is of a version without the interval in training."""
    train, test = bit.training_background_efficiency, bit.background_efficiency
    if bit.training_low is None or bit.training_high is None:
        return None
    if test > train:
        sigma = math.hypot(test - bit.low, bit.training_high - train)
    else:
        sigma = math.hypot(bit.high - test, train - bit.training_low)
    return max(0.0, abs(test - train) - SIGMAS * sigma) / (train or bit.training_high)


def _advice(bit: DecisionBit) -> str:
    return (
        f"fires on {bit.background_efficiency:.3g} of the test background "
        f"({bit.low:.3g} to {bit.high:.3g}), on {bit.training_background_efficiency:.3g} of the "
        "training background; the threshold does not keep its target on data"
    )
