"""Where the GMM theory holds: predicted over simulated ||D||_F, as a Markdown table.

    PYTHONPATH=tests python scripts/study_gmm_theory.py [--replicates 10000] > table.md

A ratio of root mean squares over replicates; 1 is agreement. "plain" takes components to be far
apart and ignores Algorithm 2's positivity step, "floor" accounts for that step, and "overlap"
for means that are close, too (B = 2). "from t0" is "floor" from each run's own state at t0 = 10.
A row for two methods, "plain = floor": within 0.01 of each other, and both judged alike; the
numbers and the verdict are the first one's.
"""

from __future__ import annotations

import argparse

import numpy as np
from gmm_simulation import dirichlet, simulate

from lwd_agents.theory.region import outside
from lwd_agents.theory.schedule import Schedule
from lwd_agents.theory.second_moment import second_moment

AT = (2, 5, 10, 20, 40)
RESTART = 10
PAPER = {"models": 3, "draws": 3, "beta": 0.5}
ONE = {"models": 3, "draws": 1, "beta": 0.25}
HUMAN = {"human": (0.3, 0.7)}


def settings():
    """Rows: label, schedule, starting weights or B for Dirichlet(1), options, system."""
    even = (0.5, 0.5)
    yield "paper's, even starts", PAPER, even, {}, {}
    yield "paper's, Dirichlet(1) starts", PAPER, 2, {}, {}
    yield "the same, B = 11", PAPER, 11, {}, {}
    yield "A(0) of 20, 3:7", {**PAPER, "initial": 20}, even, {"composition": (0.3, 0.7)}, {}
    yield "beta = 1, n = 10, L = 1", {"models": 10, "draws": 1, "beta": 1.0}, (0.3, 0.7), {}, {}
    yield "5 fresh human points", {**PAPER, "fresh": 5}, 2, HUMAN, {}
    yield "placebo", PAPER, 2, {**HUMAN, "placebo": True}, {}
    yield "A replaced, placebo", {**PAPER, "replaces": True}, 2, {**HUMAN, "placebo": True}, {}
    yield "A replaced by models", {**PAPER, "draws": 5, "replaces": True}, 3, {}, {}
    yield "k = 1, then 2, 3", ONE, even, {}, {}
    yield "k = 1, then 3, 4", {**ONE, "beta": 0.5}, even, {}, {}
    yield "k = 1 for 4 steps", {"models": 2, "draws": 1, "beta": 0.15}, even, {}, {}
    yield "k = 1, then 2, 3, B = 11", ONE, 11, {}, {}
    for weight in (0.1, 0.05, 0.03, 0.01):
        yield f"rare start {weight:g}", PAPER, (1 - weight, weight), {}, {}
    for share in (0.05, 0.01):
        few = {**PAPER, "initial": 100, "beta": 0.05}
        yield f"A(0) of 100, rare {share:g}", few, even, {"composition": (1 - share, share)}, {}
    for gap in (1, 2, 3, 4, 6):
        yield f"{gap} sigma apart, even starts", PAPER, even, {}, {"separation": float(gap)}
    for gap in (1, 2, 3, 4, 5, 6):
        yield f"{gap} sigma apart, Dirichlet(1)", PAPER, 2, {}, {"separation": float(gap)}
    for gap in (3, 5, 6):
        yield f"{gap} sigma apart, B = 11", PAPER, 11, {}, {"separation": float(gap)}
    for eps in (1e-2, 3e-2):
        yield f"eps = {eps:g}, rare start 0.1", PAPER, (0.9, 0.1), {}, {"eps": eps}
    for gap in (6, 8, 9):
        low = {"eps": 1e-12, "separation": float(gap)}
        yield f"eps = 1e-12, {gap} sigma apart", PAPER, 2, {}, low


def rms(values):
    return np.sqrt(np.mean(values**2, axis=0))


def short(reason):
    """What decides of a sentence of `outside`."""
    if reason is None:
        return "-"
    for long, brief in (
        (" is not under ", " >= "),
        (" times the smallest share of a component in A, ", " x share "),
        ("two components' means are ", "means "),
        (" standard deviations", " sigma"),
    ):
        reason = reason.replace(long, brief)
    return reason.split(":")[0].split(", too far")[0]


def study(schedule, start, options, system, replicates):
    """For each method its name, ratios at `AT` and verdict."""
    given = not isinstance(start, int)
    n, B = schedule.models, schedule.components
    weights = np.broadcast_to(start, (replicates, n, B)) if given else None
    if weights is None:
        weights = dirichlet(n, B, 1.0, replicates)
    runs = simulate(weights, schedule, **system, **options)
    judged = {**system, "lowest": min(start) if given else 0.0}
    kinds = [("plain", {"floor": False}), ("floor", {})]
    if "separation" in system and B == 2:
        kinds.append(("overlap", {"separation": system["separation"]}))
    with np.errstate(divide="ignore", invalid="ignore"):
        for kind, how in kinds:
            prediction = second_moment(weights, schedule, **options, **how)
            how = {"floor": kind != "plain", "linearised": kind == "overlap"}
            ratio = rms(prediction.rms) / rms(runs.norm)
            yield kind, ratio[list(AT)], short(outside(schedule, prediction, **judged, **how))
    options, later = {**options, "composition": runs.composition(RESTART)}, schedule.since(RESTART)
    prediction = second_moment(runs.weights[:, RESTART], later, **options)
    ratio = np.full(schedule.steps + 1, np.nan)
    ratio[RESTART + 1 :] = rms(prediction.rms)[1:] / rms(runs.norm)[RESTART + 1 :]
    yield "from t0", ratio[list(AT)], short(outside(later, prediction, **judged))


def merged(rows):
    """The rows with those that say the same brought together; nan agrees with anything."""
    kept = []
    for kind, ratio, verdict in rows:
        for other in kept:
            apart = np.abs(ratio.round(2) - other[1].round(2))
            agreed = (verdict == "-") == (other[2] == "-")
            if agreed and not np.nanmax(apart) > 0.0101:
                other[0] += f" = {kind}"
                break
        else:
            kept.append([kind, ratio, verdict])
    return kept


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replicates", type=int, default=10_000)
    replicates = parser.parse_args().replicates
    print("| setting | theory |", " | ".join(f"t = {t}" for t in AT), "| `outside` says |")
    print("|---" * (len(AT) + 3) + "|")
    for label, setting, start, options, system in settings():
        B = start if isinstance(start, int) else len(start)
        schedule = Schedule.of(components=B, steps=max(AT), **setting)
        for kind, ratio, verdict in merged(study(schedule, start, options, system, replicates)):
            cells = [f"{x:.2f}" if np.isfinite(x) else "-" for x in ratio]
            print("|", " | ".join([label, kind, *cells, verdict]), "|", flush=True)


if __name__ == "__main__":
    main()
