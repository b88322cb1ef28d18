"""Live runs against their placebos: their curves, and the changes of quantities beyond them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.report.figures.style import COLOURS, PAGE, below, headline, over_steps, plain, tidy
from lwd_agents.report.figures.subject import CannotDraw, Subject
from lwd_agents.report.wording import count, probability, span
from lwd_agents.run_files import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lwd_agents.blocks import Arrays
    from lwd_agents.inference.assess import ConditionFindings
    from lwd_agents.inference.collapse import Quantity

Floats = NDArray[np.float64]
_MOST_CURVES = 50  # thin lines of each side
_MEANS = {
    "between": r"between: $\|D\|_F^2$, unbiased",
    "within": r"within: tr $S$, mean over agents",
    "drift": r"drift: $\|$mean $-$ human$\|^2$",
}
_OF_LEARNERS = {
    "between": r"between: $\|D\|_F^2$",
    "within": r"within: tr $\Sigma$, mean over learners",
    "drift": r"drift: $\|$mean $-$ truth$\|^2$",
    "error": r"error: $\|X_i\,-\,$truth$\|^2$, mean over learners",
}
# Side -> colour, mark, dashes: told apart in grey too.
_SIDES: dict[str, tuple[str, str, str]] = {
    "live": (COLOURS[0], "o", "-"),
    "placebo": (COLOURS[1], "^", "--"),
}


def contrast_figure(subject: Subject, *, titles: bool = True) -> Figure:
    """Live runs and their placebos, as ``lwd.test`` matches them; 6.9 inches wide.

    Left, ||D(t)||_F, or of learners their error: runs thin, their mean strong, with the
    simultaneous band for the mean that ``inference.bands.across_runs`` gives. Right, a forest plot:
    for each quantity the change of live beyond placebo, each pair a dot, the mean and its t
    interval over it, on an axis of its own. Of several conditions the first that has pairs.

    Raises:
        CannotDraw: no live run has a placebo of its seed, or they have one step only.
    """
    from matplotlib.figure import Figure

    found = _condition(subject)
    assert found.collapse is not None
    quantities = found.collapse.quantities
    learners = found.world == "graph"
    rows = max(3, len(quantities))
    figure = Figure(figsize=(PAGE, 3.2 + 0.8 * (rows - 3)), layout="constrained")
    grid = figure.add_gridspec(rows, 2)
    left: Axes = figure.add_subplot(grid[:, 0])
    handles: dict[str, Any] = {}
    for side, curves in zip(_SIDES, _curves(subject, found), strict=True):
        handles |= _side(left, side, curves)
    left.set_ylabel("error, mean over learners" if learners else r"$\|D^{(t)}\|_F$")
    left.set_ylim(bottom=0.0)
    over_steps(left, found.steps)
    below(figure, list(handles.values()), list(handles), 2)
    means = _OF_LEARNERS if learners else _MEANS
    for row, quantity in enumerate(quantities):
        axes = figure.add_subplot(grid[row, 1])
        _forest(axes, quantity, means[quantity.name], last=row == len(quantities) - 1)
    if titles:
        windows = found.collapse.windows
        change = f"t = {span(windows.late)} less t = {span(windows.early)}"
        change = "the fresh steps" if found.fresh else change
        pairs = count(found.pairs, "matched pair")
        headline(figure, f"Live and placebo, {plain(found.name)}: {pairs}; changes of {change}")
    return figure


def _condition(subject: Subject) -> ConditionFindings:
    """The first condition that has matched pairs."""
    conditions = subject.findings.conditions
    for found in conditions:
        if found.collapse is not None and found.collapse.quantities:
            return found
    if conditions and not conditions[0].steps:
        raise CannotDraw("there is one step; a change needs two or more")
    raise CannotDraw(
        "no live run has a placebo with its seed, here or beside it "
        "(lwd run --with-placebo; of a numeric world placebo=true)"
    )


def _curves(subject: Subject, found: ConditionFindings) -> tuple[Floats, Floats]:
    """||D(t)||_F or error of the matched live runs and placebos, (R, T + 1) each."""
    from lwd_agents.inference.grouping import conditions, expand, read_all, with_placebos

    runs, _ = read_all(with_placebos(expand(subject.paths)))
    (condition,) = (one for one in conditions(runs) if one.name == found.name and one.live)
    if found.world != "llm":
        return _of_replicates(condition.live, found.steps)
    live = [_of_run(one, found.steps) for one, _ in condition.pairs]
    placebo = [_of_run(other, found.steps) for _, other in condition.pairs]
    return np.stack(live), np.stack(placebo)


def _of_run(run: Run, last: int) -> Floats:
    norms = [run.lines[t]["norm"] if t in run.lines else None for t in range(last + 1)]
    return np.array(norms, dtype=np.float64)


def _of_replicates(runs: Sequence[Run], last: int) -> tuple[Floats, Floats]:
    """The same of a numeric world, whose runs hold both sides of all their replicates."""
    from lwd_agents.blocks import LARGE, Blocks
    from lwd_agents.measures.numeric_runs import read_side

    def shown(run: Run, arrays: Arrays, side: str) -> Floats:
        if run.world == "graph":
            return read_side(run, arrays, side).quantities["error"]
        return arrays[f"{side}norm"]

    arrays = [(run, Blocks(run.path).read(without=LARGE)) for run in runs]
    both = [(run, one) for run, one in arrays if "placebo_norm" in one]
    live, placebo = (
        np.concatenate([shown(run, one, side)[:, : last + 1] for run, one in both])
        for side in ("", "placebo_")
    )
    return live, placebo


def _side(axes: Axes, side: str, curves: Floats) -> dict[str, Any]:
    """One side's runs, their mean and its band; returns what the legend shows, by its words."""
    from lwd_agents.inference.bands import across_runs
    from lwd_agents.seeding import key

    colour, marker, dashes = _SIDES[side]
    t, runs = np.arange(curves.shape[1]), len(curves)
    strong: dict[str, Any] = {"color": colour, "ls": dashes, "lw": 1.2, "zorder": 3}
    marks: dict[str, Any] = {"marker": marker, "ms": 3.2, "markevery": max(1, len(t) // 10)}
    if runs == 1:
        (line,) = axes.plot(t, curves[0], **strong, **marks)
        return {side: line}
    for curve in curves[:_MOST_CURVES]:
        axes.plot(t, curve, color=colour, lw=0.4, ls=dashes, alpha=0.35)
    band = across_runs(curves, key=key(0, f"figure {side}"))
    (line,) = axes.plot(t, band.centre, **strong, **marks)
    area = axes.fill_between(t, band.low_all, band.high_all, color=colour, alpha=0.22, lw=0)
    level = f"{band.confidence:.0%}"
    return {f"{side}: mean of {runs}": line, f"{side}: {level} band for it, all steps": area}


def _forest(axes: Axes, quantity: Quantity, means: str, *, last: bool) -> None:
    """One quantity's change beyond the placebo: the pairs, their mean, its interval."""
    interval = quantity.interval
    axes.axvline(0.0, color="0.35", lw=0.7, ls=":")
    deltas = quantity.deltas[np.isfinite(quantity.deltas)]
    axes.plot(deltas, np.full(len(deltas), -0.45), ls="", marker="|", ms=6, mew=0.7, color="0.45")
    if np.isfinite(interval.low):
        axes.plot([interval.low, interval.high], [0.0, 0.0], color="black", lw=1.6)
    axes.plot(interval.estimate, 0.0, ls="", marker="D", ms=4.5, color="black")
    axes.set_ylim(-0.9, 0.7)
    axes.set_yticks([])
    axes.locator_params(axis="x", nbins=6)
    p = "" if np.isnan(quantity.p_adjusted) else f" ($p$ {probability(quantity.p_adjusted)})"
    axes.set_title(f"{means}{p}", loc="left")
    tidy(axes)
    axes.spines["left"].set_visible(False)
    if last:
        axes.set_xlabel(f"change beyond the placebo: mean, {_about(quantity)}, pairs")


def _about(quantity: Quantity) -> str:
    interval = quantity.interval
    if not np.isfinite(interval.low):
        return "no interval (one pair)" if interval.replicates == 1 else "no interval"
    return f"{interval.confidence:.0%} interval"
