"""Static figures of the page in the plane: responses of two steps, and the agents' paths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.report.figures.style import below, look, tidy
from lwd_agents.report.page.still_parts import (
    MOST_NAMED,
    Run,
    as_numbers,
    card,
    in_words,
    is_known,
    named,
    spelt,
    stride,
    thinned,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_PATHS = 40  # agents
_MOST_POINTS = 2000  # responses drawn: an SVG needs about 100 bytes for each


def plane_still(runs: Sequence[Run]) -> tuple[Figure, str] | None:
    """The responses at the first step (t = 1 where there is one) and the last, in one frame."""
    for run in runs:
        rows = (run.get("texts") or {}).get("responses") or {}
        x, y = (as_numbers(rows.get(axis) or []) for axis in "xy")
        there = np.isfinite(x) & np.isfinite(y) if len(x) == len(y) else np.zeros(0, dtype=bool)
        if there.any():
            break
    else:
        return None
    t, agent = np.array(rows["t"]), np.array(rows["agent"])
    steps = sorted({int(step) for step in t[there]})
    pair = list(dict.fromkeys((1 if 1 in steps and len(steps) > 1 else steps[0], steps[-1])))
    figure = card(4.4)
    panels = figure.subplots(1, len(pair), squeeze=False, sharex=True, sharey=True)[0]
    handles: dict[str, Any] = {}
    told = []
    for axes, step in zip(panels, pair, strict=True):
        of_step = np.flatnonzero(there & (t == step))
        every = max(1, -(-len(of_step) * len(pair) // _MOST_POINTS))
        told.append(f"{len(of_step[::every])} of {len(of_step)} responses at t = {step}")
        for i, name in enumerate(run["agents"]):
            mine = of_step[agent[of_step] == i][::every]
            colour, marker = look(i)
            dots: dict[str, Any] = {"ls": "", "marker": marker, "ms": 4, "mew": 0, "alpha": 0.6}
            (line,) = axes.plot(x[mine], y[mine], color=colour, **dots)
            handles.setdefault(named(name), line)
        axes.set_title(f"t = {step}", loc="left")
        axes.set_aspect("equal", adjustable="box")
        axes.set_xlabel("first coordinate")
        tidy(axes)
    panels[0].set_ylabel("second coordinate")
    below(figure, list(handles.values()), list(handles), 6)
    names = ", ".join(spelt(name) for name in run["agents"][:MOST_NAMED])
    alt = (
        f"Responses of {spelt(run.get('key'))} in one plane, by agent ({names}): {'; '.join(told)}."
    )
    return figure, alt


def paths_still(runs: Sequence[Run]) -> tuple[Figure, str] | None:
    """The agents' perspectives as paths: an open mark at the first step, a full one at the last."""
    for run in runs:
        path = run.get("path") or {}
        if is_known(path.get("x")):
            break
    else:
        return None
    names = run["agents"][:_MOST_PATHS]
    x, y = as_numbers(path["x"])[:, : len(names)], as_numbers(path["y"])[:, : len(names)]
    flat = _flat(x, y)
    if flat:  # one axis holds all: as the page does, it is drawn over the steps
        x, y = np.repeat(np.array(run["t"], dtype=float)[:, None], x.shape[1], axis=1), x
    figure, every = card(5.0), stride([run], 5 * len(names))
    handles: dict[str, Any] = {}
    axes: Axes = figure.subplots()
    told = []
    for i, name in enumerate(names):
        colour, marker = look(i)
        there = np.flatnonzero(np.isfinite(x[:, i]) & np.isfinite(y[:, i]))
        thin = there[::every]
        dots: dict[str, Any] = {"color": colour, "marker": marker, "zorder": 2}
        (line,) = axes.plot(x[thin, i], y[thin, i], lw=0.6, ms=2.2, alpha=0.75, **dots)
        handles.setdefault(named(name), line)
        for place, face in ((there[:1], "white"), (there[-1:], colour)):
            axes.plot(x[place, i], y[place, i], ls="", ms=8, mfc=face, **(dots | {"zorder": 4}))
        ends = [f"({x[k, i]:.2f}, {y[k, i]:.2f})" for k in (*there[:1], *there[-1:])]
        told.append(
            f"{spelt(name)} from {' to '.join(ends)}." if ends else f"{spelt(name)}: not known."
        )
    if not flat:
        axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel("step $t$" if flat else "first coordinate")
    axes.set_ylabel("first coordinate" if flat else "second coordinate")
    tidy(axes)
    below(figure, list(handles.values()), list(handles), 6)
    where = "as (t, first coordinate)" if flat else "in one frame"
    steps = f"t = {run['t'][0]} (open) to {run['t'][-1]} (full)"
    alt = f"Perspectives of {spelt(run.get('key'))} {where}, {steps}: {in_words(told)}"
    more = len(run["agents"]) - len(names)
    return figure, alt + (f" {more} more agents are not drawn." if more else "") + thinned(every)


def _flat(x: NDArray[np.float64], y: NDArray[np.float64]) -> bool:
    """Whether the first axis holds all of the paths, but for a thousandth of their variance."""
    first, second = (float(np.nanvar(z)) if np.isfinite(z).any() else 0.0 for z in (x, y))
    return second < 1e-3 * (first + second)
