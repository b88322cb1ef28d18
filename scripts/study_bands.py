"""Do the bands cover, and does the convergence test keep its level? Markdown tables on stdout.

    python scripts/study_bands.py [bias|within|level|horizon|power|across|bounds ...] --run RUN

RUN is a finished run of the pocket preset: the answers that its agents gave at single steps are
taken as laws of their own, whose D is known exactly, and drawn from again. Draws of different
steps are independent given the readings, so a band over 61 steps is covered with the 61st power
of the chance at one step. Tables are in docs/inference/bands.md and docs/inference/convergence.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

import lwd_agents as lwd
from lwd_agents.inference import bands, bounds, convergence
from lwd_agents.inference.jackknife import estimate
from lwd_agents.measures.geometry import collapse_norms
from lwd_agents.measures.unbiased import signed_root
from lwd_agents.seeding import generator

Floats = NDArray[np.float64]
N, D, STEPS = 3, 24, 61
CHUNK = 2000
LEVELS = (0.05, 1e-2, 1e-3, 1e-4)


@dataclass(frozen=True)
class Law:
    """The answers of N agents: ``draw(rng, S, L)`` gives (S, N, L, D); ``norm`` is ||D||_F."""

    name: str
    norm: float
    draw: Callable[[np.random.Generator, int, int], Floats]


def means(norm: float, direction: str) -> Floats:
    """(N, D) with ||D||_F = norm, along the axis with the largest spread, or along all."""
    axis = np.eye(D)[0] if direction == "widest" else np.full(D, D**-0.5)
    mu = np.outer([1.0, -0.5, -0.5], axis)
    return mu * norm / collapse_norms(mu)


def gaussian(norm: float, direction: str) -> Law:
    """tr S = 0.42, as in the pocket preset, with eigenvalues that fall like 1/sqrt(rank)."""
    spread = np.arange(1, D + 1) ** -0.5
    scale = np.sqrt(0.42 * spread / spread.sum())
    mu = means(norm, direction)[:, None]

    def draw(rng: np.random.Generator, S: int, L: int) -> Floats:
        noise = rng.standard_normal((S, N, L, D), dtype=np.float32)
        return noise * scale + mu

    return Law(f"Gaussian, {direction}", norm, draw)


def sphere(norm: float) -> Law:
    """Unit vectors: a Gaussian about a mean, scaled to length 1; D from 200,000 draws."""
    noise = generator(1).standard_normal((200_000, D)) * 0.13
    base = np.eye(D)[1] * 0.8

    def at(shift: float) -> Floats:
        rows = noise + base + means(shift, "flat")[:, None] if shift else noise + base
        return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True))

    low, high = 0.0, 12.0
    for _ in range(20):
        middle = (low + high) / 2
        sampled = collapse_norms(at(middle)[:, :20_000].mean(axis=1)) if middle else 0.0
        low, high = (middle, high) if sampled < norm else (low, middle)
    pool = at(low) if norm else np.broadcast_to(at(0.0), (N, *noise.shape))
    return discrete("unit sphere", pool, np.full((N, pool.shape[1]), 1 / pool.shape[1]))


def discrete(name: str, texts: Floats, weights: Floats) -> Law:
    """Agent i gives texts[i] (P, D) with weights[i] (P,)."""
    mu = np.einsum("ip,ipd->id", weights, texts)
    sums = weights.cumsum(axis=1)
    even = bool(np.allclose(weights, weights[0, 0]))

    def draw(rng: np.random.Generator, S: int, L: int) -> Floats:
        if even:
            picked = rng.integers(0, texts.shape[1], (N, S, L))
        else:
            where = rng.random((N, S, L))
            picked = np.stack([np.searchsorted(sums[i], where[i]) for i in range(N)])
            picked = picked.clip(max=texts.shape[1] - 1)
        return np.stack([texts[i][picked[i]] for i in range(N)], axis=1)

    return Law(name, float(collapse_norms(mu)), draw)


def of_run(run: Path, t: int, kept: int, share: float, name: str) -> Law:
    """``kept`` answers of each agent at a step, and with 1 - share a common pool of all of them.

    Weights fall like 1/rank where few are kept. The rotation into as many axes as there are
    answers changes no distance.
    """
    rows = lwd.load(run).step_embeddings(t)[:, :kept].astype(np.float64)
    flat = rows.reshape(-1, rows.shape[-1])
    turned = np.linalg.svd(flat, full_matrices=False)
    flat = turned[0] * turned[1]
    own = np.full(kept, 1 / kept) if kept > 10 else np.arange(1, kept + 1.0) ** -1
    own /= own.sum()
    weights = np.full((N, N, kept), (1 - share) / N) * own
    for i in range(N):
        weights[i, i] += share * own
    texts = np.broadcast_to(flat, (N, *flat.shape))
    return discrete(name, texts, weights.reshape(N, -1))


def rare(share: float) -> Law:
    """Two agents always say x; the third says the opposite with a small probability."""
    texts = np.broadcast_to(np.array([[1.0], [-1.0]]), (N, 2, 1))
    weights = np.array([[1.0, 0.0], [1.0, 0.0], [1 - share, share]])
    return discrete(f"the opposite in {share:.0%}", texts, weights)


def contaminated(share: float) -> Law:
    """Broad answers that never repeat; the third agent's are far off with a small probability."""
    broad = gaussian(0.0, "flat")

    def draw(rng: np.random.Generator, S: int, L: int) -> Floats:
        E = broad.draw(rng, S, L)
        E[:, 2, :, 0] += 2.0 * (rng.random((S, L)) < share)
        return E

    return Law(f"broad, far off in {share:.0%}", 4 * share, draw)


