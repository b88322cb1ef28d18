"""Level, coverage and power of the inference over replicates, by simulation, as Markdown tables.

    python scripts/study_replicates.py [--samples 20000] > tables.md        # minutes

Tests run on many samples at once here; where all patterns are tried, a few samples are checked
against the package's own function. Seeds are fixed. The standard error of a share p of n samples
is sqrt(p (1 - p) / n).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from lwd_agents.inference.collapse import collapse
from lwd_agents.inference.contrasts import Condition, contrasts
from lwd_agents.inference.evidence import log_evidence
from lwd_agents.inference.replicates import paired_effect, sign_flip
from lwd_agents.inference.two_samples import hedges_g, welch_permutation
from lwd_agents.seeding import generator

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, int]], Floats]
PATTERNS = 1999  # random signs or labels where there are too many; the package's default is 9,999


def _lognormal(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return rng.lognormal(0.0, 1.0, shape) - np.exp(0.5)


ONE: dict[str, Draw] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "t, 3 degrees": lambda rng, shape: rng.standard_t(3, shape),
    "each its own variance": lambda rng, shape: rng.normal(size=shape) * rng.lognormal(size=shape),
    "lognormal - lognormal": lambda rng, shape: _lognormal(rng, shape) - _lognormal(rng, shape),
    "2 exponential - exponential": lambda rng, shape: (
        2 * rng.exponential(size=shape) - rng.exponential(size=shape) - 1
    ),
    "exponential": lambda rng, shape: rng.exponential(size=shape) - 1,
    "lognormal": _lognormal,
}


def flip_p(x: Floats, key: int) -> tuple[Floats, Floats, Floats]:
    """Sign-flip p-values (less, greater, two-sided) of each row: (S, R) -> 3 of (S,)."""
    samples, count = x.shape
    exact = 2**count <= 10_000
    p = np.empty((3, samples))
    for rows in np.array_split(np.arange(samples), max(1, samples // 500)):
        part = x[rows]
        sums = np.zeros((len(part), 1))
        if exact:
            for column in part.T[:, :, None]:
                sums = np.concatenate([sums + column, sums - column], axis=1)
        else:
            signs = 2.0 * generator(key + int(rows[0])).integers(0, 2, (count, PATTERNS)) - 1
            sums = np.concatenate([part.sum(axis=1, keepdims=True), part @ signs], axis=1)
        own, tie = sums[:, :1], 1e-10 * np.abs(part).sum(axis=1, keepdims=True)
        p[0, rows] = (sums <= own + tie).mean(axis=1)
        p[1, rows] = (sums >= own - tie).mean(axis=1)
        p[2, rows] = (np.abs(sums) >= np.abs(own) - tie).mean(axis=1)
    return p[0], p[1], p[2]


def one_sample(samples: int, level: float) -> str:
    """Level of the t test and the sign-flip, and coverage of the t interval, under a mean of 0."""
    lines = [
        f"| law, mean 0; level {100 * level:.2g} % | R | t less | t greater | flip less "
        "| flip greater | flip two-sided | t interval covers |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for law, draw in ONE.items():
        for count in (6, 8, 12, 20):
            x = draw(generator(count), (samples, count))
            less, greater, both = flip_p(x, count)
            if count <= 12:
                for row in range(3):
                    assert sign_flip(x[row], "less").p == less[row]
                    assert sign_flip(x[row], "two-sided").p == both[row]
            t = x.mean(axis=1) / (x.std(axis=1, ddof=1) / np.sqrt(count))
            below, above = stats.t.cdf(t, count - 1), stats.t.sf(t, count - 1)
            cells = [below, above, less, greater, both]
            shares = [f"{100 * np.mean(p <= level):.1f}" for p in cells]
            covered = 100 * np.mean(2 * np.minimum(below, above) > level)
            lines.append(f"| {law} | {count} | {' | '.join(shares)} | {covered:.1f} |")
    return "\n".join(lines)


TWO: dict[str, tuple[Draw, Draw]] = {
    "normal, one variance": (ONE["normal"], ONE["normal"]),
    "normal, sd 3 and 1": (lambda rng, shape: 3 * rng.normal(size=shape), ONE["normal"]),
    "lognormal, one law": (_lognormal, _lognormal),
    "t, 3 degrees": (ONE["t, 3 degrees"], ONE["t, 3 degrees"]),
    "lognormal and normal": (_lognormal, ONE["normal"]),
    "exponential, scale 3 and 1": (
        lambda rng, shape: 3 * rng.exponential(size=shape) - 3,
        ONE["exponential"],
    ),
}


def welch_t(x: Floats, mask: NDArray[np.bool_]) -> Floats:
    """Welch's t of each sample (S, n) under each relabelling (P, n): (S, P)."""
    n, m = mask.sum(axis=1), (~mask).sum(axis=1)
    taken, squares = x @ mask.T, (x**2) @ mask.T
    rest, others = x.sum(axis=1)[:, None] - taken, (x**2).sum(axis=1)[:, None] - squares
    variance = (squares - taken**2 / n) / (n * (n - 1)) + (others - rest**2 / m) / (m * (m - 1))
    return np.asarray((taken / n - rest / m) / np.sqrt(variance))


