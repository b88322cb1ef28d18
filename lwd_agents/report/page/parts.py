"""The page's static parts: what can be read without scripts, and the places where charts come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lwd_agents.report.page import forest, sheets, who
from lwd_agents.report.page.digits import said
from lwd_agents.report.page.escape import own, text

Data = Mapping[str, Any]

# id, title, short title in the navigation, what one sees there.
_SECTIONS = (
    (
        "norm",
        "The collapse norm",
        "Norm",
        "How far apart the agents are, step by step: \u2016D(t)\u2016<sub>F</sub>, the root of the "
        "summed squared distances between all pairs of them, each counted both ways.",
    ),
    ("explore", "Step by step", "Steps", ""),
    (
        "paths",
        "Trajectories",
        "Paths",
        "Where each agent\u2019s perspective moved, in one frame for all steps and runs.",
    ),
    ("measures", "Measures over time", "Measures", "What changed, each in its own units."),
    ("responses", "Responses", "Responses", "What the agents answered, to filter and to search."),
    (
        "reading",
        "What an agent read",
        "Reading",
        "The posts before the agent when it answered, and where its phrases came from.",
    ),
)
_TOLD = {  # of a step, by what the page's runs show of it
    "answers": "each mark is an answer; answers that mean alike lie together",
    "weights": "how each agent weighs the mixture\u2019s components",
    "errors": "how far each learner is from the truth, and how far it was expected to be",
}
_SEVERAL = {
    "answers": "of agents that write, each mark is an answer",
    "weights": "of mixtures, the weights of their components are shown",
    "errors": "of learners, how far they are from the truth",
}
_APART = (
    " It is no measure of collapse here: learners that collapse together may lie close to each "
    "other, and far from the truth."
)
_OF_TEXTS = ("responses", "reading")  # sections of worlds whose agents write
_STILLS = {  # of a section, by its id
    "norm": ("norm",),
    "explore": ("plane", "weights", "errors"),
    "paths": ("paths",),
    "measures": ("measures",),
}
_CHIPS = 8  # more runs than this are folded away


def body(data: Data, pictures: Mapping[str, str], *, live: bool) -> str:
    """Everything between the body's tags but the data and the scripts; `pictures` are HTML."""
    runs = data["runs"]
    several = len(runs) > 1
    learn = any(run.get("learners") for run in runs)
    writes = any(run["world"] == "llm" or run["texts"] for run in runs)
    shown = [one for one in _SECTIONS if writes or one[0] not in _OF_TEXTS]
    told = {"explore": _of_steps(runs, writes)}
    only = bool(runs) and all(run["world"] == "graph" for run in runs)
    if only:
        told["norm"] = _SECTIONS[0][3] + _APART
    # Of learners alone what the graph tells comes first: a finite run's test is no verdict on it.
    first = [("verdict", "Verdict"), *([("learners", "Learners")] if learn else [])]
    heads = {
        "verdict": _section("verdict", "Verdict", "", forest.verdict(data, live=live)),
        "learners": _who(runs, pictures) if learn else "",
    }
    first = first[::-1] if only else first
    sections = [
        *first,
        *((name, short) for name, _, short, _ in shown),
        *([("compare", "Compare")] if several else []),
        ("about", "About"),
    ]
    return (
        '<a class="skip" href="#main">Skip to the page</a>\n'
        f"{_bar(sections, live)}{_header(data)}"
        '<main id="main">\n'
        f"{_notes(data['notes'])}"
        f"{''.join(heads[name] for name, _ in first)}"
        f"{''.join(_mounted(*one, pictures, told) for one in shown)}"
        f"{_section('compare', 'Runs side by side', '', sheets.compare(data)) if several else ''}"
        f"{_section('about', 'About', '', sheets.about(data))}"
        "</main>\n"
        f"<footer><p>Made by lwd {text(data['version'])} from run directories alone. "
        "Nothing on this page is loaded from a network.</p></footer>\n"
    )


def _of_steps(runs: Sequence[Mapping[str, Any]], writes: bool) -> str:
    """What is shown of a step, of all kinds of runs that the page has."""
    worlds = {run["world"] for run in runs}
    kinds = (
        ["answers"] * writes + ["weights"] * ("gmm" in worlds) + ["errors"] * ("graph" in worlds)
    )
    if len(kinds) < 2:
        return f"One step at a time: {_TOLD[kinds[0] if kinds else 'weights']}."
    told = "; ".join(_SEVERAL[kind] for kind in kinds)
    return f"One step at a time. {told[:1].upper()}{told[1:]}."


def _who(runs: Sequence[Mapping[str, Any]], pictures: Mapping[str, str]) -> str:
    return _section("learners", "Who collapses", who.ABOUT, who.who_collapses(runs, pictures))


def _bar(sections: Iterable[tuple[str, str]], live: bool) -> str:
    links = "".join(f'<li><a href="#{name}">{short}</a></li>' for name, short in sections)
    now = '<span class="badge running" id="live">live</span>' if live else ""
    return (
        f'<div class="bar"><div class="inner"><a class="brand" href="#top">LWD</a>{now}'
        f'<nav aria-label="Sections"><ul>{links}</ul></nav>'
        '<div class="tools"></div></div></div>\n'
    )


