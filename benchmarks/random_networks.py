"""Random networks in every engine: they agree on every bit, or the run fails.

    python benchmarks/random_networks.py --out DIR                   500 networks
    python benchmarks/random_networks.py --out DIR --networks 50 --batch 25

Every network, made from its number alone (network_generator.py), scores corners, boundaries, ties
and random words of its input in the integer engine, in hls4ml's C++, in alkaid's emulator of the
RTL and in the Verilog itself, simulated with one event a clock. A tenth of the networks has
rounding and overflow modes that RTL has not: there RTL must refuse by name, and HLS must agree.
Each batch is compiled once; what is done is kept, so an interrupted run goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from markdown_table import table
from naetrigger.contracts.fixed_point import Integers
from naetrigger.contracts.network import FixedPointNetwork
from naetrigger.export.rtl import unsupported
from naetrigger.export.vectors import agreement_vectors
from network_batch import HlsBatch, RtlBatch
from network_generator import ALL_MODES, RTL_MODES, random_network, tie_inputs

ENGINES = ("hls", "rtl", "rtlsim")
OTHER_MODES = 10  # every so many-th network has modes without RTL


@dataclass(frozen=True)
class Verdict:
    """One network: its ops and modes, and for each engine the events on which it is wrong."""

    number: int
    ops: dict[str, int]
    modes: dict[str, int]
    layers: int
    events: int
    saturated: bool  # some edge saturates or wraps on some event
    tied: int  # events with a value halfway between two
    refused: str  # by RTL, in its own words; "" where RTL has it
    failed: str  # RTL that should have been written and was not; ""
    wrong: dict[str, int]
    first: dict[str, int]  # the first event on which an engine is wrong

    @property
    def bad(self) -> bool:
        return bool(self.failed) or any(self.wrong.values())


def network_of(number: int) -> FixedPointNetwork:
    """Network `number` of the benchmark."""
    return random_network(number, ALL_MODES if number % OTHER_MODES == 0 else RTL_MODES)


def check(networks: Mapping[str, FixedPointNetwork], folder: Path, events: int) -> list[Verdict]:
    """All engines of all networks (by name, ending in their number) on `events` words each."""
    words = {name: words_of(network, events) for name, network in networks.items()}
    problems = {name: "; ".join(unsupported(network)) for name, network in networks.items()}
    hls = HlsBatch(networks, folder / "hls")
    scores = {name: {"hls": hls.scores(name, words[name])} for name in networks}
    with_rtl = {name: network for name, network in networks.items() if not problems[name]}
    rtl = RtlBatch(with_rtl, folder / "rtl")
    written = [name for name in with_rtl if name not in rtl.problems]
    simulated = rtl.scores({name: words[name] for name in written})
    for name in written:
        scores[name] |= {"rtl": rtl.emulated(name, words[name]), "rtlsim": simulated[name]}
    return [
        _verdict(
            name, network, words[name], scores[name], problems[name], rtl.problems.get(name, "")
        )
        for name, network in networks.items()
    ]


def words_of(network: FixedPointNetwork, events: int) -> Integers:
    """Corners, boundaries, ties and random words of a network's input; exactly `events`."""
    rng = np.random.default_rng(events)
    ties = tie_inputs(network, events // 4, rng)
    return np.concatenate([ties, agreement_vectors(network, events - len(ties), rng)])


def _verdict(
    name: str,
    network: FixedPointNetwork,
    words: Integers,
    scores: Mapping[str, Integers],
    refused: str,
    failed: str,
) -> Verdict:
    expected = network.scores(words)
    wrong = {engine: np.flatnonzero(found != expected) for engine, found in scores.items()}
    types = [node.type for node in network.nodes[1:]]
    return Verdict(
        number=int(name.rsplit("_", 1)[1]),
        ops=dict(Counter(node.op for node in network.nodes[1:])),
        modes=dict(Counter(mode.value for t in types for mode in (t.rounding, t.overflow))),
        layers=sum(node.op == "dense" for node in network.nodes),
        events=len(words),
        saturated=max(network.saturation(words).values()) > 0,
        tied=int(tied(network, words).sum()),
        refused=refused,
        failed=failed,
        wrong={engine: len(rows) for engine, rows in wrong.items()},
        first={engine: int(rows[0]) for engine, rows in wrong.items() if len(rows)},
    )


def tied(network: FixedPointNetwork, words: Integers) -> np.ndarray:
    """Which events have a value halfway between two neighbours of its format."""
    edges, found = network.trace(words), np.zeros(len(words), np.bool_)
    for node in network.nodes[1:]:
        exact, fraction = network._exact(node, edges)
        drop = fraction - node.type.fraction
        if 0 < drop < 63:
            found |= (exact & ((1 << drop) - 1) == 1 << (drop - 1)).any(axis=1)
    return found


def summary(verdicts: list[Verdict], cpu_seconds: float) -> str:
    """The tables of the page."""
    rows = [
        [
            engine,
            str(sum(engine in v.wrong for v in verdicts)),
            f"{sum(v.events for v in verdicts if engine in v.wrong):,}",
            str(sum(v.wrong.get(engine, 0) > 0 for v in verdicts)),
        ]
        for engine in ENGINES
    ]
    parts = [table(["engine", "networks", "events", "networks that differ"], rows), ""]
    for title, counts in (
        ("op", sum((Counter(v.ops) for v in verdicts), Counter())),
        ("mode", sum((Counter(v.modes) for v in verdicts), Counter())),
    ):
        parts += [table([title, "nodes"], [[k, str(n)] for k, n in counts.most_common()]), ""]
    parts.append(
        f"{len(verdicts)} networks; {sum(v.saturated for v in verdicts)} saturate or wrap on some "
        f"event, {sum(v.tied > 0 for v in verdicts)} meet ties ({sum(v.tied for v in verdicts):,} "
        f"events); {sum(bool(v.refused) for v in verdicts)} have modes that RTL refuses by name. "
        f"{cpu_seconds / 60:.0f} minutes of CPU time."
    )
    return "\n".join(parts)


def batches(networks: int, size: int, first: int = 0) -> Iterator[range]:
    for start in range(first, networks, size):
        yield range(start, min(start + size, networks))


def run(out: Path, networks: int, size: int, events: int, first: int = 0) -> list[Verdict]:
    """Every batch from network `first` that is not done yet; all verdicts, of earlier runs too."""
    out.mkdir(parents=True, exist_ok=True)
    verdicts, cpu = [], 0.0
    for numbers in batches(networks, size, first):
        path = out / f"batch-{numbers.start:04d}-{numbers.stop:04d}-{events}.json"
        if not path.exists():
            start, before = time.monotonic(), _cpu()
            with tempfile.TemporaryDirectory(dir=out, prefix=".work-") as work:
                made = check({f"net_{n}": network_of(n) for n in numbers}, Path(work), events)
            document = {"cpu": _cpu() - before, "verdicts": [asdict(v) for v in made]}
            partial = path.with_suffix(".partial")
            partial.write_text(json.dumps(document) + "\n", encoding="utf-8")
            partial.replace(path)
            seconds = time.monotonic() - start
            print(f"{path.name}: {seconds:.0f} s, {document['cpu']:.0f} s of CPU", flush=True)
            for verdict in made:
                if verdict.bad:
                    print(
                        f"  net_{verdict.number}: {verdict.wrong} {verdict.first} {verdict.failed}"
                    )
        document = json.loads(path.read_text(encoding="utf-8"))
        verdicts += [Verdict(**entry) for entry in document["verdicts"]]
        cpu += document["cpu"]
        if first == 0:
            (out / "summary.md").write_text(summary(verdicts, cpu) + "\n", encoding="utf-8")
    return verdicts


def _cpu() -> float:
    """CPU seconds of this process and its children so far."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--networks", type=int, default=500)
    parser.add_argument("--batch", type=int, default=25)
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument(
        "--first", type=int, default=0, help="begin here: several processes may share a folder"
    )
    given = parser.parse_args()
    verdicts = run(given.out, given.networks, given.batch, given.events, given.first)
    if given.first == 0:
        print((given.out / "summary.md").read_text(encoding="utf-8"))
    wrong = [verdict.number for verdict in verdicts if verdict.bad]
    sys.exit(f"networks that differ: {wrong}" if wrong else 0)


if __name__ == "__main__":
    main()
