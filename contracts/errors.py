"""The errors a user can meet, each with the exit status the command line gives it."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable, Sequence
from typing import ClassVar


class NaetriggerError(Exception):
    """An error whose message says what was expected, what came, where, and what to do."""

    exit_status: ClassVar[int] = 2


class InputError(NaetriggerError):
    """Bad data, a bad file or a bad recipe: exit status 2."""


class RecipeError(InputError):
    """All problems of one recipe, collected: exit status 2."""


class AgreementError(NaetriggerError):
    """Two engines that must agree do not: exit status 1."""

    exit_status = 1


class TrainingDiverged(NaetriggerError):
    """Training left the region where its result means anything: exit status 1."""

    exit_status = 1


class EnvironmentProblem(NaetriggerError):
    """A missing tool or extra, a full disk, a locked folder: exit status 3."""

    exit_status = 3


class MissingExtra(EnvironmentProblem):
    """An optional dependency is not installed."""

    def __init__(self, module: str, extra: str) -> None:
        super().__init__(
            f"the Python package '{module}' is not installed; "
            f"it comes with: pip install 'naetrigger[{extra}]'"
        )


FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NOT_ALLOWED = (errno.EACCES, errno.EROFS, errno.EPERM)
MOST_NEAR = 3  # words in a suggestion
LEAST_LIKENESS = 0.5  # of difflib: 1 is the same word
AS_NEAR = 0.12  # words so much less like than the nearest are suggested with it
BAD_PATH = (
    *(errno.ENAMETOOLONG, errno.ELOOP, errno.ENOENT, errno.ENOTDIR),
    *(errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ENXIO),
)


def system_problem(error: OSError) -> NaetriggerError | None:
    """What the operating system refused, as an error with a remedy; None where it is a defect."""
    place = "" if error.filename is None else f"{str(error.filename)[:400]}: "
    if error.errno in FULL_DISK:
        return EnvironmentProblem(
            f"{place}the disk is full, or a quota or file size limit is reached "
            f"({error.strerror}); make room and give the command again"
        )
    if error.errno in NOT_ALLOWED:
        return EnvironmentProblem(
            f"{place}not allowed ({error.strerror}); change its permissions, or choose another "
            "place"
        )
    if error.errno in BAD_PATH and place:
        return InputError(f"{place}{error.strerror}; give another path")
    return None


def unwritable(place: object, error: OSError) -> NaetriggerError:
    """Why nothing can be written there: the machine's problem where it has no room."""
    text = f"{place}: cannot be written ({error.strerror or error})"
    if error.errno in (*FULL_DISK, *NOT_ALLOWED):
        return EnvironmentProblem(f"{text}; make room or change its permissions, and start again")
    return InputError(f"{text}; choose another with --out")


def suggestion(word: str, known: Iterable[str]) -> str:
    """'; did you mean ...?' for the nearest known words, at most three, or an empty string."""
    return did_you_mean(_nearest(word, list(known)))


def did_you_mean(names: Sequence[str]) -> str:
    """'; did you mean ...?' for names in their order, at most three; empty where there is none."""
    if not names:
        return ""
    *others, last = (f"'{name}'" for name in names[:MOST_NEAR])
    return f"; did you mean {', '.join(others)} or {last}?" if others else f"; did you mean {last}?"


def _nearest(word: str, known: list[str]) -> list[str]:
    """The words almost as near as the nearest, whatever their case, the nearest first."""
    folded = word.casefold()
    same = [name for name in known if name.casefold() == folded]
    if same:
        return same
    matcher = difflib.SequenceMatcher(b=folded)
    likeness = {}
    for name in known:
        matcher.set_seq1(name.casefold())
        likeness[name] = matcher.ratio()
    least = max(LEAST_LIKENESS, max(likeness.values(), default=0.0) - AS_NEAR)
    return sorted((n for n in likeness if likeness[n] >= least), key=lambda n: -likeness[n])
