"""Recipes: what people mistype, and what somebody means ill."""

from __future__ import annotations

import os
from pathlib import Path

from tests.hostile.case import Case, Make, all_of, nothing, raw, text

GOOD = "name: hostile\ndata: {source: good.csv}\nobjective: {name: ae, steps: 2}\n"


def recipe(content: str) -> Make:
    return text("r.yaml", content)


def case(name: str, content: str, said: str, status: int = 2) -> Case:
    """A recipe that is refused, and leaves no run folder."""
    return Case(name, recipe(content), "train r.yaml --out run", status, said)


def bomb() -> str:
    """A billion laughs: ten lists, each of ten of the one before."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    return "\n".join(lines)


def folder_named(name: str) -> Make:
    def made(folder: Path) -> None:
        (folder / name).mkdir()

    return made


def fifo(name: str) -> Make:
    def made(folder: Path) -> None:
        os.mkfifo(folder / name)

    return made


def link(name: str, target: str) -> Make:
    def made(folder: Path) -> None:
        (folder / name).symlink_to(target)

    return made


CASES = [
    # keys
    case("unknown key", GOOD + "objectiv: {}\n", "objectiv: unknown key; did you mean 'objective'"),
    case("unknown key of a section", "objective: {stepz: 3}", "did you mean 'steps'"),
    case("unknown section of a section", "data: {split: {trian: 1}}", "data.split"),
    case("key twice", "seed: 1\nseed: 2\n", "key 'seed' stands twice (again in line 2)"),
    case("key twice in a section", "data: {source: a.csv, source: b.csv}", "stands twice"),
    case("key is a list", "[a, b]: 1\n", "a key must be one word"),
    case("key is null", "~: 1\n", "the key None is no text"),
    case("key is a number", "1: 1\n", "the key 1 is no text"),
    case("key with a newline", '"a\\nb": 1\n', "unknown key"),
    case("dunder key", "__class__: x\n", "__class__: unknown key"),
    case("merge key", "<<: {seed: 1}\n", "merge"),
    # types
    case("text for a number", "seed: many\n", "seed: must be a valid integer, got 'many'"),
    case("fraction for a whole number", "seed: 1.5\n", "seed: must be a valid integer, got 1.5"),
    case("bool for a number", "objective: {steps: yes}\n", "steps: must not be true or"),
    case("bools in a list", "model: {hidden: [yes, no]}\n", "hidden: must not be true"),
    case("list for a section", "data: [good.csv]\n", "data: must be a mapping, as {key: v"),
    case("text for a section", "objective: wnae\n", "objective: must be a mapping"),
    case("null for a section", "objective: ~\n", "objective: must be a mapping"),
    case("number for a name", "name: 3\n", "name: must be a valid string"),
    case("date for a name", "name: 2020-01-01\n", "name"),
    case("section for a number", "seed: {a: 1}\n", "seed: must be a valid integer, got a mapping"),
    case("negative seed", "seed: -1\n", "seed: must be >= 0, got -1"),
    case("huge seed", f"seed: {10**40}\n", "seed: must be <"),
    case("a number of 5000 digits", f"seed: {'9' * 5000}\n", "r.yaml"),
    case("NaN for a rate", "objective: {learning_rate: .nan}\n", "objective.learning_rate"),
    case("infinity for a rate", "objective: {learning_rate: .inf}\n", "objective.learning_rate"),
    case("negative rate", "objective: {learning_rate: -1}\n", "objective.learning_rate: must be >"),
    case("octal and sexagesimal", "objective: {steps: 1:30:00.5}\n", "objective.steps"),
    case("no such objective", "objective: {name: wnaee}\n", "did you mean 'wnae'"),
    case("no such score", "model: {score: best}\n", "model.score"),
    Case("no such board", recipe(GOOD + "firmware: {board: vu99}\n"), "run r.yaml --out run", 2,
         "no shipped board 'vu99'"),
    case("no such input spec", GOOD + "data: {source: good.csv, input_spec: none-such}\n", "twice"),
    case("a number for a list", "model: {hidden: 16}\n", "model.hidden: must be a list, as [16]"),
    case("a file for signals", "data: {signals: s.csv}\n", "write {NAME: signal.csv}, or a list"),
    case("key without its section", "epochs: 5\n", "did you mean 'student.epochs' or 'search.epo"),
    # dimensions
    case("huge layer", "model: {hidden: [1000000000]}\n", "model.hidden"),
    case("a layer of nothing", "model: {hidden: [0]}\n", "model.hidden"),
    case("negative layer", "model: {hidden: [-4]}\n", "model.hidden"),
    case("huge latent space", "model: {latent: 1000000000000}\n", "model.latent"),
    case("a hundred thousand layers", f"model: {{hidden: {[2] * 100000}}}\n", "must have 64 items"),
    case("huge batch", "objective: {batch_size: 1000000000000000}\n", "objective.batch_size"),
    case("no steps", "objective: {steps: 0}\n", "objective.steps"),
    case("bits beyond a mantissa", "student: {weight_bits: 99}\n", "student.weight_bits"),
    case("no bits", "student: {weight_bits: 0}\n", "student.weight_bits"),
    case("endless replicas", "validation: {bootstrap_replicas: 1000000000000}\n", "replicas"),
    case("vectors without end", "firmware: {vectors: 100000000000000}\n", "firmware.vectors"),
    case("split above one", "data: {split: {train: 0.9, validation: 0.9, test: 0.9}}\n", "split"),
    case("negative split", "data: {split: {train: -1, validation: 1, test: 1}}\n", "split"),
    case("working point above one", "validation: {background_efficiencies: [2]}\n", "efficiencies"),
    # YAML itself
    case("empty", "", "expected a mapping (key: value), got NoneType"),
    case("only a comment", "# nothing\n", "expected a mapping"),
    case("a list", "- a\n- b\n", "expected a mapping (key: value), got list"),
    case("a word", "wnae\n", "expected a mapping (key: value), got str"),
    case("two documents", "seed: 1\n---\nseed: 2\n", "holds 2 documents instead of one"),
    case("tab as indentation", "data:\n\tsource: x.csv\n", "not valid YAML"),
    case("unclosed bracket", "data: {source: x.csv\n", "not valid YAML"),
    case("unclosed quote", 'name: "abc\n', "not valid YAML"),
    case("alias", "a: &x 1\nb: *x\n", "aliases (*name) are not read"),
    case("billion laughs", bomb(), "aliases (*name) are not read"),
    case("alias of itself", "a: &a [*a]\n", "aliases"),
    case("Python tag", "a: !!python/object/apply:os.system [echo]\n", "tags"),
    case("binary tag", "a: !!binary aGVsbG8=\n", "tags"),
    case("own tag", "a: !mine 1\n", "tags"),
    case("deeply nested", "a: " + "[" * 100_000 + "]" * 100_000, "nested more than 50 deep"),
    case("larger than a megabyte", "a: " + "x" * 1_100_000, "larger than 1000000 bytes"),
    case("JSON with a comma too much", '{"seed": 1,, }', "not valid YAML"),
    case("a directive", "%YAML 9.9\n---\nseed: 1\n", "r.yaml"),
    Case("BOM is no harm", all_of(raw("r.yaml", b"\xef\xbb\xbfseed: x\n")), "train r.yaml", 2,
         "seed: must be a valid integer"),
    Case("UTF-16", raw("r.yaml", "seed: 1\n".encode("utf-16")), "train r.yaml", 2,
         "r.yaml: cannot be read as text"),
    Case("Latin-1", raw("r.yaml", "name: caf\xe9\n".encode("latin-1")), "train r.yaml", 2,
         "r.yaml: cannot be read as text"),
    Case("NUL bytes", raw("r.yaml", b"seed: 1\0\n"), "train r.yaml", 2, "r.yaml: not valid YAML"),
    Case("control characters", raw("r.yaml", b"name: a\x07b\n"), "train r.yaml", 2, "r.yaml"),
    Case("random bytes", raw("r.yaml", bytes(range(256))), "train r.yaml", 2, "cannot be read"),
    # the file
    Case("no such recipe", nothing, "train none.yaml", 2, "none.yaml: no such file"),
    Case("no such shipped recipe", nothing, "train jets-quikstart", 2, "did you mean 'jets-quick"),
    Case("a folder", folder_named("r.yaml"), "train r.yaml", 2, "r.yaml: is a folder"),
    Case("a FIFO", fifo("r.yaml"), "train r.yaml", 2, "r.yaml: is no regular file"),
    Case("a device", nothing, "train /dev/zero", 2, "/dev/zero: is no regular file"),
    Case("a dangling link", link("r.yaml", "gone.yaml"), "train r.yaml", 2, "r.yaml: no such file"),
    Case("a link to itself", link("r.yaml", "r.yaml"), "train r.yaml", 2, "r.yaml"),
    Case("name of 5000 letters", nothing, f"train {'x' * 5000}.yaml", 2, "too long"),
    Case("empty name", nothing, "train ''", 2, "is a folder"),
    Case("a file as a folder", recipe(GOOD), "train r.yaml/r.yaml", 2, "r.yaml/r.yaml"),
    Case("an archive", raw("r.yaml", b"PK\x03\x04" + bytes(60)), "train r.yaml", 2, "r.yaml"),
    # names that lead elsewhere
    case("name leads out", "name: ../../evil\n", "name: must be 1 to 100 letters, digits"),
    case("absolute name", "name: /tmp/evil\n", "name"),
    case("name with a newline", 'name: "a\\nb"\n', "name"),
    case("name with quotes", "name: '\"; rm -rf x; \"'\n", "name"),
    case("name of 101 letters", f"name: {'x' * 101}\n", "name"),
    case("name is a dot", "name: .\n", "name"),
    case("non-ASCII name", "name: Größe\n", "name"),
    # what the recipe points to
    case("no such source", "data: {source: gone.csv}\n", "gone.csv: no such file"),
    case("no such sample", "data: {source: jets-nano}\n", "no shipped sample"),
    case("NUL in a path", 'data: {source: "a\\0b.csv"}\n', "NUL"),
    case("source is a folder", "data: {source: ./}\n", "data.source"),
    case("source of 5000 letters", f"data: {{source: {'x' * 5000}.csv}}\n", "too long"),
    case("signal gone", "data: {source: good.csv, signals: {s: gone.csv}}\n", "gone.csv"),
    case("signal of other columns", "data: {source: good.csv, signals: {s: two.csv}}\n",
         "must have the columns"),
    case("signal leads out", "data: {source: good.csv, signals: {../s: good.csv}}\n", "../s"),
    case("no such column", "data: {source: good.csv, columns: [a, z]}\n", "'z'"),
    case("column twice", "data: {columns: [a, a]}\n", "columns: each name once"),
    case("no such format", "data: {source: good.csv, format: cvs}\n", "did you mean 'csv'"),
    case("input spec gone", "data: {source: good.csv, input_spec: gone.yaml}\n", "gone.yaml"),
    Case("no such board file", recipe(GOOD + "firmware: {board: gone.yaml}\n"),
         "run r.yaml --out run", 2, "gone.yaml: no such file"),
    # --set
    Case("--set without a value", recipe(GOOD), "train r.yaml --set seed", 2, "--set seed"),
    Case("--set of no key", recipe(GOOD), "train r.yaml --set =1", 2, "--set"),
    Case("--set of an unknown key", recipe(GOOD), "train r.yaml --set sed=1", 2, "seed"),
    Case("--set of broken YAML", recipe(GOOD), "train r.yaml --set 'seed=[1'", 2, "--set seed"),
    Case("--set of a tag", recipe(GOOD), "train r.yaml --set 'seed=!!python/name:os.x'", 2, "tags"),
    Case("--set below a value", recipe(GOOD), "train r.yaml --set seed.x=1", 2, "seed"),
    Case("--set with an alias", recipe(GOOD), "train r.yaml --set 'seed=*a'", 2, "aliases"),
    Case("--set of a dunder", recipe(GOOD), "train r.yaml --set __init__.x=1", 2, "unknown key"),
]  # fmt: skip
