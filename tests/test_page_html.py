"""The page's HTML: closed to the network, deaf to hostile texts, whole without scripts."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import pytest

from lwd_agents.report.page import digits
from lwd_agents.report.page.html import render

HOSTILE = (
    "</script><script>alert(1)</script> \"'><img src=x onerror=alert(2)> <!-- & "
    "\u2028 \u202e \x00 \ud800"
)
VOID = {"meta", "link", "img", "input", "br", "hr", "line", "circle", "path"}
IDS = (
    "verdict",
    "norm",
    "explore",
    "paths",
    "measures",
    "responses",
    "reading",
    "compare",
    "about",
)


@dataclass
class Picture:
    svg: str
    alt: str


def run(key: str, **changes: Any) -> dict[str, Any]:
    made = {
        "key": key,
        "folder": f"runs/{key}",
        "world": "llm",
        "experiment": "pocket",
        "seed": 0,
        "status": "complete",
        "placebo": False,
        "of": None,
        "agents": ["north", "east"],
        "queries": ["What of Bitcoin?"],
        "steps": 2,
        "draws": 4,
        "readings": 1,
        "t": [0, 1, 2],
        "curves": {"norm": [0.5, None, 0.25]},
        "replicates": None,
        "texts": None,
        "about": {
            "rows": [["seed", "0"]],
            "config": "steps: 2\nreading:\n  beta: 0.5\nplacebo: false\n",
            "backends": "north: one\n",
            "versions": {"python": "3.11", "numpy": None},
            "files": {"prompts/answer.txt": "ab12"},
            "costs": [["requests", "12"]],
        },
    }
    return made | changes


def quantity(name: str, estimate: float, low: float | None, high: float | None) -> dict[str, Any]:
    ends = {"estimate": estimate, "low": low, "high": high}
    return {
        "name": name,
        "about": f"{name}, unbiased",
        **ends,
        "p": 0.02,
        "said": "p = 0.02 (less)",
    }


def data(**changes: Any) -> dict[str, Any]:
    card = {
        "name": "pocket",
        "headline": "Collapse: within falls.",
        "change": "[t = 2] - [t = 0]",
        "level": "95%",
        "runs": 6,
        "placebos": 6,
        "pairs": 6,
        "quantities": [quantity("between", -0.2, -0.3, -0.1), quantity("drift", 0.1, None, None)],
        "claim": True,
        "finding": "collapse",
    }
    placebo = run("p-0", placebo=True, of="a-0")
    placebo["about"] = {**placebo["about"], "config": "steps: 2\nreading:\n  beta: 0.7\n"}
    made = {
        "schema": 1,
        "version": "0.1.0",
        "title": "two runs",
        "live": False,
        "notes": [],
        "runs": [run("a-0"), placebo],
        "plane": None,
        "paths": None,
        "verdict": {"lines": ["pocket: 6 runs"], "cards": [card], "untested": ["limits: one run"]},
    }
    return made | changes


class Read(HTMLParser):
    """Elements with their attributes, the text outside scripts; the nesting is checked."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.words = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute twice: {tag} {names}"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["script"]:
            attrs, body = self.scripts[-1]
            self.scripts[-1] = (attrs, body + data)
        elif "style" not in self.open:
            self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.elements if name == tag]


STILLS = {
    name: Picture("<svg/>", f"{name}, drawn") for name in ("norm", "plane", "paths", "measures")
}


@pytest.fixture(scope="module")
def page() -> Read:
    return Read(render(data(), STILLS))


def test_every_section_is_there_and_its_heading_names_it(page: Read) -> None:
    sections = {attrs["id"]: attrs for attrs in page.all("section")}
    assert tuple(sections) == IDS
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert all(attrs["aria-labelledby"] in ids for attrs in sections.values())
    links = [attrs["href"] for attrs in page.all("a")]
    assert all(link[1:] in ids for link in links)


