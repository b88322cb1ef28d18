"""Level and power of the tests inside a step, by simulation.

    python scripts/study_steps.py [--datasets 1000] [--only PART ...] [--run RUN] > table.md

Parts: level, missing, partial, exact, readings, models, power. Numbers are shares of data sets
with the binomial standard error. Shifts are squared distances of unit-length embeddings, where
tr S = 0.42 and 17 effective dimensions are the pocket preset's (``--run`` measures a run's).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

import lwd_agents as lwd
from lwd_agents.inference.permutation import permutation_test, pooled_distances
from lwd_agents.inference.readings import test_step_models
from lwd_agents.inference.steps import StepTest, test_step
from lwd_agents.measures.geometry import distances, perspectives, within_spread
from lwd_agents.seeding import generator, key

Floats = NDArray[np.float64]
Law = Callable[[np.random.Generator, tuple[int, ...]], Floats]
ALPHA, PERMUTATIONS = 0.05, 999  # 0.05 * (999 + 1) is whole: the level can be met exactly
SPREAD, DIMENSIONS = 0.42, 17  # tr S and (tr S)^2 / tr S^2 of the pocket preset's answers
READING = 0.05  # E||r - r'||^2 of two readings' effects: as far as pocket agents are apart
NAMES = list("abcdefgh")
# models, M, shared
MODELS = (
    (2, 4, False),
    (2, 5, False),
    (2, 6, False),
    (3, 5, False),
    (3, 6, False),
    (2, 6, True),
    (3, 8, True),
)


def gaussian(g: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return g.normal(size=(*shape, 10))


def texts(g: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Three texts, 70, 20 and 10 %: most distances are ties."""
    return np.eye(10)[g.choice(3, size=shape, p=[0.7, 0.2, 0.1])]


