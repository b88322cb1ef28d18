"""The words of ``lwd test``: a short verdict, from what summary.json keeps. Nothing is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from lwd_agents.report.run_words import run_lines, step_lines
from lwd_agents.report.wording import count, plain, printable, probability, signed, span

Found = Mapping[str, Any]
_MOST = 10  # lines of one kind: the rest is counted
MEANS = {
    "between": "||D||_F^2, unbiased",
    "within": "tr S, mean over agents",
    "drift": "||mean - human||^2, unbiased",
}
_OF_LEARNERS = {
    "between": "||D||_F^2",
    "within": "tr Sigma, mean over learners",
    "drift": "||mean - truth||^2",
    "error": "||X_i - truth||^2, mean over learners",
}
_LONG_RUN = (
    "A finite run's slope is no verdict on the long run: slow transients look like growth (--early "
    "A:B asks past them), and slow growth like none. lwd verdict says it from the graph."
)


def meaning(name: str, world: str) -> str:
    """What a quantity is, as a formula."""
    return _OF_LEARNERS[name] if world == "graph" else MEANS[name]


def tell(found: Found, console: Console | None = None) -> None:
    """Print a verdict."""
    console = console or Console(highlight=False)
    for line in lines(found):
        console.print(printable(line), soft_wrap=True, markup=False, emoji=False)


def lines(found: Found) -> list[str]:
    """The verdict, line by line."""
    told: list[str] = []
    for condition in found["conditions"]:
        told += [*_condition(condition, found["options"]), ""]
    told += _section(_contrasts(found), [one["sentence"] for one in found["contrasts"]])
    told += _section("calibration", [_calibration(one) for one in found["calibrations"]])
    told += _section("inside steps", step_lines(found["steps"]))
    told += _section("single runs, given what they read", run_lines(found["by_run"]))
    untested = [u for c in found["conditions"] for u in c["untested"]] + list(found["untested"])
    reasons: dict[str, list[str]] = {}
    for one in untested:
        reasons.setdefault(one["why"], []).append(one["what"])
    told += _section("not tested", [f"{_several(w)}: {why}" for why, w in reasons.items()])
    said = [line for c in found["conditions"] for line in c["said"]] + list(found["said"])
    told += _section("left out, or not kept (the rest was computed)", [*dict.fromkeys(said)])
    return told[:-1] if told and not told[-1] else told


def _several(what: Sequence[str]) -> str:
    """What has one reason: ``collapse: between, within, drift``."""
    parts = list(dict.fromkeys(what))
    kind = parts[0].split(": ")[0]
    if len(parts) > 1 and all(part.startswith(f"{kind}: ") for part in parts):
        parts = [f"{kind}: {', '.join(part.split(': ', 1)[1] for part in parts)}"]
    return ", ".join(parts)


def _section(title: str, said: Sequence[str]) -> list[str]:
    shown = [f"  {line}" for line in said[:_MOST]]
    if len(said) > _MOST:
        shown.append(f"  and {len(said) - _MOST} more (--json has all)")
    return [f"{title}:", *shown, ""] if said else []


def _contrasts(found: Found) -> str:
    windows = found["contrast_windows"]
    if windows is None:
        return "between conditions"
    change = f"[t = {span(windows['late'])}] - [t = {span(windows['early'])}]"
    first = {one["first"] for one in found["contrasts"]}
    learners = any(_learners(one) for one in found["conditions"] if one["name"] in first)
    return f"between conditions, {change} of {'the error' if learners else '||D||_F^2'}"


def _learners(found: Found) -> bool:
    """Whether a condition is of learners that refit, whose collapse is growth of the error."""
    return bool(found["world"] == "graph")


def _condition(found: Found, options: Found) -> list[str]:
    runs = count(found["runs"], "run" if found["world"] == "llm" else "replicate")
    beside = (
        f", {count(found['placebos'], 'placebo')} ({count(found['pairs'], 'matched pair')})"
        if found["placebos"]
        else ""
    )
    who = "learner" if _learners(found) else "agent"
    about = f"world {found['world']}, {count(len(found['agents']), who)}"
    if found["world"] == "llm":
        about += f", {count(found['draws'], 'draw')}"
    told = [f"{found['name']}: {runs}{beside}; {about}, t = 0 .. {found['steps']}"]
    told += [f"  {line}" for line in (*_verdict(found, options), *_evidence(found))]
    told += [f"  {line}" for line in (*_limit(found), *_band(found), *_sensitivity(found))]
    return told


def headline(found: Found) -> str:
    """What the verdict on one condition comes to, in a sentence."""
    if found["windows"] is None:
        return "nothing can be said of change: there is one step."
    if found["collapse"] is None:
        how = " (--set placebo=true)" if _learners(found) else ""
        return f"no evidence for or against collapse: there is no matched placebo{how}."
    return str(found["collapse"]["sentence"])


def _verdict(found: Found, options: Found) -> list[str]:
    """The finding, and the quantities beyond the placebo or by themselves."""
    verdict, windows = found["collapse"], found["windows"]
    told = [f"VERDICT: {headline(found)}"]
    if windows is None:
        return told
    level = f"{1 - options['alpha']:.0%}"
    change = f"[t = {span(windows['late'])}] - [t = {span(windows['early'])}]"
    by = f"windows of {found['declared']}"
    if verdict is None:
        if found["trends"]:
            told.append(f"the change by itself, {change} ({by}):")
            world = found["world"]
            trends = found["trends"].items()
            told += [_row(name, one["interval"], "", world) for name, one in trends]
            told.append(_about_trends(found, level))
        return told
    if found["fresh"]:
        change, by = "mean of the fresh steps after each run's stop", "nothing else may be tested"
        told.append(
            "These runs stopped themselves. The level holds then only if a run's state does not "
            "linger (else 8 to 35 % false claims): for a verdict, fix --steps beforehand."
        )
    told.append(f"live - placebo of {change} ({by}):")
    for one in verdict["quantities"]:
        p = one["p_adjusted"]
        said = "not tested" if p is None else f"p {probability(p)} ({one['test']['alternative']})"
        used = one["interval"]["replicates"]
        few = f" ({used} of {found['pairs']} pairs)" if used < found["pairs"] else ""
        told.append(_row(one["name"], one["interval"], said, found["world"]) + few)
    tests = len(verdict["quantities"])
    if found["pairs"] < 2:
        return told
    told.append(
        f"{level} t intervals, one-sided sign-flip tests with Holm over {tests}; assumed: "
        "independent replicates, and live and placebo exchangeable if nothing happened."
    )
    return [*told, _LONG_RUN] if _learners(found) else told


def _row(name: str, interval: Found, said: str, world: str) -> str:
    # Four digits after the point would hide the small errors of many rows.
    told, *wide = (_digits, 10, 24, 22) if world == "graph" else (signed, 0, 20, 20)
    ends = f"[{told(interval['low'])}, {told(interval['high'])}]"
    if interval["low"] is None:
        ends = "(no interval)"
    parts = (told(interval["estimate"]), ends, said)
    row = " ".join(part.ljust(width) for part, width in zip(parts, wide, strict=True))
    return f"  {name:<8} {row} {meaning(name, world)}"


def _digits(value: float | None) -> str:
    """Four digits that count, with a sign."""
    return "none" if value is None else f"{value:+.4g}"


def _about_trends(found: Found, level: str) -> str:
    many = max(one["interval"]["replicates"] for one in found["trends"].values())
    runs = (
        f"{level} t intervals over {many} runs" if many > 1 else "one run: no between-run inference"
    )
    if _learners(found):
        return f"{runs}. {_LONG_RUN}"
    return f"{runs}. A trend alone is no evidence of collapse: readings grow, and average out."


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
    moved = "grew" if _learners(found) else "fell"
    fell = f"{process['successes']} of {n} {moved} further than their placebo"
    of = "error" if _learners(found) else "between"
    return [f"e-value of {of}: {plain(e)} after {count(n, 'pair')} ({fell}); {word}."]


def _limit(found: Found) -> list[str]:
    limit = found["limit"]
    if limit is None or limit["late"]["estimate"] is None:
        return []
    late = limit["late"]
    told_as = ".4g" if _learners(found) else ".4f"
    ends = "" if late["low"] is None else f" [{late['low']:{told_as}}, {late['high']:{told_as}}]"
    note = f" ({limit['note']})" if limit["note"] else ""
    over = "the fresh steps" if found["fresh"] else f"t = {span(found['windows']['late'])}"
    if late["left_out"]:
        note += f" ({late['replicates']} of {found['runs']} runs)"
    of = "error" if _learners(found) else "||D||_F^2"
    told = [f"late level: {of} = {late['estimate']:{told_as}}{ends} over {over}{note}."]
    if found["fresh"] or not limit["fits"]:
        return told
    return [*told, f"extrapolated, not estimated: {'; '.join(_fit(one) for one in limit['fits'])}."]


def _fit(fit: Found) -> str:
    if fit["c"] is None:
        return f"{fit['family']} not fitted ({fit['doubts'][0]})"
    half = "" if fit["half_life"] is None else f", half-life {plain(fit['half_life'])} steps"
    if fit["doubts"]:
        return f"{fit['family']} not to be trusted ({fit['doubts'][0]})"
    return f"{fit['family']} to {plain(fit['c'])}{half}"


def _band(found: Found) -> list[str]:
    """How wide the mean curve's band is, across replicates."""
    band = found["band"]
    if band is None:
        return []
    at = band["centre"][-1], band["low_all"][-1], band["high_all"][-1]
    if None in at:
        return []
    of = "mean curve of the error" if _learners(found) else "mean curve"
    said = "{:.4g} [{:.4g}, {:.4g}]" if _learners(found) else "{:.4f} [{:.4f}, {:.4f}]"
    return [
        f"{of} at t = {len(band['centre']) - 1}: {said.format(*at)}, "
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
        f"{share}; not missing at random, they could move between's mean delta to 0 only if "
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
