"""The process of an isolated engine: python -m ... ROOT ENGINE QUESTION INPUTS.npy ANSWER.npz.

Errors go to standard output with the exit status that the command line gives them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from naetrigger.contracts.errors import NaetriggerError
from naetrigger.pipeline.engines import answer_here


def main(root: str, name: str, question: str, asked: str, answered: str) -> int:
    """Answer one question; the exit status."""
    try:
        inputs = np.load(asked, allow_pickle=False)
        answer = answer_here(Path(root), name, question, inputs)
    except NaetriggerError as error:
        sys.stdout.write(f"{error}\n")
        return error.exit_status
    np.savez(answered, **answer)  # type: ignore[arg-type]
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
