"""CMS NanoAOD and other flat ROOT trees, read with uproot: ``Events``, or the tree that is named.

What becomes a column is said by `data.branches` (see :mod:`branch_map`), or by a view:

fat-jets     a row each FatJet: tau2, tau3, msd; its kinematics and tau1 are context
l1-objects   a row each event: the 57 columns of trigger objects from L1EtSum, L1EG, L1Mu, L1Jet of
             crossing 0, sorted by falling pt; GeV, 1, rad

Event ids are made from run, luminosityBlock and event.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError, MissingExtra
from naetrigger.contracts.events import Events
from naetrigger.contracts.trigger_objects import COLUMNS, KINDS, UNITS
from naetrigger.training.data.formats.branch_map import (
    Rows,
    apply,
    awkward,
    padded,
    parse_branches,
    require,
)
from naetrigger.training.data.formats.format import (
    Description,
    ReadOptions,
    as_float32,
    chosen_view,
    head,
    reading,
    row_ids,
    single_process,
)

MAGIC = b"root"
TREE = "Events"
SHOWN_BRANCHES = 10  # of those a tree has, in a message
EVENT_ID = ("run", "luminosityBlock", "event")
FAT_JETS = {
    "tau2": "FatJet_tau2",
    "tau3": "FatJet_tau3",
    "msd": "FatJet_msoftdrop",
}
FAT_JET_UNITS = ("1", "1", "GeV")
FAT_JET_CONTEXT = {
    "jet_pt": "FatJet_pt",
    "jet_eta": "FatJet_eta",
    "jet_mass": "FatJet_mass",
    "tau1": "FatJet_tau1",
}
FAT_JET_CONTEXT_UNITS = ("GeV", "1", "GeV", "1")
L1_COLLECTIONS = {"eg": "L1EG", "mu": "L1Mu", "jet": "L1Jet"}
L1_MISSING_ET = 2  # L1EtSum_etSumType: kMissingEt of l1t::EtSum


class NanoAod:
    """The format as the registry knows it."""

    title = "NanoAOD (ROOT)"
    views: tuple[str, ...] = ("fat-jets", "l1-objects")

    def recognise(self, path: Path) -> bool:
        return head(path, len(MAGIC)) == MAGIC

    def describe(self, path: Path, options: ReadOptions) -> Description:
        with reading(path, self.title), _opened(path) as file:
            tree = _tree(file, path, options.tree or TREE)
            plan = _Plan(self, tree, path, options)
            per_event = plan.one_row_an_event
            return Description(
                processes=single_process(path, options, tree.num_entries if per_event else None),
                columns=plan.columns,
                units=plan.units,
                context_columns=plan.context_columns,
                context_units=plan.context_units,
                notes=plan.notes,
            )

    def chunks(self, path: Path, options: ReadOptions, size: int) -> Iterator[Events]:
        with reading(path, self.title), _opened(path) as file:
            tree = _tree(file, path, options.tree or TREE)
            plan = _Plan(self, tree, path, options)
            first = 0
            for arrays in tree.iterate(list(plan.branches), step_size=size, library="ak"):
                yield plan.events(arrays, first)
                first += len(arrays)


class _Plan:
    """Which branches of a file are read, and what becomes of them."""

    def __init__(self, format: NanoAod, tree: Any, path: Path, options: ReadOptions) -> None:
        self.path, self.options = path, options
        known = list(tree.keys())
        self.view = "" if options.branches else _view(format, known, options, path)
        self._map = parse_branches(options.branches or {**FAT_JETS, **FAT_JET_CONTEXT})
        self.ids = tuple(name for name in EVENT_ID if name in known)
        if self.view == "l1-objects":
            self._map = {}
            names = ["L1EtSum_pt", "L1EtSum_phi", "L1EtSum_etSumType"]
            names += [f"{c}_{q}" for c in L1_COLLECTIONS.values() for q in ("pt", "eta", "phi")]
            crossings = [f"{c}_bx" for c in ("L1EtSum", *L1_COLLECTIONS.values())]
            names += [name for name in crossings if name in known]
        else:
            names = list(dict.fromkeys(branch.name for branch in self._map.values()))
        require(names, known, str(path))
        self.branches = dict.fromkeys((*names, *self.ids))
        self._describe(tree)

    def _describe(self, tree: Any) -> None:
        special = (self.options.weight_column, self.options.event_id_column)
        self.context_columns: tuple[str, ...] = ()
        self.context_units: tuple[str, ...] = ()
        self.units: tuple[str, ...] = ()
        if self.view == "l1-objects":
            self.columns, self.units = COLUMNS, UNITS
        elif self.view == "fat-jets":
            self.columns, self.units = tuple(FAT_JETS), FAT_JET_UNITS
            self.context_columns = tuple(FAT_JET_CONTEXT)
            self.context_units = FAT_JET_CONTEXT_UNITS
        else:
            self.columns = tuple(name for name in self._map if name not in special)
            if not self.columns:
                raise InputError("data.branches: names no column beside weights and event ids")
            known = dict(zip(COLUMNS, UNITS, strict=True))
            if set(self.columns) <= set(known):
                self.units = tuple(known[name] for name in self.columns)
        ids = f"event ids from {', '.join(self.ids)}" if self.ids else "event ids are row numbers"
        what = f"view {self.view} of fat-jets, l1-objects" if self.view else "data.branches"
        taken = tuple(f"'{name}' from data.branches" for name in special if name in self._map)
        self.notes = (f"{what}; {tree.num_entries} events in the file", ids, *taken)

    @property
    def one_row_an_event(self) -> bool:
        """Whether rows are events for certain."""
        return not self._map or all(branch.index is not None for branch in self._map.values())

    def events(self, arrays: Any, first: int) -> Events:
        """The rows of one batch of events."""
        if self.view == "l1-objects":
            return self._events(Rows({}, np.arange(len(arrays))), arrays, first)
        return self._events(apply(self._map, arrays, str(self.path)), arrays, first)

    def _events(self, rows: Rows, arrays: Any, first: int) -> Events:
        options, count = self.options, len(rows.event)
        ids = _event_ids(arrays, self.ids, first)[rows.event]
        if options.event_id_column in rows.columns:
            ids = _given_ids(rows.columns[options.event_id_column], self.path)
        weights = rows.columns.get(options.weight_column, np.ones(count))
        values = l1_objects(arrays) if self.view == "l1-objects" else _table(rows, self.columns)
        return Events(
            process=options.process or self.path.stem,
            role=options.role,
            columns=self.columns,
            values=as_float32(values),
            weights=weights.astype(np.float64),
            event_ids=ids,
            context_columns=self.context_columns,
            context=as_float32(_table(rows, self.context_columns)),
            units=self.units,
            context_units=self.context_units,
            attributes={"source": self.path.name},
        )


def l1_objects(arrays: Any) -> npt.NDArray[np.float64]:
    """The 57 columns from the L1 branches of some events, shape (N, 57)."""
    parts = []
    for kind in KINDS:
        if kind.name == "met":
            chosen = arrays["L1EtSum_etSumType"] == L1_MISSING_ET
            table = _objects(arrays, "L1EtSum", chosen, kind.count, ("pt", "phi"))
            parts.append(np.insert(table, 1, 0.0, axis=2))  # no eta
        else:
            collection = L1_COLLECTIONS[kind.name]
            chosen = arrays[f"{collection}_pt"] > 0
            parts.append(_objects(arrays, collection, chosen, kind.count, ("pt", "eta", "phi")))
    return np.concatenate(parts, axis=1).reshape(len(arrays), -1)


def _objects(
    arrays: Any, collection: str, chosen: Any, count: int, quantities: tuple[str, ...]
) -> npt.NDArray[np.float64]:
    """The hardest objects of crossing 0 of a collection, shape (N, count, quantities)."""
    if f"{collection}_bx" in arrays.fields:
        chosen = chosen & (arrays[f"{collection}_bx"] == 0)
    found = {quantity: arrays[f"{collection}_{quantity}"][chosen] for quantity in quantities}
    order = awkward().argsort(-found["pt"], axis=1, stable=True)
    tables = [padded(array[order], count) for array in found.values()]
    return np.stack(tables, axis=2).astype(np.float64)


def _table(rows: Rows, columns: tuple[str, ...]) -> npt.NDArray[np.float64]:
    if not columns:
        return np.zeros((len(rows.event), 0))
    return np.stack([rows.columns[name].astype(np.float64) for name in columns], axis=1)


def _event_ids(arrays: Any, names: tuple[str, ...], first: int) -> npt.NDArray[np.uint64]:
    """One id an event: its numbers folded together by multiply and xor (FNV-1a, 64 bits)."""
    if not names:
        return row_ids(first, len(arrays))
    folded = np.full(len(arrays), 0xCBF29CE484222325, np.uint64)
    for name in names:
        number = np.asarray(awkward().to_numpy(arrays[name])).astype(np.uint64)
        for shift in range(0, 64, 8):
            byte = number >> np.uint64(shift) & np.uint64(0xFF)
            folded = (folded ^ byte) * np.uint64(0x100000001B3)
    return folded


def _given_ids(ids: npt.NDArray[Any], path: Path) -> npt.NDArray[np.uint64]:
    if ids.dtype.kind not in "iu" or (ids.size and ids.min() < 0):
        raise InputError(f"{path}: event ids must be whole numbers from 0, got {ids.dtype}")
    return ids.astype(np.uint64)


def _view(format: NanoAod, known: list[str], options: ReadOptions, path: Path) -> str:
    """The view asked for; else fat jets where there are any, else trigger objects."""
    if options.view is not None or "FatJet_pt" in known:
        return chosen_view(format, options, path)
    if "L1EG_pt" in known:
        return "l1-objects"
    shown = ", ".join(known[:SHOWN_BRANCHES]) + (", ..." if len(known) > SHOWN_BRANCHES else "")
    example = next((f"{name}={name}" for name in known), "COLUMN=BRANCH")
    raise InputError(
        f"{path}: tree '{options.tree or TREE}' has no FatJet_pt and no L1EG_pt, so no view of "
        f"NanoAOD ({', '.join(format.views)}) fits; name the branches: --branch {example}, in a "
        f"recipe data.branches, see docs/formats.md (it has {shown or 'none'})"
    )


def _opened(path: Path) -> Any:
    try:
        uproot = importlib.import_module("uproot")
    except ModuleNotFoundError as error:
        raise MissingExtra("uproot", "readers") from error
    awkward()
    return uproot.open(path)


def _tree(file: Any, path: Path, wanted: str) -> Any:
    names = sorted({key.partition(";")[0] for key in dict.fromkeys(file.keys())})
    if wanted not in names:
        hint = f"; name one: --tree {names[0]}, in a recipe data.tree" if names else ""
        raise InputError(f"{path}: no tree '{wanted}' (has {', '.join(names) or 'nothing'}){hint}")
    tree = file[wanted]
    if not hasattr(tree, "iterate"):
        raise InputError(f"{path}: '{wanted}' is no tree")
    return tree
