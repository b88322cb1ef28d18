"""Time the world graph beside a plain loop of numpy fits a learner, in one run.

The peer does it the way research code does: for each replicate, round, learner and source it draws
rows (X only where designs are redrawn), labels them, and calls np.linalg.lstsq once a learner.
Both sides do everything that a run does but the run directory: ours also the norm of D and all
errors. Repetitions are interleaved, and medians of processor time printed, on one core; compilation
is left out.

Parts:
    fits        n = 10, d = 10, 100 rows, 100 rounds, 100 replicates: fixed and redrawn designs
    rows        the same with ten times the rows, and with every row drawn (draw: rows)
    logistic    maximum likelihood beside a plain Newton loop in numpy
    verdict     10^5 learners and 10^6 edges, random and scale-free, from a file and in memory

    python scripts/bench_graph.py [--only PART ...] [--repetitions 5]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from benching import Timed, medians, print_table  # noqa: E402
from graph_parts import parts, played  # noqa: E402

from lwd_agents.theory.graph_verdict import verdict  # noqa: E402
from lwd_agents.theory.learning_graph import LearningGraph  # noqa: E402
from lwd_agents.worlds.graph_parts import GraphParts  # noqa: E402

BASE: dict[str, Any] = {
    "learners": 10, "real": 0.1, "rows": 100, "features": 10, "steps": 100, "replicates": 100,
}  # fmt: skip
FEWER = 20  # of the replicates, for the peer: its time is proportional to them


def plain(made: GraphParts, replicates: int) -> Timed:
    """Rounds of least squares in a plain loop, designs fixed or redrawn."""
    cells, config = made.stretches[0].cells, made.config
    n, d, truth = len(made.names), config.features, made.setting.truth
    redrawn = config.designs == "redrawn"
    sources = [
        [(int(cells.source[e]), int(cells.rows[e])) for e in range(*cells.start[i : i + 2])]
        for i in range(n)
    ]

    def run() -> NDArray[np.float64]:
        rng = np.random.default_rng(0)
        out = np.empty((replicates, config.steps + 1, n, d))
        for r in range(replicates):
            designs = [[rng.standard_normal((m, d)) for _, m in each] for each in sources]
            stacked = [np.concatenate(each) for each in designs]
            for t in range(config.steps + 1):
                for i, each in enumerate(sources):
                    if redrawn:
                        X = [rng.standard_normal((m, d)) for _, m in each]
                        whole = np.concatenate(X)
                    else:
                        X, whole = designs[i], stacked[i]
                    labels = [truth if j < 0 or not t else out[r, t - 1, j] for j, _ in each]
                    y = np.concatenate([x @ theta for x, theta in zip(X, labels, strict=True)])
                    y += rng.standard_normal(len(y))
                    out[r, t, i] = np.linalg.lstsq(whole, y, rcond=None)[0]
        return out

    return run


def plain_logistic(made: GraphParts, replicates: int) -> Timed:
    """Rounds of logistic regression by Newton's method in numpy, rows redrawn."""
    cells, config = made.stretches[0].cells, made.config
    n, d, truth = len(made.names), config.features, made.setting.truth

    def fit(X: NDArray[np.float64], y: NDArray[np.float64], theta: NDArray[np.float64]) -> Any:
        for _ in range(50):
            p = 1.0 / (1.0 + np.exp(-X @ theta))
            step = np.linalg.solve(X.T @ ((p * (1 - p))[:, None] * X), X.T @ (y - p))
            theta = theta + step
            if step @ step < 1e-20:
                break
        return theta

    def run() -> NDArray[np.float64]:
        rng = np.random.default_rng(0)
        out = np.empty((replicates, config.steps + 1, n, d))
        for r in range(replicates):
            for t in range(config.steps + 1):
                for i in range(n):
                    X, y = [], []
                    for e in range(*cells.start[i : i + 2]):
                        j = cells.source[e]
                        theta = truth if j < 0 or not t else out[r, t - 1, j]
                        X.append(rng.standard_normal((cells.rows[e], d)))
                        chance = 1.0 / (1.0 + np.exp(-X[-1] @ theta))
                        y.append((rng.random(cells.rows[e]) < chance) * 1.0)
                    begin = out[r, t - 1, i] if t else truth
                    out[r, t, i] = fit(np.concatenate(X), np.concatenate(y), begin)
        return out

    return run


