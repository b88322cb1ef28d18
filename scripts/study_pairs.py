"""The inference over replicates on runs of the pocket models: verdict, power, plan, naive test.

    python scripts/study_pairs.py --live RUN ... --placebo RUN ... [--frozen RUN ...] > tables.md

Runs are matched by their seed; the windows are both rules' of lwd_agents.inference.windows. All is
measured from the run directories. Seeds are fixed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

import lwd_agents as lwd
from lwd_agents.config import EmbeddingConfig
from lwd_agents.embedding import SentenceEmbeddings
from lwd_agents.inference.collapse import DIRECTIONS, Verdict, collapse
from lwd_agents.inference.evidence import sign_evidence
from lwd_agents.inference.jackknife import over_queries
from lwd_agents.inference.planning import Components, components, draw_groups, plan
from lwd_agents.inference.windows import Windows, change, default_windows, matched_windows
from lwd_agents.measures import unbiased
from lwd_agents.measures.geometry import within_spread
from lwd_agents.resources import find
from lwd_agents.seeding import generator
from lwd_agents.trajectory import Trajectory

Floats = NDArray[np.float64]
Curves = dict[str, Floats]


def load(paths: Sequence[Path]) -> dict[int, Trajectory]:
    """The runs by seed."""
    runs = [lwd.load(path) for path in paths]
    return {int(run.manifest["seed"]): run for run in runs}


def human(run: Trajectory) -> Floats:
    """The embeddings of A(0), (20, D)."""
    config = run.manifest["config"]
    posts = find("stores", config["internet"]["seed"], "internet.seed") / "posts.jsonl"
    texts = [json.loads(line)["text"] for line in posts.read_text(encoding="utf-8").splitlines()]
    embed = SentenceEmbeddings(EmbeddingConfig(**config["embedding"]))
    return np.asarray(embed.encode(texts), dtype=np.float64)


def measure(runs: Sequence[Trajectory], reference: Floats) -> tuple[Curves, Floats]:
    """quantity -> (R, T + 1), and the sampling variance of between, (R, T + 1)."""
    found: Curves = {}
    stacks = [run.embeddings.astype(np.float64) for run in runs]
    found["between"] = np.stack([unbiased.squared_norm(E) for E in stacks])
    found["within"] = np.stack([[within_spread(E).mean() for E in run] for run in stacks])
    found["drift"] = np.stack([unbiased.drift(E, reference) for E in stacks])
    errors = [[over_queries(E[None]).error for E in run] for run in stacks]
    return found, np.square(np.array(errors))


def verdict_table(verdict: Verdict) -> str:
    """The three quantities of a verdict."""
    early, late = verdict.windows.early, verdict.windows.late
    lines = [
        f"Early t = {early[0]} .. {early[1]}, late t = {late[0]} .. {late[1]}: "
        f"**{verdict.finding}**. {verdict.sentence}\n",
        "| quantity | live | placebo | delta, 95 % t interval | sd | d_z | sign-flip p | Holm "
        "| e of the sign |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for q in verdict.quantities:
        i, d = q.interval, q.effect
        e = sign_evidence(q.deltas, DIRECTIONS[q.name]).e
        lines.append(
            f"| {q.name} | {q.live.mean():.3f} | {q.placebo.mean():.3f} | {i.estimate:.3f} "
            f"({i.low:.3f} to {i.high:.3f}) | {i.sd:.3f} | {d.estimate:.2f} ({d.low:.2f} to "
            f"{d.high:.2f}) | {q.test.p:.4f} | {q.p_adjusted:.3f} | {e:.1f} |"
        )
    return "\n".join(lines)


def power_table(verdict: Verdict, samples: int) -> str:
    """What the verdict finds in normal deltas with the means and covariance that were seen."""
    seen = np.stack([q.deltas for q in verdict.quantities])
    mean, root = seen.mean(axis=1), np.linalg.cholesky(np.cov(seen))
    names = [q.name for q in verdict.quantities]
    two = Windows((0, 0), (1, 1))
    lines = [
        "| R | between falls | within falls | drift grows | collapse | consensus | neither |",
        "|---|---|---|---|---|---|---|",
    ]
    for count in (6, 8, 12, 20):
        rng, rejected, found = generator(count), np.zeros(3), []
        for _ in range(samples):
            deltas = mean[:, None] + root @ rng.normal(size=(3, count))
            live = {n: np.stack([0 * d, d], axis=1) for n, d in zip(names, deltas, strict=True)}
            placebo = {n: 0 * curve for n, curve in live.items()}
            one = collapse(live, placebo, two, permutations=1999)
            rejected += [q.p_adjusted <= 0.05 for q in one.quantities]
            found.append(one.finding)
        both = [found.count(f) / samples for f in ("collapse", "consensus")]
        cells = [*(rejected / samples), *both, 1 - sum(both)]
        lines.append(f"| {count} | {' | '.join(f'{100 * c:.0f} %' for c in cells)} |")
    return "\n".join(lines)


def naive(groups: dict[str, tuple[Curves, Floats]], windows: Windows) -> str:
    """How often a z of the draws rejects inside single runs: any two steps, and late - early."""
    lines = [
        "| runs | two steps of one run: z beyond 1.64 either way (10 % wanted) | late - early "
        "below -1.64 (5 % wanted) |",
        "|---|---|---|",
    ]
    for name, (curves, variance) in groups.items():
        curve, rejected, pairs = curves["between"], 0, 0
        for gap in range(1, curve.shape[1]):
            error = np.sqrt(variance[:, gap:] + variance[:, :-gap])
            z = (curve[:, gap:] - curve[:, :-gap]) / error
            rejected += int((np.abs(z) > stats.norm.ppf(0.95)).sum())
            pairs += z.size
        spans = [slice(w[0], w[1] + 1) for w in (windows.early, windows.late)]
        means = [curve[:, w].mean(axis=1) for w in spans]
        errors = [variance[:, w].sum(axis=1) / (w.stop - w.start) ** 2 for w in spans]
        below = (means[1] - means[0]) / np.sqrt(sum(errors)) < stats.norm.ppf(0.05)
        lines.append(
            f"| {name} ({len(curve)}) | {100 * rejected / pairs:.0f} % of {pairs} "
            f"| {int(below.sum())} of {len(below)} |"
        )
    return "\n".join(lines)


def change_of(run: Trajectory, draws: list[int], windows: Windows) -> float:
    """Late - early of between, from some of the draws."""
    curve = unbiased.squared_norm(run.embeddings[:, :, draws].astype(np.float64))
    return float(change(curve[None], windows)[0])


def pilot_of(live: Sequence[Trajectory], placebo: Sequence[Trajectory], w: Windows) -> Components:
    """The parts of the variance of delta of between, from groups of the same draws of both."""
    count = int(live[0].embeddings.shape[2])

    def delta(a: Trajectory, b: Trajectory, draws: list[int]) -> float:
        return change_of(a, draws, w) - change_of(b, draws, w)

    pairs = list(zip(live, placebo, strict=True))
    whole = [delta(a, b, list(range(count))) for a, b in pairs]
    groups = {
        size: [[delta(a, b, group) for group in parts] for a, b in pairs]
        for size, parts in draw_groups(count).items()
    }
    return components(whole, count, groups)


def planned(pilot: Components, run: Trajectory, effect: float) -> str:
    """The parts of the variance of delta, and the plan from them."""
    seconds = float(np.median([sum(v for v in r["seconds"].values()) for r in run.rounds]))
    each = seconds / (len(run.agents) * pilot.draws)
    table = plan(
        pilot,
        effect,
        (4, 10, 20, 40),
        steps=len(run),
        agents=len(run.agents),
        cost_per_response=each / 60,
    )
    lines = [
        f"Var(delta) = {pilot.total:.5f}: run with its readings {pilot.run:.5f}, draws "
        f"{pilot.draw(pilot.draws):.5f} at L = {pilot.draws} (A = {pilot.draw_linear:.4f}, B = "
        f"{pilot.draw_square:.4f}). Effect {effect:.3f}.\n",
        "| L | Var(delta) | R | range of R | responses | minutes |",
        "|---|---|---|---|---|---|",
    ]
    for o in table.options:
        cost = "-" if o.cost is None else f"{o.cost:.0f}"
        lines.append(
            f"| {o.draws} | {o.variance:.5f} | {o.pairs} | {o.pairs_low} to {o.pairs_high} "
            f"| {o.responses} | {cost} |"
        )
    return "\n".join([*lines, "", *(f"- {note}" for note in table.notes)])


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("live", "placebo", "frozen"):
        parser.add_argument(f"--{name}", type=Path, nargs="+", default=[])
    parser.add_argument("--samples", type=int, default=1000, help="of the power table")
    args = parser.parse_args()
    live, placebo = load(args.live), load(args.placebo)
    seeds = sorted(live.keys() & placebo.keys())
    reference = human(live[seeds[0]])
    a, b = (measure([runs[s] for s in seeds], reference) for runs in (live, placebo))
    last = len(live[seeds[0]]) - 1
    declared, verdict = (collapse(a[0], b[0], w(last)) for w in (default_windows, matched_windows))
    tables = [verdict_table(one) for one in (declared, verdict)]
    print(f"{len(seeds)} pairs.", *tables, power_table(verdict, args.samples), sep="\n\n")
    groups = {"live": a, "placebo": b}
    if args.frozen:
        groups["frozen"] = measure(list(load(args.frozen).values()), reference)
    between = next(q for q in verdict.quantities if q.name == "between")
    size = abs(between.interval.estimate)
    pilot = pilot_of([live[s] for s in seeds], [placebo[s] for s in seeds], verdict.windows)
    print("", planned(pilot, live[seeds[0]], size), "", naive(groups, declared.windows), sep="\n")


if __name__ == "__main__":
    main()
