"""Do the bands cover, and does the convergence test keep its level? Markdown tables on stdout.

    python scripts/study_bands.py [PART ...] --run RUN

RUN is a finished run of the pocket preset: the answers that its agents gave at single steps are
taken as laws of their own, whose D is known exactly, and drawn from again. Draws of different
steps are independent given the readings, so a band over 61 steps is covered with the 61st power
of the chance at one step. Tables are in docs/inference/bands.md and docs/inference/convergence.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from band_laws import (
    Law,
    N,
    at_margin,
    contaminated,
    gaussian,
    laws,
    of_run,
    one_axis,
    rare,
    sentences,
    sphere,
)
from numpy.typing import NDArray
from scipy import stats

from lwd_agents.inference import bands, bounds, convergence, equivalence
from lwd_agents.inference.jackknife import Estimate, estimate
from lwd_agents.measures.geometry import collapse_norms
from lwd_agents.measures.unbiased import signed_root
from lwd_agents.seeding import generator

Floats = NDArray[np.float64]
STEPS = 61
CHUNK = 2000
LEVELS = (0.05, 1e-2, 1e-3, 1e-4)


def row(*cells: object) -> None:
    print("|", " | ".join(str(cell) for cell in cells), "|", flush=True)


def header(title: str, *cells: str) -> None:
    print(f"\n**{title}**\n")
    row(*cells)
    print("|---" * len(cells) + "|")


def chunks(law: Law, L: int, S: int, key: int) -> Iterator[Floats]:
    """S sets of draws, a part at a time."""
    rng = generator(key)
    for start in range(0, S, CHUNK):
        yield law.draw(rng, min(CHUNK, S - start), L)


def within(run: Path | None, S: int) -> None:
    """Coverage and half-width of the band within a run."""
    _coverage(laws(run), (10, 20, 40), S)


def axis(run: Path | None, S: int) -> None:
    """The same where answers vary along one axis, along which agents differ."""
    found = [one_axis(2, norm) for norm in (0.0, 0.1, 0.28, 0.57, 1.13)]
    found += [one_axis(3, norm) for norm in (0.0, 0.2, 0.4, 0.8, 1.6)]
    found += [sentences((0.7, 0.3), (0.9, 0.1)), sentences((0.5, 0.5), (0.75, 0.25))]
    found += [sentences((0.3, 0.7), (0.7, 0.3)), sentences((0.5, 0.5), (0.5, 0.5), (0.8, 0.2))]
    found += [sentences((0.5, 0.3, 0.2), (0.3, 0.2, 0.5))]
    _coverage(found, (10, 40), S)


def _coverage(found: Sequence[Law], sizes: Sequence[int], S: int) -> None:
    header(
        f"Band within a run: coverage at 95 % ({S:,} steps; 61 at once: one step's chance to "
        "the 61st power)",
        *("law", "norm", "L", "pointwise", "61 at once", "half-width", "for 61 at once"),
        *("61 at once without lambda", "61 at once by theta +- q se"),
    )
    for law in found:
        for L in sizes:
            truth, inside, width = law.norm**2, np.zeros((2, 3)), np.zeros(2)
            for E in chunks(law, L, S, key=L):
                each = estimate(E)
                for i, tail in enumerate((0.05, 1 - 0.95 ** (1 / STEPS))):
                    held, half = _held(each, tail, truth)
                    inside[i] += held
                    width[i] += half * len(E) / S
            one, (all_, without, naive) = inside[0, 0] / S, (inside[1] / S) ** STEPS
            cells = (f"{one:.1%}", f"{all_:.1%}", f"{width[0]:.2f}", f"{width[1]:.2f}")
            row(law.name, f"{law.norm:.2f}", L, *cells, f"{without:.1%}", f"{naive:.1%}")


def _held(each: Estimate, tail: float, truth: float) -> tuple[list[int], float]:
    """Intervals that hold the truth: as shipped, without lambda, plain; the median half-width."""
    q = stats.t.ppf(1 - tail / 2, each.df)
    low, high = bands.interval(each.value, each.error, each.spread, q)
    _, without = bands.interval(each.value, each.error, np.zeros_like(q), q)
    held = [int(np.sum((low <= truth) & (truth <= end))) for end in (high, without)]
    plain = int(np.sum(np.abs(each.value - truth) <= q * each.error))
    return [*held, plain], float(np.median(signed_root(high) - signed_root(low)) / 2)


def level(run: Path | None, S: int) -> None:
    """False rejections at the margin, as multiples of the nominal level."""
    header(
        f"Test of a step at the margin: rejections over nominal, by level ({S:,} steps); wald: "
        "(theta - m^2)/se by the normal law, which is not used",
        *("law", "margin", "L", *(f"{a:g}" for a in LEVELS), *(f"wald {a:g}" for a in LEVELS)),
    )
    for law in at_margin(run):
        for L in (10, 40):
            ours, wald = np.zeros(len(LEVELS)), np.zeros(len(LEVELS))
            for E in chunks(law, L, S, key=L):
                judged = equivalence.judge_draws(E[:, None], law.norm, radius=1.0)
                error = np.maximum(judged.found.error, 1e-12)
                naive = stats.norm.cdf((judged.found.value - law.norm**2) / error)
                ours += [np.sum(judged.p <= a) for a in LEVELS]
                wald += [np.sum(naive <= a) for a in LEVELS]
            cells = [
                f"{x / S / a:.2f}"
                for counts in (ours, wald)
                for x, a in zip(counts, LEVELS, strict=True)
            ]
            row(law.name, f"{law.norm:.2f}", L, *cells)


def horizon(run: Path | None, S: int) -> None:
    """False "converged" within 61 steps at alpha = 0.05, truth at the margin."""
    header(
        f"False 'converged' within 61 steps at the margin, alpha = 0.05 ({S:,} runs)",
        *("law", "margin", "L", "w = 1", "w = 3", "w = 5"),
    )
    few = [of_run(run, 60, 5, 0.9, "5 texts")] if run is not None else []
    for law in (
        gaussian(0.7, "flat"),
        gaussian(0.7, "widest"),
        *few,
        rare(0.5),
        contaminated(0.25),
    ):
        p = _p_values(law, 40, S * STEPS, law.norm).reshape(S, STEPS)
        cells = [f"{np.mean(_stops(p, w) < np.inf):.2%}" for w in (1, 3, 5)]
        row(law.name, f"{law.norm:.2f}", 40, *cells)


def power(run: Path | None, S: int) -> None:
    """When a run stops whose norm is below the margin."""
    header(
        f"First step at which a run has converged, w = 5, alpha = 0.05: median, and how many of "
        f"{S} stop within 61 steps",
        *("law", "norm", "margin", "L", "median", "stopped"),
    )
    found = [gaussian(norm, "flat") for norm in (0.0, 0.3, 0.5, 0.7)]
    if run is not None:
        found += [of_run(run, 60, 40, 0.5, "a step's 40 texts")]
    for law in found:
        for margin in (0.42, 0.7, 1.0, 1.5):
            for L in (10, 40) if law.norm < margin else ():
                p = _p_values(law, L, S * STEPS, margin).reshape(S, STEPS)
                at = _stops(p, 5)
                median = f"t = {np.median(at):.0f}" if np.median(at) < np.inf else "-"
                share = f"{np.mean(at < np.inf):.0%}"
                row(law.name, f"{law.norm:.2f}", f"{margin:g}", L, median, share)


def _p_values(law: Law, L: int, S: int, margin: float) -> Floats:
    parts = chunks(law, L, S, key=7 * L)
    return np.concatenate([equivalence.judge_draws(E[:, None], margin, 1.0).p for E in parts])


def _stops(p: Floats, window: int) -> Floats:
    """The step at which each of S runs has converged, (S,); infinite where none."""
    levels = np.array([convergence.level(t, 0.05) for t in range(p.shape[1])])
    at = convergence.converged_exactly(p / levels, margin=1.0, window=window)
    return np.where(at < 0, np.inf, at)


def across(run: Path | None, S: int) -> None:
    """Coverage of the band across replicates: Bonferroni's t below ``bands.LEAST`` replicates."""
    header(
        f"Band across replicates: simultaneous coverage at 95 % ({S} experiments), and its "
        "half-width in standard errors of the mean",
        *("curves", "T + 1", "correlation", "R", "as shipped", "half-width", "Bonferroni's t"),
    )
    for kind in ("normal", "skewed"):
        for steps, rho in ((20, 0.5), (20, 0.95), (61, 0.5), (61, 0.95)):
            for R in (4, 6, 8, 10, 20):
                curves, truth = _curves(kind, S, R, steps, rho)
                found = [bands.across_runs(c, key=i, resamples=499) for i, c in enumerate(curves)]
                inside = [bool(np.all((b.low_all <= truth) & (truth <= b.high_all))) for b in found]
                wide = [((b.high_all - b.centre) / b.error)[0] for b in found]
                q = stats.t.ppf(1 - 0.025 / steps, R - 1)
                held = [bool(np.all(np.abs(b.centre - truth) <= q * b.error)) for b in found]
                shares = (
                    f"{np.mean(inside):.1%}",
                    f"{np.median(wide):.1f}",
                    f"{np.mean(held):.1%}",
                )
                row(kind, steps, rho, R, *shares)


