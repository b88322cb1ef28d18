"""How the page looks and is used: themes, print, no scripts, keyboard, names, narrow screens."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from chromium import Open, Opened
from shown_runs import Shown

NAMELESS = """() => [...document.querySelectorAll(
  "button, input, select, textarea, a[href], summary, [role=button], [tabindex='0']")]
  .filter((one) => one.checkVisibility())
  .filter((one) => !(
    (one.getAttribute("aria-label") || "").trim()
    || (one.getAttribute("aria-labelledby") || "").split(" ").some((id) =>
      (document.getElementById(id) || { textContent: "" }).textContent.trim())
    || [...(one.labels || [])].some((label) => label.textContent.trim())
    || (!["INPUT", "SELECT"].includes(one.tagName) && one.textContent.trim())
    || (one.getAttribute("title") || "").trim()))
  .map((one) => one.outerHTML.slice(0, 200))"""

# The least contrast of the page's own words against what lies behind them (WCAG 2).
CONTRAST = """() => {
  const parse = (said) => {
    const made = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
    const context = made.getContext("2d", { willReadFrequently: true });
    context.fillStyle = said;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (one) => {
    for (let e = one; e; e = e.parentElement) {
      const found = parse(getComputedStyle(e).backgroundColor);
      if (found[3] === 255) return found;
    }
    return parse(getComputedStyle(document.documentElement).backgroundColor);
  };
  const low = [];
  const words = "h1, h2, h3, p, li, th, td, label, button, a, dt, dd, summary";
  const says = (one) => [...one.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
  for (const one of document.querySelectorAll(words)) {
    if (!one.checkVisibility() || !says(one)) continue;
    if (one.matches(":disabled, .unseen, .skip") || one.closest(".unseen, svg")) continue;
    const pair = [light(parse(getComputedStyle(one).color)), light(behind(one))];
    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    const who = [one.tagName, one.className, one.textContent.slice(0, 40)].join(" ");
    if (ratio < 4.5) low.push(ratio.toFixed(2) + " " + who);
  }
  return low;
}"""


def luminance(colour: str) -> float:
    r, g, b = (int(part) for part in re.findall(r"\d+", colour)[:3])
    return float(np.dot([0.2126, 0.7152, 0.0722], [r, g, b]))


def colours(shown: Opened) -> tuple[float, float]:
    """How light the background and the words are, 0 to 255."""
    style = "one => getComputedStyle(document.body).{}"
    back = shown.page.evaluate(style.format("backgroundColor"))
    if back == "rgba(0, 0, 0, 0)":
        back = shown.page.evaluate(
            "() => getComputedStyle(document.documentElement).backgroundColor"
        )
    return luminance(back), luminance(shown.page.evaluate(style.format("color")))


def test_light_and_dark(pocket_page: Shown, show: Open) -> None:
    light = show(pocket_page.page, color_scheme="light")
    dark = show(pocket_page.page, color_scheme="dark")
    back, words = colours(light)
    assert back > 220
    assert words < 90
    back, words = colours(dark)
    assert back < 60
    assert words > 180
    for shown in (light, dark):
        assert shown.page.evaluate(CONTRAST) == []


def test_print_shows_the_pictures_and_every_section(pocket_page: Shown, show: Open) -> None:
    shown = show(pocket_page.page, color_scheme="dark")
    stills = shown.page.locator("figure.still img")
    assert not any(still.is_visible() for still in stills.all())
    shown.page.emulate_media(media="print")
    assert stills.count() >= 3
    assert all(still.is_visible() for still in stills.all())
    assert colours(shown)[0] > 220  # paper is white, whatever the screen
    assert shown.page.locator("#verdict").is_visible()
    assert not shown.page.locator("#step").is_visible()


def test_without_scripts_verdict_pictures_and_configuration_are_there(
    pocket_page: Shown, show: Open
) -> None:
    shown = show(pocket_page.page, java_script_enabled=False)
    stills = shown.page.locator("figure.still img")
    assert stills.count() >= 3
    for still in stills.all():
        assert still.is_visible()
        assert (still.get_attribute("alt") or "").strip()
        size = still.bounding_box()
        assert size is not None
        assert size["width"] > 200
        assert size["height"] > 100  # an SVG that is broken is a small icon
    assert "pair" in (shown.page.locator("#verdict").text_content() or "")
    about = shown.page.locator("#about").text_content() or ""
    assert "pocket:north" in about
    assert str(pocket_page.run.manifest["versions"]["numpy"]) in about
    assert shown.said == []


def test_the_keyboard_reaches_everything_in_the_order_of_the_page(
    pocket_page: Shown, show: Open
) -> None:
    shown = show(pocket_page.page)
    # what is off screen is drawn a moment after the page, and Tab is faster here than any hand
    for drawn in ("#responses-table [data-test=read]", "#reading button"):
        shown.page.locator(drawn).first.wait_for(state="attached")
    seen: list[str] = []
    for _ in range(400):
        shown.page.keyboard.press("Tab")
        found = shown.page.evaluate(
            """() => {
              const one = document.activeElement;
              if (one === document.body) return null;
              const where = one.closest("section, header, .bar");
              return [one.id || one.getAttribute("data-test") || one.className || one.tagName,
                where ? where.id || where.className : ""].join("@");
            }"""
        )
        if found is None:
            break
        seen.append(found)
    assert seen[0].startswith("skip")
    order = [seen.index(name) for name in ("step@explore", "responses-search@responses")]
    order.append(next(i for i, name in enumerate(seen) if name == "read@responses"))
    order.append(next(i for i, name in enumerate(seen) if name.endswith("@reading")))
    assert order == sorted(order)
    # what has the focus can be seen to have it
    shown.page.locator("#step").focus()
    shown.page.keyboard.press("ArrowLeft")
    ring = shown.page.evaluate(
        "() => { const s = getComputedStyle(document.activeElement); "
        "return s.outlineStyle + s.outlineWidth + s.boxShadow; }"
    )
    assert not ring.startswith("none0px") or "none" not in ring[-4:]


def test_a_row_is_read_with_the_keyboard_alone(pocket_page: Shown, show: Open) -> None:
    shown = show(pocket_page.page)
    shown.page.locator("#responses-search").focus()
    shown.page.keyboard.type("bitcoin")
    button = shown.page.locator("#responses-table [data-test=read]").nth(1)
    button.wait_for()
    shown.page.wait_for_timeout(150)
    row = int(button.evaluate("one => one.closest('[data-response]').dataset.response"))
    button.focus()
    shown.page.keyboard.press("Enter")
    shown.settle()
    text = pocket_page.run.responses()["text"][row]
    assert shown.state()["response"] == row
    shown.page.wait_for_function(
        "text => document.querySelector('[data-test=answer] .said').textContent === text", arg=text
    )
    assert shown.page.evaluate("() => document.activeElement.id") == "response-title"


@pytest.mark.parametrize("width", [390, 1280])
def test_every_control_has_a_name_and_nothing_hangs_over_the_edge(
    width: int, pocket_page: Shown, show: Open
) -> None:
    shown = show(pocket_page.page, viewport={"width": width, "height": 800})
    shown.tour()
    assert shown.page.evaluate(NAMELESS) == []
    wide = shown.page.evaluate(
        "() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert wide[0] <= wide[1]
    missing = "() => [...document.images].filter((one) => !one.alt).length"
    assert shown.page.evaluate(missing) == 0
    doubled = "() => { const all = [...document.querySelectorAll('[id]')].map((e) => e.id); "
    doubled += "return all.filter((id, i) => all.indexOf(id) !== i); }"
    assert shown.page.evaluate(doubled) == []


def test_several_runs_lie_over_each_other_and_can_be_chosen(several_page: Path, show: Open) -> None:
    shown = show(several_page)
    shown.page.locator("#norm").scroll_into_view_if_needed()
    shown.settle()
    keys = shown.page.evaluate("() => LWD.data.runs.map((run) => run.key)")
    assert len(keys) == 3
    drawn = shown.page.evaluate(
        """() => document.querySelector("#norm .chart").data.filter((one) => one.meta)
          .map((one) => one.meta)"""
    )
    assert set(keys) <= set(drawn)
    compared = shown.page.locator("#compare").text_content() or ""
    assert "reading.beta" in compared
    assert "0.7" in compared
    shown.set(run=1)
    shown.settle()
    assert shown.page.evaluate("() => LWD.run().key") == keys[1]
    assert shown.said == []


def test_mixtures_show_their_weights_and_their_theory(gmm_page: Shown, show: Open) -> None:
    shown = show(gmm_page.page)
    shown.tour()
    weights = gmm_page.run.arrays["weights"][0]  # of the first replicate
    for key, t in (("Home", 0), ("End", len(weights) - 1)):
        shown.page.locator("#step").press(key)
        shown.settle()
        drawn = shown.page.evaluate(
            "() => document.querySelector('#explore .chart').data.map((one) => Array.from(one.y))"
        )
        np.testing.assert_allclose(drawn, weights[t], rtol=1e-3, atol=1e-4)
    names = shown.page.evaluate(
        "() => document.querySelector('#norm .chart').data.map((one) => one.meta).filter(Boolean)"
    )
    assert "theory, predicted" in names
    assert any("root mean square" in name for name in names)
    assert not shown.page.locator("#responses .mount").is_visible()
    assert shown.said == []
