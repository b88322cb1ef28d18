"""How far ||Dhat||_F can be from ||D||_F for any number of draws: no limit theorem, only a ball.

Given the readings, the draws f_il of a step are independent, and they lie in a ball of radius rho
about the origin, known in advance: 1 for normalised embeddings. Then, each with confidence
1 - delta, | ||Dhat||_F - ||D||_F | is at most h, for the plain Dhat (not the unbiased one). As

    ||D||_F = || sqrt(2 N) (X_i - Xbar)_i ||,

a norm in a product of Hilbert spaces, | ||Dhat|| - ||D|| | <= || sum_il Z_il || with independent
Z_il of mean 0. One draw moves it by at most c_i = sqrt(2 (N - 1)) 2 rho/L_i, ||Z_il|| <= c_i, and
E||Z_il||^2 <= 2 (N - 1) v/L_i^2 with v >= tr S_i; always v <= rho^2. [ours, from here on]

- ``pinelis`` (Pinelis, Annals of Probability 22, 1994, Theorem 3.5): P(||sum Z|| >= h) <=
  2 exp(-h^2 / (2 sum_i L_i c_i^2)). So for equal L h = 4 rho sqrt(N (N - 1) log(2/delta)/L).
- ``bernstein`` (the same, Theorem 3.3 with B = c/3): P(||sum Z|| >= h) <=
  2 exp(-h^2 / (2 (V + c h/3))), with V = 2 (N - 1) sum_i v/L_i and c = max_i c_i. It is narrower
  where a bound v of the spread within an agent is known in advance.
- ``mcdiarmid`` (McDiarmid 1989): each tail of ||Dhat|| about its mean is at most
  exp(-2 s^2 / sum_i L_i c_i^2), and ||D|| <= E||Dhat|| <= ||D|| + b with b = sqrt(V). So ||D|| is
  in [||Dhat|| - s - b, ||Dhat|| + s] at delta/2 a tail, 2 s + b wide.

Over several queries D is their root mean square, and all of these are the same: Q times as many
draws, each of which moves it 1/sqrt(Q) as far (``bernstein`` could use c/sqrt(Q); it does not).
For T + 1 steps at once delta is divided by their number. Which one is reported is chosen by its
width, which depends on no data.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lwd_agents.errors import BadInput

_MOST_DRAWS = 10**12


@dataclass(frozen=True)
class Bound:
    """One non-asymptotic interval for ||D||_F: [norm - below, norm + above], norm the plain one.

    Attributes:
        name: pinelis, bernstein, mcdiarmid.
        below, above: how far it goes.
        half_width: half of their sum.
        confidence: for all steps together.
        radius: rho.
        most: rho N sqrt(2), the largest ||D||_F there can be: a bound near it says nothing.
        wanted, draws_needed: the L for every agent at which the half-width would be ``wanted``.
    """

    name: str
    below: float
    above: float
    half_width: float
    confidence: float
    radius: float
    most: float
    wanted: float
    draws_needed: int


def bounds(
    agents: int,
    draws: int | Sequence[int],
    radius: float | None,
    alpha: float = 0.05,
    *,
    variance: float | None = None,
    steps: int = 1,
    wanted: float | None = None,
) -> tuple[Bound, ...]:
    """The bounds for N agents of L draws each, all known before any data are seen.

    Args:
        agents: N, at least 2.
        draws: L, or L_i of each agent (the draws present).
        radius: rho of a ball about the origin that holds every embedding; 1 where they are
            normalised. Not to be read off the data.
        alpha: 1 less the confidence.
        variance: a bound of every tr S_i, known in advance; None for rho^2, which always holds.
        steps: how many steps the confidence is for together.
        wanted: a half-width, for which the L it needs is told; None for a tenth of the most.

    Raises:
        BadInput: an argument that cannot be, or no radius.
    """
    counts = [draws] * agents if isinstance(draws, int) else list(draws)
    known = _checked(agents, counts, radius, variance, alpha, steps, wanted)
    spread = known**2 if variance is None else min(variance, known**2)
    most = known * agents * math.sqrt(2)
    aim = 0.1 * most if wanted is None else wanted
    found = []
    for name, interval in _INTERVALS.items():
        below, above = interval(counts, known, spread, alpha / steps)
        needed = _needed(interval, agents, known, spread, alpha / steps, aim)
        half = (below + above) / 2
        found.append(Bound(name, below, above, half, 1 - alpha, known, most, aim, needed))
    return tuple(found)


def narrowest(
    agents: int,
    draws: int | Sequence[int],
    radius: float | None,
    alpha: float = 0.05,
    *,
    variance: float | None = None,
    steps: int = 1,
    wanted: float | None = None,
) -> Bound:
    """The narrowest of ``bounds``: which it is depends on no data, so its confidence holds."""
    how = {"variance": variance, "wanted": wanted}
    return min(bounds(agents, draws, radius, alpha, steps=steps, **how), key=lambda b: b.half_width)


def _pinelis(L: Sequence[int], radius: float, spread: float, delta: float) -> tuple[float, float]:
    moves = sum(8 * (len(L) - 1) * radius**2 / many for many in L)
    h = math.sqrt(2 * moves * math.log(2 / delta))
    return h, h


def _bernstein(L: Sequence[int], radius: float, spread: float, delta: float) -> tuple[float, float]:
    """h solves h^2 = 2 log(2/delta) (V + c h/3)."""
    total = sum(2 * (len(L) - 1) * spread / many for many in L)
    c = math.sqrt(8 * (len(L) - 1)) * radius / min(L)
    log = math.log(2 / delta)
    h = log * c / 3 + math.sqrt((log * c / 3) ** 2 + 2 * log * total)
    return h, h


def _mcdiarmid(L: Sequence[int], radius: float, spread: float, delta: float) -> tuple[float, float]:
    moves = sum(8 * (len(L) - 1) * radius**2 / many for many in L)
    s = math.sqrt(moves * math.log(2 / delta) / 2)
    bias = math.sqrt(sum(2 * (len(L) - 1) * spread / many for many in L))
    return s + bias, s


_Interval = Callable[[Sequence[int], float, float, float], tuple[float, float]]
_INTERVALS: dict[str, _Interval] = {
    "pinelis": _pinelis,
    "bernstein": _bernstein,
    "mcdiarmid": _mcdiarmid,
}


def _needed(
    interval: _Interval, agents: int, radius: float, spread: float, delta: float, wanted: float
) -> int:
    """The least L with at most the half-width that is wanted; every bound shrinks as L grows."""
    low, high = 1, _MOST_DRAWS
    while low < high:
        middle = (low + high) // 2
        if sum(interval([middle] * agents, radius, spread, delta)) / 2 <= wanted:
            high = middle
        else:
            low = middle + 1
    return low


def _checked(
    agents: int,
    counts: Sequence[int],
    radius: float | None,
    variance: float | None,
    alpha: float,
    steps: int,
    wanted: float | None,
) -> float:
    """The radius, once all arguments are such as can be."""
    if radius is None:
        raise BadInput(
            "radius: the embeddings are not normalised, so a bound needs the radius of a ball that "
            "holds them all, known in advance: a property of the embedding model, not of these data"
        )
    for name, value in (("radius", radius), ("variance", variance), ("wanted", wanted)):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise BadInput(f"{name}: {value}: a number above 0 is needed")
    if agents < 2:
        raise BadInput(f"agents: {agents}: a distance needs at least 2")
    if len(counts) != agents or min(counts) < 1:
        raise BadInput(f"draws: {list(counts)}: 1 or more for each of {agents} agents are needed")
    if not 0 < alpha < 1:
        raise BadInput(f"alpha: {alpha}: a number between 0 and 1 is needed")
    if steps < 1:
        raise BadInput(f"steps: {steps}: 1 or more are needed")
    return radius