def test_nothing_comes_from_elsewhere(page: Read) -> None:
    for tag, attrs in page.elements:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            value = attrs.get(name)
            assert value is None or value.startswith(("data:", "#")), (tag, name, value)
        assert not [name for name in attrs if name.startswith("on")], (tag, attrs)
        assert tag not in ("iframe", "object", "embed", "base", "form")


def policy(read: Read) -> dict[str, list[str]]:
    found = next(m for m in read.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    return {part.split()[0]: part.split()[1:] for part in str(found["content"]).split(";")}


def test_only_our_scripts_may_run(page: Read) -> None:
    rules = policy(page)
    bodies = [body for attrs, body in page.scripts if attrs.get("type") != "application/json"]
    digests = [base64.b64encode(hashlib.sha256(b.encode()).digest()).decode() for b in bodies]
    assert rules["script-src"] == [f"'sha256-{digest}'" for digest in digests]
    assert len(bodies) > 5
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == ["'none'"]
    assert rules["connect-src"] == ["'none'"]


def test_a_live_page_may_ask_its_own_server() -> None:
    read = Read(render(data(verdict=None), {}, live=True))
    assert policy(read)["connect-src"] == ["'self'"]
    assert "data-live" in read.all("html")[0]
    assert "The verdict comes when the run has ended" in read.words


def test_hostile_texts_stay_texts() -> None:
    made = data(title=HOSTILE, notes=[HOSTILE])
    bad = run(HOSTILE, agents=[HOSTILE], queries=[HOSTILE], status=HOSTILE, folder=HOSTILE)
    bad["experiment"] = HOSTILE
    bad["about"] = {
        "rows": [[HOSTILE, HOSTILE]],
        "config": f"a: {json.dumps(HOSTILE)}\n",
        "backends": HOSTILE,
        "versions": {HOSTILE: HOSTILE},
        "files": {HOSTILE: HOSTILE},
        "costs": [[HOSTILE, HOSTILE]],
    }
    made["runs"].append(bad)
    card = made["verdict"]["cards"][0]
    card |= {"name": HOSTILE, "headline": HOSTILE, "change": HOSTILE, "level": HOSTILE}
    card["finding"] = HOSTILE
    card["quantities"][0] |= {"name": HOSTILE, "about": HOSTILE, "said": HOSTILE}
    made["verdict"] |= {"lines": [HOSTILE], "untested": [HOSTILE]}
    html = render(made, {"norm": Picture(f"<svg>{HOSTILE}</svg>", HOSTILE)})
    html.encode("utf-8")
    assert "\x00" not in html
    read, plain = Read(html), Read(render(data(notes=["x"]), STILLS))
    assert len(read.scripts) == len(plain.scripts)
    assert {tag for tag, _ in read.elements} <= {tag for tag, _ in plain.elements}
    assert not [attrs for _, attrs in read.elements if "onerror" in attrs]
    assert read.words.count("<img src=x onerror=alert(2)>") >= 15
    assert "\u202e" not in read.words


def test_the_data_come_back_as_they_were() -> None:
    made = data(notes=[HOSTILE.replace("\ud800", "\ufffd")])
    html = render(made, {})
    held = next(body for attrs, body in Read(html).scripts if attrs.get("id") == "data")
    assert json.loads(held) == made
    assert not re.search("[<>&\u2028\u2029]", held)
    with pytest.raises(ValueError):
        render(data(notes=[float("nan")]), {})


def test_without_scripts_there_are_verdict_pictures_and_tables(page: Read) -> None:
    for said in (
        "Collapse: within falls.",
        "p = 0.02 (less)",
        "\u22120.300 to \u22120.100",
        "6 matched pairs",
    ):
        assert said in page.words
    assert [attrs["alt"] for attrs in page.all("img")] == [f"{n}, drawn" for n in STILLS]
    assert "reading.beta" in page.words  # a key that differs
    assert page.words.count("0.25") >= 2  # where the norm of both ended
    tables = len(page.all("table"))
    assert tables >= 4
    assert len(page.all("caption")) == tables
    assert all("scope" in attrs for attrs in page.all("th"))


def test_without_scripts_mixtures_have_the_picture_of_their_weights() -> None:
    runs = [run("a-0"), run("g-0", world="gmm", queries=[], draws=None)]
    pictures = {name: Picture("<svg/>", name) for name in ("plane", "weights")}
    both = Read(render(data(runs=runs), pictures))
    assert [attrs["alt"] for attrs in both.all("img")] == ["plane", "weights"]
    alone = Read(render(data(runs=runs[1:]), {"weights": pictures["weights"]}))
    assert [attrs["alt"] for attrs in alone.all("img")] == ["weights"]


def test_runs_of_replicates_are_compared_by_what_stands_at_the_head() -> None:
    replicates = {"count": 9, "rms": [0.875, 0.5, 0.375], "norm": [[0.5, 0.25, 0.125]]}
    mixture = run("g-0", world="gmm", queries=[], draws=None, replicates=replicates)
    mixture["curves"] = {"norm": [0.5, 0.25, 0.125]}
    page = render(data(runs=[mixture, run("a-0")]), {})
    row = re.findall(r'<tr data-run="0">.*?</tr>', page)[0]
    assert "0.8750" in row
    assert "0.3750" in row
    assert "0.1250" not in row
    assert "0.875 \u2192 0.375" in Read(render(data(runs=[mixture]), {})).words


def test_a_picture_is_carried_whole() -> None:
    html = render(data(), {"norm": Picture("<svg>\u2016D\u2016</svg>", "a")})
    held = re.findall(r'src="data:image/svg\+xml;base64,([^"]*)"', html)
    assert [base64.b64decode(one).decode() for one in held] == ["<svg>\u2016D\u2016</svg>"]


def test_a_trend_alone_is_said_to_be_no_evidence() -> None:
    made = data()
    made["verdict"]["cards"][0] |= {"claim": False, "finding": None, "placebos": 0, "pairs": 0}
    words = Read(render(made, {})).words
    assert "a trend alone is no evidence" in words
    assert "Only a matched placebo tells" in words
    assert "no placebos" in words
    assert "a trend alone is no evidence" not in Read(render(data(), {})).words


@pytest.mark.parametrize(
    ("finding", "kind"),
    [("consensus", "claim"), ("no evidence", "open"), (None, "open")],
)
def test_only_a_claim_looks_like_one(finding: str | None, kind: str) -> None:
    made = data()
    made["verdict"]["cards"][0]["finding"] = finding
    page = render(made, {})
    assert f'<article class="card {kind}">' in page
    assert f'<span class="badge {kind}">{finding or "live minus placebo"}</span>' in page


def drawn(html: str) -> list[tuple[float, ...]]:
    """Each row's marks: ends of the interval, where there is one, then the estimate."""
    rows = re.findall(r"<svg viewBox=.*?</svg>", html)
    return [
        tuple(float(x) for x in re.findall(r'class="span" x1="([\d.]+)"', row)[1:])
        + tuple(float(x) for x in re.findall(r'cx="([\d.]+)"', row))
        for row in rows
    ]


def test_intervals_are_drawn_where_they_are() -> None:
    """Zero is at 120 of 240; the furthest end, -0.3, is 110 from it, so 0.1 is 36.7."""
    rows = drawn(render(data(), {}))
    assert rows[0] == pytest.approx((10, 83.3, 46.7), abs=0.1)
    assert rows[1] == pytest.approx((156.7,), abs=0.1)


def test_an_interval_too_small_for_the_others_scale_has_its_own() -> None:
    made = data()
    made["verdict"]["cards"][0]["quantities"] = [
        quantity("between", -0.002, -0.003, -0.001),
        quantity("within", -4.0, -6.0, -2.0),
    ]
    html = render(made, {})
    assert drawn(html)[0] == pytest.approx((10, 83.3, 46.7), abs=0.1)
    assert drawn(html)[1] == pytest.approx((10, 83.3, 46.7), abs=0.1)
    assert "Each row has a scale of its own" in html


def test_one_run_has_nothing_to_compare_and_mixtures_have_no_texts() -> None:
    alone = Read(render(data(runs=[run("a-0")]), {}))
    assert "compare" not in [attrs["id"] for attrs in alone.all("section")]
    mixture = run("g-0", world="gmm", queries=[], draws=None)
    ids = [attrs["id"] for attrs in Read(render(data(runs=[mixture]), {})).all("section")]
    assert ids == ["verdict", "norm", "explore", "paths", "measures", "about"]


def test_a_page_of_a_run_without_steps_is_still_made() -> None:
    empty = run("e", t=[], curves={}, steps=None, status="failed")
    empty["about"] = {"rows": [], "config": ": : :", "versions": {}, "files": {}, "costs": []}
    words = Read(render(data(runs=[empty, run("b")], verdict=None, notes=["no step"]), {})).words
    assert "No test was made" in words
    assert "no step" in words


def test_many_runs_are_folded_and_many_keys_are_named() -> None:
    runs = [run(f"r-{i}") for i in range(12)]
    keys = "".join(f"key{k}: 1\n" for k in range(20))
    runs[3]["about"] = {**runs[3]["about"], "config": keys}
    read = Read(render(data(runs=runs), {}))
    assert "12 runs" in read.words
    assert "key19" in read.words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.75, "0.750"),
        (-0.0208, "\u22120.0208"),
        (0.99996, "1.00"),
        (1234.5678, "1,235"),
        (-4.11e-5, "\u22124.11\u00d710\u207b\u2075"),
        (2e6, "2.00\u00d710\u2076"),
        (0.0, "0"),
        (None, "\u2013"),
    ],
)
def test_numbers_have_as_many_digits_as_they_say(value: float | None, words: str) -> None:
    assert digits.said(value) == words
    assert digits.said(value, signed=True) == ("+" if value and value > 0 else "") + words


