"""The page in a real browser: it moves, it finds, it says where a phrase came from."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import numpy as np
import pytest
from chromium import Open, Opened
from numpy.typing import NDArray
from shown_runs import Shown

from lwd_agents.posts import read_posts
from lwd_agents.run_files import read_run

# What is drawn on the plane: the answers' data, and where their marks are on the screen.
PLANE = """() => {
  const chart = document.querySelector("#explore .chart.plane");
  const place = chart.data.findIndex((one) => one.meta === "response");
  const { xaxis, yaxis } = chart._fullLayout;
  const box = chart.getBoundingClientRect();
  const marks = chart.querySelectorAll(`.trace${chart._fullData[place].uid} .point`);
  return {
    rows: Array.from(chart.data[place].customdata),
    points: Array.from(marks, (mark) => {
      const { x, y, width, height } = mark.getBoundingClientRect();
      return [xaxis.p2d(x + width / 2 - box.left - xaxis._offset),
        yaxis.p2d(y + height / 2 - box.top - yaxis._offset)];
    }),
    all: chart.data.flatMap((one) => Array.from(one.x, (x, i) => [x, one.y[i]])),
    place: [box.left + xaxis._offset, box.top + yaxis._offset],
    pixels: Array.from(chart.data[place].x, (x, i) =>
      [xaxis.d2p(x), yaxis.d2p(chart.data[place].y[i])]),
  };
}"""


def plane_of(shown: Opened) -> dict[str, Any]:
    shown.page.locator("#explore .chart.plane").scroll_into_view_if_needed()
    shown.page.wait_for_selector("#explore .chart.plane .scatterlayer .point")
    shown.settle()
    return dict(shown.page.evaluate(PLANE))


def projected(shown: Shown) -> NDArray[np.float64]:
    """(T + 1, N, L, 2): the answers on their own principal axes."""
    E = np.asarray(shown.run.embeddings, dtype=np.float64)
    flat = E.reshape(-1, E.shape[-1])
    centred = flat - flat.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:2]
    return np.asarray((centred @ axes.T).reshape(*E.shape[:3], 2))


def test_no_word_on_the_console_and_nothing_asked_of_any_network(
    pocket_page: Shown, show: Open
) -> None:
    shown = show(pocket_page.page)
    shown.tour()
    assert shown.page.locator("section .chart .main-svg").count() >= 4
    assert shown.said == []
    assert shown.asked == []
    # plotly's own bar offers to send data away
    buttons = shown.page.locator(".modebar-btn").evaluate_all(
        "all => all.map((one) => one.dataset.title || '')"
    )
    assert buttons
    assert not [title for title in buttons if re.search("share|cloud|edit", title, re.IGNORECASE)]


def test_the_slider_moves_the_answers_to_where_their_embeddings_are(
    pocket_page: Shown, show: Open
) -> None:
    shown = show(pocket_page.page)
    expected = projected(pocket_page)
    slider = shown.page.locator("#step")
    slider.focus()
    slider.press("Home")
    drawn = {}
    for t in range(len(pocket_page.run)):
        if t:
            slider.press("ArrowRight")
        assert shown.state()["t"] == t
        drawn[t] = np.array(plane_of(shown)["points"])
    there = np.concatenate(list(drawn.values()))
    wanted = expected.reshape(-1, 2)
    assert there.shape == wanted.shape
    signs = np.sign((there * wanted).sum(axis=0))  # an axis may point either way
    scale = np.ptp(wanted, axis=0).max()
    np.testing.assert_allclose(there, wanted * signs, atol=0.005 * scale)
    slider.press("Home")
    np.testing.assert_allclose(np.array(plane_of(shown)["points"]), drawn[0], atol=1e-6)
    shown.page.get_by_role("button", name="Next step").click()
    assert shown.state()["t"] == 1
    assert "t=1" in shown.page.evaluate(
        "() => new Promise(r => setTimeout(() => r(location.hash), 400))"
    )


def test_hover_shows_that_answer_and_no_other(pocket_page: Shown, show: Open) -> None:
    shown = show(pocket_page.page)
    texts = pocket_page.run.responses()["text"].tolist()
    plane_of(shown)
    for label in ("means", "read"):  # other marks may lie nearer
        shown.page.locator("#explore .controls label").filter(has_text=label).click()
    shown.page.locator("#explore .chart.plane").evaluate("one => one.scrollIntoView()")
    plane = plane_of(shown)
    pixels = np.array(plane["pixels"])
    gaps = np.linalg.norm(pixels[:, None] - pixels[None], axis=2) + 1e9 * np.eye(len(pixels))
    alone = [int(i) for i in np.argsort(-gaps.min(axis=1))[:3]]
    for i in alone:
        x, y = pixels[i] + plane["place"]
        shown.page.mouse.move(x + 40, y + 40)
        shown.page.mouse.move(x, y, steps=3)
        tip = shown.page.locator("#tooltip.shown .said").last
        tip.wait_for()
        assert tip.text_content() == texts[plane["rows"][i]]
    assert len({texts[plane["rows"][i]] for i in alone}) > 1


@pytest.mark.parametrize(
    "search", ["bitcoin", "Bitcoin  THE", '"global access"', "zebra crossing", "a\\b("]
)
def test_search_finds_what_python_finds(search: str, pocket_page: Shown, show: Open) -> None:
    shown = show(pocket_page.page)
    texts = pocket_page.run.responses()["text"].tolist()
    needles = [search.strip('"').lower()] if search.startswith('"') else search.lower().split()
    wanted = [i for i, text in enumerate(texts) if all(one in text.lower() for one in needles)]
    assert wanted or search in ("zebra crossing", "a\\b(")
    assert len(wanted) < len(texts) or search == "bitcoin"
    shown.page.locator("#responses").scroll_into_view_if_needed()
    shown.page.fill("#responses-search", search)
    said = f"{len(wanted)} of {len(texts)} responses"
    if len(wanted) == len(texts):
        said = f"{len(texts)} responses"
    shown.page.wait_for_function(
        "said => document.getElementById('responses-count').textContent === said", arg=said
    )
    assert found_rows(shown) == wanted


def found_rows(shown: Opened) -> list[int]:
    """The responses in the table, from all its pages."""
    rows: list[int] = []
    for _ in itertools.count():
        shown.settle()
        cells = shown.page.locator("#responses-table [data-test=row]")
        rows += cells.evaluate_all("rows => rows.map(row => Number(row.dataset.response))")
        following = shown.page.locator("[data-test=page-next]")
        if not following.is_visible() or following.is_disabled():
            return rows
        following.click()
    raise AssertionError


def test_the_table_shows_a_step_and_an_agent(pocket_page: Shown, show: Open) -> None:
    shown = show(pocket_page.page)
    rows = pocket_page.run.responses()
    shown.set(t=2)
    shown.page.locator("#responses").scroll_into_view_if_needed()
    shown.page.select_option("#responses-step", "this")
    shown.page.select_option("#responses-agent", label="east")
    wanted = rows.index[(rows["t"] == 2) & (rows["agent"] == "east")].tolist()
    assert found_rows(shown) == wanted
    texts = shown.page.locator("#responses-table [data-test=row] .said").all_text_contents()
    assert [text for text in texts if text != "east"] == rows.loc[wanted, "text"].tolist()


def test_a_phrase_leads_to_the_post_that_it_came_from(pocket_page: Shown, show: Open) -> None:
    from lwd_agents.measures.lineage import index_phrases, lineage

    shown = show(pocket_page.page)
    run = read_run(pocket_page.run.path)
    posts = read_posts(run)
    index = index_phrases(posts)
    rows = pocket_page.run.responses()
    tried = 0
    for i, row in rows[rows["t"] == 3].iterrows():
        traced = lineage(index, (3, row["agent"], 0, 0), row["text"])
        if not traced.phrases:
            continue
        shown.set(response=i, t=3)
        shown.page.locator("#reading").scroll_into_view_if_needed()
        shown.settle()
        buttons = shown.page.locator("[data-test=answer] [data-test=phrase]")
        shown.page.wait_for_function(
            "n => document.querySelectorAll('[data-test=answer] [data-test=phrase]').length === n",
            arg=len(traced.phrases),
        )
        for place, phrase in enumerate(traced.phrases):
            buttons.nth(place).click()
            shown.settle()
            ids = shown.page.evaluate(
                """() => [...document.querySelectorAll("[data-test=chain] > li[data-post]")]
                  .map((one) => LWD.run().texts.posts.id[Number(one.dataset.post)])"""
            )
            assert ids == [link.id for link in phrase.chain]
            origin = shown.page.locator("[data-test=chain] > li.origin .post-text .said")
            assert origin.text_content() == posts.texts[phrase.origin.row]
            tried += 1
        if tried >= 6:
            break
    assert tried >= 3


def test_what_was_read_is_listed(pocket_page: Shown, show: Open) -> None:
    shown = show(pocket_page.page)
    rows = pocket_page.run.responses()
    i = rows.index[(rows["t"] == 4) & (rows["agent"] == "south")][0]
    shown.set(response=int(i), t=4)
    shown.page.locator("#reading").scroll_into_view_if_needed()
    shown.page.locator("#response-title", has_text="south").wait_for()
    reads = shown.page.locator("[data-test=reads] > li")
    ids = reads.evaluate_all(
        "all => all.map(one => LWD.run().texts.posts.id[Number(one.dataset.post)])"
    )
    assert sorted(ids) == sorted(pocket_page.run.rounds[4]["reads"]["south"])


def test_the_numbers_on_the_page_are_the_runs(pocket_page: Shown, show: Open) -> None:
    shown = show(pocket_page.page)
    data = json.loads(shown.page.locator("script#data").text_content() or "")
    (run,) = data["runs"]
    np.testing.assert_allclose(run["curves"]["norm"], pocket_page.run.norm, rtol=1e-5)
    shown.page.locator("#norm").scroll_into_view_if_needed()
    shown.settle()
    drawn = shown.page.evaluate(
        """() => document.querySelector("#norm .chart").data
          .filter((one) => one.meta && one.mode === "lines").map((one) => Array.from(one.y))"""
    )
    assert any(np.allclose(y, pocket_page.run.norm, rtol=1e-5) for y in drawn if None not in y)
