"""Settings of the data stage: where events come from, how they are split and weighted."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from naetrigger.contracts.errors import suggestion
from naetrigger.contracts.settings import Settings
from naetrigger.firmware_configs.feature import Format, Offline
from naetrigger.firmware_configs.offline_steps import Step
from naetrigger.training.data.flattening import Flatten

FORMAT_NAMES = (
    "naetrigger",
    "particles-40mhz",
    "calo-regions",
    "top-tagging",
    "lhco",
    "nanoaod",
    "parquet",
    "global-trigger",
    "csv",
)
FILE_SUFFIXES = (".csv", ".h5", ".hdf5", ".hdf", ".parquet", ".pq", ".root", ".txt", ".dat")
PROCESS_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
PROCESS_PATTERN = re.compile(r"[A-Za-z0-9*][A-Za-z0-9_.+*-]*")


def _process_name(name: str) -> str:
    if not PROCESS_NAME.fullmatch(name):
        raise ValueError(f"'{name}' is no process name (letters, digits, and _ . + - inside)")
    return name


def _process_pattern(name: str) -> str:
    if not PROCESS_PATTERN.fullmatch(name):
        raise ValueError(f"'{name}' is no process name (letters, digits, _ . + - inside, and *)")
    return name


ProcessName = Annotated[str, AfterValidator(_process_name)]
ProcessPattern = Annotated[str, AfterValidator(_process_pattern)]


class Split(Settings):
    """Fractions of the background, by a hash of the event id; they add up to 1."""

    train: float = Field(0.6, gt=0, lt=1)
    """What the teacher and the student learn from."""

    validation: float = Field(0.1, gt=0, lt=1)
    """What training watches itself on."""

    test: float = Field(0.3, gt=0, lt=1)
    """What the verdict is drawn on, with all signals."""

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train + validation + test must be 1, got {total:g}")
        return self

    @property
    def fractions(self) -> tuple[float, float, float]:
        """In the order of naetrigger.contracts.events.SPLITS."""
        return self.train, self.validation, self.test


class DataSettings(Settings):
    """Events of one background and any number of signals."""

    source: str = "jets"
    """A shipped sample by name, or the path of a file in any format of docs/formats.md.

    A file of one process (CSV, parquet, test vectors ...) holds the background.
    """

    background: ProcessName | Annotated[tuple[ProcessPattern, ...], Field(min_length=1)] | None = (
        None
    )
    """The background process; default: the only one of that role in the source. A file that does
    not name its one process is called so; default: the file's name.

    Or a list of processes of the source, which together become one called `background`; `*` in a
    name stands for anything but the processes that `signals` names.
    """

    signals: tuple[ProcessName, ...] | dict[ProcessName, str] | None = None
    """Signals of the source by name (default: all), or `{name: path of a file}`, in any format.

    No training stage ever reads them: they are written into the test sample alone.
    """

    columns: tuple[str, ...] | None = Field(None, min_length=1)
    """The model's inputs in order; default: those of the input spec, else all value columns."""

    format: str | None = None
    """The format of source and signals; default: recognised from each file's content."""

    view: str | None = None
    """What a row is read as, where the format offers several: of top-tagging `images` or
    `substructure`, of NanoAOD `fat-jets` or `l1-objects`."""

    tree: str | None = Field(None, min_length=1)
    """The tree of a ROOT file; default: `Events`, NanoAOD's."""

    branches: dict[str, str] | None = Field(None, min_length=1)
    """Of a ROOT file: `{column: branch}` or `{column: branch[index]}`."""

    weight_column: str = "weight"
    """Column of a table (CSV, parquet, branches) with positive event weights, where there is
    one."""

    event_id_column: str = "event_id"
    """Column of a table with integer ids, where there is one; rows of one event share theirs."""

    input_spec: str = "auto"
    """A shipped input spec by name, the path of one, or `auto`: derived from the training
    background (offset near the mean, a power of two near the spread)."""

    offline: dict[str, Offline] = Field(default_factory=dict)
    """With `input_spec: auto`, what the host does to an input before the firmware sees it:
    `{column: log}`, or `log1p` where the column holds zeros."""

    input_type: Format | None = None
    """With `input_spec: auto`, the fixed-point format of every input; absent: just wide enough
    for hardware integers, `fixed<10,3,RND_CONV,SAT>` for other inputs."""

    steps: tuple[Step, ...] = ()
    """With `input_spec: auto`, what is done to whole tables of columns first (docs/inputs.md)."""

    constant: Literal["refuse", "keep"] = "refuse"
    """With `input_spec: auto`, what becomes of a column that is constant on the background."""

    student_input_spec: str | None = None
    """Inputs of the student where they are not the teacher's (block sums of an image, say): a
    shipped input spec by name or the path of one. Goes with `student.mode: regress`."""

    units: Literal["physical", "hw"] | None = None
    """What columns are whose file states no unit, where the input spec counts hardware steps:
    physical values, or the hardware integers themselves."""

    sort_objects: bool = False
    """Bring trigger objects (jet1, jet2, ...) into the order of falling pT instead of refusing
    events in which they are not."""

    weights: Literal["file", "unit"] = "file"
    """`file`: events keep their weights; `unit`: all of them count alike, in training as in the
    verdict, which then speaks of the mixture that was generated."""

    flatten: Flatten | None = None
    """Training and validation background weighted to be flat in one column between two values:
    `{column: jet_pt, low: 300, high: 1500}`, the values in the physical unit of a column that has a
    hardware scale. Goes with `objective.use_weights: true`; the test sample keeps its weights."""

    split: Split = Split()
    """How the background is divided."""

    reweight: str | None = None
    """A column (say jet_pt): in the verdict, the background is reweighted to each signal's spectrum
    of it in turn. Training never sees these weights, as they come from signals."""

    max_background: int | None = Field(None, ge=10)
    """Use so many background events, from all of the file: those whose ids hash lowest."""

    max_signal: int | None = Field(None, ge=10)
    """Use so many events of each signal, chosen likewise."""

    @field_validator("signals", mode="before")
    @classmethod
    def _named(cls, signals: Any) -> Any:
        """A file alone has no name that the report could give the signal."""
        if signals is None or isinstance(signals, list | tuple | dict):
            return signals
        raise ValueError("write {NAME: signal.csv}, or a list of the source's processes")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.columns and len(set(self.columns)) != len(self.columns):
            raise ValueError(f"columns: each name once, got {', '.join(self.columns)}")
        if self.source.endswith(".csv") and isinstance(self.signals, tuple) and self.signals:
            raise ValueError("a CSV source takes signals as {name: path of a file}")
        if self.format is not None and self.format not in FORMAT_NAMES:
            near = suggestion(self.format, FORMAT_NAMES)
            raise ValueError(f"no format '{self.format}'{near} ({', '.join(FORMAT_NAMES)})")
        if self.input_spec != "auto" and self.offline:
            raise ValueError("offline goes with input_spec: auto; a spec states its own steps")
        if self.input_spec != "auto" and self.steps:
            raise ValueError("steps goes with input_spec: auto; a spec states its own steps")
        if self.student_input_spec == "auto":
            raise ValueError("student_input_spec must name a spec; only input_spec can be auto")
        return self

    @property
    def has_two_specs(self) -> bool:
        """Whether the student has inputs of its own."""
        return self.student_input_spec not in (None, self.input_spec)

    @property
    def is_shipped(self) -> bool:
        """Whether the source is the name of a shipped sample, not the path of a file."""
        return not self.source.endswith(FILE_SUFFIXES)
