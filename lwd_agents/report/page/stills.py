"""Static figures of the page, shown without scripts and in print, drawn from the page's Data.

What the Data lacks is left out: a figure without anything to show is not there at all.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any

from lwd_agents.report.figures.style import styled
from lwd_agents.report.page.still_curves import measures_still, norm_still, weights_still
from lwd_agents.report.page.still_learners import drawn_graphs, errors_still
from lwd_agents.report.page.still_parts import Run
from lwd_agents.report.page.still_planes import paths_still, plane_still

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DRAW: dict[str, Callable[[Sequence[Run]], tuple[Figure, str] | None]] = {
    "norm": norm_still,
    "plane": plane_still,
    "paths": paths_still,
    "measures": measures_still,
    "weights": weights_still,
    "errors": errors_still,
}
_STYLE: dict[str, Any] = {"svg.fonttype": "none", "font.size": 9, "axes.labelsize": 9}
_NUMBER = re.compile(r"(\d\.\d\d)\d+")
_TAG = re.compile(r"<[^<>]*>")


@dataclass(frozen=True)
class Still:
    """One static figure.

    Attributes:
        svg: a whole SVG document on white; its text is text, in the viewer's sans-serif font.
        alt: what is seen, in words and numbers.
    """

    svg: str
    alt: str


def stills(data: Mapping[str, Any]) -> dict[str, Still]:
    """The static figures of a page: of "norm", "plane", "paths", "measures", "weights", "errors"
    those there, and "graph-0", "graph-1", ... of the runs at these places.

    "norm" and "measures" are of all runs, the others of the first run that has what they show.

    Args:
        data: the page's Data; null for what is not known.
    """
    drawn = {}
    with styled(**_STYLE):
        for name, draw in _DRAW.items():
            found = draw(data.get("runs") or [])
            if found is not None:
                figure, alt = found
                drawn[name] = Still(_svg(figure), alt)
    return drawn | graph_stills(data.get("runs") or [])


def graph_stills(runs: Sequence[Run]) -> dict[str, Still]:
    """Who learns from whom, of the runs of learners, by name: "graph-0" of the first run."""
    with styled(**_STYLE):
        found = drawn_graphs(runs)
        return {name: Still(_svg(figure), alt) for name, (figure, alt) in found.items()}


def _svg(figure: Figure) -> str:
    """A figure as SVG: the same bytes each time, numbers to two decimals."""
    file = StringIO()
    with warnings.catch_warnings():  # a name may need a font that the viewer has and we don't
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return _TAG.sub(lambda tag: _NUMBER.sub(r"\1", tag[0]), file.getvalue())