def _header(data: Data) -> str:
    """Title, the question, the figures that place a run, and the runs."""
    runs = data["runs"]
    queries = list(dict.fromkeys(query for run in runs for query in run["queries"]))
    asked = "".join(f"<blockquote>{own(query)}</blockquote>" for query in queries[:4])
    if len(queries) > 4:
        asked += f'<p class="quiet">and {len(queries) - 4} more questions</p>'
    kinds = list(dict.fromkeys(f"{run['world']} \u00b7 {run['experiment']}" for run in runs))
    facts = "".join(
        f"<div><dt>{name}</dt><dd>{text(value)}</dd></div>" for name, value in _facts(data) if value
    )
    return (
        '<header id="top"><div class="inner">'
        f'<p class="eyebrow">{" / ".join(own(kind) for kind in kinds[:3])}</p>'
        f"<h1>{own(data['title'])}</h1>{asked}"
        f'<dl class="facts">{facts}</dl>{_chips(runs)}</div></header>\n'
    )


def _facts(data: Data) -> list[tuple[str, str]]:
    """Names and values; those without a value are left out. One live run is told by itself."""
    live = [run for run in data["runs"] if not run["placebo"]] or list(data["runs"])
    placebos = [run for run in data["runs"] if run["placebo"]]
    if len(live) == 1:
        found = _facts_of(live[0])
        if len(placebos) == 1 and placebos[0] is not live[0]:
            found.append(("norm of its placebo", _ends(placebos[0]["curves"].get("norm", ()))))
        return found
    return [
        ("live runs" if placebos else "runs", str(len(live))),
        ("placebos", str(len(placebos)) if placebos else ""),
        ("agents", _span(len(run["agents"]) for run in live)),
        ("steps", _span(len(run["t"]) for run in live)),
    ]


def _facts_of(run: Mapping[str, Any]) -> list[tuple[str, str]]:
    replicates = run.get("replicates")
    curve = replicates["rms"] if replicates else run["curves"].get("norm", ())
    known = run.get("learners") or {}
    return [
        ("learners" if known else "agents", f"{len(run['agents']):,}"),
        ("estimator", known.get("estimator", "")),
        ("regime", known.get("regime", "")),
        ("rows a round", known.get("rows", "")),
        ("steps", _steps(run)),
        ("draws", "" if run["draws"] is None else str(run["draws"])),
        ("readings a step", str(run["readings"]) if run["readings"] > 1 else ""),
        ("replicates", str(replicates["count"]) if replicates else ""),
        ("norm, root mean square" if replicates else "norm", _ends(curve)),
        ("error, mean over learners", _ends(run["curves"].get("error", ()) if known else ())),
        ("seed", str(run["seed"])),
    ]


def _ends(curve: Iterable[float | None]) -> str:
    known = [value for value in curve if value is not None]
    return (
        " \u2192 ".join(said(value) for value in known[:: max(len(known) - 1, 1)]) if known else ""
    )


def _steps(run: Mapping[str, Any]) -> str:
    """Committed steps, of how many where some are to come: t = 0 .. T are T + 1."""
    done, planned = len(run["t"]), run["steps"]
    return str(done) if planned is None or done >= planned + 1 else f"{done} of {planned + 1}"


def _span(values: Iterable[int]) -> str:
    found = sorted(set(values))
    if not found:
        return ""
    return str(found[0]) if len(found) == 1 else f"{found[0]}\u2013{found[-1]}"


def _chips(runs: Iterable[Mapping[str, Any]]) -> str:
    """The runs with their status; scripts make buttons of them."""
    items = [
        f'<li class="chip" data-run="{place}">{own(run["key"])} '
        f'<span class="badge {text(run["status"])}">{text(run["status"])}</span>'
        + (' <span class="badge placebo">placebo</span>' if run["placebo"] else "")
        + "</li>"
        for place, run in enumerate(runs)
    ]
    chips = f'<ul class="chips" aria-label="Runs">{"".join(items)}</ul>'
    if len(items) <= _CHIPS:
        return chips
    return f"<details class='more-runs'><summary>All {len(items)} runs</summary>{chips}</details>"


def _notes(notes: Iterable[str]) -> str:
    items = "".join(f"<li>{text(note)}</li>" for note in notes)
    if not items:
        return ""
    return (
        '<aside id="missing" aria-labelledby="missing-title">'
        f'<h2 id="missing-title">What is missing</h2><ul>{items}</ul></aside>\n'
    )


def _section(name: str, title: str, about: str, content: str) -> str:
    told = f'<p class="about">{about}</p>' if about else ""
    return (
        f'<section id="{name}" aria-labelledby="{name}-title">'
        f'<h2 id="{name}-title">{title}</h2>{told}{content}</section>\n'
    )


def _mounted(
    name: str,
    title: str,
    _: str,
    about: str,
    pictures: Mapping[str, str],
    told: Mapping[str, str],
) -> str:
    """A section whose content scripts make; without them there is a picture, or a word."""
    picture = "".join(pictures.get(still, "") for still in _STILLS.get(name, ()))
    still = f'<figure class="still">{picture}</figure>' if picture else ""
    if not still:
        still = '<p class="no-script quiet">This part needs scripts, which are off here.</p>'
    return _section(name, title, told.get(name, about), f'{still}<div class="mount"></div>')
