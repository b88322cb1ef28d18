"""Time permutation tests beside hyppo's, and all measures and tests of one run.

Part permutations: the same draws, the same statistic (checked: hyppo prints it on another scale)
and the same number of permutations, from embeddings to p-value on both sides; hyppo permutes
(auto=False), its chi-square shortcut is not used. Both compute V-statistics of Euclidean distances
(bias=True). hyppo permutes a distance correlation, which is monotone in that statistic when groups
are of equal size. One thread; repetitions alternate; medians of processor seconds.

Part run: every measure of a run, and `lwd test RUN --at all` on it, by the clock.

    python scripts/bench_measures.py [--only PART ...] [--run RUN] [--repetitions 3]
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # both sides compute on one processor

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

import lwd_agents as lwd
from lwd_agents.inference.permutation import (
    energy_distance,
    permutation_test,
    pooled_distances,
)
from lwd_agents.seeding import generator

Draws = NDArray[np.float64]
Result = tuple[float, float]  # the statistic on our scale, and the p-value


def draws(path: str | None) -> Draws:
    """(3, L, D): the last step of a run, or generated ones of the pocket preset's size."""
    if path:
        return np.asarray(lwd.load(path).embeddings[-1][:3], dtype=np.float64)
    data = generator(0).normal(size=(3, 40, 384)) + np.array([0.0, 0.03, 0.06])[:, None, None]
    return np.asarray(data / np.linalg.norm(data, axis=-1, keepdims=True))


def ours(data: Draws, permutations: int) -> Result:
    groups, each, _ = data.shape
    pooled = pooled_distances(data.reshape(groups * each, -1))[None]
    done = permutation_test(pooled, [each] * groups, key=0, permutations=permutations)
    between = energy_distance(done.between, each, each) if groups == 2 else done.between
    return float(between[0]), float(done.p[0])


def hyppo_energy(data: Draws, permutations: int) -> Result:
    from hyppo.ksample import Energy

    each = data.shape[1]
    found = Energy(bias=True).test(*data, reps=permutations, auto=False, random_state=0)
    # it gives dCov * N^4 / (2 n^2 m^2) with dCov a root: E = dCov^2 * N^4 / (2 n^2 m^2)
    scale = (2 * each) ** 4 / (2 * each**4)
    return float(found.stat**2 / scale), float(found.pvalue)


def hyppo_disco(data: Draws, permutations: int) -> Result:
    from hyppo.ksample import DISCO

    groups, each, _ = data.shape
    found = DISCO(bias=True).test(*data, reps=permutations, auto=False, random_state=0)
    # dCov * P K / 2, with labels sqrt(2) apart: dCov^2 = 2 sqrt(2) n / P^2 * between
    points = groups * each
    covariance = float(found.stat) / (points * groups / 2)
    return covariance**2 * points**2 / (2 * np.sqrt(2) * each), float(found.pvalue)


def timed(function: Callable[[], Result]) -> tuple[float, Result]:
    start = time.process_time()
    result = function()
    return time.process_time() - start, result


def permutations(arguments: argparse.Namespace) -> None:
    data, many = draws(arguments.run), arguments.permutations
    print(f"{many} permutations; L = {data.shape[1]}, D = {data.shape[2]}; processor seconds\n")
    print(
        "| test | hyppo | ours | hyppo / ours | statistics | p-values |\n|---|---|---|---|---|---|"
    )
    for name, peer, part in (
        ("energy, two models", hyppo_energy, data[:2]),
        ("DISCO, three models", hyppo_disco, data),
    ):
        peer(part, 10)  # compiles
        ours(part, 10)
        theirs, mine = [], []
        for _ in range(arguments.repetitions):
            theirs.append(timed(lambda peer=peer, part=part: peer(part, many)))
            mine.append(timed(lambda part=part: ours(part, many)))
        (a, p), (b, q) = theirs[0][1], mine[0][1]
        if not np.isclose(a, b, rtol=1e-6):
            raise SystemExit(f"{name}: hyppo's statistic is {a}, ours {b}: not the same test")
        slow, fast = (statistics.median(s for s, _ in side) for side in (theirs, mine))
        print(f"| {name} | {slow:.2f} | {fast:.3f} | {slow / fast:.0f} | {a:.6g}, {b:.6g}", end=" ")
        print(f"| {p:.4g}, {q:.4g} |", flush=True)


def run(arguments: argparse.Namespace) -> None:
    from lwd_agents.inference.verdict import test
    from lwd_agents.measures.table import measure

    if not arguments.run:
        print("\nno --run: measures and tests of a run were not timed")
        return
    steps = len(lwd.load(arguments.run))
    start = time.perf_counter()
    measure(arguments.run)
    measured = time.perf_counter()
    test(arguments.run, at="all", write=False)
    tested = time.perf_counter()
    print(f"\n{steps} steps: all measures {measured - start:.1f} s,", end=" ")
    print(f"all tests {tested - measured:.1f} s, together {tested - start:.1f} s")


PARTS = {"permutations": permutations, "run": run}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--run", help="a run directory; by default draws are generated")
    parser.add_argument("--permutations", type=int, default=9999)
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    for part in arguments.only:
        PARTS[part](arguments)


if __name__ == "__main__":
    main()
