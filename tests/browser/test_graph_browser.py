"""The page of learners in a real browser: bars and expectations step by step, names that harm."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromium import Open, Opened
from shown_runs import Shown
from test_looks_browser import CONTRAST, NAMELESS
from test_page_graph import NAMES, learned, renamed
from test_watch_browser import PATIENCE, StepByStep

import lwd_agents as lwd
from lwd_agents.worlds import graph

# What is drawn of the errors: bars, marks, colours, and the words under the bars.
BARS = """() => {
  const chart = document.querySelector("#explore .chart.errors");
  const [bars, marks] = chart.data;
  return {
    errors: Array.from(bars.y), expected: Array.from(marks.y),
    whiskers: Array.from(bars.error_y.array), colours: Array.from(bars.marker.color),
    top: chart._fullLayout.yaxis.range[1],
    names: [...chart.querySelectorAll(".xtick text")].map((one) => one.textContent),
    drawn: chart.querySelectorAll(".barlayer .point path").length,
    label: chart.getAttribute("aria-label"),
  };
}"""


@pytest.fixture(scope="module")
def learners_page(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """Three learners, of whom two have names that would harm; b learns from c from t = 3 on."""
    out = learned(tmp_path_factory.mktemp("learners") / "joined", placebo=True)
    return Shown(lwd.page(renamed(out)).page, lwd.load(out))


def bars(shown: Opened, t: int) -> dict[str, Any]:
    shown.page.locator("#explore").scroll_into_view_if_needed()
    shown.set(t=t)
    shown.settle()
    shown.page.wait_for_selector("#explore .chart.errors .barlayer .point")
    return dict(shown.page.evaluate(BARS))


def test_bars_are_the_errors_and_marks_what_is_expected(learners_page: Shown, show: Open) -> None:
    shown, arrays = show(learners_page.page), learners_page.run.arrays
    seen = {t: bars(shown, t) for t in (6, 2, 0)}
    for t, found in seen.items():
        mean = arrays["error"].mean(axis=0)[t]
        np.testing.assert_allclose(found["errors"], mean, rtol=1e-5)
        expected = arrays["predicted_error"].mean(axis=0)[t]
        np.testing.assert_allclose(found["expected"], expected, rtol=1e-5)
        se = arrays["error"].std(axis=0, ddof=1)[t] / 2
        np.testing.assert_allclose(found["whiskers"], 2 * se, rtol=1e-4)
        assert found["drawn"] == 3
        assert f"Step {t}: squared distance from the truth." in found["label"]
        assert "collapses" in found["label"]
    assert len({found["top"] for found in seen.values()}) == 1  # growth can be seen
    stable, falls = seen[2]["colours"][0], seen[2]["colours"][2]
    assert seen[2]["colours"] == [stable, stable, falls]
    assert seen[6]["colours"] == [falls] * 3  # by the graph that holds at the step
    shown.page.locator("#explore .controls label").filter(has_text="scale of this step").click()
    shown.settle()
    assert bars(shown, 0)["top"] < seen[0]["top"]
    assert shown.said == []


def test_names_are_texts_under_the_bars_at_the_pointer_and_in_the_table(
    learners_page: Shown, show: Open
) -> None:
    shown = show(learners_page.page)
    found = bars(shown, 6)
    assert found["names"][0] == NAMES[0][:13] + "\u2026"
    shown.page.locator("#explore .chart").hover(position={"x": 260, "y": 200})
    tip = shown.page.locator("#tooltip.shown")
    tip.wait_for()
    assert NAMES[0] in (tip.text_content() or "")
    assert "expected" in (tip.text_content() or "")
    numbers = shown.page.locator("#explore details.numbers")
    numbers.locator("summary").click()
    rows = numbers.locator("tbody tr")
    rows.nth(0).wait_for()
    assert rows.count() == 3
    assert rows.nth(0).locator("th").text_content() == NAMES[0]
    shown.tour()
    assert shown.page.locator("b, #explore script, #learners script").count() == 0
    assert shown.page.evaluate("() => typeof window.pwned") == "undefined"
    assert shown.said == []
    assert shown.asked == []


def test_measures_have_the_words_of_learners(learners_page: Shown, show: Open) -> None:
    shown = show(learners_page.page)
    shown.tour()
    titles = shown.page.locator("#measures .grid strong").all_text_contents()
    assert titles[:3] == ["error", "between learners", "drift from the truth"]
    assert "labelled by learners" in titles
    assert "expected error" not in titles  # beside the errors themselves
    told = shown.page.locator("#measures").text_content() or ""
    assert "dotted: what is expected" in told
    norm = shown.page.locator("#norm").text_content() or ""
    assert "whose data is all real" in norm
    assert "the exact recursion" in norm
    for wrong in ("human", "A(t)", "starting weights", "Internet"):
        assert wrong not in told + norm, wrong


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_and_used_on_a_narrow_screen(
    scheme: str, learners_page: Shown, show: Open
) -> None:
    view = {"width": 390, "height": 800}
    shown = show(learners_page.page, color_scheme=scheme, viewport=view)
    shown.tour()
    assert shown.page.evaluate(NAMELESS) == []
    assert shown.page.evaluate(CONTRAST) == []
    wide = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert shown.page.evaluate(wide) <= 0
    picture = shown.page.locator("#learners img")
    assert picture.is_visible()
    assert "Collapse:" in (picture.get_attribute("alt") or "")


def test_in_print_the_graph_and_the_curves_of_the_errors_are_there(
    learners_page: Shown, show: Open
) -> None:
    shown = show(learners_page.page)
    shown.page.emulate_media(media="print")
    assert shown.page.locator("#learners img").is_visible()
    assert shown.page.locator("#learners table").is_visible()
    assert shown.page.locator("#explore .still img").is_visible()


def test_errors_come_block_by_block_while_a_run_goes_on(
    tmp_path: Path, show: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph, "_WORK", 1)  # a block is one step
    out, held = tmp_path / "run", StepByStep()
    keys = {"learners": 3, "readership": "ring", "real": 0.2, "rows": 20, "features": 2}
    how = {"world": "graph", **keys, "steps": 3, "replicates": 3}
    run = threading.Thread(target=lambda: lwd.run(how, out=out, progress=held))
    with lwd.watch(out, wait=True) as watched:
        run.start()
        assert held.committed.acquire(timeout=PATIENCE)
        shown = show(watched.url)
        while run.is_alive():
            t = len(lwd.load(out)) - 1
            shown.page.wait_for_function(
                "t => typeof LWD === 'object' && LWD.data?.runs[0]?.errors?.length === t + 1",
                arg=t,
                timeout=1000 * PATIENCE,
            )
            assert shown.page.evaluate("() => LWD.run().t.length") == t + 1
            told = shown.page.text_content("#learners") or ""
            assert "a run tells them when it ends" in told
            assert "no learner collapses" in told.lower()
            held.onward.release()
            if t == 3 or not held.committed.acquire(timeout=PATIENCE):
                break
        run.join()
        shown.page.wait_for_function(
            "() => typeof LWD === 'object' && LWD.data?.verdict && LWD.run().learners.table.length",
            timeout=1000 * PATIENCE,
        )
        arrays = lwd.load(out).arrays
        found = bars(shown, 3)
        np.testing.assert_allclose(found["errors"], arrays["error"].mean(axis=0)[3], rtol=1e-5)
        assert len(found["expected"]) == 3
        assert "no learner collapses" in (shown.page.text_content("#learners") or "").lower()
        assert shown.said == []
