"""Time the GMM world's kernels beside peers that a researcher would write, in one run.

Peers: Algorithms 2 and 3 line by line in NumPy (tests/gmm_literal.py), and a Numba transcription
(scripts/gmm_peers.py: an index array exchanged in place, a point's densities computed once, when it
is posted). Both sides do everything that a run does, compilation excepted. Repetitions are
interleaved, and medians of processor time printed. One processor is used, but for part large, which
uses all and is timed by the clock.

Parts:
    figure4   the paper's Figure 4: one replicate, and 1,000 together, beside NumPy
    hundred   100 models, T = 100 (75.75 million point updates), beside Numba
    widths    ns per update for B = 2, 11, 64, and what the arithmetic alone would take
    sizes     ns per update while |A| grows from 10^3 to 10^7
    large     1,000 models, T = 200, as `lwd run` would: with its run directory, on all processors
    theory    Appendix A's mean field for 10^6 models, T = 1,000, B = 11

    python scripts/bench_gmm.py [--only PART ...] [--repetitions 5] [--figure FILE]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numba
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from benching import Timed, medians, print_table  # noqa: E402
from gmm_literal import system  # noqa: E402
from gmm_peers import (  # noqa: E402
    COMPILED,
    arithmetic,
    numba_peer,
    numpy_peer,
    peer_reading,
    peer_step,
)

from lwd_agents.worlds import gmm_kernel as kernel  # noqa: E402
from lwd_agents.worlds import gmm_points  # noqa: E402

LARGE: dict[str, Any] = {
    "world": "gmm", "models": 1000, "means": [-5.0, 5.0], "posts_per_step": 3, "steps": 200,
    "reading": {"law": "uniform", "beta": 0.5}, "seed": 0,
}  # fmt: skip


def means_of(components: int) -> list[list[float]]:
    """Means 10 apart for two components, as in Figure 4, else 5."""
    gap = 10.0 if components == 2 else 5.0
    return [[gap * (b - (components - 1) / 2)] for b in range(components)]


def ours(plan: gmm_points.Plan, replicates: int) -> Timed:
    """All steps of some replicates, with as many arms taken together as the world takes."""
    n, components = plan.k.shape[1], len(plan.means)
    registers, places = kernel.registers_for(components), np.arange(plan.size[-1], dtype=np.int32)

    def run() -> np.ndarray:
        lanes = kernel.LANES if components == 2 else kernel.MANY
        memory = kernel.scratch(plan, min(lanes, kernel.FEW) if replicates * n <= 8 else lanes)
        rng = np.random.default_rng(0)
        weights = rng.dirichlet(np.ones(components), (replicates, n))
        out = np.empty((replicates, len(plan.k), n, components))
        clips = np.zeros(out.shape[:3], np.int64)
        tables = np.zeros((replicates, plan.size[-1], gmm_points.table_width(components)))
        together = max(1, 2 * lanes // n)
        for first in range(0, replicates, together):
            some = slice(first, min(replicates, first + together))
            numbers = np.arange(some.start, some.stop)
            kernel.advance(
                plan, registers, kernel.ratios_of(tables[some]), weights[some], tables[some],
                places, 0, len(plan.k), numbers, np.zeros(len(numbers), bool), memory, out[some],
                clips[some],
            )  # fmt: skip
        return out

    return run


@numba.njit(**COMPILED)
def draws_alone(plan: Any, values: Any, memory: Any) -> None:
    """The readings of all steps, without their updates, of arms whose values are (A, P)."""
    steps, models = plan.k.shape
    for step in range(steps):
        for arm in range(len(values)):
            for i in range(models):
                stream = memory.stream[i % len(memory.stream)]
                kernel.read(plan, values[arm], stream, memory, i == 0, step, i, arm)


def figure4(repetitions: int) -> None:
    """Part figure4."""
    plan, many = system(means_of(2), [[1.0]], models=3, updates=200), 1000
    runs = {"NumPy": lambda: numpy_peer(plan), "Numba": numba_peer(plan), "ours": ours(plan, 1),
            "ours, 1,000 together": ours(plan, many)}  # fmt: skip
    taken = medians(runs, repetitions)
    taken["ours, 1,000 together"] /= many
    updates = int(plan.k.sum())
    rows = [
        [name, f"{1e3 * s:.3f}", f"{1e9 * s / updates:.2f}", f"{taken['NumPy'] / s:.0f}"]
        for name, s in taken.items()
    ]
    print_table(f"Figure 4's setting: {updates:,} updates a replicate", ["", "ms a replicate",
                "ns an update", "NumPy's time / this"], rows)  # fmt: skip


def beside_numba(plan: gmm_points.Plan, repetitions: int) -> list[str]:
    """One line of figures in ns per update: ours, our draws alone, the limit, the Numba peer."""
    updates, points, components = int(plan.k.sum()), 2**20, len(plan.means)
    values = np.zeros((1, plan.size[-1]), np.float64 if components == 2 else np.int32)
    memory = kernel.scratch(plan, kernel.LANES if components == 2 else kernel.MANY)
    runs = {
        "ours": ours(plan, 1),
        "draws": lambda: draws_alone(plan, values, memory),
        "limit": arithmetic(components, points),
        "peer": numba_peer(plan),
    }
    ns = {
        name: 1e9 * seconds / (points if name == "limit" else updates)
        for name, seconds in medians(runs, repetitions).items()
    }
    figures = [f"{each:.2f}" for each in ns.values()]
    return [str(components), f"{updates / 1e6:.2f} M", *figures, f"{ns['peer'] / ns['ours']:.1f}"]


HEAD = ["B", "updates", "ours", "our draws alone", "arithmetic alone", "Numba", "Numba / ours"]


def hundred(repetitions: int) -> None:
    """Part hundred."""
    plan = system(means_of(2), [[1.0]], models=100, updates=101)
    print_table("100 models, t = 0 .. 100 (ns an update)", HEAD, [beside_numba(plan, repetitions)])


def widths(repetitions: int) -> None:
    """Part widths."""
    plans = [system(means_of(b), [[1.0]], models=30, updates=100) for b in (2, 11, 64)]
    rows = [beside_numba(plan, repetitions) for plan in plans]
    print_table("30 models, 100 steps (ns an update)", HEAD, rows)


def one_size(points: int, repetitions: int, models: int = 8) -> dict[str, float]:
    """ns per update of one step's readings of a store of ``points`` points, B = 2."""
    plan = system(means_of(2), [[1.0]], models=models, updates=1, posts=1, initial=points)
    arms, k = max(1, 2**16 // points), int(plan.k[0, 0])
    few = arms * models <= kernel.FEW or k > 1_000_000
    memory = kernel.scratch(plan, kernel.FEW if few else kernel.LANES)
    ratios = np.exp(np.random.default_rng(0).normal(0.0, 10.0, (arms, plan.size[-1])))
    density, index = np.ones((arms, points, 2)), np.arange(points)
    density[..., 1] = ratios[:, :points]
    weights, numbers = np.full((arms, models, 2), 0.5), np.arange(arms)
    clips, places = np.zeros((arms, models), np.int64), np.arange(1, dtype=np.int32)
    read, last = peer_reading(2), arms * models
    runs = {
        "ours": lambda: kernel.read_lanes(
            plan, None, ratios, weights, ratios[..., None], places, 0, 0, last, numbers, memory,
            clips,
        ),
        "draws": lambda: draws_alone(plan, ratios, memory),
        "peer": lambda: peer_step(read, weights, density, index, k),
    }  # fmt: skip
    return {name: 1e9 * s / (last * k) for name, s in medians(runs, repetitions).items()}


def sizes(repetitions: int, figure: Path | None = None) -> None:
    """Part sizes."""
    counts = [1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000]
    found = {points: one_size(points, repetitions) for points in counts}
    rows = [
        [f"{points:,}", *(f"{each:.2f}" for each in ns.values()), f"{ns['peer'] / ns['ours']:.1f}"]
        for points, ns in found.items()
    ]
    head = ["|A|", "ours", "our draws alone", "Numba", "Numba / ours"]
    print_table("8 models, B = 2, half of |A| read (ns an update)", head, rows)
    if figure is not None:
        draw(found, figure)


def draw(found: dict[int, dict[str, float]], figure: Path) -> None:
    """The figure of part sizes."""
    from matplotlib.figure import Figure

    canvas = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = canvas.subplots()
    labels = {"peer": ("C1o-", "Numba transcription"), "ours": ("C0s-", "this package"),
              "draws": ("C0s--", "this package, the random draw alone")}  # fmt: skip
    for name, (style, label) in labels.items():
        axes.plot(list(found), [ns[name] for ns in found.values()], style, label=label, ms=4)
    axes.set(xscale="log", xlabel="points in the Internet, |A|", ylabel="ns per point update")
    ticks = [2, 5, 10, 20, 50, 100]
    axes.set_yscale("log")
    axes.set_yticks(ticks, [str(tick) for tick in ticks], minor=False)
    axes.set_yticks([], minor=True)
    axes.legend()
    canvas.savefig(figure, dpi=160)


def large() -> None:
    """Part large: once, with the run directory that any run writes."""
    import lwd_agents

    with tempfile.TemporaryDirectory() as folder:
        lwd_agents.run({**LARGE, "models": 40, "steps": 5}, out=Path(folder) / "compiled")
        started = time.perf_counter()
        lwd_agents.run(LARGE, out=Path(folder) / "run")
        seconds = time.perf_counter() - started
    n, posts, steps = LARGE["models"], LARGE["posts_per_step"], LARGE["steps"]
    updates = n * sum(n * posts * t // 2 for t in range(steps))
    row = [f"{updates / 1e9:.1f} G", f"{seconds:.1f}", f"{1e9 * seconds / updates:.2f}"]
    print_table("1,000 models through lwd_agents.run, all processors",
                ["updates", "seconds", "ns an update"], [row])  # fmt: skip


def theory(repetitions: int) -> None:
    """Part theory."""
    from lwd_agents.theory.schedule import Schedule, mean_field

    weights = np.random.default_rng(0).dirichlet(np.ones(11), 1_000_000)
    schedule = Schedule.of(models=1_000_000, draws=3, components=11, beta=0.5, steps=1000)
    taken = medians({"": lambda: mean_field(weights, schedule)}, repetitions)[""]
    print_table("Appendix A's mean field", ["models", "steps", "B", "seconds"],
                [["1,000,000", "1,000", "11", f"{taken:.2f}"]])  # fmt: skip


PARTS = {"figure4": figure4, "hundred": hundred, "widths": widths, "theory": theory}
NAMES = [*PARTS, "sizes", "large"]


def main() -> None:
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES[:-1], metavar="PART",
                        help=f"{', '.join(NAMES)}; default: all but large")  # fmt: skip
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--figure", type=Path, help="where part sizes draws its figure (PNG)")
    options = parser.parse_args()
    if "large" in options.only:  # first, while all processors are ours
        large()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    for name in (name for name in PARTS if name in options.only):
        PARTS[name](options.repetitions)
    if "sizes" in options.only:
        sizes(options.repetitions, options.figure)


if __name__ == "__main__":
    main()
