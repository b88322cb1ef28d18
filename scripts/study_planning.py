"""Whether a plan keeps its promise, and what fitted limits are worth, as Markdown tables.

    python scripts/study_planning.py > tables.md        # about a minute

Seeds are fixed.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from lwd_agents.inference.limits import limit
from lwd_agents.inference.power import flip_power, least_pairs, t_power
from lwd_agents.seeding import generator

LEVEL = 0.05 / 3


def few_pairs() -> str:
    """The sign-flip's power where the t test's is 80 %, by R."""
    from scipy.optimize import brentq

    lines = ["| R | d_z that the t test finds 80 % of the time | sign-flip |", "|---|---|---|"]
    for count in range(6, 13):
        size = brentq(lambda d, n=count: t_power(d, 1.0, n, LEVEL) - 0.8, 0.1, 5.0)
        found = flip_power(size, 1.0, count, LEVEL)
        lines.append(f"| {count} | {size:.2f} | {100 * found:.0f} % |")
    return "\n".join(lines)


def promises(pilots: int = 400) -> str:
    """The true power of the R that pilots of several sizes ask for, 80 % promised."""
    lines = [
        "| true d_z | pairs in the pilot | R asked for: 10 %, median, 90 % of pilots "
        "| true power: 10 %, median, mean |",
        "|---|---|---|---|",
    ]
    for size in (0.5, 0.7):
        for count in (6, 12, 50, 1000):
            variances = generator(count).chisquare(count - 1, pilots) / (count - 1)
            pairs = np.array([_asked(size, float(np.round(v, 2))) for v in variances])
            power = np.array([_power(size, int(n)) for n in pairs])
            asked = ", ".join(f"{q:.0f}" for q in np.quantile(pairs, [0.1, 0.5, 0.9]))
            true = [np.quantile(power, 0.1), np.median(power), power.mean()]
            told = ", ".join(f"{100 * p:.0f} %" for p in true)
            lines.append(f"| {size} | {count} | {asked} | {told} |")
    return "\n".join(lines)


@lru_cache
def _asked(size: float, variance: float) -> int:
    pairs = least_pairs(size, variance, LEVEL)
    assert pairs is not None
    return pairs


@lru_cache
def _power(size: float, pairs: int) -> float:
    if pairs <= 12:
        return flip_power(size, 1.0, pairs, LEVEL)
    return t_power(size, 1.0, pairs, LEVEL)


def fitted(samples: int = 200, runs: int = 8, last: int = 60) -> str:
    """The limit by both families where the truth is one of them or the other."""
    t, c = np.arange(last + 1.0), 0.2
    truths = {
        "0.2 + exp(-t/8)": c + np.exp(-t / 8),
        "0.2 + (t+1)^-1/2": c + (t + 1) ** -0.5,
        "0.2 + exp(-t/60)": c + np.exp(-t / 60),
    }
    lines = [
        "| truth (limit 0.2) | late mean of the truth | its 95 % interval covers | c, exponential "
        "| explained | c, power law | explained | some doubt said: exponential, power |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, curve in truths.items():
        rng, found = generator(7), []
        for _ in range(samples):
            noise = 0.1 * rng.normal(size=(runs, last + 1)) + 0.05 * rng.normal(size=(runs, 1))
            found.append(limit(curve + noise))
        window = found[0].windows.late
        late = curve[window[0] : window[1] + 1].mean()
        covers = np.mean([one.late.low <= late <= one.late.high for one in found])
        cells = []
        for family in (0, 1):
            low, middle, high = np.quantile([f.fits[family].c for f in found], [0.1, 0.5, 0.9])
            explained = np.median([f.fits[family].explained for f in found])
            cells += [f"{middle:.2f} ({low:.2f} to {high:.2f})", f"{100 * explained:.0f} %"]
        doubts = [np.mean([bool(f.fits[k].doubts) for f in found]) for k in (0, 1)]
        told = ", ".join(f"{100 * d:.0f} %" for d in doubts)
        lines.append(
            f"| {name} | {late:.2f} | {100 * covers:.0f} % | {' | '.join(cells)} | {told} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the tables."""
    print(few_pairs(), "", promises(), "", fitted(), sep="\n")


if __name__ == "__main__":
    main()
