"""Grow and add up trees of strange arrays by a kernel under AddressSanitizer and UBSan; compare every
bit with NumPy.

python benchmarks/fuzz_trees.py                  3,000 tables, 1,000 raw jobs, 2,000 damaged trees
python benchmarks/fuzz_trees.py --n 300 --seed 7

It compiles the kernel with g++. A report of a sanitizer ends it with a status of its own.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from seedbed.data.splits import Split
from seedbed.model import trees
from seedbed.model.tree_data import TreeData
from seedbed.model.trees import DecisionTrees, fit_trees
from seedbed.networks.mlp import Trees
from seedbed.training import tree_growth
from seedbed.training.native import library
from seedbed.training.native.library import Kernel

sys.path.append(str(Path(__file__).parents[1] / "tests" / "model"))
from numpy_trees import grow_by_numpy

FLAGS = (
    "-std=c++17 -O1 -g -shared -fPIC -fno-exceptions -fno-rtti -nostdinc++ -w -march=x86-64-v3 "
    "-ffp-contract=fast -fsanitize=address,undefined -fno-sanitize-recover=all"
)
ABSENT = Kernel(None, "NumPy's turn")
RUN_KERNEL = tree_growth._run
Arrays = dict[str, Any]


def sanitized(folder: str) -> dict[str, Kernel]:
    """Compile and load the kernel of each type of numbers."""
    kernels = {}
    source = Path(library.__file__).with_name("kernel.cpp")
    for dtype, number in (("float32", "float"), ("float64", "double")):
        made = f"{folder}/kernel-{dtype}.so"
        command = ["g++", *FLAGS.split(), f"-DNUMBER={number}", str(source), "-o", made]
        subprocess.run(command, check=True, env={**os.environ, "LD_PRELOAD": ""})
        kernels[dtype] = Kernel(library._with_types(ctypes.CDLL(made)), "")
    return kernels


def strange_table(rng: np.random.Generator) -> TreeData:
    """Draw few rows with everything that may be in tables: equal rows and inputs, infinity, NaN,
    weights of 0."""
    n = rng.integers(2, 120)
    n_inputs = rng.integers(1, 14)
    scale = 10.0 ** rng.integers(-3, 31, size=n_inputs)
    X = rng.normal(size=(n, n_inputs)).round(rng.integers(0, 6)) * scale
    X[rng.random(X.shape) < 0.02] = rng.choice([np.inf, -np.inf, np.nan, 0.0])
    X[:, rng.random(n_inputs) < 0.2] = 1.0
    n_classes = rng.choice([0, 2, 3, 20])
    y = (
        rng.normal(size=n).astype(np.float32)
        if n_classes == 0
        else rng.integers(0, n_classes, n)
    )
    weights = None
    if rng.random() < 0.5:
        weights = (rng.exponential(size=n) * (rng.random(n) > 0.1)).astype(np.float32)
        weights *= np.float32(10.0 ** rng.integers(-20, 20))
    parts = [np.flatnonzero(np.arange(n) % 2 == half) for half in (0, 1)]
    splits = [Split(0, 0, *parts), Split(0, 1, *parts[::-1])]
    n_outputs = n_classes if n_classes > 2 else 1
    n_cases = int(rng.choice([n, 1_500])) if rng.random() < 0.5 else None
    categories = []
    for n_levels in rng.choice([1, 2, 5, 31, 32, 200], rng.integers(3)):
        categories.append(tuple(range(X.shape[1], X.shape[1] + n_levels)))
        level = rng.integers(n_levels + (rng.random() < 0.5), size=(n, 1))
        X = np.concatenate([X, level == np.arange(n_levels)], axis=1)
    return TreeData(
        X.astype(np.float32),
        y,
        weights,
        splits,
        n_outputs,
        n_classes > 0,
        n_cases,
        tuple(categories),
    )


def raw_job(rng: np.random.Generator) -> tuple[int, int, Arrays]:
    """Draw the arguments of extra trees whose weights and targets overflow, which no table
    gives."""
    n = int(rng.integers(1, 60))
    n_inputs = int(rng.integers(1, 9))
    n_outputs = int(rng.choice([1, 3]))
    counts = rng.integers(1, 2**62, n)
    classes = rng.integers(0, n_outputs, n)
    targets = classes if n_outputs > 1 else rng.integers(-(2**63), 2**63 - 1, n)
    values = (
        rng.normal(size=(n_inputs, n)).round(int(rng.integers(0, 4))).astype(np.float32)
    )
    job = {
        "X": tree_growth.sortable(values),
        "n_levels": np.zeros(n_inputs, dtype=np.int32),
        "n_words": 0,
        "y": (classes if n_outputs > 1 else targets).astype(np.float64),
        "train": np.arange(n, dtype=np.int32),
        "counts": counts if rng.random() < 0.7 else np.full(n, counts[0]),
        "targets": targets,
        "n_rows": n,
        "n_train": n,
        "n_inputs": n_inputs,
        "n_outputs": n_outputs,
        "n_trees": 2,
        "first": 0,
        "n_sampled": int(rng.integers(1, n_inputs + 1)),
        "n_leaves": 0,
        "least": int(rng.integers(1, 4)),
        "halted": np.zeros(1, np.int32),
        "unit": 1.0,
        "seed": int(rng.integers(0, 2**63)),
    }
    return 2 * (2 * n - 1), n_outputs, job


def damaged_trees(rng: np.random.Generator) -> tuple[DecisionTrees, Any]:
    """Draw nodes that lead anywhere, and rows for them."""
    n_nodes = int(rng.integers(1, 40))
    n_inputs = int(rng.integers(1, 5))
    dtype = rng.choice([np.float32, np.float64])
    far = rng.random(n_nodes) < rng.choice([0.0, 0.1, 1.0])
    left = np.where(
        far, rng.integers(-(2**31), 2**31, n_nodes), rng.integers(0, n_nodes, n_nodes)
    )
    feature = np.where(
        far, rng.integers(-(2**31), 2**31, n_nodes), rng.integers(0, n_inputs, n_nodes)
    )
    threshold = rng.choice(
        [-np.inf, -1e30, -0.0, 0.5, 2, 1e30, np.inf, np.nan], n_nodes
    )
    is_set = rng.random() < 0.5
    shape = Trees(
        "extra",
        int(rng.integers(1, 2 * n_nodes + 1)),
        n_nodes,
        int(rng.integers(0, 50)),
        categories=((n_inputs - 1,),) if is_set else (),
        n_sets=2 * is_set,
    )
    made = DecisionTrees(
        shape,
        feature.astype(np.int32),
        threshold.astype(np.float32),
        left.astype(np.int32),
        rng.normal(size=(n_nodes, int(rng.integers(1, 4)))).astype(np.float32),
        rng.integers(0, 4, size=(shape.n_sets, int(is_set))).astype(np.int32),
    )
    X = rng.normal(size=(int(rng.integers(1, 40)), n_inputs)).round(1)
    X[rng.random(X.shape) < 0.1] = rng.choice([np.inf, -np.inf, np.nan, 1e300, -1e300])
    with np.errstate(over="ignore"):
        return made, X.astype(dtype)


def use(kernels: dict[str, Kernel]) -> None:
    for module in (trees, tree_growth):
        module.kernel = lambda dtype: kernels.get(dtype, ABSENT)  # type: ignore[attr-defined]
    tree_growth._run = RUN_KERNEL if kernels else grow_by_numpy


def outcome(work: Any) -> Any:
    """Return what work returns, or the type of its error."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - both ways must raise the same
        return type(error).__name__


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, str) or isinstance(b, str) or a is None or b is None:
        return bool(a is b or a == b)
    pairs = zip(a, b, strict=True)
    return all(np.array_equal(one, other, equal_nan=True) for one, other in pairs)