def _curves(kind: str, S: int, R: int, steps: int, rho: float) -> tuple[Floats, float]:
    """(S, R, steps) stationary first-order curves, and their mean."""
    z = generator(R * steps).standard_normal((S, R, steps))
    for t in range(1, steps):
        z[..., t] = rho * z[..., t - 1] + np.sqrt(1 - rho**2) * z[..., t]
    return (z, 0.0) if kind == "normal" else (np.exp(0.7 * z), float(np.exp(0.245)))


def rarely(run: Path | None, S: int) -> None:
    """Coverage across replicates that differ rarely, or by heavy tails: where it does not hold."""
    header(
        f"Band across replicates that differ rarely: coverage at 95 % ({S} experiments)",
        *("curves", "T + 1", "R", "pointwise", "all at once"),
    )
    for kind, steps in (("one run in seven jumps", 21), ("lognormal, sd 1.2", 7)):
        for R in (6, 8, 12, 20, 40):
            rng = generator(R * steps)
            one, all_ = 0.0, 0
            for i in range(S):
                if steps == 7:
                    curves, truth = np.exp(1.2 * rng.standard_normal((R, 7))), np.exp(0.72)
                else:
                    curves = 0.05 * rng.standard_normal((R, steps))
                    curves[:, 10:] += rng.random((R, 1)) < 1 / 7
                    truth = np.where(np.arange(steps) < 10, 0.0, 1 / 7)
                b = bands.across_runs(curves, key=i, resamples=499)
                one += float(np.mean((b.low <= truth) & (truth <= b.high)))
                all_ += bool(np.all((b.low_all <= truth) & (truth <= b.high_all)))
            row(kind, steps, R, f"{one / S:.1%}", f"{all_ / S:.1%}")


