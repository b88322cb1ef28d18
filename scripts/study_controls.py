"""What the controls do to the pocket network: tables of measured contrasts, and their figures.

    python scripts/study_controls.py [--runs build/controls] [--figures docs/controls] > table.md

Seeds are the replicates: a number is the mean over seeds with the standard error of that mean.
Distances are squared and unbiased, so that neither the number of draws nor their spread is in
them. A study that was stopped goes on where it stood; finished runs are read, not made again.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import lwd_agents as lwd
from lwd_agents.measures.geometry import within_spread
from lwd_agents.measures.unbiased import squared_distances
from lwd_agents.trajectory import Trajectory

Floats = NDArray[np.float64]
NETWORK = {  # the pocket preset's three models, under one key each
    "live": (),
    "placebo": ("placebo=true",),
    "isolated": ("readership=isolated",),
    "frozen": ("reading.k=0",),
}
FEW = "reading.k=3"  # few posts, so that it matters which
COPIES = {"own": (FEW,), "shared": (FEW, "reading.shared=true")}
# Posts live for four steps, those of A(0) too, and everything in sight is read: no agent's reading
# is a matter of luck, and what is left to differ are the models and whom they hear.
SHORT = ("posting.keep={window: 4, humans: age}", "reading={beta: 1}", "readership=isolated")
BRANCHES = {
    "isolated": (),
    "cliques": ("readership={graph: cliques, classes: [[n1, n2], [s1, s2]]}",),
    "complete": ("readership=complete",),
}
NORTH = dict.fromkeys(("a", "b", "c"), "pocket:north")
CLASSES = {"n1": "pocket:north", "n2": "pocket:north", "s1": "pocket:south", "s2": "pocket:south"}
AT = 8  # the step at which the branches part
EARLY = slice(AT - 4, AT)  # the last four steps before it
LATE = slice(AT + 1, None)  # once those who then read together have been read
DRAWS = 6


def curve(done: Trajectory, pairs: Sequence[tuple[int, int]] | None = None) -> Floats:
    """The unbiased squared distance at every step, its mean over pairs: (T + 1,)."""
    pairs = pairs or list(itertools.combinations(range(len(done.agents)), 2))
    rows, columns = np.array(pairs).T
    return np.asarray(squared_distances(done.embeddings)[:, rows, columns].mean(axis=1))


def across(done: Trajectory) -> Floats:
    """The same, over the pairs of agents of different classes (two classes of two)."""
    return curve(done, [(0, 2), (0, 3), (1, 2), (1, 3)])


def spread(done: Trajectory) -> Floats:
    """tr S at every step, its mean over agents: (T + 1,)."""
    return np.asarray(within_spread(done.embeddings).mean(axis=1))


def told(values: NDArray[np.floating]) -> tuple[float, float]:
    """The mean over replicates and its standard error."""
    values = np.asarray(values, dtype=np.float64)
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def slopes(curves: Floats) -> Floats:
    """The least-squares slope per step of each replicate's curve: (R, T') -> (R,)."""
    t = np.arange(curves.shape[1]) - (curves.shape[1] - 1) / 2
    return np.asarray(curves @ t / (t @ t))


def agents_as(models: dict[str, str]) -> str:
    """The setting of named agents, in this order, in place of the preset's."""
    listed = ", ".join(f'{{name: {name}, model: "{model}"}}' for name, model in models.items())
    return f"agents=[{listed}]"


def make(out: Path, seed: int, *settings: str, steps: int, draws: int = DRAWS) -> Trajectory:
    """A run on the pocket models, its Internet in memory."""
    return lwd.run(
        "pocket",
        out=out,
        settings=("internet.store=memory", *settings),
        steps=steps,
        draws=draws,
        seed=seed,
    )


def branches(
    out: Path, seed: int, steps: int, draws: int = DRAWS, at: int = AT
) -> dict[str, Trajectory]:
    """Agents of two classes, isolated until ``at``, then on under each of BRANCHES."""
    settings = (agents_as(CLASSES), *SHORT)
    parent = make(out / "isolated", seed, *settings, steps=steps, draws=draws)
    return {"isolated": parent} | {
        name: lwd.fork(parent.path, at=at, out=out / name, settings=changed)
        for name, changed in BRANCHES.items()
        if changed
    }


def slope_z(values: NDArray[np.floating]) -> float:
    """The least-squares slope over steps, in its standard errors; for steps independent in t."""
    t = np.arange(len(values)) - (len(values) - 1) / 2
    slope = values @ t / (t @ t)
    rest = values - values.mean() - slope * t
    return float(slope / np.sqrt(rest @ rest / (len(values) - 2) / (t @ t)))