def heavy(g: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Multivariate Cauchy: no mean."""
    return g.normal(size=(*shape, 10)) / np.abs(g.normal(size=(*shape, 1)))


def pocket(g: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Gaussian, with the spread of the pocket preset's answers."""
    return g.normal(size=(*shape, DIMENSIONS)) * np.sqrt(SPREAD / DIMENSIONS)


def apart(squared: float, models: int) -> Floats:
    """Means (models, D), every two of them this squared distance apart."""
    return np.eye(DIMENSIONS)[:models] * np.sqrt(squared / 2)


def reading_effects(g: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return g.normal(size=(*shape, 1, DIMENSIONS)) * np.sqrt(READING / 2 / DIMENSIONS)


def shares(hits: Sequence[Sequence[bool]]) -> str:
    """The share of each column, with its standard error, as cells of a table."""
    table = np.asarray(hits, dtype=float)
    error = np.sqrt(table.mean(axis=0) * (1 - table.mean(axis=0)) / len(table))
    return " | ".join(f"{m:.3f} ± {e:.3f}" for m, e in zip(table.mean(axis=0), error, strict=True))


def step(data: Floats, seed: int) -> StepTest:
    return test_step(data, NAMES[: len(data)], key=seed, alpha=ALPHA, permutations=PERMUTATIONS)


def claims(found: StepTest) -> list[bool]:
    """The gate rejects; some pair is claimed; some pair would be by Holm without the gate."""
    holm = any(p.adjusted <= ALPHA for p in found.pairs)
    return [found.gate.rejected, any(p.claimed for p in found.pairs), holm]


def keys(purpose: str, datasets: int) -> list[int]:
    return [key(0, f"study steps {purpose}", replicate=r) for r in range(datasets)]


def level(datasets: int) -> None:
    print("| law | L | DISCO | a pair claimed | Holm without the gate |\n|---|---|---|---|---|")
    for law in (gaussian, texts, heavy):
        for draws in (5, 10, 40):
            hits = [
                claims(step(law(generator(k), (3, draws)), k))
                for k in keys(f"level {law.__name__} {draws}", datasets)
            ]
            print(f"| {law.__name__} | {draws} | {shares(hits)} |", flush=True)


def missing(datasets: int) -> None:
    print("\n| missing draws, L = 40 | DISCO | a pair claimed | Holm without the gate |")
    print("|---|---|---|---|")
    for name, at_random in (("60, 30, 0 % at random", True), ("long answers of one", False)):
        hits = []
        for k in keys(f"missing {name}", datasets):
            g = generator(k)
            data = gaussian(g, (3, 40))
            if at_random:
                gone = g.random((3, 40)) < np.array([[0.6], [0.3], [0.0]])
            else:  # one agent loses the answers that are long, say
                gone = (data[..., 0] > 1) & (np.arange(3)[:, None] == 0)
            data[gone] = np.nan
            hits.append(claims(step(data, k)))
        print(f"| {name} | {shares(hits)} |", flush=True)


def partial(datasets: int) -> None:
    print("\n| two of three equal, L = 40: d^2 of the third | the equal pair claimed |\n|---|---|")
    for squared in (0.05, 1.0):
        hits = []
        for k in keys(f"partial {squared}", datasets):
            data = pocket(generator(k), (3, 40))
            data[2, :, 0] += np.sqrt(squared)
            hits.append([step(data, k).pairs[0].claimed])
        print(f"| {squared} | {shares(hits)} |", flush=True)


def exact(datasets: int) -> None:
    """p is uniform on 1/462 .. 1: C(12, 6) / 2 groupings, all enumerated."""
    p = np.empty(datasets)
    for r, k in enumerate(keys("exact", datasets)):
        points = gaussian(generator(k), (12,))
        done = permutation_test(pooled_distances(points)[None], (6, 6), key=k, permutations=999)
        p[r] = done.p[0]
    print("\n| L = 6, all 924 groupings | p <= 1/462 | 10/462 | 46/462 | 231/462 |")
    print("|---|---|---|---|---|")
    marks = np.array([1, 10, 46, 231]) / 462
    print("| nominal | " + " | ".join(f"{m:.3f}" for m in marks) + " |")
    print(f"| seen | {shares(p[:, None] <= marks + 1e-12)} |", flush=True)


def readings(datasets: int) -> None:
    """One model, two readings: the draws' test rejects, and rightly so."""
    hits = []
    for k in keys("readings", datasets):
        g = generator(k)
        data = pocket(g, (2, 40)) + reading_effects(g, (2,))
        hits.append([step(data, k).pairs[0].claimed])
    print("\n| two readings of one model | claimed |\n|---|---|")
    print(f"| permuting draws, L = 40 | {shares(hits)} |", flush=True)


def models(datasets: int) -> None:
    print("\n| models | M | readings, L = 10 | d^2 = 0: a pair claimed | d^2 = 0.05 | d^2 = 0.1 |")
    print("|---|---|---|---|---|---|")
    for many, M, shared in MODELS:
        columns = []
        for squared in (0.0, 0.05, 0.1):
            hits = []
            for k in keys(f"models {many} {M} 10 {shared} {squared}", datasets):
                g = generator(k)
                read = reading_effects(g, (M, 1 if shared else many))
                data = pocket(g, (M, many, 10)) + read + apart(squared, many)[:, None]
                found = test_step_models(data, NAMES[:many], key=k, shared=shared)
                hits.append([any(pair.claimed for pair in found.pairs)])
            columns.append(shares(hits))
        law = "shared" if shared else "own"
        print(f"| {many} | {M} | {law} | {' | '.join(columns)} |", flush=True)


def power(datasets: int) -> None:
    print("\n| d^2 of every two of three | L | DISCO | a pair claimed | one given pair claimed |")
    print("|---|---|---|---|---|")
    for squared in (0.0125, 0.025, 0.05, 0.1):
        for draws in (10, 40):
            hits = []
            for k in keys(f"power {squared} {draws}", datasets):
                data = pocket(generator(k), (3, draws)) + apart(squared, 3)[:, None]
                found = step(data, k)
                hits.append([*claims(found)[:2], found.pairs[0].claimed])
            print(f"| {squared} | {draws} | {shares(hits)} |", flush=True)


def measured(path: str) -> None:
    """What the shifts are set against: distances and spread of a run, and what its steps say."""
    run = lwd.load(path)
    E = np.asarray(run.embeddings, dtype=np.float64)
    upper = np.triu_indices(E.shape[1], 1)
    squared, spread, effective = [], [], []
    for at in E:
        S = within_spread(at)
        floor = (S[:, None] + S) / at.shape[1]
        squared.append((distances(perspectives(at)) ** 2 - floor)[upper])
        spread.append(S)
        for agent in at:
            values = np.linalg.svd(agent - agent.mean(axis=0), compute_uv=False) ** 2
            effective.append(values.sum() ** 2 / (values**2).sum())
    low, middle, high = np.percentile(squared, [10, 50, 90])
    print(f"\nunbiased d^2: median {middle:.3f}, 10 to 90 % {low:.3f} to {high:.3f};", end=" ")
    print(f"tr S {np.mean(spread):.3f}; effective dimensions {np.mean(effective):.1f}")
    found = [
        test_step(at, run.agents, key=key(0, "study steps run", t=t)) for t, at in enumerate(E)
    ]
    count = sum(f.gate.rejected for f in found)
    pairs = [pair.claimed for f in found for pair in f.pairs]
    print(f"each step alone at 5 %: DISCO rejects in {count} of {len(found)} steps,", end=" ")
    print(f"{sum(pairs)} of {len(pairs)} pairs claimed")


PARTS = {f.__name__: f for f in (level, missing, partial, exact, readings, models, power)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", type=int, default=1000)
    parser.add_argument("--only", nargs="*", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--run", help="a run directory to measure")
    arguments = parser.parse_args()
    for part in arguments.only:
        PARTS[part](arguments.datasets)
    if arguments.run:
        measured(arguments.run)


if __name__ == "__main__":
    main()
