"""The verdict as HTML: each condition's sentence, its intervals drawn, its numbers, its words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from lwd_agents.report.page.digits import said
from lwd_agents.report.page.escape import own, text

Quantity = Mapping[str, Any]

_WIDE, _HIGH = 240.0, 34.0  # of a row's drawing, in its own units
_MARGIN = 10.0
_ALIKE = 30.0  # rows whose reaches differ by more get an axis each
_LATER = "The verdict comes when the run has ended: <code>lwd report</code> makes it."
_ALONE = (
    "<p>What changed by itself is shown below. It is no evidence of collapse: readings grow and "
    "average out in any run. Only a matched placebo tells.</p>"
)
_ALONE_OF_LEARNERS = (
    "<p>What changed by itself is shown below. It is no evidence of collapse: slow transients look "
    "like growth, and slow growth flat. A matched placebo (all data real) tells what the labels "
    "did; <a href='#learners'>the graph</a> tells who collapses in the long run.</p>"
)
_NONE = "No test was made of these runs."
_WORDS = {
    "between": "agents from each other",
    "within": "an agent\u2019s own answers",
    "drift": "agents from the humans",
}
_WORDS_OF_LEARNERS = {
    "between": "learners from each other",
    "within": "a learner\u2019s own spread",
    "drift": "the learners\u2019 mean from the truth",
    "error": "learners from the truth",
}
_CLAIMS = ("collapse", "growth", "consensus", "loss of spread", "drift")


def verdict(data: Mapping[str, Any], *, live: bool) -> str:
    """The section's content; a sentence where there is no verdict."""
    found = data["verdict"]
    if not found:
        return f'<p class="quiet">{_LATER if live else _NONE}</p>'
    writes = [run for run in data["runs"] if run["world"] == "llm"]
    untested = "".join(f"<li>{text(one)}</li>" for one in found.get("untested", ()))
    lines = "\n".join(text(line) for line in found.get("lines", ()))
    cards = "".join(_card(card, _unit(card, writes)) for card in found["cards"])
    return (
        f'<div class="cards">{cards}</div>'
        + (f"<details><summary>Not tested, and why</summary><ul>{untested}</ul></details>")
        * bool(untested)
        + (
            "<details><summary>The whole verdict, as <code>lwd test</code> says it</summary>"
            f'<pre class="lines">{lines}</pre></details>'
        )
        * bool(lines)
    )


def _unit(card: Mapping[str, Any], writes: Sequence[Mapping[str, Any]]) -> str:
    """What a card counts: the numeric worlds' runs are replicates of one."""
    return "run" if writes and card["runs"] <= len(writes) else "replicate"


def _card(card: Mapping[str, Any], runs: str) -> str:
    word, kind = _badge(card)
    alone = _ALONE_OF_LEARNERS if _learns(card) else _ALONE
    counts = [_count(card["runs"], runs), _count(card["placebos"], "placebo")]
    if card["pairs"]:
        counts.append(_count(card["pairs"], "matched pair"))
    about = f"{', '.join(counts)} \u00b7 change: {_signs(card['change'])}" if card["change"] else ""
    return (
        f'<article class="card {kind}"><header><h3>{own(card["name"])}</h3>'
        f'<span class="badge {kind}">{text(word)}</span></header>'
        f'<p class="headline">{_options(card["headline"])}</p>'
        f"{alone if kind == 'trend' else ''}"
        f'<p class="quiet">{about or ", ".join(counts)}</p>'
        f"{_table(card) if card['quantities'] else ''}</article>"
    )


def _learns(card: Mapping[str, Any]) -> bool:
    return card.get("world") == "graph"


def _badge(card: Mapping[str, Any]) -> tuple[str, str]:
    """A word on the card's standing, and the kind of its badge."""
    finding = card.get("finding")
    if not card["quantities"]:
        return "not tested", "open"
    if not card["claim"]:
        return "a trend alone is no evidence", "trend"
    return finding or "live minus placebo", "claim" if finding in _CLAIMS else "open"


def _count(number: int, what: str) -> str:
    return f"{'no' if number == 0 else number} {what}{'' if number == 1 else 's'}"