def laws(run: Path | None) -> list[Law]:
    """What bands are studied on."""
    found = [gaussian(norm, "flat") for norm in (0.0, 0.3, 0.7, 1.5)]
    found += [gaussian(norm, "widest") for norm in (0.3, 0.7, 1.5)]
    found += [sphere(norm) for norm in (0.0, 0.3, 0.7, 1.5)]
    if run is not None:
        found += [of_run(run, 60, 40, share, "a step's 40 texts") for share in (0.0, 0.4, 0.9)]
        found += [of_run(run, 60, 5, share, "5 texts") for share in (0.0, 0.4, 0.9)]
    return [*found, contaminated(0.1), contaminated(0.25)]


def row(*cells: object) -> None:
    print("|", " | ".join(str(cell) for cell in cells), "|", flush=True)


def header(title: str, *cells: str) -> None:
    print(f"\n**{title}**\n")
    row(*cells)
    print("|---" * len(cells) + "|")


def chunks(law: Law, L: int, S: int, key: int):
    """S sets of draws, a part at a time."""
    rng = generator(key)
    for start in range(0, S, CHUNK):
        yield law.draw(rng, min(CHUNK, S - start), L)


def within(run: Path | None, S: int) -> None:
    """Coverage and half-width of the band within a run."""
    header(
        f"Band within a run: coverage at 95 % ({S:,} steps; 61 at once: one step's chance to "
        "the 61st power)",
        *("law", "norm", "L", "pointwise", "61 at once", "half-width", "for 61 at once"),
        "61 at once by theta +- q se",
    )
    for law in laws(run):
        for L in (10, 20, 40):
            inside, naive, widths = np.zeros(2), np.zeros(2), []
            for E in chunks(law, L, S, key=L):
                found = estimate(E)
                each = 1 - 0.95 ** (1 / STEPS)
                for i, tail in enumerate((0.05, each)):
                    q = stats.t.ppf(1 - tail / 2, found.df)
                    low, high = bands.interval(found.value, found.error, q)
                    inside[i] += np.sum((low <= law.norm**2) & (law.norm**2 <= high))
                    widths.append((i, np.median(signed_root(high) - signed_root(low)) / 2))
                    naive[i] += np.sum(np.abs(found.value - law.norm**2) <= q * found.error)
            one, all_ = inside / S
            width = [np.mean([w for i, w in widths if i == j]) for j in (0, 1)]
            cells = (f"{one:.1%}", f"{all_**STEPS:.1%}", f"{width[0]:.2f}", f"{width[1]:.2f}")
            row(law.name, f"{law.norm:.2f}", L, *cells, f"{(naive[1] / S) ** STEPS:.1%}")


def at_margin(run: Path | None) -> list[Law]:
    """Laws whose norm is the margin: the hardest truth for the test."""
    found = [gaussian(m, d) for m in (0.42, 0.7, 1.0) for d in ("flat", "widest")]
    found += [sphere(0.42), sphere(1.0)]
    if run is not None:
        found += [
            of_run(run, 60, 40, 0.5, "a step's 40 texts"),
            of_run(run, 60, 40, 0.9, "a step's 40 texts"),
        ]
        found += [of_run(run, 60, 5, 0.5, "5 texts"), of_run(run, 60, 5, 0.9, "5 texts")]
    return [*found, rare(0.1), rare(0.25), rare(0.5), contaminated(0.1), contaminated(0.25)]


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
                judged = convergence.judge_draws(E[:, None], law.norm, radius=1.0)
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
    return np.concatenate([convergence.judge_draws(E[:, None], margin, 1.0).p for E in parts])


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
    "level": (level, 12_000),
    "horizon": (horizon, 400),
    "power": (power, 30),
    "across": (across, 300),
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