def compared(
    name: str, made: GraphParts, peer: Callable[[GraphParts, int], Timed], repetitions: int
) -> list[str]:
    """A row: seconds of ours and of the peer for all replicates, and how many times longer."""
    R = made.config.replicates
    few = max(1, min(R, FEWER))
    taken = medians({"ours": lambda: played(made), "peer": peer(made, few)}, repetitions)
    taken["peer"] *= R / few
    fits = R * (made.config.steps + 1) * len(made.names)
    each = f"{taken['ours'] / fits * 1e6:.2f}", f"{taken['peer'] / fits * 1e6:.1f}"
    times = taken["peer"] / taken["ours"]
    return [name, f"{taken['ours']:.3f}", f"{taken['peer']:.2f}", *each, f"**{times:.0f}**"]


HEAD = ["setting", "ours, s", "numpy, s", "ours, us a fit", "numpy, us a fit", "times"]


def fits(repetitions: int) -> None:
    """Part fits."""
    rows = []
    for readership in ("ring", "complete"):
        for designs, word in (
            ("orthogonal", "fixed, Gram matrices m_ij I"),
            ("fixed", "fixed, drawn once"),
            ("redrawn", "redrawn"),
        ):
            keys = {**BASE, "readership": readership, "designs": designs}
            if readership == "complete" and designs == "orthogonal":
                keys["rows"] = 120  # ten rows of each of eleven sources are the least there can be
            rows.append(compared(f"{readership}, {word}", parts(**keys), plain, repetitions))
    print_table("n = 10, d = 10, 100 rows, 100 rounds, 100 replicates, one core", HEAD, rows)


def more_rows(repetitions: int) -> None:
    """Part rows."""
    many = {**BASE, "readership": "ring", "designs": "redrawn", "rows": 1000, "replicates": 20}
    rows = [
        compared("ring, redrawn, 1,000 rows, from statistics", parts(**many), plain, repetitions),
        compared("the same row by row", parts(**many, draw="rows"), plain, repetitions),
    ]
    print_table("Ten times the rows, 20 replicates", HEAD, rows)


def logistic(repetitions: int) -> None:
    """Part logistic."""
    keys = {**BASE, "readership": "ring", "estimator": "logistic", "rows": 400, "replicates": 5}
    made = parts(**keys, truth=0.5)
    rows = [compared("ring, 400 rows, redrawn", made, plain_logistic, repetitions)]
    print_table("Logistic regression by Newton's method, 5 replicates", HEAD, rows)


def network(kind: str, n: int, edges: int) -> LearningGraph:
    """A large graph: a tenth of its learners have real data."""
    rng = np.random.default_rng(0)
    targets = rng.integers(0, n, edges)
    places = rng.random(edges) if kind == "random" else rng.random(edges) ** 3  # few are many's
    sources = (places * n).astype(np.int64)
    keys = np.unique(targets * n + sources)
    targets, sources = keys // n, keys % n
    from scipy.sparse import csr_array

    weights = csr_array((rng.random(len(keys)), (targets, sources)), shape=(n, n))
    real = np.where(rng.random(n) < 0.1, 0.3, 0.0)
    sums = np.asarray(weights.sum(axis=1))
    real = np.where(sums == 0, 1.0, real)
    scale = np.where(sums > 0, (1 - real) / np.maximum(sums, 1e-300), 0.0)
    weights = csr_array(weights.multiply(scale[:, None]))
    return LearningGraph(tuple(f"learner {i}" for i in range(n)), weights, real)


def _read(file: Path) -> Any:
    return verdict(LearningGraph.read(file))


def verdicts(repetitions: int) -> None:
    """Part verdict."""
    rows = []
    for kind in ("random", "scale-free"):
        graph = network(kind, 100_000, 1_000_000)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "graph.csv"
            table = graph.weights.tocoo()
            with file.open("w") as handle:
                handle.write("source,target,weight\n")
                for i, j, w in zip(table.row, table.col, table.data.tolist(), strict=True):
                    handle.write(f"{graph.names[j]},{graph.names[i]},{w!r}\n")
                for i in np.flatnonzero(graph.real):
                    handle.write(f"real,{graph.names[i]},{float(graph.real[i])!r}\n")
            alone: Timed = partial(verdict, graph)
            taken = medians({"memory": alone, "file": partial(_read, file)}, repetitions)
        found = verdict(graph)
        edges = f"{graph.weights.nnz:,}"
        falls = f"{len(found.collapses):,}"
        rows.append([kind, edges, falls, f"{taken['memory']:.2f}", f"{taken['file']:.2f}"])
    head = ["graph of 100,000 learners", "edges", "collapse", "verdict, s", "with reading, s"]
    print_table("The verdict on a large graph, one core", head, rows)


PARTS: dict[str, Callable[[int], None]] = {
    "fits": fits,
    "rows": more_rows,
    "logistic": logistic,
    "verdict": verdicts,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--repetitions", type=int, default=5)
    given = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with threadpool_limits(1):
        for part in given.only:
            PARTS[part](given.repetitions)


if __name__ == "__main__":
    main()
