"""The figures of a GMM system: Figures 4 to 6 of arXiv 2506.15690, with the theory over them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents import seeding
from lwd_agents.measures.mixtures import density, sample
from lwd_agents.report.figures.style import (
    COLOURS,
    PAGE,
    below,
    headline,
    over_steps,
    plain,
    tidy,
    title,
)
from lwd_agents.trajectory import Trajectory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LIVE, _PLACEBO = COLOURS[0], COLOURS[1]
_MOST_CURVES, _MOST_BESIDE = 50, 5  # replicates drawn one by one (beside a placebo)
_SIDES = {
    "gmm": ("models' posts", "placebo: human points"),
    "graph": ("learners' labels", "placebo: real data"),
}
_MARKS = {"": "o", "placebo_": "^"}
_REPLICATES = tuple(COLOURS[i] for i in (0, 2, 3, 4, 5))
_MOST_MODELS = 6
_POINTS = 10_000  # drawn from each mixture for its histogram
_BINS = 60


def norm_figure(trajectory: Trajectory, *, titles: bool = True) -> Figure:
    """Figures 4 and 6: ||D(t)||_F of every replicate, as the paper draws it and on log axes.

    With a placebo both curves; where the theory applies its prediction of the root mean square.
    6.9 inches wide, for both columns of a paper.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(PAGE, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes in (left, right):
        live, placebo = _SIDES[trajectory.world]
        _curves(axes, trajectory, "", live if _has_placebo(trajectory) else "", _LIVE)
        if _has_placebo(trajectory):
            _curves(axes, trajectory, "placebo_", placebo, _PLACEBO)
    left.set_ylabel(r"$\|D^{(t)}\|_F$")
    left.set_ylim(bottom=0.0)
    over_steps(left, len(trajectory) - 1)
    _log_axes(right, trajectory)
    handles, labels = left.get_legend_handles_labels()
    below(figure, handles, labels, 3)
    count = len(trajectory.norms)
    said = f"Collapse norm, {count} replicate{'s' if count > 1 else ''}: {title(trajectory)}"
    if titles:
        headline(figure, said)
    return figure


def _has_placebo(trajectory: Trajectory) -> bool:
    return "placebo_norm" in trajectory.arrays


def _curves(axes: Axes, trajectory: Trajectory, side: str, label: str, colour: str) -> None:
    """Every replicate thin, the root mean square over all of them strong, the prediction dashed.

    Where there is a placebo each side has one colour; else each replicate has its own.
    """
    norms = trajectory.arrays[f"{side}norm"]
    t = np.arange(norms.shape[1])
    comma = f", {label}" if label else ""
    several = len(norms) > 1
    for r, norm in enumerate(norms[: _MOST_BESIDE if label else _MOST_CURVES]):
        own = colour if label or not several else _REPLICATES[r % len(_REPLICATES)]
        look: dict[str, Any] = {"alpha": 0.2 if label else 0.6, "lw": 0.6} if several else {}
        axes.plot(t, norm, color=own, label=None if several else label or "simulated", **look)
    strong = colour if label else "black"
    if several:  # with marks beside a placebo: the colours alone are alike in grey
        marks: dict[str, Any] = {"marker": _MARKS[side], "markersize": 3.5} if label else {}
        every = max(1, len(t) // 10)
        axes.plot(
            t,
            _rms(norms),
            color=strong,
            linewidth=1.2,
            zorder=3,
            markevery=every,
            label=f"root mean square{comma}",
            **marks,
        )
    if f"{side}predicted_rms" in trajectory.arrays:
        shade = strong if label else COLOURS[1]
        predicted = _rms(trajectory.arrays[f"{side}predicted_rms"])
        dashes: dict[str, Any] = {"linestyle": (0, (4, 2)), "linewidth": 1.3, "zorder": 4}
        axes.plot(t, predicted, color=shade, label=f"predicted{comma}", **dashes)
    if f"{side}predicted_mean_field" in trajectory.arrays:
        field = _rms(trajectory.arrays[f"{side}predicted_mean_field"])
        axes.plot(
            t, field, color="0.45", linestyle=":", linewidth=1.1, label="mean field (Appendix A)"
        )


def _rms(values: NDArray[Any]) -> NDArray[Any]:
    """The root mean square over replicates: (R, T + 1) -> (T + 1,)."""
    return np.asarray(np.sqrt(np.mean(values**2, axis=0)))


def _log_axes(axes: Axes, trajectory: Trajectory) -> None:
    """Log axes from t = 1, around the root mean squares (the mean field leaves them below)."""
    sides = [trajectory.arrays[n] for n in ("norm", "placebo_norm") if n in trajectory.arrays]
    shown = np.concatenate([_rms(norms)[1:] for norms in sides])
    shown = shown[shown > 0.0]
    if len(trajectory) < 3 or not len(shown):
        axes.set_visible(False)
        return
    axes.set_xlabel("step $t$")
    tidy(axes)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(1, len(trajectory) - 1)
    axes.set_ylim(shown.min() / 3, shown.max() * 2)


def histograms_figure(trajectory: Trajectory, *, titles: bool = True) -> Figure:
    """Figure 5: histograms of the mixtures at t = 1 and t = T, with their densities.

    The first replicate; of points in more than one dimension the first coordinate.
    6.9 inches wide, for both columns of a paper; less for one or two models.
    """
    from matplotlib.figure import Figure

    steps = trajectory.first_and_last
    agents = trajectory.agents[:_MOST_MODELS]
    mixtures = {(t, i): _mixture(trajectory, t, i) for t in steps for i in range(len(agents))}
    centres = np.concatenate([means for _, means, _ in mixtures.values()])
    wide = 4.0 * np.sqrt(max(variances.max() for *_, variances in mixtures.values()))
    span = (float(centres.min() - wide), float(centres.max() + wide))
    figure = Figure(
        figsize=(min(PAGE, 2.3 * len(agents)), 1.5 * len(steps) + 0.5), layout="constrained"
    )
    grid = figure.subplots(len(steps), len(agents), sharex=True, sharey=True, squeeze=False)
    for row, t in enumerate(steps):
        for i, agent in enumerate(agents):
            axes: Axes = grid[row, i]
            key = seeding.key(trajectory.manifest["seed"], "histogram", t=t, agent=agent)
            _histogram(axes, mixtures[t, i], span, COLOURS[i % 6], key)
            axes.set_title(f"{plain(agent)}, t = {t}")
            tidy(axes)
        grid[row, 0].set_ylabel("density")
    for axes in grid[-1]:
        axes.set_xlabel("$x$" if len(trajectory.manifest["config"]["means"][0]) == 1 else "$x_1$")
    some = "" if len(agents) == len(trajectory.agents) else f" (the first {len(agents)})"
    if titles:
        headline(figure, f"Mixtures{some}: {title(trajectory)}")
    return figure


def _mixture(trajectory: Trajectory, t: int, i: int) -> tuple[NDArray[Any], ...]:
    """(weights, means, variances), (B,) each, of the first replicate's model along x_1."""
    arrays = trajectory.arrays
    weights = arrays["weights"][0, t, i]
    if "means" in arrays:
        return weights, arrays["means"][0, t, i, :, 0], arrays["covariances"][0, t, i, :, 0, 0]
    config = trajectory.manifest["config"]
    means = np.array(config["means"])[:, 0]
    variance = np.array(config["covariance"]).flat[0]
    return weights, means, np.full(len(means), variance)


def _histogram(
    axes: Axes,
    mixture: tuple[NDArray[Any], ...],
    span: tuple[float, float],
    colour: str,
    key: int,
) -> None:
    points = sample(_POINTS, *mixture, key=key)
    axes.hist(points, bins=_BINS, range=span, density=True, color=colour, alpha=0.45)
    x = np.linspace(*span, 500)
    axes.plot(x, density(x, *mixture), color=colour, linewidth=1.0)
