"""What C++ libraries write to standard error on their own, past Python: it goes to the log."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

STANDARD_ERROR = 2


@contextmanager
def errors_in_log(log: logging.Logger) -> Iterator[None]:
    """Within the block, standard error of the whole process is kept for the log, a line each.

    An exception that leaves the block gives it back: it may say why.
    """
    if sys.stderr is None:  # the program was started with it closed
        yield
        return
    sys.stderr.flush()
    with tempfile.TemporaryFile() as kept:
        before = os.dup(STANDARD_ERROR)
        os.dup2(kept.fileno(), STANDARD_ERROR)
        try:
            yield
        except BaseException:
            sys.stderr.flush()
            kept.seek(0)
            os.write(before, kept.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(before, STANDARD_ERROR)
            os.close(before)
        kept.seek(0)
        for line in kept.read().decode(errors="replace").splitlines():
            log.debug("%s", line)
