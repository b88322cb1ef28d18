"""Does a test of runs that stopped themselves keep its level? By simulation, as a Markdown table.

    python scripts/study_stops.py [--samples 600] > table.md        # minutes

Pairs with no difference between live and placebo: both sides' ||D||_F follows one law,

    log s(t) = log s(0) + x(t),   x(0) = 0,   x(t) = phi x(t-1) + e(t),

independently on both sides from t = 1 on (the draws' noise is always independent). The live side is
stopped by the rule `converged`, with the package's own test on its draws. A claim is a one-sided
p <= 5 % over eight pairs that live is the lower one. Seeds are fixed; the standard error of a share
p of n samples is sqrt(p (1 - p) / n).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from lwd_agents.inference.collapse import collapse
from lwd_agents.inference.convergence import Row, follow, level
from lwd_agents.inference.equivalence import judge_draws
from lwd_agents.inference.windows import Windows
from lwd_agents.measures.unbiased import squared_norm
from lwd_agents.seeding import generator

Floats = NDArray[np.float64]
PAIRS, STEPS, WINDOW, ALPHA = 8, 60, 3, 0.05
AGENTS, DRAWS, DIMENSIONS, SPREAD = 2, 40, 8, 0.25  # of draws: the sd along each dimension
MARGIN = 1.0


@dataclass(frozen=True)
class State:
    """How ||D||_F moves: s(0), phi, and the sd of e; ``shared``: the same path on both sides."""

    name: str
    start: float
    phi: float = 0.0
    move: float = 0.0
    shared: bool = False


def stationary(phi: float, sd: float = 0.5) -> float:
    """The sd of e that gives x this sd in the long run."""
    return sd * sqrt(1 - phi**2)


STATES = (
    State("constant", 0.68),
    State("new at each step (phi = 0)", 0.85, 0.0, stationary(0.0)),
    State("phi = 0.5", 0.85, 0.5, stationary(0.5)),
    State("phi = 0.9", 0.85, 0.9, stationary(0.9)),
    State("phi = 0.9, moves a fifth as far", 0.68, 0.9, stationary(0.9, 0.1)),
    State("phi = 0.98", 0.85, 0.98, stationary(0.98)),
    State("random walk, e of sd 0.1", 0.85, 1.0, 0.1),
    State("random walk, the same on both sides", 0.85, 1.0, 0.1, shared=True),
    State("constant, nearer the margin", 0.74),
)


def paths(state: State, runs: int, rng: np.random.Generator) -> Floats:
    """||D||_F of both sides: (2, runs, STEPS), equal at t = 0."""
    moves = state.move * rng.normal(size=(2, runs, STEPS))
    if state.shared:
        moves[1] = moves[0]
    x = np.zeros_like(moves)
    for t in range(1, STEPS):
        x[..., t] = state.phi * x[..., t - 1] + moves[..., t]
    return np.asarray(state.start * np.exp(x))


def draws(norms: Floats, rng: np.random.Generator) -> Floats:
    """Normal draws of agents whose ||D||_F is as given: (..., N, L, D)."""
    shape = (*norms.shape, AGENTS, DRAWS, DIMENSIONS)
    made = SPREAD * rng.normal(size=shape)
    made[..., 0, :, 0] += norms[..., None] / sqrt(2)  # ||D||_F^2 is twice the squared distance
    return made


def simulated(state: State, runs: int, key: int) -> tuple[Floats, NDArray[np.int64]]:
    """Estimates of ||D||_F^2, (2, runs, STEPS), and where live stopped: (runs,), -1 for never."""
    rng = generator(key)
    norms = paths(state, runs, rng)
    found, rows = np.empty(norms.shape), [Row() for _ in range(runs)]
    first = []  # all draws of one live run, to check the rule as it is applied here
    for t in range(STEPS):
        made = draws(norms[..., t], rng)
        found[..., t] = squared_norm(made)
        first.append(made[0, 0][None])
        going = [r for r, row in enumerate(rows) if row.at is None]
        if going:
            p = judge_draws(made[0, going][:, None], MARGIN).p
            for r, one in zip(going, p, strict=True):
                rows[r] = rows[r].after(t, bool(one <= level(t, ALPHA)), WINDOW)
    assert follow(first, MARGIN, window=WINDOW, alpha=ALPHA).at == rows[0].at
    # The fresh steps must be in the run: a stop too late for them is none.
    at = np.array([-1 if row.at is None else row.at for row in rows])
    return found, np.where(at + WINDOW < STEPS, at, -1)


def late(curves: Floats, last: NDArray[np.int64]) -> Floats:
    """The mean of the WINDOW steps up to ``last``: (..., runs, STEPS) -> (..., runs)."""
    steps = last[:, None] + np.arange(1 - WINDOW, 1)
    return np.asarray(curves[..., np.arange(len(last))[:, None], steps].mean(axis=-1))


def claims(first: Floats, second: Floats) -> float:
    """Per cent of samples of PAIRS pairs in which ``first`` is claimed to be the lower."""
    found = []
    for a, b in zip(first.reshape(-1, PAIRS), second.reshape(-1, PAIRS), strict=True):
        live, placebo = (np.column_stack([np.zeros(PAIRS), end]) for end in (a, b))
        verdict = collapse({"between": live}, {"between": placebo}, Windows((0, 0), (1, 1)), ALPHA)
        found.append(verdict.finding == "consensus")
    return 100 * float(np.mean(found))


def row_of(state: State, samples: int, key: int) -> str:
    """One row of the table."""
    found, at = simulated(state, samples * PAIRS, key)
    live, placebo = found
    end = np.full(len(at), STEPS - 1)
    stop = np.where(at < 0, end, at)  # of a run that did not stop: its last steps, as `lwd test`
    fresh = np.where(at < 0, end, at + WINDOW)
    shares = (
        claims(late(live, stop), live[:, 0]),
        claims(late(live, stop), late(placebo, stop)),
        claims(late(live, fresh), late(placebo, fresh)),
        claims(late(live, end), late(placebo, end)),
    )
    stopped = at >= 0
    when = f"{np.median(at[stopped]):g}"
    # How much lower than its placebo live is on the fresh steps, in sd of that difference.
    gap = (late(live, fresh) - late(placebo, fresh))[stopped]
    shift = f"{gap.mean() / gap.std():.2f}"
    cells = " | ".join(f"{share:.1f}" for share in shares)
    return f"| {state.name} | {100 * stopped.mean():.0f} % | {when} | {cells} | {shift} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=600)
    samples = parser.parse_args().samples
    print(
        "| state | stopped | median step | live, end - start | live - placebo, steps that stopped "
        "it | live - placebo, fresh steps | live - placebo, no stop | fresh difference, in sd |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for key, state in enumerate(STATES):
        print(row_of(state, samples, key), flush=True)


if __name__ == "__main__":
    main()