def test_a_mixtures_card_counts_replicates_beside_a_run_that_writes() -> None:
    made = data()
    made["verdict"]["cards"][0] |= {"runs": 50, "placebos": 50, "pairs": 50}
    words = Read(render(made, {})).words
    assert "50 replicates" in words
    assert "50 runs" not in words


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    line = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * line[0] + 0.7152 * line[1] + 0.0722 * line[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_words_can_be_read_in_both_themes() -> None:
    """WCAG AA: 4.5 to 1 for text, 3 to 1 for marks with a colour of their own on the dark theme."""
    css = (files("lwd_agents.report.page") / "assets" / "page.css").read_text("utf-8")
    blocks = re.findall(r":root(?:\[data-theme=\"dark\"\]|:not\([^)]*\))? \{(.*?)\n *\}", css, re.S)
    light, dark, asked = (dict(re.findall(r"(--[\w-]+): (#\w{6})", block)) for block in blocks[:3])
    assert dark == asked  # chosen or the system's: the same
    for theme in (light, {**light, **dark}):
        for ground in ("--bg", "--surface", "--sunk"):
            for ink in ("--ink", "--muted", "--accent"):
                assert contrast(theme[ink], theme[ground]) >= 4.5, (ink, ground)
        for kind in ("--good", "--warn", "--bad"):
            assert contrast(theme[kind], theme[f"{kind}-soft"]) >= 4.5, kind
        assert contrast(theme["--ink"], theme["--warn-soft"]) >= 4.5
        assert contrast(theme["--on-accent"], theme["--accent"]) >= 4.5
    for place in range(7):
        assert contrast({**light, **dark}[f"--agent-{place}"], dark["--bg"]) >= 3, place
