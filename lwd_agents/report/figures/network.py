"""Who learns from whom, drawn with the verdict as colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from lwd_agents.report.figures.style import COLOURS, PAGE, below, headline, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 400  # learners that can be told apart on a page
_NAMED = 40  # learners with names beside them
PANELS = 4  # graphs side by side
_LOOKS: dict[bool | None, tuple[str, str, str]] = {  # colour, mark, word
    True: (COLOURS[1], "s", "collapses"),
    False: (COLOURS[0], "o", "stable"),
    None: ("0.55", "D", "no verdict"),
}
_REAL = COLOURS[2]


@dataclass(frozen=True)
class Panel:
    """A graph as it is drawn.

    Attributes:
        title: above it.
        names: the n learners, in one order for all panels of a figure.
        edges: (source, target, weight) between places of learners; own loops too.
        real: (n,) shares of real data.
        falls: whether each learner collapses; None where no verdict is claimed.
    """

    title: str
    names: Sequence[str]
    edges: Sequence[tuple[int, int, float]]
    real: NDArray[np.float64]
    falls: Sequence[bool] | None


def network_figure(panels: Sequence[Panel], title: str | None = None) -> Figure:
    """Some graphs over the same learners, side by side at the same places.

    Squares collapse, circles are stable; a green rim is real data. An edge goes from source to
    target, wider with its weight; what an earlier panel had not is dashed.
    """
    from matplotlib.figure import Figure

    shown = list(panels)[:PANELS]
    places = _places(shown)
    figure = Figure(figsize=_size(len(shown), places), layout="constrained")
    known: set[tuple[int, int]] = set()
    anew = False
    grid = np.atleast_1d(figure.subplots(*_grid(len(shown)))).flat
    for axes, panel in zip(grid, shown, strict=True):
        edges = {(s, t) for s, t, _ in panel.edges}
        anew |= bool(known and edges - known)
        _draw(axes, panel, places, known)
        known = edges
    below(figure, *_legend(shown, anew), 4)
    if title:
        headline(figure, title)
    return figure


def _grid(count: int) -> tuple[int, int]:
    """Rows and columns of panels."""
    return (2, 2) if count == 4 else (1, count)


def _size(count: int, places: NDArray[np.float64]) -> tuple[float, float]:
    """Width and height in inches."""
    rows, columns = _grid(count)
    width = PAGE if columns > 1 else 4.6
    wide, high = np.maximum(np.ptp(places, axis=0), 1.0)
    most = 3.2 if rows > 1 else min(4.0, width / max(columns - 0.6, 1))
    tall = np.clip(width / columns * high / wide, 0.9, most)
    return width, rows * float(tall) + 0.9


def _places(panels: Sequence[Panel]) -> NDArray[np.float64]:
    """(n, 2) where the learners stand: near whom they learn from in any panel; always the same."""
    import networkx

    n = len(panels[0].names)
    graph = networkx.Graph()
    graph.add_nodes_from(range(n))
    graph.add_edges_from((s, t) for panel in panels for s, t, _ in panel.edges if s != t)
    parts = sorted(networkx.connected_components(graph), key=lambda part: (-len(part), min(part)))
    places, left = np.zeros((n, 2)), 0.0
    for part in parts:
        members = sorted(part)
        size = np.sqrt(len(members))
        some = graph.subgraph(members)
        circle = networkx.circular_layout(members)
        if len(members) > 120:
            found = networkx.spring_layout(some, pos=circle, seed=0, iterations=60)
        elif len(members) > 2:
            found = networkx.kamada_kawai_layout(some, pos=circle)
        else:
            found = {m: np.array([0.0, k - (len(members) - 1) / 2]) for k, m in enumerate(members)}
        at = np.array([found[m] for m in members]) * (size if len(members) > 2 else 1.0)
        at[:, 0] += left - at[:, 0].min()
        places[members] = at
        left = at[:, 0].max() + 1.1
    return places


def _draw(
    axes: Axes, panel: Panel, places: NDArray[np.float64], known: set[tuple[int, int]]
) -> None:
    from matplotlib.patheffects import withStroke

    n = len(panel.names)
    size = float(np.clip(1500 / n, 12, 190))
    rim = min(1.0, size**0.5 / 9)
    pairs = {(s, t) for s, t, _ in panel.edges}
    for s, t, weight in panel.edges:
        _edge(
            axes,
            panel,
            places,
            (s, t, weight),
            (t, s) in pairs,
            bool(known) and (s, t) not in known,
            size,
        )
    for fall, (colour, mark, _) in _LOOKS.items():
        falls = [None] * n if panel.falls is None else panel.falls
        some = [i for i in range(n) if falls[i] is fall]
        if not some:
            continue
        rims = [_REAL if panel.real[i] > 0 else "white" for i in some]
        widths = [
            rim * (1.0 + 2.2 * float(panel.real[i]) ** 0.5) if panel.real[i] > 0 else 0.8
            for i in some
        ]
        axes.scatter(
            places[some, 0],
            places[some, 1],
            s=size,
            c=colour,
            marker=mark,
            edgecolors=rims,
            linewidths=widths,
            zorder=3,
        )
    if n <= _NAMED:
        for i, name in enumerate(panel.names):
            said = plain(name)
            if panel.real[i] > 0 and n <= 16:
                said += f"\nreal {panel.real[i]:.3g}"
            side = 1 if _above(panel, places, i) else -1
            axes.annotate(
                said, (places[i, 0], places[i, 1]), xytext=(0, side * ((size**0.5) / 2 + 3)),
                textcoords="offset points", ha="center", va="bottom" if side > 0 else "top",
                fontsize=7, zorder=4, linespacing=0.95,
                path_effects=[withStroke(linewidth=2.2, foreground="white")],
            )  # fmt: skip
    axes.set_title(panel.title, loc="left")
    axes.set_axis_off()
    axes.margins(0.22 if n <= 16 else 0.1)
    axes.set_aspect("equal", adjustable="datalim")


def _above(panel: Panel, places: NDArray[np.float64], i: int) -> bool:
    """Whether a name is better above its learner: where its edges leave more room than below."""
    ends = {t if s == i else s for s, t, _ in panel.edges if i in (s, t)}
    if not ends or i in ends:  # a loop is above
        return False
    ways = places[sorted(ends)] - places[i]
    up = ways[:, 1] / np.maximum(np.hypot(ways[:, 0], ways[:, 1]), 1e-12)
    return bool(up.max() < -up.min())


def _edge(
    axes: Axes,
    panel: Panel,
    places: NDArray[np.float64],
    edge: tuple[int, int, float],
    both: bool,
    new: bool,
    size: float,
) -> None:
    """An arrow from source to target; a loop above a learner that learns from itself."""
    from matplotlib.patches import FancyArrowPatch

    s, t, weight = edge
    falls = panel.falls is not None and panel.falls[s]
    look: dict[str, Any] = {
        "color": COLOURS[1] if falls else "0.45",
        "lw": 0.4 + 1.5 * weight**0.5,
        "alpha": 0.75 if len(panel.edges) < 200 else 0.25,
        "linestyle": (0, (3, 1.5)) if new else "-",
        "zorder": 2,
    }
    reach = size**0.5 / 2 + 1.5
    if s == t:
        if len(panel.names) <= _NAMED:
            _loop(axes, places[s], reach, look)
        return
    axes.add_patch(
        FancyArrowPatch(
            tuple(places[s]),
            tuple(places[t]),
            arrowstyle="-|>",
            mutation_scale=7,
            shrinkA=reach,
            shrinkB=reach,
            connectionstyle=f"arc3,rad={0.16 if both else 0.0}",
            **look,
        )
    )


def _loop(axes: Axes, place: NDArray[np.float64], reach: float, look: dict[str, Any]) -> None:
    """A small arc above a place, in points of the page."""
    from matplotlib.transforms import ScaledTranslation

    turn = np.linspace(-0.6, np.pi + 0.6, 40)
    x, y = 0.55 * reach * np.cos(turn), reach + 0.55 * reach * np.sin(turn)
    move: Any = ScaledTranslation(float(place[0]), float(place[1]), cast("Any", axes.transData))
    axes.plot(
        x / 72, y / 72, color=look["color"], lw=look["lw"], alpha=look["alpha"],
        linestyle=look["linestyle"], transform=axes.figure.dpi_scale_trans + move, zorder=2,
    )  # fmt: skip


def _legend(panels: Sequence[Panel], anew: bool) -> tuple[list[Any], list[str]]:
    from matplotlib.lines import Line2D

    there: set[bool | None] = set()
    for panel in panels:
        there |= {None} if panel.falls is None else {bool(one) for one in panel.falls}
    handles = [
        Line2D([], [], ls="", marker=mark, color=colour, ms=6)
        for fall, (colour, mark, _) in _LOOKS.items()
        if fall in there
    ]
    labels = [word for fall, (_, _, word) in _LOOKS.items() if fall in there]
    if any((panel.real > 0).any() for panel in panels):
        rim: dict[str, Any] = {"mfc": "white", "mec": _REAL, "mew": 1.8}
        handles.append(Line2D([], [], ls="", marker="o", ms=6, **rim))
        labels.append("has real data")
    if anew:
        handles.append(Line2D([], [], color="0.45", lw=1.2, linestyle=(0, (3, 1.5))))
        labels.append("edge that is new")
    return handles, labels
