"""The words on single runs: tests inside steps, bands, convergence. Nothing is computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lwd_agents.report.wording import count, plain, probability

Found = Mapping[str, Any]


def step_lines(steps: Sequence[Found]) -> list[str]:
    """A line for each step tested; of several runs, one for all of them."""
    if not steps:
        return []
    told = []
    for t, query in dict.fromkeys((one["t"], one["query"]) for one in steps):
        here = [one for one in steps if (one["t"], one["query"]) == (t, query)]
        where = f"t = {t}" + (f", query {query}" if query else "")
        for kind in ("draws", "models"):
            tests = [one[kind] for one in here if one[kind] is not None]
            if tests:
                name = where if kind == "draws" else f"{where}, models"
                told.append(f"{name}: {_tests(tests)}")
    family = count(steps[0]["draws"]["steps_named"], "step")
    told.append(f"energy tests, Holm over pairs, Bonferroni over {family} named.")
    told.append(f"A difference means: {steps[0]['draws']['claim']}.")
    return told


def _tests(tests: Sequence[Found]) -> str:
    """Of one run its pairs; of several how many differ."""
    pairs = [pair for test in tests for pair in test["pairs"]]
    tested = [pair for pair in pairs if pair["p"] is not None]
    if not tested:
        reasons = [test.get("reason") or "" for test in tests] + [pair["reason"] for pair in pairs]
        return next((reason for reason in reasons if reason), "nothing to compare")
    claimed = [pair for pair in tested if pair["claimed"]]
    said = f"{len(claimed)} of {count(len(tested), 'pair')} of agents differ"
    gates = [test["gate"] for test in tests if test.get("gate") and test["gate"]["p"] is not None]
    if len(tests) > 1:
        gate = f", some agent in {sum(g['rejected'] for g in gates)}" if gates else ""
        return f"in {count(len(tests), 'run')}: {said}{gate}"
    named = ", ".join(f"{pair['first']}-{pair['second']}" for pair in claimed[:6])
    more = ", ..." if len(claimed) > 6 else ""
    gate = f"all agents together p {probability(gates[0]['adjusted'])}; " if gates else ""
    return f"{gate}{said}{f': {named}{more}' if claimed else ''}"


def run_lines(runs: Sequence[Found]) -> list[str]:
    """Bands, the bound that always holds, convergence and missing draws of single runs.

    Runs that have another bound, margin or number of steps in a row are told of apart.
    """
    alike: dict[str, list[Found]] = {}
    for run in runs:
        alike.setdefault(_kind(run), []).append(run)
    told = []
    for group in alike.values():
        if len(alike) > 1:
            more = f" and {len(group) - 1} more" if len(group) > 1 else ""
            told.append(f"{group[0]['run']}{more}:")
        told += _alike(group)
    return told


def _kind(run: Found) -> str:
    """What runs must share to be told of together."""
    rule = run["convergence"] or {}
    return str([run["bound"], rule.get("margin"), rule.get("window"), rule.get("alpha")])


def _alike(runs: Sequence[Found]) -> list[str]:
    told = _bands(runs)
    if bound := runs[0]["bound"]:
        told.append(
            f"whatever the law of the answers (in a ball of radius {plain(bound['radius'])}): "
            f"||D||_F - {plain(bound['below'])} to + {plain(bound['above'])} at one step "
            f"({bound['name']}), where the most is {plain(bound['most'])}; "
            f"L = {bound['draws_needed']:,} would give +- {plain(bound['wanted'])}."
        )
    told += _convergence([run["convergence"] for run in runs if run["convergence"]])
    told += [
        f"{run['run']}: {run['missing']:.2%} of the draws are missing; their answers could make "
        f"||D||_F at the end anything from {ends[0]:.3f} to {ends[1]:.3f}."
        for run in runs
        if (ends := run["norm_range"])
    ]
    return told


def _bands(runs: Sequence[Found]) -> list[str]:
    """The band of one run's ||D||_F^2, by its last step, or by the median width of several."""
    bands = [run["band"] for run in runs]
    one = _median([h for band in bands for h in _half(band["low"], band["high"])])
    all_ = _median([h for band in bands for h in _half(band["low_all"], band["high_all"])])
    if one is None or all_ is None:
        return []
    return [
        f"||D||_F^2 of a run: +- {plain(one)} at a step, +- {plain(all_)} at all steps together "
        f"(medians; {bands[0]['confidence']:.0%} jackknife bands, {bands[0]['assumes']})."
    ]


def _half(low: Iterable[float | None], high: Iterable[float | None]) -> list[float]:
    ends = zip(low, high, strict=True)
    return [(b - a) / 2 for a, b in ends if a is not None and b is not None]


def _median(values: Sequence[float]) -> float | None:
    ordered = sorted(values)
    return ordered[len(ordered) // 2] if ordered else None


def _convergence(found: Sequence[Found]) -> list[str]:
    if not found:
        return []
    rule = found[0]
    at = [one["at"] for one in found if one["at"] is not None]
    about = (
        f"agreement (||D||_F shown to be below {plain(rule['margin'])} at "
        f"{count(rule['window'], 'step')} in a row)"
    )
    if len(found) == 1:
        said = f"from t = {at[0]} on record" if at else "not shown"
    else:
        said = f"in {len(at)} of {count(len(found), 'run')}"
        said += f", first at t = {min(at)}" if at else ""
    return [f"{about}: {said}."]
