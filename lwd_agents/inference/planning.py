"""Planning: how many draws L, readings M and matched pairs R a stated effect needs, from a pilot.

The variance of a matched pair's delta has three parts,

    Var delta = run + (reading + A / L + B / (L (L - 1))) / M,

the pair itself (its history of posts), the readings of the steps in its windows, and their draws: a
squared distance without bias, like a variance, has a sampling variance of this form in L. The parts
are estimated by the method of moments, from deltas measured on disjoint groups of a pilot's draws
and on its readings one by one. Live and placebo share their random keys, so their draws are not
independent: groups and readings are taken under the same numbers in both, and what the two share
cancels in delta as it does in the test. Axes: R pairs, G groups of draws, M readings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lwd_agents.errors import BadInput
from lwd_agents.inference.power import least_pairs
from lwd_agents.inference.replicates import present

Floats = NDArray[np.float64]
_FEWEST = 6  # draws that make two sizes of group: 2 and 3


@dataclass(frozen=True)
class Components:
    """The parts of Var(delta) of one matched pair.

    Attributes:
        total: the pilot's variance of delta, ddof 1, at its own L and M.
        run, reading: their parts, cut at 0.
        draw_linear, draw_square: A and B of the draws' part A / L + B / (L (L - 1)).
        draws, readings: the pilot's L and M.
        pairs: the pilot's R, those with a delta.
        notes: what could not be told apart; it is then in ``run``.
    """

    total: float
    run: float
    reading: float
    draw_linear: float
    draw_square: float
    draws: int
    readings: int
    pairs: int
    notes: tuple[str, ...]

    def draw(self, draws: int) -> float:
        """The draws' part at L draws, for one reading.

        Raises:
            BadInput: fewer than two draws.
        """
        if draws < 2:
            raise BadInput(f"draws: {draws}; 2 or more are needed")
        return self.draw_linear / draws + self.draw_square / (draws * (draws - 1))

    @property
    def known(self) -> float:
        """What draws and readings put into the pilot's own Var(delta)."""
        draw = self.draw(self.draws) if self.draws > 1 else 0.0
        return (self.reading + draw) / self.readings