def _table(card: Mapping[str, Any]) -> str:
    """A forest plot: a row a quantity, its interval drawn against a line at zero, its numbers."""
    rows: Sequence[Quantity] = card["quantities"]
    scales, alike = _scales(rows)
    level = text(card["level"])
    scale = "One scale for all rows." if alike else "Each row has a scale of its own."
    what = "Live minus placebo" if card["claim"] else "The change by itself"
    known = any(row["low"] is not None for row in rows)
    what += f", with {level} intervals" if known else ", without intervals"
    words = _WORDS_OF_LEARNERS if _learns(card) else _WORDS
    body = "".join(_row(row, scale, words) for row, scale in zip(rows, scales, strict=True))
    return (
        f'<div class="scroll"><table class="forest"><caption>{what}. '
        f"{scale}</caption><thead><tr>"
        '<th scope="col">quantity</th>'
        '<th scope="col" class="drawn"><span class="ends"><span>less</span><span>0</span>'
        "<span>more</span></span></th>"
        f'<th scope="col">estimate</th><th scope="col">{level} interval</th>'
        f'<th scope="col">test</th></tr></thead><tbody>{body}</tbody></table></div>'
    )


def _scales(rows: Sequence[Quantity]) -> tuple[list[float], bool]:
    """How far each row's drawing reaches, and whether all reach as far.

    All quantities are squared distances, so one scale is right, unless an interval could not be
    seen on it.
    """
    reaches = [_reach(row) for row in rows]
    known = [reach for row, reach in zip(rows, reaches, strict=True) if row["low"] is not None]
    most = max(reaches, default=0.0)
    alike = not known or most <= _ALIKE * min(known)
    own = [most if alike or row["low"] is None else _reach(row) for row in rows]
    return own, alike


def _reach(row: Quantity) -> float:
    """How far from zero the row goes."""
    ends = (row[key] for key in ("estimate", "low", "high"))
    return max((abs(end) for end in ends if end is not None), default=0.0)


def _row(row: Quantity, reach: float, words: Mapping[str, str]) -> str:
    name = words.get(row["name"], "")
    title = text(row["name"]) + (f' <span class="quiet">{name}</span>' if name else "")
    interval = "none" if row["low"] is None else f"{_number(row['low'])} to {_number(row['high'])}"
    return (
        f'<tr><th scope="row">{title}'
        f'<small>{_formula(row["about"])}</small></th><td class="drawn">{_drawn(row, reach)}</td>'
        f'<td class="number" data-label="estimate">{_number(row["estimate"])}</td>'
        f'<td class="number" data-label="interval">{interval}</td>'
        f'<td data-label="test">{text(row["said"]) or "none"}</td></tr>'
    )


def _drawn(row: Quantity, reach: float) -> str:
    """The row's interval as an SVG; zero is in the middle of every row, so the lines meet."""
    half = _WIDE / 2
    middle = _HIGH / 2

    def place(value: float) -> float:
        return half + (value / reach) * (half - _MARGIN) if reach else half

    marks = f'<line class="zero" x1="{half:g}" y1="-20" x2="{half:g}" y2="{_HIGH + 20:g}"/>'
    told = "no estimate"
    if row["low"] is not None and row["high"] is not None:
        low, high = place(row["low"]), place(row["high"])
        marks += _line(low, middle, high, middle)
        marks += "".join(_line(end, middle - 4, end, middle + 4) for end in (low, high))
    if row["estimate"] is not None:
        marks += f'<circle class="dot" cx="{place(row["estimate"]):.1f}" cy="{middle:g}" r="4.5"/>'
        told = f"estimate {_number(row['estimate'])}"
    if row["low"] is not None:
        told += f", interval from {_number(row['low'])} to {_number(row['high'])}"
    return (
        f'<svg viewBox="0 0 {_WIDE:g} {_HIGH:g}" role="img" aria-label="{text(row["name"])}: '
        f'{told}" preserveAspectRatio="xMidYMid meet">{marks}</svg>'
    )


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="span" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _options(sentence: str) -> str:
    """A sentence in which options of the command line stay whole."""
    return re.sub(r"--[a-z]+ [a-z.]+=\w+", lambda one: f"<code>{one[0]}</code>", text(sentence))


def _signs(change: str) -> str:
    return text(change).replace("] - [", "] \u2212 [")


def _number(value: float | None) -> str:
    return said(value, signed=True)


def _formula(about: str) -> str:
    """A quantity's formula as HTML, with the signs that a terminal has not."""
    found = text(about).replace("||", "\u2016").replace(" - ", " \u2212 ")
    found = found.replace("_F^2", "<sub>F</sub>\u00b2").replace("^2", "\u00b2")
    return found.replace("X_i", "X<sub>i</sub>")