def bias(run: Path | None, S: int) -> None:
    """The jackknife's variance over the true one."""
    header(
        f"Jackknife variance over the variance of the estimate ({S:,} steps, L = 40)",
        *("law", "norm", "ratio"),
    )
    for norm in (0.0, 0.1, 0.2, 0.4, 0.7, 1.5):
        law = gaussian(norm, "flat")
        found = [estimate(E) for E in chunks(law, 40, S, key=3)]
        values = np.concatenate([f.value for f in found])
        ratio = np.mean(np.concatenate([f.error for f in found]) ** 2) / np.var(values)
        row(law.name, norm, f"{ratio:.2f}")


def nonasymptotic(run: Path | None, S: int) -> None:
    """The bounds: widths, draws needed, coverage of the one that is chosen."""
    header(
        "Non-asymptotic bounds at 95 %, n = 3, rho = 1 (the most is 4.24)",
        *("L", "steps", "known tr S", "bound", "half-width", "L for +-0.42", "L for +-0.1"),
    )
    for L, steps, v in ((40, 1, None), (40, STEPS, None), (40, 1, 0.45), (40, STEPS, 0.45)):
        near = bounds.bounds(N, L, 1.0, variance=v, steps=steps, wanted=0.1)
        for one, close in zip(bounds.bounds(N, L, 1.0, variance=v, steps=steps), near, strict=True):
            needed = (f"{one.draws_needed:,}", f"{close.draws_needed:,}")
            row(L, steps, v or "-", one.name, f"{one.half_width:.2f}", *needed)
    header(f"Coverage at 95 %, and the largest error ({S:,} steps)", "law", "L", "covered", "error")
    for law in (rare(0.5), rare(0.1), sphere(0.0)):
        for L in (3, 40):
            chosen = bounds.narrowest(N, L, 1.0)
            off = [collapse_norms(E.mean(axis=2)) - law.norm for E in chunks(law, L, S, key=L)]
            error = np.concatenate(off)
            held = np.mean((error <= chosen.below) & (-error <= chosen.above))
            row(law.name, L, f"{held:.2%}", f"{np.abs(error).max():.2f} of {chosen.half_width:.2f}")


PARTS = {
    "bias": (bias, 10_000),
    "within": (within, 4_000),
    "axis": (axis, 12_000),
    "level": (level, 12_000),
    "horizon": (horizon, 400),
    "power": (power, 30),
    "across": (across, 300),
    "rarely": (rarely, 400),
    "bounds": (nonasymptotic, 10_000),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--run", type=Path)
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of simulations")
    options = parser.parse_args()
    for name in options.parts or PARTS:
        study, size = PARTS[name]
        study(options.run, int(size * options.scale))


if __name__ == "__main__":
    main()
