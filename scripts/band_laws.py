"""Laws of answers whose D is known exactly, for ``study_bands.py``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import lwd_agents as lwd
from lwd_agents.measures.geometry import collapse_norms
from lwd_agents.seeding import generator

Floats = NDArray[np.float64]
N, D = 3, 24


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
            picked = rng.integers(0, texts.shape[1], (len(texts), S, L))
        else:
            where = rng.random((N, S, L))
            picked = np.stack([np.searchsorted(sums[i], where[i]) for i in range(len(texts))])
            picked = picked.clip(max=texts.shape[1] - 1)
        return np.stack([texts[i][picked[i]] for i in range(len(texts))], axis=1)

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


def one_axis(agents: int, norm: float) -> Law:
    """Normal answers of standard deviation 0.5 along one axis, along which the first differs."""
    mu = np.zeros((agents, 8))
    mu[0, 0] = 1.0
    mu *= norm / collapse_norms(mu)
    scale = np.array([0.5] + 7 * [0.05])

    def draw(rng: np.random.Generator, S: int, L: int) -> Floats:
        return rng.standard_normal((S, agents, L, 8)) * scale + mu[:, None]

    return Law(f"one axis, N = {agents}", norm, draw)


def sentences(*weights: Sequence[float]) -> Law:
    """Each agent gives the same few sentences, a right angle apart, with its own weights."""
    P = np.array(weights)
    named = " / ".join(",".join(f"{p:g}" for p in own) for own in weights)
    texts = np.broadcast_to(np.eye(P.shape[1]), (len(P), P.shape[1], P.shape[1]))
    return discrete(f"sentences {named}", texts, P)


def laws(run: Path | None) -> list[Law]:
    """What bands are studied on."""
    found = [gaussian(norm, "flat") for norm in (0.0, 0.3, 0.7, 1.5)]
    found += [gaussian(norm, "widest") for norm in (0.3, 0.7, 1.5)]
    found += [sphere(norm) for norm in (0.0, 0.3, 0.7, 1.5)]
    if run is not None:
        found += [of_run(run, 60, 40, share, "a step's 40 texts") for share in (0.0, 0.4, 0.9)]
        found += [of_run(run, 60, 5, share, "5 texts") for share in (0.0, 0.4, 0.9)]
    return [*found, contaminated(0.1), contaminated(0.25)]


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
