"""Texts that would harm a page are inert in a real browser: shown whole, as text, everywhere."""

from __future__ import annotations

import json

import pytest
from chromium import Open, Opened
from shown_runs import HOSTILE, LONG, NAMES, QUERY, Shown

from lwd_agents.report.page.escape import plain

# Elements that the page itself never has, and flags that the texts would set.
HARM = """() => ({
  flag: typeof window.pwned,
  elements: document.querySelectorAll(
    "iframe, object, embed, base, form, svg[onload], a[href^=javascript], img:not([src^='data:'])"
  ).length,
  handlers: [...document.querySelectorAll("*")]
    .filter((one) => [...one.attributes].some((a) => a.name.startsWith("on"))).length,
  scripts: document.querySelectorAll("script").length,
  bold: [...document.querySelectorAll("b")].filter((b) => b.textContent === "bold").length,
})"""


def harm(shown: Opened) -> dict[str, object]:
    return dict(shown.page.evaluate(HARM))


@pytest.fixture
def inert(pocket_page: Shown, show: Open) -> dict[str, object]:
    """What a page of harmless texts has."""
    return harm(show(pocket_page.page))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_of_it_runs_wherever_one_goes(
    scheme: str, hostile_page: Shown, show: Open, inert: dict[str, object]
) -> None:
    shown = show(hostile_page.page, color_scheme=scheme)
    shown.tour()
    assert harm(shown) == inert
    for name in (*HOSTILE[:3], "pwned", "</script>"):
        shown.page.fill("#responses-search", f'"{name}')
        shown.page.wait_for_timeout(120)
    assert harm(shown) == inert
    assert shown.said == []
    assert shown.asked == []


def test_every_text_stands_in_the_table_and_the_reader_as_text(
    hostile_page: Shown, show: Open
) -> None:
    shown = show(hostile_page.page)
    rows = hostile_page.run.responses()
    for text in HOSTILE:
        row = int(rows.index[rows["text"] == text][0])
        shown.set(response=row, t=int(rows["t"][row]))
        shown.page.locator("#reading").scroll_into_view_if_needed()
        shown.settle()
        answer = shown.page.locator("[data-test=answer]")
        if text is LONG:
            answer.locator("button.more").click()
        said = answer.locator(".said")
        shown.page.wait_for_function(
            "text => document.querySelector('[data-test=answer] .said').textContent === text",
            arg=plain(text),
        )
        assert said.locator("xpath=.//*[not(@data-test='phrase')]").count() == 0
        table = shown.page.locator(f"#responses-table [data-response='{row}'] .c-response .said")
        if table.count() and text is not LONG:
            assert table.text_content() == plain(text)
    assert harm(shown)["flag"] == "undefined"


def test_hover_over_it_is_text_too(hostile_page: Shown, show: Open) -> None:
    shown = show(hostile_page.page)
    shown.page.locator("#explore").scroll_into_view_if_needed()
    shown.page.wait_for_selector("#explore .chart.plane .scatterlayer .point")
    points = shown.page.locator("#explore .chart.plane .scatterlayer .point")
    seen = set()
    for i in range(points.count()):
        box = points.nth(i).bounding_box()
        assert box is not None
        shown.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        shown.page.wait_for_timeout(30)
        tip = shown.page.locator("#tooltip.shown .said")
        if tip.count():
            seen |= set(tip.all_text_contents())
    assert seen & {plain(text) for text in HOSTILE}
    assert shown.page.locator("#tooltip script, #tooltip img, #tooltip iframe").count() == 0
    assert harm(shown)["flag"] == "undefined"
    assert shown.said == []


def test_names_question_folder_and_configuration_are_text(hostile_page: Shown, show: Open) -> None:
    shown = show(hostile_page.page)
    page = shown.page
    assert page.title().startswith("run <i>1")
    assert plain(QUERY) in (page.locator("header blockquote").text_content() or "")
    legend = page.locator("#explore ul.legend .agent .said").all_text_contents()
    assert legend == [plain(name) for name in NAMES]
    about = page.locator("#about").text_content() or ""
    assert "</script><script>window.pwned=7</script>" in about
    assert page.locator("#about script, #about img").count() == 0
    data = json.loads(page.locator("script#data").text_content() or "")
    assert set(HOSTILE) <= set(data["runs"][0]["texts"]["strings"])


def test_without_the_policy_it_is_inert_all_the_same(
    hostile_page: Shown, show: Open, inert: dict[str, object]
) -> None:
    shown = show(hostile_page.page, bypass_csp=True)
    shown.tour()
    assert harm(shown) == inert


def test_an_address_that_is_nonsense_is_mended(hostile_page: Shown, show: Open) -> None:
    address = hostile_page.page.resolve().as_uri()
    shown = show(f"{address}#t=99999&response=77777777&run=5&search=%E0%A4%A&post=-1&x=<script>")
    state = shown.state()
    assert (state["run"], state["t"], state["response"]) == (0, 3, None)
    assert shown.said == []
