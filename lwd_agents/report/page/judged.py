"""What ``lwd.test`` says of the runs of a page: its words, and a card for each condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lwd_agents.errors import BadInput
from lwd_agents.report.page.numbers import number
from lwd_agents.report.page.sources import DAMAGE, Source
from lwd_agents.report.verdict_words import headline, lines, meaning
from lwd_agents.report.wording import probability, span

if TYPE_CHECKING:
    from lwd_agents.inference.verdict import Findings

Found = Mapping[str, Any]
WORLDS = ("llm", "gmm", "graph")  # those that measures and inference know


def findings(sources: Sequence[Source]) -> tuple[Findings | None, list[str]]:
    """What the runs show, and which damage keeps from the tests; nothing is written.

    None where there is no run that can be tested.

    Raises:
        BadInput: nothing of them can be measured.
    """
    from lwd_agents.inference.verdict import test

    sound = [s for s in sources if s.run is not None and s.world in WORLDS]
    if not sound:
        return None, []
    try:
        return test([source.path for source in sound], write=False), []
    except DAMAGE:  # of one run; the others can be tested
        why = {source.key: _trouble(source) for source in sound}
    said = [
        f"{key}: the tests could not be made: {reason}" for key, reason in why.items() if reason
    ]
    sound = [source for source in sound if not why[source.key]]
    return (test([source.path for source in sound], write=False) if sound else None), said


def _trouble(source: Source) -> str:
    """What keeps one run from being tested; "" where nothing does."""
    from lwd_agents.inference.verdict import test

    try:
        test(source.path, at="none", write=False)
    except (BadInput, *DAMAGE) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def verdict(found: Findings) -> dict[str, Any]:
    """The verdict as the page has it."""
    told = found.as_json()
    untested = [one for c in told["conditions"] for one in c["untested"]] + told["untested"]
    return {
        "lines": lines(told),
        "cards": [_card(one, told["options"]) for one in told["conditions"]],
        "untested": list(dict.fromkeys(f"{one['what']}: {one['why']}" for one in untested)),
    }


def _card(found: Found, options: Found) -> dict[str, Any]:
    collapse, windows = found["collapse"], found["windows"]
    change = ""
    if windows is not None:
        change = f"[t = {span(windows['late'])}] - [t = {span(windows['early'])}]"
        if found["fresh"]:
            change = "mean of the fresh steps after each run's stop"
    if collapse is not None:
        quantities = [_beyond(one, found["world"]) for one in collapse["quantities"]]
    else:
        quantities = [_alone(n, one, found["world"]) for n, one in found["trends"].items()]
    return {
        "name": found["name"],
        "world": found["world"],
        "headline": _capital(headline(found)),
        "change": change,
        "level": f"{1 - options['alpha']:.0%}",
        "runs": found["runs"],
        "placebos": found["placebos"],
        "pairs": found["pairs"],
        "quantities": quantities,
        "claim": collapse is not None,
        "finding": collapse and collapse["finding"],
    }


def _beyond(one: Found, world: str) -> dict[str, Any]:
    """A quantity's change beyond the placebo's, with its test."""
    p = one["p_adjusted"]
    said = "not tested" if p is None else f"p {probability(p)} ({one['test']['alternative']})"
    return {**_alone(one["name"], one, world), "p": number(p), "said": said}


def _alone(name: str, one: Found, world: str) -> dict[str, Any]:
    interval = one["interval"]
    ends = {end: number(interval[end]) for end in ("estimate", "low", "high")}
    return {"name": name, "about": meaning(name, world), **ends, "p": None, "said": ""}


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
