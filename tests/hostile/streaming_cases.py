# ruff: noqa: E501 (a table: a case a line)
"""Commands that stream event files: places to write to, events of other inputs, odd questions."""

from __future__ import annotations

import numpy as np

from tests.hostile.case import Case, nothing, text
from tests.hostile.event_file_makers import PROCESS, changed_events, constant, dataset, own_file
from tests.hostile.recipe_cases import fifo, folder_named, link
from tests.pipeline.small_run import crossings

CASES = [
    # converting
    Case("convert: onto itself", nothing, "data convert good.csv --out good.csv --force", 2,
         "is one of the files to be read"),
    Case("convert: through a link onto itself", link("l.csv", "good.csv"),
         "data convert good.csv --out l.csv --force", 2, "is one of the files to be read"),
    Case("convert: exists", nothing, "data convert good.csv --out two.csv", 2, "is there already"),
    Case("convert: to nothing known", nothing, "data convert good.csv --out x.xls", 2, ".xls"),
    Case("convert: into no folder", nothing, "data convert good.csv --out no/x.h5", 2, "no folder no"),
    Case("convert: onto a folder", folder_named("x.h5"), "data convert good.csv --out x.h5 --force",
         2, "x.h5: is a folder"),
    Case("convert: onto a FIFO", fifo("x.h5"), "data convert good.csv --out x.h5 --force", 2,
         "x.h5: is no regular file but a FIFO"),
    Case("convert: a name of 5000 letters", nothing, f"data convert good.csv --out {'x' * 5000}.h5",
         2, "too long"),
    Case("convert: NaN", text("x.csv", "a\n1\nnan\n"), "data convert x.csv --out y.h5", 2,
         "x.csv: line 3: column 'a': must be a finite number"),
    Case("convert: other columns", nothing, "data convert good.csv two.csv --out y.parquet --force",
         2, "holds one process"),
    Case("convert: process leads out", nothing, "data convert good.csv --process ../x --out y.h5", 2,
         "../x"),
    Case("convert: process is a path", nothing, "data convert good.csv --process a/b --out y.h5", 2,
         "a/b"),
    Case("convert: process has no name", nothing, "data convert good.csv --process '' --out y.h5", 2,
         "process"),
    Case("convert: process of a newline", nothing, "data convert good.csv --process 'a\nb' --out y.h5",
         2, "process"),
    Case("convert: no such role", nothing, "data convert good.csv --role noise --out y.h5", 2,
         "--role noise"),
    Case("convert: a branch of nothing", nothing, "data convert good.csv --branch =x --out y.h5", 2,
         "--branch =x"),
    Case("convert: no trigger objects as vectors", nothing, "data convert good.csv --out y.txt", 2,
         "good: no column 'met_pt'"),
    Case("spec: constant column", text("x.csv", "a,b\n" + "1,2\n1,3\n" * 20), "data spec x.csv", 2,
         "'a'"),
    Case("spec: one event", text("x.csv", "a,b\n1,2\n"), "data spec x.csv", 2,
         "is constant"),
    Case("spec: log of zero", text("x.csv", "a\n" + "0\n1\n2\n" * 9), "data spec x.csv --offline a=log",
         2, "'a'"),
    Case("spec: two processes as one", nothing, "data spec events.h5 --offline z=log", 2, "z"),
    # what a run is given
    Case("score: other columns", nothing, "score done good.csv", 2, "met_pt"),
    Case("score: no events", text("x.csv", "a,b\n"), "score done x.csv", 2, "holds no events"),
    Case("score: NaN", own_file(dataset(f"{PROCESS}/values", np.full((50, 57), np.nan, np.float32))),
         "score done x.h5 --workers 1", 2, "NaN or infinite"),
    Case("score: another unit", changed_events("x.h5", units=("TeV",) * 57), "score done x.h5", 2,
         "TeV"),
    Case("score: no units", changed_events("x.h5", units=()), "score done x.h5", 2, "--units"),
    Case("score: fractions of integers",
         changed_events("x.h5", values=np.full((40, 57), 0.5, np.float32), units=("hw",) * 57),
         "score done x.h5 --workers 1", 2, "x.h5: zero_bias: column 'met_pt': hardware integers are"),
    Case("score: beyond the hardware",
         changed_events("x.h5", values=np.full((40, 57), 60000, np.float32)), "score done x.h5 --workers 1", 2, "from 0 to 4095, row 0 holds 60000"),
    Case("score: one event is no harm", changed_events("x.h5", **{
        name: getattr(crossings(40), name)[:1]
        for name in ("values", "weights", "event_ids", "context")
    }), "score done x.h5 --workers 1", 0, "1"),
    Case("score: no such engine", nothing, "score done events.h5 --engine netwrk", 2, "network"),
    Case("score: an engine it lacks", nothing, "score done events.h5 --engine torch", 2, "torch"),
    Case("score: no workers", nothing, "score done events.h5 --workers 0", 2, "--workers"),
    Case("score: a million workers", nothing, "score done events.h5 --workers 1000000", 2, "1 to 1024"),
    Case("score: onto text", nothing, "score done events.h5 --out x.txt", 2, "x.txt"),
    Case("score: onto a folder", folder_named("x.h5"), "score done events.h5 --out x.h5 --force", 2,
         "x.h5: is a folder"),
    Case("score: onto a FIFO", fifo("x.h5"), "score done events.h5 --out x.h5 --force --workers 1", 2,
         "x.h5: is no regular file but a FIFO"),
    Case("score: onto what it reads", nothing, "score done events.h5 --out events.h5 --force", 2,
         "events.h5"),
    Case("score: no run", nothing, "score good.csv events.h5", 2, "good.csv: no such run folder"),
    Case("rates: one event", changed_events("x.h5", **{
        name: getattr(crossings(40), name)[:1]
        for name in ("values", "weights", "event_ids", "context")
    }), "rates done x.h5 --out v --rate 1 --workers 1", 2, "give a larger file", ("v",)),
    Case("rates: constant scores", constant("x.h5", 400),
         "rates done x.h5 --out v --rate 5000 --workers 1", 1, "crossings share few scores", ("v",)),
    Case("rates: negative", nothing, "rates done events.h5 --out v --rate -1 --workers 1", 2, "rate",
         ("v",)),
    Case("rates: NaN", nothing, "rates done events.h5 --out v --rate nan --workers 1", 2, "rate",
         ("v",)),
    Case("rates: above all crossings", nothing,
         "rates done events.h5 --out v --rate 1e9 --workers 1", 2, "rate", ("v",)),
    Case("rates: no such machine", nothing, "rates done events.h5 --out v --machine lhc", 2, "lhc",
         ("v",)),
    Case("rates: no such process", nothing, "rates done events.h5 --out v --process x", 2,
         "--process x", ("v",)),
    Case("rates: not zero bias", changed_events("x.h5", process="qcd"),
         "rates done x.h5 --out v --workers 1", 2, "--zero-bias", ("v",)),
    Case("rates: no such pool", nothing, "rates done events.h5 --out v --pool x", 2, "--pool x",
         ("v",)),
    Case("rates: a pool of NaN", changed_events("x.h5", context=np.full((40, 3), np.nan, np.float32)),
         "rates done x.h5 --out v --workers 1", 2, "pool", ("v",)),
    Case("monitor: no test sample", nothing, "monitor done events.h5 --out v --workers 1", 2,
         "test.h5", ("v",)),
    Case("monitor: one event", changed_events("x.h5", **{
        name: getattr(crossings(40), name)[:1]
        for name in ("values", "weights", "event_ids", "context")
    }), "monitor done x.h5 --reference events.h5 --out v --workers 1 --quiet", 2,
         "needs at least 50", ("v",)),
    Case("monitor: nothing is accepted", nothing,
         "monitor done events.h5 --reference events.h5 --alpha 0 --out v --workers 1", 2, "alpha",
         ("v",)),
    Case("monitor: alpha is NaN", nothing,
         "monitor done events.h5 --reference events.h5 --alpha nan --out v --workers 1", 2, "alpha",
         ("v",)),
    Case("monitor: no such reference", nothing, "monitor done events.h5 --reference x.h5 --out v", 2,
         "x.h5: no such file", ("v",)),
    Case("compare: no events", nothing, "compare done events.h5 --events 0 --out v", 2, "--events",
         ("v",)),
    Case("compare: one engine", nothing, "compare done events.h5 --engines network --out v", 2,
         "engine", ("v",)),
    Case("compare: an engine twice", nothing,
         "compare done events.h5 --engines network,network --out v", 2, "network", ("v",)),
]  # fmt: skip
