"""The words of ``lwd test``: a short verdict, from what summary.json keeps. Nothing is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from lwd_agents.report.run_words import run_lines, step_lines
from lwd_agents.report.wording import count, plain, probability, signed, span

Found = Mapping[str, Any]
_MOST = 10  # lines of one kind: the rest is counted
_MEANS = {
    "between": "||D||_F^2, unbiased",
    "within": "tr S, mean over agents",
    "drift": "||mean - human||^2, unbiased",
}


def tell(found: Found, console: Console | None = None) -> None:
    """Print a verdict."""
    console = console or Console(highlight=False)
    for line in lines(found):
        console.print(line, soft_wrap=True, markup=False)


def lines(found: Found) -> list[str]:
    """The verdict, line by line."""
    told: list[str] = []
    for condition in found["conditions"]:
        told += [*_condition(condition, found["options"]), ""]
    told += _section("between conditions", [one["sentence"] for one in found["contrasts"]])
    told += _section("calibration", [_calibration(one) for one in found["calibrations"]])
    told += _section("inside steps", step_lines(found["steps"]))
    told += _section("single runs, given what they read", run_lines(found["by_run"]))
    untested = [u for c in found["conditions"] for u in c["untested"]] + list(found["untested"])
    reasons = dict.fromkeys(f"{one['what']}: {one['why']}" for one in untested)
    told += _section("not tested", list(reasons))
    said = [line for c in found["conditions"] for line in c["said"]] + list(found["said"])
    told += _section(
        "wrong with the files (left out; the rest was computed)", [*dict.fromkeys(said)]
    )
    return told[:-1] if told and not told[-1] else told


def _section(title: str, said: Sequence[str]) -> list[str]:
    shown = [f"  {line}" for line in said[:_MOST]]
    if len(said) > _MOST:
        shown.append(f"  and {len(said) - _MOST} more (--json has all)")
    return [f"{title}:", *shown, ""] if said else []


def _condition(found: Found, options: Found) -> list[str]:
    runs = count(found["runs"], "run" if found["world"] == "llm" else "replicate")
    beside = (
        f", {count(found['placebos'], 'placebo')} ({count(found['pairs'], 'matched pair')})"
        if found["placebos"]
        else ""
    )
    about = f"world {found['world']}, {count(len(found['agents']), 'agent')}"
    if found["world"] == "llm":
        about += f", {count(found['draws'], 'draw')}"
    told = [f"{found['name']}: {runs}{beside}; {about}, t = 0 .. {found['steps']}"]
    told += [f"  {line}" for line in (*_verdict(found, options), *_evidence(found))]
    told += [f"  {line}" for line in (*_limit(found), *_band(found), *_sensitivity(found))]
    return told


def _verdict(found: Found, options: Found) -> list[str]:
    """The finding, and the three quantities beyond the placebo or by themselves."""
    verdict, windows = found["collapse"], found["windows"]
    if windows is None:
        return ["VERDICT: nothing can be said of change: there is one step."]
    level = f"{1 - options['alpha']:.0%}"
    change = f"[t = {span(windows['late'])}] - [t = {span(windows['early'])}]"
    by = f"windows of {found['declared']}"
    if verdict is None:
        told = ["VERDICT: no evidence for or against collapse: there is no matched placebo."]
        if found["trends"]:
            told.append(f"the change by itself, {change} ({by}):")
            told += [_row(name, one["interval"], "") for name, one in found["trends"].items()]
            told.append(_about_trends(found["trends"], level))
        return told
    if found["fresh"]:
        change, by = "mean of the fresh steps after each run's stop", "nothing else may be tested"
    told = [f"VERDICT: {verdict['sentence']}", f"live - placebo of {change} ({by}):"]
    for one in verdict["quantities"]:
        p = one["p_adjusted"]
        said = "not tested" if p is None else f"p {probability(p)} ({one['test']['alternative']})"
        told.append(_row(one["name"], one["interval"], said))
    tests = len(verdict["quantities"])
    told.append(
        f"{level} t intervals, one-sided sign-flip tests with Holm over {tests}; assumed: "
        "independent replicates, and live and placebo exchangeable if nothing happened."
    )
    return told


def _row(name: str, interval: Found, said: str) -> str:
    ends = f"[{signed(interval['low'])}, {signed(interval['high'])}]"
    if interval["low"] is None:
        ends = "(no interval)"
    return f"  {name:<8} {signed(interval['estimate'])} {ends:<20} {said:<20} {_MEANS[name]}"


def _about_trends(trends: Found, level: str) -> str:
    many = max(one["interval"]["replicates"] for one in trends.values())
    runs = (
        f"{level} t intervals over {many} runs" if many > 1 else "one run: no between-run inference"
    )
    return (
        f"{runs}. A trend is no evidence of collapse: readings grow and average out, whatever "
        "is read."
    )


def _evidence(found: Found) -> list[str]:
    process = found["evidence"]
    if process is None or not process["values"]:
        return []
    n, e, wanted = len(process["values"]), process["values"][-1], f"{1 / process['alpha']:g}"
    reached = process["reached_at"]
    word = (
        f"{wanted} was reached after {reached}, which stays valid whenever one stops"
        if reached
        else f"{wanted} would be evidence, whenever one stops"
    )
    fell = f"{process['successes']} of {n} fell further than their placebo"
    return [f"e-value of between: {plain(e)} after {count(n, 'pair')} ({fell}); {word}."]


def _limit(found: Found) -> list[str]:
    limit = found["limit"]
    if limit is None or limit["late"]["estimate"] is None:
        return []
    late = limit["late"]
    ends = "" if late["low"] is None else f" [{late['low']:.4f}, {late['high']:.4f}]"
    note = f" ({limit['note']})" if limit["note"] else ""
    window = span(found["windows"]["late"])
    told = [f"late level: ||D||_F^2 = {late['estimate']:.4f}{ends} over t = {window}{note}."]
    return [*told, f"extrapolated, not estimated: {'; '.join(_fit(one) for one in limit['fits'])}."]


def _fit(fit: Found) -> str:
    if fit["c"] is None:
        return f"{fit['family']} not fitted ({fit['doubts'][0]})"
    half = "" if fit["half_life"] is None else f", half-life {plain(fit['half_life'])} steps"
    doubt = f" ({fit['doubts'][0]})" if fit["doubts"] else ""
    return f"{fit['family']} to {plain(fit['c'])}{half}{doubt}"


def _band(found: Found) -> list[str]:
    """How wide the mean curve's band is, across replicates."""
    band = found["band"]
    if band is None:
        return []
    at = band["centre"][-1], band["low_all"][-1], band["high_all"][-1]
    if None in at:
        return []
    return [
        f"mean curve at t = {len(band['centre']) - 1}: {at[0]:.4f} [{at[1]:.4f}, {at[2]:.4f}], "
        f"simultaneous over all steps ({band['method']})."
    ]


def _sensitivity(found: Found) -> list[str]:
    said = found["sensitivity"]
    if said is None or not said["missing"]:
        return []
    share = f"missing draws: {said['missing']:.2%} in the windows"
    if said["apart"] is None:
        return [f"{share}; {said['note']}."]
    return [
        f"{share}; not missing at random, they could move between's interval to 0 only if "
        f"{plain(said['apart'])} or more away from the answers that are present."
    ]


def _calibration(one: Found) -> str:
    about = f"{one['procedure']}, on {one['control']}"
    if one["level"] is None:
        return f"{about}: could not be tried: {one['reason']}"
    many = (
        f"{one['repeats']} verdicts over {one['replicates']} pairs each"
        if one["procedure"] == "collapse"
        else f"{one['repeats']} tests"
    )
    return (
        f"{about}: false claims {one['level']:.1%} [{one['low']:.1%}, {one['high']:.1%}], "
        f"nominal {one['nominal']:.0%} ({many})"
    )
