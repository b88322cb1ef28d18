"""The page's static parts: what can be read without scripts, and the places where charts come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lwd_agents.report.page import forest, sheets
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
_ANSWERS = "One step at a time. Each mark is an answer; answers that mean alike lie together."
_WEIGHTS = "One step at a time: how each agent weighs the mixture\u2019s components."
_BOTH = (
    "One step at a time. Of agents that write, each mark is an answer; of mixtures, the weights of "
    "their components are shown."
)
_OF_TEXTS = ("responses", "reading")  # sections of worlds whose agents write
_STILLS = {  # of a section, by its id
    "norm": ("norm",),
    "explore": ("plane", "weights"),
    "paths": ("paths",),
    "measures": ("measures",),
}
_CHIPS = 8  # more runs than this are folded away


def body(data: Data, pictures: Mapping[str, str], *, live: bool) -> str:
    """Everything between the body's tags but the data and the scripts; `pictures` are HTML."""
    several = len(data["runs"]) > 1
    writes = any(run["world"] == "llm" or run["texts"] for run in data["runs"])
    mixtures = any(run["world"] == "gmm" for run in data["runs"])
    told = _BOTH if writes and mixtures else _ANSWERS if writes else _WEIGHTS
    shown = [one for one in _SECTIONS if writes or one[0] not in _OF_TEXTS]
    sections = [
        ("verdict", "Verdict"),
        *((name, short) for name, _, short, _ in shown),
        *([("compare", "Compare")] if several else []),
        ("about", "About"),
    ]
    return (
        '<a class="skip" href="#main">Skip to the page</a>\n'
        f"{_bar(sections, live)}{_header(data)}"
        '<main id="main">\n'
        f"{_notes(data['notes'])}"
        f"{_section('verdict', 'Verdict', '', forest.verdict(data, live=live))}"
        f"{''.join(_mounted(*one, pictures, told) for one in shown)}"
        f"{_section('compare', 'Runs side by side', '', sheets.compare(data)) if several else ''}"
        f"{_section('about', 'About', '', sheets.about(data))}"
        "</main>\n"
        f"<footer><p>Made by lwd {text(data['version'])} from run directories alone. "
        "Nothing on this page is loaded from a network.</p></footer>\n"
    )


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
    return [
        ("agents", str(len(run["agents"]))),
        ("steps", _steps(run)),
        ("draws", "" if run["draws"] is None else str(run["draws"])),
        ("readings a step", str(run["readings"]) if run["readings"] > 1 else ""),
        ("replicates", str(replicates["count"]) if replicates else ""),
        ("norm, root mean square" if replicates else "norm", _ends(curve)),
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
    name: str, title: str, _: str, about: str, pictures: Mapping[str, str], told: str
) -> str:
    """A section whose content scripts make; without them there is a picture, or a word."""
    picture = "".join(pictures.get(still, "") for still in _STILLS.get(name, ()))
    still = f'<figure class="still">{picture}</figure>' if picture else ""
    if not still:
        still = '<p class="no-script quiet">This part needs scripts, which are off here.</p>'
    if name == "explore":
        about = told
    return _section(name, title, about, f'{still}<div class="mount"></div>')
