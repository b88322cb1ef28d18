"""Three worlds on the same three topologies: language models, Gaussian mixtures, learners.

    python scripts/study_topologies.py [--runs build/topologies] [--figures docs/topologies]

Six agents on `complete`, `ring` and `two-blocks`; each hears itself too, reads everything in sight,
and only what was posted at the last step is there. Nobody has human data after t = 0, where
mixtures and learners start at the human law, and language models at their own. Each run has a
placebo, human data in place of what agents made. Prints the tables of docs/topologies.md. A study
that was stopped goes on where it stood; finished runs are read, not made again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import lwd_agents as lwd
from lwd_agents.measures.geometry import pairwise_distances, within_spread
from lwd_agents.measures.unbiased import drift, squared_distances
from lwd_agents.verdicts import verdict

Floats = NDArray[np.float64]
TOPOLOGIES = ("complete", "ring", "two-blocks")
FIRST = (0, 1, 2)  # the first block of two-blocks; the second reads it over one bridge
STEPS, SEEDS, DRAWS, MANY = 20, 8, 10, 500
LATE = slice(11, None)
NAMES = ("a1", "a2", "a3", "b1", "b2", "b3")
POCKET = dict(zip(NAMES, ("north", "east", "south") * 2, strict=True))
LLM: dict[str, Any] = {
    "world": "llm", "query": "bitcoin", "internet": {"seed": "crypto", "store": "memory"},
    "agents": [{"name": n, "model": f"pocket:{m}", "max_tokens": 48} for n, m in POCKET.items()],
    "draws": DRAWS, "reading": {"beta": 1}, "posting": {"keep": {"window": 1, "humans": "age"}},
}  # fmt: skip
GMM: dict[str, Any] = {
    "world": "gmm", "models": 6, "means": [-5.0, 5.0], "weights": [0.5, 0.5], "initial_points": 60,
    "posts_per_step": 10, "reading": {"beta": 1}, "posting": {"keep": "replace"},
    "placebo": True, "replicates": MANY,
}  # fmt: skip
GRAPH: dict[str, Any] = {
    "world": "graph", "learners": 6, "features": 2, "rows": 60, "placebo": True,
    "replicates": MANY,
}  # fmt: skip


@dataclass(frozen=True)
class Curves:
    """One side of one world's runs on one topology; all (R, T + 1).

    Attributes:
        inside, across: mean squared distance over pairs within a block, and of two blocks; of
            language models over pairs of different models in both.
        drift: squared distance of the agents' mean from the human law's.
        within: spread of an agent's own law, mean over agents; NaN where it has none.
    """

    inside: Floats
    across: Floats
    drift: Floats
    within: Floats


def of_distances(squared: Floats, drifted: Floats, within: Floats) -> Curves:
    """From D^2, (R, T + 1, N, N)."""
    number = np.arange(6)
    block, model = np.isin(number, FIRST), number % 3  # a1 and b1 are copies of one model
    upper = np.triu(model[:, None] != model[None], 1)
    same = block[:, None] == block[None]
    return Curves(
        squared[..., same & upper].mean(axis=-1),
        squared[..., ~same & upper].mean(axis=-1),
        drifted,
        within,
    )


def llm(runs: Path, topology: str) -> tuple[Curves, Curves]:
    """The pocket models: a run and its placebo for each seed."""
    sides = []
    for placebo in (False, True):
        each = []
        for seed in range(SEEDS):
            where = runs / f"llm-{topology}-{seed}{'-placebo' * placebo}"
            keys = {"readership": topology, "seed": seed, "steps": STEPS, "placebo": placebo}
            run = lwd.run(LLM, out=where, **keys)
            human = np.load(where / "embeddings" / "seed.npy").mean(axis=0, dtype=np.float64)
            X = run.embeddings
            away = [float(drift(step[None], human)[0]) for step in X]
            each.append((squared_distances(X), away, within_spread(X).mean(axis=1)))
        sides.append(of_distances(*(np.array(parts) for parts in zip(*each, strict=True))))
    return sides[0], sides[1]


def gmm(runs: Path, topology: str) -> tuple[Curves, Curves]:
    """Mixtures of two components, by their weights."""
    run = lwd.run(GMM, out=runs / f"gmm-{topology}", readership=topology, steps=STEPS)
    return _mixtures(run.arrays, ""), _mixtures(run.arrays, "placebo_")


def _mixtures(arrays: dict[str, Any], side: str) -> Curves:
    weights = arrays[f"{side}weights"]
    away = np.sum((weights.mean(axis=2) - 0.5) ** 2, axis=-1)
    share = weights[..., 0]
    spread = (1 + 100 * share * (1 - share)).mean(axis=2)  # of a mixture of N(-5, 1) and N(5, 1)
    return of_distances(pairwise_distances(weights) ** 2, away, spread)


def learners(runs: Path, topology: str) -> tuple[Curves, Curves]:
    """Least squares on orthogonal designs."""
    run = lwd.run(GRAPH, out=runs / f"graph-{topology}", readership=topology, steps=STEPS)
    return _learners(run.arrays, ""), _learners(run.arrays, "placebo_")


def _learners(arrays: dict[str, Any], side: str) -> Curves:
    apart = pairwise_distances(arrays[f"{side}parameters"]) ** 2
    nothing = np.full(apart.shape[:2], np.nan)
    return of_distances(apart, arrays[f"{side}drift"], nothing)


WORLDS: dict[str, Callable[[Path, str], tuple[Curves, Curves]]] = {
    "llm": llm,
    "gmm": gmm,
    "graph": learners,
}


def ratio(first: Floats, second: Floats) -> str:
    """Late mean of the first over the second's, with a jackknife's standard error."""
    a, b = first[:, LATE].mean(axis=1), second[:, LATE].mean(axis=1)
    n = len(a)
    left_out = (a.sum() - a) / (b.sum() - b)
    error = np.sqrt((n - 1) / n * np.sum((left_out - left_out.mean()) ** 2))
    return f"{a.sum() / b.sum():.2f} ± {error:.2f}"


def change(live: Floats, placebo: Floats) -> str:
    """[late] - [t = 0], live less placebo: the mean with its standard error."""
    if not np.isfinite(live).all():
        return "-"
    deltas = [side[:, LATE].mean(axis=1) - side[:, 0] for side in (live, placebo)]
    delta = deltas[0] - deltas[1]
    return f"{delta.mean():+.3f} ± {delta.std(ddof=1) / np.sqrt(len(delta)):.3f}"


def figure(found: dict[tuple[str, str], tuple[Curves, Curves]], folder: Path) -> None:
    """Squared distances within blocks and across them, in units of a late one of the complete
    network's placebo."""
    from matplotlib.figure import Figure

    from lwd_agents.report.figures.style import COLOURS, PAGE, below, over_steps, styled

    with styled():
        drawn = Figure(figsize=(PAGE, 5.6), layout="constrained")
        grid = drawn.subplots(3, 3, sharex=True, sharey="row")
        for row, world in enumerate(WORLDS):
            for column, topology in enumerate(TOPOLOGIES):
                axes, (live, placebo) = grid[row, column], found[world, topology]
                unit = found[world, TOPOLOGIES[0]][1].across[:, LATE].mean()
                looks = (("across", COLOURS[1], "-"), ("inside", COLOURS[0], "-"))
                for name, colour, dash in looks:
                    for side, style in ((live, dash), (placebo, ":")):
                        values = getattr(side, name).mean(axis=0) / unit
                        word = "across blocks" if name == "across" else "within a block"
                        kind = "" if side is live else ", placebo"
                        axes.plot(values, color=colour, ls=style, lw=1.3, label=word + kind)
                over_steps(axes, STEPS)
                axes.set_title(f"{world}, {topology}", loc="left")
                if row < 2:
                    axes.set_xlabel("")
            grid[row, 0].set_ylabel("squared distance")
            grid[row, 0].set_ylim(bottom=0)
        below(drawn, *grid[0, 0].get_legend_handles_labels(), 4)
        folder.mkdir(parents=True, exist_ok=True)
        drawn.savefig(folder / "distances.png", dpi=150, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=Path, default=Path("build/topologies"))
    parser.add_argument("--figures", type=Path, default=Path("docs/topologies"))
    given = parser.parse_args()
    found = {(w, t): make(given.runs, t) for w, make in WORLDS.items() for t in TOPOLOGIES}
    print(f"Late means (t = {LATE.start} .. {STEPS}).\n")
    heads = ["world", "topology", "within a block, live over placebo"]
    heads += ["across blocks, live over placebo", "across over within, live", "the same, placebo"]
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for (world, topology), (live, placebo) in found.items():
        print(
            f"| {world} | {topology} | {ratio(live.inside, placebo.inside)} | "
            f"{ratio(live.across, placebo.across)} | {ratio(live.across, live.inside)} | "
            f"{ratio(placebo.across, placebo.inside)} |"
        )
    print("\n| world | topology | drift, change beyond the placebo | within, change beyond it |")
    print("|---|---|---|---|")
    for (world, topology), (live, placebo) in found.items():
        away, spread = change(live.drift, placebo.drift), change(live.within, placebo.within)
        print(f"| {world} | {topology} | {away} | {spread} |")
    for topology in TOPOLOGIES:
        said = verdict({**GRAPH, "readership": topology, "replicates": 1})
        print(f"\nverdict, {topology}: collapses {said.collapses}")
    figure(found, given.figures)


if __name__ == "__main__":
    main()