def fits_of(data: TreeData, wanted: Trees) -> Any:
    if any(data.counts[split.train].sum() == 0 for split in data.splits):
        return None
    fitted = fit_trees(wanted, data, random_state=0, jobs=1)
    assert fitted is not None
    return [*fitted.states.values(), fitted.outputs]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=3_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if "libasan" not in os.environ.get("LD_PRELOAD", ""):
        runtimes = [
            subprocess.check_output(
                ["g++", f"-print-file-name={name}"], text=True
            ).strip()
            for name in ("libasan.so", "libubsan.so")
        ]
        env = {"LD_PRELOAD": ":".join(runtimes), "ASAN_OPTIONS": "detect_leaks=0"}
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **env})
    trees.MOST_ROWS = 50
    with tempfile.TemporaryDirectory() as folder, np.errstate(all="ignore"):
        kernels = sanitized(folder)
        differ = {"tables": 0, "raw jobs": 0, "damaged trees": 0}
        tried = dict.fromkeys(differ, 0)
        for number in range(options.n):
            table = strange_table(np.random.default_rng([options.seed, number]))
            raw = np.random.default_rng([options.seed, number, 1])
            damaged, X = damaged_trees(np.random.default_rng([options.seed, number, 2]))
            nodes, values, job = raw_job(raw)
            wanted = Trees("boosted", 8) if number % 2 else Trees("extra", 3)
            works = {
                "tables": lambda: fits_of(table, wanted),  # noqa: B023
                "raw jobs": lambda: tree_growth.grow(nodes, values, **job),  # noqa: B023
                "damaged trees": lambda: [damaged(X)],  # noqa: B023
            }
            for kind, work in works.items():
                use({})
                of_numpy = outcome(work)
                use(kernels)
                of_kernel = outcome(work)
                tried[kind] += 1
                if not equal(of_numpy, of_kernel):
                    differ[kind] += 1
                    print(
                        f"{kind}: seed {options.seed}, number {number} differs",
                        flush=True,
                    )
    for kind, n in tried.items():
        print(
            f"{n:,} {kind}: {differ[kind]} differ from NumPy, no report of a sanitizer"
        )


if __name__ == "__main__":
    main()
