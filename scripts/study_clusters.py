"""How often clusters.py splits one blob of models, and what it finds of real clusters.

    python scripts/study_clusters.py --runs 240

Prints two Markdown tables: the level and what is found. Seeds are fixed; three minutes.
"""

from __future__ import annotations

import argparse
import warnings

import numpy as np
from numpy.typing import NDArray

from lwd_agents import seeding
from lwd_agents.measures.clusters import MARGINS, adjusted_rand, cluster
from lwd_agents.measures.perspective import at_step

Floats = NDArray[np.float64]
SIZES = (6, 10, 20)


def blob(kind: str, N: int, d: int, rng: np.random.Generator) -> Floats:
    """N agents of one cluster, (N, d)."""
    if kind == "normal":
        return rng.normal(size=(N, d))
    if kind == "uniform":
        return rng.uniform(size=(N, d))
    if kind == "Student t, 5 df":
        return rng.standard_t(5, size=(N, d))
    return at_step(rng.normal(size=(N, 384)), d)  # "normal in 384-D, then CMDS"


def groups(kind: str, N: int, gap: float, rng: np.random.Generator) -> tuple[Floats, list[int]]:
    """N agents in clusters whose centres are ``gap`` standard deviations apart, in the plane."""
    if kind == "two halves":
        labels = [i % 2 for i in range(N)]
    elif kind == "one agent apart":
        labels = [0] * (N - 1) + [1]
    else:  # "three thirds"
        labels = [i % 3 for i in range(N)]
    centres = gap * np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])
    return centres[labels] + rng.normal(size=(N, 2)), labels


def plain_bic(Z: Floats, covariance: str) -> int:
    """The number of clusters by BIC as it stands, up to N // 3 of them."""
    from sklearn.mixture import GaussianMixture

    Z = (Z - Z.mean(axis=0)) / Z.std()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bic = [
            GaussianMixture(K, covariance_type=covariance, n_init=3, random_state=0).fit(Z).bic(Z)
            for K in range(1, min(len(Z) // 3, 6) + 1)
        ]
    return 1 + int(np.argmin(bic))


def cells(numbers: list[float]) -> str:
    return " | ".join(f"{number:.1f} %" for number in numbers)


def split_shares(runs: int) -> None:
    """Table 1: one blob, taken for more."""
    print("| one blob | d | rule | " + " | ".join(f"N = {N}" for N in SIZES) + " |")
    print("|---|---|---|" + "---|" * len(SIZES))
    for covariance in ("full", "spherical", "tied"):
        shares = []
        for N in SIZES:
            rng = seeding.generator(seeding.key(0, f"plain {covariance}", t=N))
            split = [plain_bic(rng.normal(size=(N, 2)), covariance) > 1 for _ in range(runs // 4)]
            shares.append(100 * float(np.mean(split)))
        print(f"| normal | 2 | plain BIC, {covariance} | {cells(shares)} |", flush=True)
    kinds = ("normal", "normal in 384-D, then CMDS", "uniform", "Student t, 5 df")
    for kind, d in [(kind, d) for kind in kinds for d in (1, 2)]:
        shares = []
        for N in SIZES:
            rng = seeding.generator(seeding.key(0, f"{kind} {d}", t=N))
            split = [cluster(blob(kind, N, d, rng)).number > 1 for _ in range(runs)]
            shares.append(100 * float(np.mean(split)))
        print(f"| {kind} | {d} | ours, margin {MARGINS[d]:g} | {cells(shares)} |", flush=True)


def found_shares(runs: int) -> None:
    """Table 2: real clusters, their number found, and the adjusted Rand index."""
    print("| clusters | gap | " + " | ".join(f"N = {N}" for N in SIZES) + " |")
    print("|---|---|" + "---|" * len(SIZES))
    kinds = {"two halves": 2, "one agent apart": 2, "three thirds": 3}
    for kind, gap in [(kind, gap) for kind in kinds for gap in (4.0, 6.0, 10.0, 20.0)]:
        texts = []
        for N in SIZES:
            rng = seeding.generator(seeding.key(0, f"{kind} {gap:g}", t=N))
            right, agreement = [], []
            for _ in range(runs // 4):
                Z, labels = groups(kind, N, gap, rng)
                found = cluster(Z)
                right.append(found.number == kinds[kind])
                agreement.append(adjusted_rand(found.labels.tolist(), labels))
            texts.append(f"{100 * np.mean(right):.0f} %, {np.mean(agreement):.2f}")
        print(f"| {kind} | {gap:g} | " + " | ".join(texts) + " |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=240)
    arguments = parser.parse_args()
    split_shares(arguments.runs)
    print()
    found_shares(arguments.runs)