def draw_groups(draws: int) -> dict[int, list[list[int]]]:
    """Size g -> disjoint groups of the numbers of L draws: pairs, and halves; {} below six draws.

    Measure the delta of each group as if its draws were all there are.
    """
    if draws < _FEWEST:
        return {}
    return {
        size: [list(range(i * size, (i + 1) * size)) for i in range(draws // size)]
        for size in (2, draws // 2)
    }


def components(
    deltas: ArrayLike,
    draws: int,
    group_deltas: Mapping[int, ArrayLike] | None = None,
    reading_deltas: ArrayLike | None = None,
) -> Components:
    """The parts of Var(delta), by the method of moments [ours].

    Groups of g draws have independent draws and all else in common: the variance among the deltas
    of one pair's groups is unbiased for A / g + B / (g (g - 1)), and two sizes tell A from B (least
    squares, neither below 0). The variance among its readings' deltas is reading + draw(L).

    Args:
        deltas: (R,) of the pilot, all draws and readings; NaN is left out.
        draws: L of the pilot.
        group_deltas: size g -> (R, G), delta from each of ``draw_groups``, first readings alone
            where there are more; NaN is left out. Without it the draws' part is not told apart.
        reading_deltas: (R, M) delta from each reading, M >= 2, where ``deltas`` is of their mean.

    Raises:
        BadInput: fewer than two pairs, shapes that don't fit, one size of group.
    """
    values, _ = present(deltas, "deltas")
    if len(values) < 2:
        raise BadInput(f"{len(values)} matched pairs with a delta; a variance needs 2 or more")
    rows = len(np.asarray(deltas))
    notes, linear, square, reading, readings = [], 0.0, 0.0, 0.0, 1
    if group_deltas:
        linear, square = _draw_parts({g: _rows(v, rows) for g, v in group_deltas.items()})
    else:
        notes.append("the draws' part was not told apart: it counts as the run's")
    if reading_deltas is not None:
        stack = _rows(reading_deltas, rows)
        readings = stack.shape[1]
        alone = Components(0.0, 0.0, 0.0, linear, square, draws, 1, len(values), ())
        reading = max(0.0, _within(stack) - alone.known)
    else:
        notes.append("one reading a step: the readings' part counts as the run's")
    total = float(values.var(ddof=1))
    pilot = Components(
        total, 0.0, reading, linear, square, draws, readings, len(values), tuple(notes)
    )
    run = total - pilot.known
    if run < 0:
        notes.append("draws and readings explain all of the variance: the run's part is cut at 0")
    return replace(pilot, run=max(0.0, run), notes=tuple(notes))


def _rows(deltas: ArrayLike, rows: int) -> Floats:
    array = np.asarray(deltas, dtype=np.float64)
    if array.ndim != 2 or len(array) != rows or array.shape[1] < 2:
        raise BadInput(f"deltas of parts: shape {array.shape}; ({rows}, 2 or more) is needed")
    return array


def _within(deltas: Floats) -> float:
    """The variance within rows, pooled: NaN is left out."""
    count = (~np.isnan(deltas)).sum(axis=1)
    rows = deltas[count > 1]
    if not len(rows):
        raise BadInput("no pair has two groups or readings with a delta")
    squares = np.nansum((rows - np.nanmean(rows, axis=1, keepdims=True)) ** 2)
    return float(squares / (count[count > 1] - 1).sum())


def _draw_parts(groups: Mapping[int, Floats]) -> tuple[float, float]:
    """A and B from the variances within groups of two sizes or more."""
    from scipy.optimize import nnls

    if len(groups) < 2 or min(groups) < 2:
        raise BadInput(f"groups of {sorted(groups)} draws; two sizes of 2 or more are needed")
    sizes = np.array(sorted(groups), dtype=np.float64)
    found = np.array([_within(groups[int(g)]) for g in sizes])
    if not found.any():
        return 0.0, 0.0
    # A variance is known up to a share of itself, so shares are fitted.
    weight = 1 / np.maximum(found, found.max() * 1e-6)
    design = np.stack([1 / sizes, 1 / (sizes * (sizes - 1))], axis=1)
    parts, _ = nnls(design * weight[:, None], found * weight)
    return float(parts[0]), float(parts[1])


def predicted_variance(pilot: Components, draws: int, readings: int = 1) -> float:
    """Var(delta) of one pair at other L and M: run + (reading + draw(L)) / M.

    Up to the pilot's L, draw(L) is A / L + B / (L (L - 1)), which its groups have shown. Beyond it
    the pilot's draw(L_0) L_0 / L, the slowest it can fall: a small A can't be told from none, and
    with more draws it is all that is left. What was not told apart stays as it is.

    Raises:
        BadInput: fewer than two draws, no reading.
    """
    if readings < 1:
        raise BadInput(f"readings: {readings}; 1 or more is needed")
    shown = min(draws, max(pilot.draws, 2))
    return pilot.run + (pilot.reading + pilot.draw(shown) * shown / draws) / readings


@dataclass(frozen=True)
class Option:
    """One choice of L and M, and what it asks for.

    Attributes:
        draws, readings: L and M.
        variance: predicted Var(delta) of a pair.
        pairs: least R; None where more than 100,000.
        pairs_low, pairs_high: the same at the ends of the pilot variance's chi-square interval.
        responses: of all pairs, live and placebo; None where pairs is.
        cost: of those; None likewise, and where the cost of a response is not known.
    """

    draws: int
    readings: int
    variance: float
    pairs: int | None
    pairs_low: int | None
    pairs_high: int | None
    responses: int | None
    cost: float | None


@dataclass(frozen=True)
class Plan:
    """What each option asks for, to find an effect with the stated power.

    Attributes:
        effect: size of the mean delta to be found.
        power: e.g. 0.8.
        level: one-sided level of the one test, alpha over the number of quantities (Holm's first
            step).
        options: in the order asked for.
        notes: what the numbers rest on.
    """

    effect: float
    power: float
    level: float
    options: tuple[Option, ...]
    notes: tuple[str, ...]


def plan(
    pilot: Components,
    effect: float,
    draws: Sequence[int],
    readings: Sequence[int] = (1,),
    *,
    steps: int,
    agents: int,
    cost_per_response: float | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
    quantities: int = 3,
    confidence: float = 0.95,
) -> Plan:
    """A table over L and M: how many matched pairs, how many responses, what cost.

    Args:
        pilot: from ``components``.
        effect: the size of the mean delta to be found (its sign is the test's).
        draws, readings: the L and the M to consider.
        steps, agents: T + 1 and N of the runs that are planned.
        cost_per_response: in any currency; None where it is not known.
        quantities: how many tests Holm corrects for.
        confidence: of the interval of the pilot's variance.

    Raises:
        BadInput: an effect that isn't positive, a power outside (alpha, 1), no options.
    """
    if not effect > 0.0 or not alpha < power < 1.0:
        raise BadInput(
            f"effect {effect}, power {power}; a size above 0 and {alpha} to 1 are needed"
        )
    if not draws or not readings:
        raise BadInput("no draws or no readings to consider")
    level = alpha / quantities
    options = []
    for count in draws:
        for times in readings:
            variances = _interval(pilot, count, times, confidence)
            pairs, low, high = (least_pairs(effect, v, level, power) for v in variances)
            responses = None if pairs is None else 2 * pairs * steps * agents * count * times
            priced = responses is not None and cost_per_response is not None
            cost = (responses or 0) * (cost_per_response or 0.0) if priced else None
            options.append(Option(count, times, variances[0], pairs, low, high, responses, cost))
    notes = [
        *pilot.notes,
        f"the pilot's variance is from {pilot.pairs} pairs; the range of pairs is that of its "
        f"{100 * confidence:g} % chi-square interval, for normal deltas",
    ]
    return Plan(effect, power, level, tuple(options), tuple(notes))


def _interval(
    pilot: Components, draws: int, readings: int, confidence: float
) -> tuple[float, float, float]:
    """The predicted variance, and with the pilot's total at the ends of its interval."""
    from scipy.stats import chi2

    degrees = pilot.pairs - 1
    known = pilot.known
    found = [predicted_variance(pilot, draws, readings)]
    for tail in (0.5 + confidence / 2, 0.5 - confidence / 2):
        total = pilot.total * degrees / float(chi2.ppf(tail, degrees))
        run = max(0.0, total - known)
        found.append(predicted_variance(replace(pilot, run=run), draws, readings))
    return found[0], found[1], found[2]
