"""What all figures share: sizes, colours, marks, names as text, titles, and quiet axes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from lwd_agents.report.wording import count, printable
from lwd_agents.trajectory import Trajectory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which people with any colour vision tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "^", "s", "D", "v", "P", "X")
DPI = 150  # of the figures that a run leaves behind
PAPER_DPI = 300
COLUMN, PAGE = 3.3, 6.9  # inches: one column of a paper, and both
_LONGEST = 40  # characters of a name
_FONT = "DejaVu Sans"  # comes with matplotlib, so it is the same everywhere
_RC: dict[str, Any] = {
    "font.family": _FONT,
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "hatch.linewidth": 0.4,
    "pdf.fonttype": 42,  # TrueType: journals refuse Type 3, and text stays text
    # An SVG cannot carry its font: as text it would be set in another one elsewhere.
    "svg.fonttype": "path",
    "svg.hashsalt": "lwd",  # else ids are random, and no two files alike
}


@contextmanager
def styled(**more: Any) -> Iterator[None]:
    """Matplotlib's defaults with ours over them, whatever the user's own file says."""
    import matplotlib
    from matplotlib import style

    ours: Any = _RC | more
    with style.context("default"), matplotlib.rc_context(ours):
        yield


def plain(name: str, *, any_glyph: bool = False) -> str:
    """A name for matplotlib to write as it is: no mathematics, no control characters.

    A long one is cut. What the font has no glyph for is written as ``<U+4E2D>``, but for
    ``any_glyph``, where a viewer's own fonts will show it.
    """
    text = printable(name)
    text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}\u2026"
    if not any_glyph:
        text = "".join(c if ord(c) in _glyphs() else f"<U+{ord(c):04X}>" for c in text)
    return text.replace("$", r"\$")


@cache
def _glyphs() -> frozenset[int]:
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont(_FONT)).get_charmap())


def look(i: int) -> tuple[str, str]:
    """(colour, mark) of the i-th agent; no two of the first 49 have both in common."""
    return COLOURS[i % 7], MARKERS[(i + i // 7) % 7]


def marked(i: int, steps: int) -> dict[str, Any]:
    """The line of the i-th agent over ``steps`` steps: its colour, its mark now and then."""
    colour, marker = look(i)
    every = max(1, steps // 12)
    return {
        "color": colour,
        "marker": marker,
        "markevery": (i * every // 3 % every, every) if steps > 3 else 1,
        "markersize": 3.2,
        "linewidth": 0.9,
    }


def title(trajectory: Trajectory) -> str:
    """The run in a few words."""
    manifest = trajectory.manifest
    config = manifest["config"]
    name = f"{plain(str(manifest['experiment']))}, seed {manifest['seed']}"
    if trajectory.world == "gmm":
        return (
            f"{name}: {config['models']} mixtures, B = {config['components']}, "
            f"L = {config['posts_per_step']}"
        )
    if trajectory.world == "graph":
        return f"{name}: {count(len(trajectory.agents), 'learner')}, {config['estimator']['kind']}"
    return f"{name}, {len(trajectory.agents)} agents, L = {config['draws']}"


def headline(figure: Figure, text: str) -> None:
    """A figure's title, at its left."""
    figure.suptitle(text, fontsize="medium", x=0.02, ha="left")


def below(figure: Figure, handles: Any, labels: Any, columns: int) -> None:
    """A legend under all panels. Labels are given: matplotlib drops those that begin with _."""
    if labels:
        figure.legend(
            handles,
            labels,
            loc="outside lower center",
            ncols=max(1, min(columns, len(labels))),
            frameon=False,
        )


def tidy(axes: Axes) -> None:
    """Two spines, a faint grid behind the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)


def over_steps(axes: Axes, last: int) -> None:
    """The axis of steps, 0 .. ``last``: whole numbers."""
    axes.set_xlim(0, max(last, 1))
    axes.locator_params(axis="x", integer=True)
    axes.set_xlabel("step $t$")
    tidy(axes)
