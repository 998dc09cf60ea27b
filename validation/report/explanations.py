"""What each check of a report means, where its limit is set, and what to do when it fails.

    explanation("saturated scores in the background").meaning

Checks are known by the beginnings of their names, which validation gives them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Explanation:
    """Of one kind of check.

    begins : how the names of such checks begin
    meaning : what is measured, and why it matters
    setting : where the limit comes from
    advice : what to do if it fails
    unit : of their values, where two kinds begin alike
    """

    begins: str
    meaning: str
    setting: str
    advice: str
    unit: str | None = None


FIRMWARE_ADVICE = (
    "fewer bits (student.weight_bits, student.activation_bits), rounding: half_up, "
    "student.pruning, a smaller model.hidden, or `naetrigger search` for the students that fit"
)

EXPLANATIONS = (
    Explanation(
        "required: ",
        "A figure of this report that the recipe holds within a limit of its own; where several "
        "tools give it, the worst. One that the report does not have has failed.",
        "validation.require",
        "the figure's own section of the report has its error; a limit that lies within it will "
        "fail by chance.",
    ),
    Explanation(
        "agreement",
        "Two engines of the student must give the same integer for every event: the network, "
        "QKeras, ONNX, HLS and RTL are readings of one thing. The value is the fraction of events "
        "that are equal. Decision bits are compared in the same way.",
        "no setting: equality is not negotiable",
        "`naetrigger compare RUN FILE` names the first event and layer where they part; an edited "
        "file under export/ or a library of another version are the usual causes. Have `export` "
        "made anew: delete RUN/export and run the recipe again.",
        unit="of events",
    ),
    Explanation(
        "agreement",
        "Float engines of one model (torch, ONNX) differ by rounding alone. The value is the "
        "largest |a - b| / max(|a|, |b|, median).",
        "validation.limits.relative_difference (1e-5)",
        "look at the event with `naetrigger compare RUN FILE`; scores that nearly cancel may need "
        "a larger limit, a real difference means that one file is of another training.",
        unit="relative",
    ),
    Explanation(
        "saturated scores in the background",
        "Scores at the end of the hardware's range cannot be told apart, so no threshold can lie "
        "among them. The value is the fraction of test background there.",
        "validation.limits.saturated_fraction (0.0005)",
        "raise student.score_bits or student.score_headroom.",
    ),
    Explanation(
        "rank correlation",
        "A trigger keeps what ranks highest, so the student must rank background as the teacher "
        "does. The value is Spearman's rank correlation on the test background.",
        "validation.limits.student_spearman (0.9)",
        "more bits (student.weight_bits, student.layers), more student.epochs, or a wider student; "
        "a regressed score needs a wider student.hidden than a quantized one.",
    ),
    Explanation(
        "AUC lost by the student",
        "AUC(teacher) - AUC(student) on this signal, both on the same resamples. Signals are "
        "looked at here for the first time; nothing was chosen by them. A gain passes.",
        "validation.limits.student_auc_loss (0.02)",
        "compare with the error of the difference in the report's AUC table; if it is real: more "
        "bits, more student.epochs, or points around the background (student.points).",
    ),
    Explanation(
        "decision bit",
        "The threshold of a bit of the firmware's decision was set on the training background; the "
        "bit must fire on as much of the test background. The value is the difference of the two "
        "efficiencies, less three errors of it, relative to that in training: 0 is chance.",
        "validation.limits.decision_difference (0.1)",
        "the threshold does not keep its target on data: training and test background are of two "
        "kinds, their weights do not mean the same, or the student knows its training events by "
        "heart. `naetrigger monitor RUN RUN/data/test.h5 --reference RUN/data/train.h5` compares "
        "them.",
    ),
    Explanation(
        "budget latency_ns",
        "From the first input to the score, in nanoseconds, by the tool in brackets; `estimate` "
        "is made before any synthesis.",
        "budget.latency_ns of the board's file; validation.limits.budget: false leaves it out",
        f"fewer pipeline stages: {FIRMWARE_ADVICE}.",
    ),
    Explanation(
        "budget initiation_interval",
        "Clocks between two events that the firmware can take; more than one crossing and events "
        "are lost.",
        "budget.initiation_interval of the board's file",
        "lower firmware.reuse_factor; the RTL takes an event every clock.",
    ),
    Explanation(
        "budget",
        "A resource of the board (LUTs, flip-flops, DSPs, block RAMs) as the tool in brackets "
        "counts it. An estimate and an implemented count may differ by a factor of two.",
        "budget of the board's file, with the source of each number; "
        "validation.limits.budget: false leaves it out",
        f"{FIRMWARE_ADVICE}.",
    ),
    Explanation(
        "logic depth",
        "LUTs one behind the other between two registers, times the time of one: whether a clock "
        "is in reach. It is no timing closure; only place and route gives that.",
        "lut_level_ns and clock_ns of the board's file",
        "a smaller latency_cutoff in the board's file adds pipeline stages; rounding: half_up "
        "takes levels away.",
    ),
)
"""Of every kind of check in report.json, the special ones before the general."""


def explanation(name: str, unit: str = "") -> Explanation | None:
    """What a check means; None for one that is not known."""
    for known in EXPLANATIONS:
        if name.startswith(known.begins) and known.unit in (None, unit):
            return known
    return None