def masks(n: int, m: int, key: int) -> NDArray[np.bool_]:
    """All relabellings, the data's own first, or it and random ones."""
    if comb(n + m, n) <= 10_000:
        chosen = np.array(list(combinations(range(n + m), n)))
    else:
        own = np.arange(n + m)[None]
        drawn = generator(key).random((PATTERNS, n + m)).argsort(axis=1)
        chosen = np.concatenate([own, drawn])[:, :n]
    mask = np.zeros((len(chosen), n + m), dtype=bool)
    np.put_along_axis(mask, chosen, True, axis=1)
    return mask


def welch_p(x: Floats, n: int) -> Floats:
    """Permutation p-values (less, greater, two-sided) of each row: (S, n + m) -> (3, S)."""
    samples, both = x.shape
    mask = masks(n, both - n, n)
    p = np.empty((3, samples))
    for rows in np.array_split(np.arange(samples), max(1, samples // 500)):
        t = welch_t(x[rows], mask)
        own, tie = t[:, :1], 1e-9
        p[0, rows] = (t <= own + tie).mean(axis=1)
        p[1, rows] = (t >= own - tie).mean(axis=1)
        p[2, rows] = (np.abs(t) >= np.abs(own) - tie).mean(axis=1)
    return p


def two_sample(samples: int, level: float = 0.05) -> str:
    """Level of the Welch-studentised permutation test, and coverage of the Welch interval."""
    lines = [
        "| laws, equal means; level 5 % | R_1, R_2 | permutation, first less | first greater "
        "| two-sided | Welch interval covers |",
        "|---|---|---|---|---|---|",
    ]
    for name, (first, second) in TWO.items():
        for n, m in ((4, 4), (6, 6), (6, 12), (12, 6), (20, 20)):
            rng = generator(100 * n + m)
            x = np.concatenate([first(rng, (samples, n)), second(rng, (samples, m))], axis=1)
            p = welch_p(x, n)
            if comb(n + m, n) <= 10_000:
                for row in range(3):
                    assert np.isclose(welch_permutation(x[row, :n], x[row, n:]).p, p[2, row])
            classical = stats.ttest_ind(x[:, :n], x[:, n:], axis=1, equal_var=False).pvalue
            shares = " | ".join(f"{100 * np.mean(row <= level):.1f}" for row in p)
            covered = 100 * np.mean(classical > level)
            lines.append(f"| {name} | {n}, {m} | {shares} | {covered:.1f} |")
    return "\n".join(lines)


def effects(samples: int) -> str:
    """Coverage of the noncentral-t intervals of d_z and g."""
    lines = [
        "| law | true size | R | d_z covers | R_1, R_2 | g covers |",
        "|---|---|---|---|---|---|",
    ]
    for law in ("normal", "t, 3 degrees", "exponential"):
        sd = {"normal": 1.0, "t, 3 degrees": np.sqrt(3.0), "exponential": 1.0}[law]
        for size in (0.0, 1.0, 2.0):
            for count in (6, 12):
                rng = generator(count)
                x = ONE[law](rng, (samples, count)) + size * sd
                y = ONE[law](rng, (samples, count))
                d = [paired_effect(row) for row in x]
                g = [hedges_g(a, b) for a, b in zip(x, y, strict=True)]
                cover = [100 * np.mean([e.low <= size <= e.high for e in es]) for es in (d, g)]
                lines.append(
                    f"| {law} | {size:g} | {count} | {cover[0]:.1f} | {count}, {count} "
                    f"| {cover[1]:.1f} |"
                )
    return "\n".join(lines)


def contrast_power(samples: int) -> str:
    """How often two conditions are told apart, normal replicates; of m contrasts at 5 % / m."""
    lines = [
        "| difference, in sd | R | paired, 1 contrast | first of 3 | R_1, R_2 | no shared key, "
        "1 contrast | first of 3 |",
        "|---|---|---|---|---|---|---|",
    ]
    for size in (0.0, 0.5, 1.0, 1.5, 2.0):
        for count in (6, 8, 12, 20):
            x = generator(count).normal(size=(samples, 2 * count))
            x[:, :count] += size
            deltas = x[:, :count]  # of pairs: their differences have this mean, and sd 1
            paired, apart = flip_p(deltas, count)[2], welch_p(x, count)[2]
            for row in range(3):
                check_contrast(deltas[row], x[row, count:], paired[row], apart[row])
            cells = []
            for p, name in ((paired, f"{count}"), (apart, f"{count}, {count}")):
                shares = [f"{100 * np.mean(p <= 0.05 / m):.0f} %" for m in (1, 3)]
                cells += [name, *shares]
            lines.append(f"| {size:g} | {' | '.join(cells)} |")
    return "\n".join(lines)


def check_contrast(x: Floats, y: Floats, paired: float, apart: float) -> None:
    """The package's own p-values are these, where all patterns are tried."""
    first = Condition("first", dict(enumerate(x.tolist())))
    zero = Condition("zero", dict(enumerate([0.0] * len(x))))
    second = Condition("second", {100 + i: v for i, v in enumerate(y.tolist())})
    for other, expected in ((zero, paired), (second, apart)):
        (found,) = contrasts([first, other], [("first", other.name)])
        assert found.test is not None
        assert np.isclose(found.test.p, expected) or not found.test.exact


NULLS = {  # (what the innovations are, how much larger the live run's own are)
    "normal, exchangeable": (ONE["normal"], 1.0),
    "lognormal, exchangeable": (_lognormal, 1.0),
    "normal, live moves 3 times as far": (ONE["normal"], 3.0),
    "lognormal, live moves 3 times as far": (_lognormal, 3.0),
    "-lognormal, live moves 3 times as far": (lambda rng, shape: -_lognormal(rng, shape), 3.0),
}


def walks(rng: np.random.Generator, draw: Draw, runs: int, steps: int) -> Floats:
    """Random walks with a pull back (0.9 a step) and noise of their own: (runs, steps)."""
    moves, noise = draw(rng, (runs, steps)), rng.normal(size=(runs, steps))
    path = np.zeros((runs, steps))
    for t in range(1, steps):
        path[:, t] = 0.9 * path[:, t - 1] + moves[:, t]
    return path + noise


def null_verdicts(samples: int, steps: int = 21) -> str:
    """What the whole verdict finds where live and placebo have equal mean curves, that fall."""
    lines = [
        "| own parts of live and placebo | R | collapse | consensus | loss of spread or drift "
        "| any of these | opposite |",
        "|---|---|---|---|---|---|---|",
    ]
    fall = 5 * np.exp(-np.arange(steps) / 5)
    for name, (draw, scale) in NULLS.items():
        for count in (6, 8, 12):
            rng, found = generator(count), []
            for _ in range(samples):
                live, placebo = {}, {}
                common = walks(rng, ONE["normal"], count, steps)  # what the keys share
                for quantity in ("between", "within", "drift"):
                    part = fall + walks(rng, ONE["normal"], count, steps) + common
                    live[quantity] = part + scale * walks(rng, draw, count, steps)
                    placebo[quantity] = part + walks(rng, draw, count, steps)
                found.append(collapse(live, placebo, permutations=PATTERNS).finding)
            one = {f: 100 * found.count(f) / samples for f in set(found)}
            single = one.get("loss of spread", 0.0) + one.get("drift", 0.0)
            cells = [one.get("collapse", 0.0), one.get("consensus", 0.0), single]
            row = [*cells, sum(cells), one.get("opposite", 0.0)]
            lines.append(f"| {name} | {count} | {' | '.join(f'{c:.1f}' for c in row)} |")
    return "\n".join(lines)


def evidence(samples: int, longest: int = 400) -> str:
    """How often the e-process of a sweep that stops when it can has reached 20, by replicate."""
    table = np.array(
        [[log_evidence(n, min(k, n)) for k in range(longest + 1)] for n in range(1, longest + 1)]
    )
    lines = [
        "| P(delta < 0) | by R = 7 | 12 | 20 | 50 | 400 | median R where it stops |",
        "|---|---|---|---|---|---|---|",
    ]
    for p in (0.4, 0.5, 0.7, 0.8, 0.9, 0.97):
        k = (generator(int(1000 * p)).random((samples, longest)) < p).cumsum(axis=1)
        reached = table[np.arange(longest), k] >= np.log(20.0)
        first = np.where(reached.any(axis=1), reached.argmax(axis=1) + 1, np.inf)
        shares = " | ".join(f"{100 * np.mean(first <= n):.1f}" for n in (7, 12, 20, 50, 400))
        median = f"{np.median(first):g}" if np.median(first) < np.inf else "-"
        lines.append(f"| {p} | {shares} | {median} |")
    return "\n".join(lines)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=20_000)
    samples = parser.parse_args().samples
    fewer = max(100, samples // 20)
    print(one_sample(samples, 0.05), one_sample(samples, 0.05 / 3), sep="\n\n")
    print("", two_sample(samples // 4), "", effects(fewer // 2), "", sep="\n")
    print(contrast_power(samples // 4), "", sep="\n")
    print(null_verdicts(fewer), "", evidence(samples), sep="\n")


if __name__ == "__main__":
    main()
