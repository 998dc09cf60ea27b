"""What of a processor decides how floats are summed: the same program gives other last digits
with vectors of another width.
"""

from __future__ import annotations

from collections.abc import Mapping


def processor() -> Mapping[str, str]:
    """This machine's, as torch sees it (AVX2, AVX512, ...), to be compared with another's.

    It is not all: the matrix products of MKL also tell the makers of processors apart.
    """
    import torch

    return {"processor": torch.backends.cpu.get_cpu_capability()}