def arms(runs: Path, seed: int) -> dict[str, dict[str, Trajectory]]:
    """All runs of one seed; what is finished is read."""
    copies = agents_as(NORTH)
    return {
        "classes": branches(runs / f"classes-{seed}", seed, steps=17),
        "copies": {
            name: make(runs / f"copies-{name}-{seed}", seed, copies, *settings, steps=7)
            for name, settings in COPIES.items()
        },
        "network": {
            name: make(runs / f"network-{name}-{seed}", seed, *settings, steps=15)
            for name, settings in NETWORK.items()
        },
    }


def cell(values: Sequence[float] | Floats) -> str:
    mean, error = told(np.asarray(values))
    return f"{mean:.3f} ± {error:.3f}"


def tables(found: list[dict[str, dict[str, Trajectory]]]) -> str:
    """What was measured, as Markdown."""

    def curves(group: str, name: str) -> Floats:
        return np.array([curve(runs[group][name]) for runs in found])

    out = [f"{len(found)} seeds.", "", "| network | before | after | within classes, after |"]
    out.append("|---|---|---|---|")
    for name in BRANCHES:
        parts = [runs["classes"][name] for runs in found]
        apart = np.array([across(done) for done in parts])
        inside = np.array([curve(done, [(0, 1), (2, 3)]) for done in parts])[:, LATE]
        before, after = apart[:, EARLY].mean(axis=1), apart[:, LATE].mean(axis=1)
        out.append(f"| {name} | {cell(before)} | {cell(after)} | {cell(inside.mean(axis=1))} |")
    out += ["", "| three copies of north, k = 3 | distance | in standard errors |", "|---|---|---|"]
    for name in COPIES:
        values = curves("copies", name)
        mean, error = told(values.ravel())
        out.append(f"| {name} | {mean:.4f} ± {error:.4f} | {mean / error:.1f} |")
    out += ["", "| preset `pocket` | t = 0..3 | t = 12..15 | slope a step | tr S, t = 12..15 |"]
    out.append("|---|---|---|---|---|")
    for name in NETWORK:
        values = curves("network", name)
        inside = np.array([spread(runs["network"][name])[-4:].mean() for runs in found])
        mean, error = told(slopes(values))
        first, last = values[:, :4].mean(axis=1), values[:, -4:].mean(axis=1)
        out.append(
            f"| {name} | {cell(first)} | {cell(last)} | {mean:.4f} ± {error:.4f} | {cell(inside)} |"
        )
    return "\n".join(out)


def draw(found: list[dict[str, dict[str, Trajectory]]], folder: Path) -> None:
    """One figure of three panels: classes, copies, and the preset under its controls."""
    from matplotlib.figure import Figure

    from lwd_agents.report.figures.style import COLOURS, MARKERS, tidy

    figure = Figure(figsize=(11.5, 3.9), layout="constrained")
    panels = figure.subplots(1, 3)
    shown = (
        ("classes", tuple(BRANCHES), across, "Across two classes of two"),
        ("copies", tuple(COPIES), curve, "Three copies of one model, k = 3"),
        ("network", tuple(NETWORK), curve, "The preset pocket"),
    )
    for axes, (group, names, measure, title) in zip(panels, shown, strict=True):
        for i, name in enumerate(names):
            values = np.array([measure(runs[group][name]) for runs in found])
            mean = values.mean(axis=0)
            error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
            t, style = np.arange(len(mean)), {"color": COLOURS[i], "marker": MARKERS[i]}
            axes.plot(t, mean, label=name, markersize=3.5, linewidth=1.3, **style)
            axes.fill_between(t, mean - error, mean + error, color=COLOURS[i], alpha=0.15, lw=0)
        axes.axhline(0, color="0.4", linewidth=0.8)
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_xlabel("step $t$")
        axes.xaxis.get_major_locator().set_params(integer=True)
        low, high = axes.get_ylim()
        axes.set_ylim(low, high + 0.08 * len(names) * (high - low))  # room for the legend
        axes.legend(frameon=False, fontsize=8, loc="upper left")
        tidy(axes)
    panels[0].axvline(AT - 0.5, color="0.4", linestyle=":", linewidth=1)
    panels[0].set_ylabel(r"$\|X_i - X_j\|^2$, unbiased, mean over pairs")
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "contrasts.png", dpi=90, metadata={"Software": None})


def main() -> None:
    """Make the runs, print the tables, draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("build/controls"))
    parser.add_argument("--figures", type=Path, default=Path("docs/controls"))
    parser.add_argument("--seeds", type=int, default=6)
    args = parser.parse_args()
    if args.seeds < 2:
        parser.error(f"--seeds {args.seeds}: a standard error needs 2 or more")
    found = [arms(args.runs, seed) for seed in range(args.seeds)]
    print(tables(found))
    draw(found, args.figures)


if __name__ == "__main__":
    main()
