"""The level of the verdict, seen on controls of the same experiment: nothing can be found there.

Frozen readers read nothing, so a step of theirs is like any other: windows filled with steps at
random give pairs without a difference. Placebos of different seeds are of one law: two of them make
such a pair, whichever is called live. The verdict is made on many such pairs, and how often it
claims something is its empirical level [ours].

The repeats reshuffle the same few runs: their interval says how well the share is known for these
runs, not how it would be with others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lwd_agents import seeding
from lwd_agents.inference.collapse import LEAST, collapse
from lwd_agents.inference.permutation import permutation_test, pooled_distances
from lwd_agents.inference.windows import Windows

Floats = NDArray[np.float64]
CLAIMS = ("collapse", "consensus", "loss of spread", "drift")
REPEATS = 500
FROZEN = ("frozen readers", "collapse")
PLACEBOS = ("placebo against placebo", "collapse")
DRAWS = ("frozen readers, two steps of one agent", "draws inside a step")
_PERMUTATIONS = 999  # of each of the many tests here
Curves = Mapping[str, Floats]
Pairs = tuple[dict[str, Floats], dict[str, Floats]]


@dataclass(frozen=True)
class Calibration:
    """How often a procedure claims something on a control.

    Attributes:
        control: what it was tried on.
        procedure: which one.
        level: the share of false claims; None where it could not be tried.
        low, high: its 95 % Clopper-Pearson interval over the repeats.
        nominal: the level that it should keep.
        repeats: how many verdicts were made, of how many ``replicates`` each.
        reason: why it could not be tried; "" where it was.
    """

    control: str
    procedure: str
    level: float | None
    low: float | None
    high: float | None
    nominal: float
    repeats: int
    replicates: int
    reason: str


def frozen_readers(curves: Curves, windows: Windows, alpha: float, key: int) -> Calibration:
    """The collapse verdict on frozen readers, whose steps are shuffled.

    Args:
        curves: quantity -> (R, T + 1) of runs whose agents read nothing.
        windows: as declared; their lengths are kept.
        alpha: the level.
        key: of the shuffles.
    """
    if not curves:
        return untried(FROZEN, alpha, "nothing of the frozen runs could be measured")
    early, late = (b - a + 1 for a, b in (windows.early, windows.late))
    runs, steps = next(iter(curves.values())).shape
    about = FROZEN
    if runs < LEAST:
        return untried(about, alpha, f"{runs} frozen runs, {LEAST} are needed (reading.k: 0)")
    if 2 * (early + late) > steps:
        reason = f"{steps} steps, but two windows of {early} and {late} steps twice over are needed"
        return untried(about, alpha, reason)
    generator = seeding.generator(key)

    def shuffled() -> Pairs:
        orders = np.argsort(generator.random((runs, steps)), axis=1)
        mixed = {name: np.take_along_axis(c, orders, axis=1) for name, c in curves.items()}
        length = early + late
        return (
            {name: c[:, :length] for name, c in mixed.items()},
            {name: c[:, length : 2 * length] for name, c in mixed.items()},
        )

    short = Windows((0, early - 1), (early, early + late - 1))
    return _share_of_claims(about, shuffled, short, alpha, runs, key)


def placebo_against_placebo(
    curves: Curves, windows: Windows, alpha: float, key: int
) -> Calibration:
    """The collapse verdict on pairs of placebos, matched and called live at random.

    Args:
        curves: quantity -> (R, T + 1) of placebos with different seeds.
        windows, alpha, key: as in ``frozen_readers``.
    """
    if not curves:
        return untried(PLACEBOS, alpha, "nothing of the placebos could be measured")
    runs = len(next(iter(curves.values())))
    about = PLACEBOS
    pairs = runs // 2
    if pairs < LEAST:
        reason = f"{runs} placebos, {2 * LEAST} are needed to make {LEAST} pairs"
        return untried(about, alpha, reason)
    steps = next(iter(curves.values())).shape[1]
    if windows.late[1] >= steps:
        reason = f"the placebos end at t = {steps - 1}, the late window at {windows.late[1]}"
        return untried(about, alpha, reason)
    generator = seeding.generator(key)

    def matched() -> Pairs:
        order = generator.permutation(runs)
        first, second = order[:pairs], order[pairs : 2 * pairs]
        return (
            {name: c[first] for name, c in curves.items()},
            {name: c[second] for name, c in curves.items()},
        )

    return _share_of_claims(about, matched, windows, alpha, pairs, key)


def draws_of_frozen_readers(
    steps: Sequence[NDArray[np.floating]], alpha: float, key: int
) -> Calibration:
    """The test on draws, on one agent's draws of two steps in which it read nothing.

    Args:
        steps: of each frozen run (T + 1, N, L, D); missing draws are NaN.
        alpha: the level of each test.
        key: of the permutations.
    """
    about = DRAWS
    p: list[float] = []
    for run, embeddings in enumerate(steps):
        for agent in range(embeddings.shape[1]):
            for t in range(0, len(embeddings) - 1, 2):
                pair = [e[np.isfinite(e).all(axis=1)] for e in embeddings[t : t + 2, agent]]
                sizes = [len(draws) for draws in pair]
                if min(sizes) >= 2:
                    distances = pooled_distances(np.concatenate(pair))[None]
                    mine = seeding.key(key, f"calibrate {run} {agent}", t=t)
                    found = permutation_test(distances, sizes, key=mine, permutations=_PERMUTATIONS)
                    p.append(float(found.p[0]))
    if not p:
        return untried(about, alpha, "no frozen run has two steps with two draws each")
    return _told(about, sum(x <= alpha for x in p), len(p), alpha, 1)


def _share_of_claims(
    about: tuple[str, str],
    make: Callable[[], Pairs],
    windows: Windows,
    alpha: float,
    replicates: int,
    key: int,
) -> Calibration:
    claims = 0
    for repeat in range(REPEATS):
        live, placebo = make()
        found = collapse(live, placebo, windows, alpha, _PERMUTATIONS, key + repeat)
        claims += found.finding in CLAIMS
    return _told(about, claims, REPEATS, alpha, replicates)


def _told(
    about: tuple[str, str], claims: int, repeats: int, alpha: float, replicates: int
) -> Calibration:
    from scipy.stats import binomtest

    interval = binomtest(claims, repeats).proportion_ci(0.95, "exact")
    level = claims / repeats
    low, high = float(interval.low), float(interval.high)
    return Calibration(*about, level, low, high, alpha, repeats, replicates, "")


def untried(about: tuple[str, str], alpha: float, reason: str) -> Calibration:
    """What could not be tried, and why."""
    return Calibration(*about, None, None, None, alpha, 0, 0, reason)
