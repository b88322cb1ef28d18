"""Who collapses, as HTML: each run's graph with its verdict, and the learners one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lwd_agents.report.figures.network import PANELS
from lwd_agents.report.page.digits import NONE, said
from lwd_agents.report.page.escape import own, text
from lwd_agents.report.wording import count

Found = Mapping[str, Any]

ABOUT = (
    "Whose error grows without bound where learners refit on real data and on each other\u2019s "
    "labels; beside that what was simulated, and what was expected."
)
_SLOPE = (
    "A finite run\u2019s slope is no verdict: slow transients look like growth, and slow growth "
    "flat."
)
_DRAWN = (
    "Who learns from whom: an arrow goes from a source to a learner, wider with its share; a green "
    "rim is real data."
)
_LOOKS = {
    True: ("agent-1", "\u25a0", "collapses"),
    False: ("agent-0", "\u25cf", "stable"),
    None: ("muted", "\u25c6", "no verdict"),
}
_BASES = {
    "graph": "The graph alone decides",
    "moments": "The second moments decide",
    "bound": "A bound decides",
}
_NAMED = 8  # learners named in a sentence
_SOURCES = 3  # unstable sources named
_OPEN = 2  # runs whose part is open at first


def who_collapses(runs: Sequence[Found], pictures: Mapping[str, str]) -> str:
    """The section's content: a part for each run of learners; a fold each where there are several.

    Args:
        runs: of the page, in its order.
        pictures: image elements of their graphs by name, ``graph-0`` of the first run.
    """
    parts = [
        (run, _part(run, pictures.get(f"graph-{place}", "")))
        for place, run in enumerate(runs)
        if run.get("learners")
    ]
    if len(parts) == 1:
        body = parts[0][1]
    else:
        body = "".join(
            f'<details class="run"{" open" if place < _OPEN else ""}><summary>{own(run["key"])} '
            f'<span class="quiet">{_short(run)}</span></summary>{part}</details>'
            for place, (run, part) in enumerate(parts)
        )
    return f"{body}<p>{_SLOPE}</p>"


def _short(run: Found) -> str:
    """The verdict on the last graph in a few words."""
    verdicts = run["learners"]["verdicts"]
    falls = verdicts[-1]["collapses"] if verdicts else None
    if falls is None:
        return "no verdict"
    return _count(sum(falls), len(falls))


def _count(falling: int, n: int) -> str:
    """``2 of 5 learners collapse``."""
    return f"{falling:,} of {count(n, 'learner')} {'collapses' if falling == 1 else 'collapse'}"


def _part(run: Found, picture: str) -> str:
    return f"{_sentences(run)}{_figure(run, picture)}{_table(run)}"


# --- the verdicts -----------------------------------------------------------------------------


def _sentences(run: Found) -> str:
    known = run["learners"]
    if known["verdicts"] is None:
        return "<p>No verdict is claimed: the manifest has none that can be read.</p>"
    several = len(known["verdicts"]) > 1
    items = "".join(f"<li>{_verdict(one, run, several)}</li>" for one in known["verdicts"])
    return f'<ul class="verdicts">{items}</ul>'


def _verdict(one: Found, run: Found, several: bool) -> str:
    """Who collapses in one graph, what decides it, and where it begins."""
    since = f"From t = {one['from']}: " if several else ""
    who = _falling(one["collapses"], run["agents"])
    told = f"{since}{who}" if since else who[:1].upper() + who[1:]
    why = text(one["why"]).replace("(x)", "\u2297").replace("pi^2", "\u03c0\u00b2")
    basis = _BASES.get(one["basis"])
    why = f"{basis}: {why}" if basis else why[:1].upper() + why[1:]
    begins = _begins(one, run["agents"]) if one["basis"] == "graph" else ""
    return f'<strong>{told}.</strong> <span class="quiet">{why}.{begins}</span>'


def _falling(falls: Sequence[bool] | None, names: Sequence[str]) -> str:
    if falls is None:
        return "no verdict is claimed"
    falling = [name for name, fall in zip(names, falls, strict=True) if fall]
    if not falling:
        return "no learner collapses"
    told = _count(len(falling), len(names))
    return f"{told} ({_names(falling)})" if len(falling) < len(names) else told


def _begins(one: Found, names: Sequence[str]) -> str:
    """The unstable sources: groups without real data that learn from nobody else."""
    groups = [_names([names[i] for i in members]) for members in one["sources"][:_SOURCES]]
    if not groups:
        return ""
    more = len(one["sources"]) - _SOURCES
    rest = f"; and {count(more, 'more group')}" if more > 0 else ""
    return f" It begins where no real data comes in: {'; '.join(groups)}{rest}."


def _names(names: Sequence[str]) -> str:
    said = ", ".join(own(name) for name in names[:_NAMED])
    return said if len(names) <= _NAMED else f"{said} and {len(names) - _NAMED:,} more"


# --- the graph --------------------------------------------------------------------------------


def _figure(run: Found, picture: str) -> str:
    known = run["learners"]
    if not picture:
        why = known["undrawn"] or "of many runs only the first graphs are"
        return f'<p class="quiet">The graph is not drawn: {text(why)}.</p>'
    drawn, graphs = _DRAWN, len(known["graphs"])
    if any(one["collapses"] is not None for one in known["verdicts"] or ()):
        drawn = f"{_DRAWN[:-1]}; squares collapse, circles are stable."
    if graphs > 1:
        drawn += " Dashed: an edge that the graph before had not."
    if graphs > PANELS:
        drawn += f" The first {PANELS} of {graphs} graphs are drawn."
    wide = "graphs several" if graphs > 1 else "graphs"
    return (
        f'<figure class="{wide}"><div class="scroll" tabindex="0" role="region" '
        f'aria-label="Who learns from whom">{picture}</div>'
        f"<figcaption>{drawn}</figcaption></figure>"
    )


# --- the learners -----------------------------------------------------------------------------


def _table(run: Found) -> str:
    known = run["learners"]
    rows = known["table"]
    if not rows:
        return f'<p class="quiet">{text(known["said"])}</p>' if known["said"] else ""
    moments = any(row["moment_radius"] is not None for row in rows)
    what = "error of the mean" if known["of"] == "mean_error" else "error"
    last = run["t"][-1] if run["t"] else 0
    since = known["verdicts"][-1]["from"]
    head = ["learner", f"verdict from t = {since:,}" if since else "verdict", "spectral radius"]
    head += ["radius of E[M \u2297 M]"] * moments
    head += [f"{what} at t = 0", f"at t = {last:,}", "expected", "z"]
    cells = "".join(f'<th scope="col">{one}</th>' for one in head)
    body = "".join(_row(row, run["agents"], moments) for row in rows)
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="The learners one by one">'
        '<table class="learners"><caption>The learners one by one.</caption>'
        f"<thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>{_rest(run)}"
        f'<p class="quiet">{_columns(run)}</p>'
    )


def _columns(run: Found) -> str:
    """What the columns are."""
    replicates = run.get("replicates")
    many = replicates["count"] if replicates else 1
    over = f", mean over {count(many, 'replicate')} \u00b1 its standard error" if many > 1 else ""
    theory = run["learners"]["theory"]
    if theory["refused"]:
        expected = f"Nothing is expected: {text(theory['refused'])}"
    elif theory["exact"]:
        expected = "Expected: by the exact recursion; z: how many standard errors away"
    else:
        expected = (
            "Expected: to first order in 1 / rows, which misses what grows beyond that; z: how "
            "many standard errors away"
        )
    return f"Error: squared distance from the truth{over}. {expected}."


def _row(row: Found, names: Sequence[str], moments: bool) -> str:
    colour, mark, word = _LOOKS[row["collapses"]]
    se = f" <small>\u00b1 {said(row['se'], 2)}</small>" if row["se"] is not None else ""
    numbers = [_radius(row["radius"])]
    numbers += [_radius(row["moment_radius"])] * moments
    numbers += [said(row["first"]), said(row["last"]) + se, said(row["expected"])]
    numbers.append(NONE if row["z"] is None else said(row["z"], 2, signed=True))
    cells = "".join(f'<td class="number">{one}</td>' for one in numbers)
    return (
        f'<tr><th scope="row">{own(names[row["learner"]])}</th>'
        f'<td class="word"><span class="mark {colour}" aria-hidden="true">{mark}</span> {word}</td>'
        f"{cells}</tr>"
    )


def _radius(value: float | None) -> str:
    """To four digits; what is just below 1 is told by how much."""
    if value is not None and 0.9995 < value < 1:
        return f"1 \u2212 {said(1 - value, 2)}"
    return said(value, 4)


def _rest(run: Found) -> str:
    """How many learners have no row, and how it stands with them."""
    rows, verdicts = run["learners"]["table"], run["learners"]["verdicts"]
    more = len(run["agents"]) - len(rows)
    if more <= 0:
        return ""
    falls = verdicts[-1]["collapses"]
    how = "" if falls is None else f"; {sum(falls[len(rows) :]):,} of them collapse"
    return f'<p class="quiet">And {count(more, "more learner")}{how} (summary.json).</p>'
