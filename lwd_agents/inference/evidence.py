"""Evidence as replicates come in: an e-process on the sign of delta, which a sweep may stop by."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import exp, log

import numpy as np

from lwd_agents.errors import BadInput

ASSUMES = (
    "given the replicates before it, each delta is below 0 with probability 1/2 or less under H0 "
    "(it is about the median, not the mean); whether one is missing has nothing to do with its sign"
)
_LARGEST = 709.0  # exp of more overflows


def log_evidence(count: int, successes: int) -> float:
    """log e_n, e_n = 2 int_1/2^1 (2p)^k (2 (1-p))^(n-k) dp, for k successes of n [ours].

    A likelihood ratio against p = 1/2, mixed uniformly over p in [1/2, 1]. Integrated by parts,
    e = sum_{j <= k} C(n+1, j) / ((n+1) C(n, k)), so seven of seven give 255/8 = 31.9. The sum is
    taken from its largest ratio C(n+1, j-1) / C(n+1, j) = j / (n+2-j) down, in logarithms: no
    overflow at any n.

    Args:
        count: n >= 0.
        successes: k in 0 .. n.
    """
    if not 0 <= successes <= count:
        raise ValueError(f"successes={successes} of count={count}; 0 .. count is needed")
    j = np.arange(successes, 0, -1)
    steps = np.concatenate([[0.0], np.cumsum(np.log(j) - np.log(count + 2 - j))])
    top = float(steps.max())
    # C(n+1, k) / ((n+1) C(n, k)) = 1 / (n+1-k)
    return top + log(float(np.exp(steps - top).sum())) - log(count + 1 - successes)


@dataclass(frozen=True)
class Evidence:
    """The e-process after some replicates; ``update`` gives the one after the next.

    By Ville's inequality P(sup_n e_n >= 1/alpha) <= alpha under H0, however often it is looked at:
    once ``reached_at`` is set it stays valid, whatever comes later.

    Attributes:
        alternative: "less" (delta below 0 is a success) or "greater".
        alpha: level of this one process; of three quantities give each a third.
        values: e_1 .. e_n.
        successes: k.
        reached_at: the first n with e_n >= 1 / alpha; None before it.
        left_out: deltas that were NaN.
        assumes: what it rests on.
    """

    alternative: str = "less"
    alpha: float = 0.05
    values: tuple[float, ...] = ()
    successes: int = 0
    reached_at: int | None = None
    left_out: int = 0
    assumes: str = ASSUMES

    def __post_init__(self) -> None:
        if self.alternative not in ("less", "greater"):
            raise BadInput(f"alternative: {self.alternative!r}; less or greater is needed")
        if not 0.0 < self.alpha < 1.0:
            raise BadInput(f"alpha: {self.alpha}; a number between 0 and 1 is needed")

    @property
    def threshold(self) -> float:
        """1 / alpha."""
        return 1 / self.alpha

    @property
    def e(self) -> float:
        """The evidence now; 1 before any replicate."""
        return self.values[-1] if self.values else 1.0

    def update(self, delta: float) -> Evidence:
        """The e-process after one more replicate; 0 counts against H1, NaN not at all."""
        if np.isnan(delta):
            return replace(self, left_out=self.left_out + 1)
        n = len(self.values) + 1
        k = self.successes + int(delta < 0 if self.alternative == "less" else delta > 0)
        value = exp(min(_LARGEST, log_evidence(n, k)))
        reached = n if self.reached_at is None and value >= self.threshold else self.reached_at
        values = (*self.values, value)
        return replace(self, values=values, successes=k, reached_at=reached)


def sign_evidence(
    deltas: Iterable[float], alternative: str = "less", alpha: float = 0.05
) -> Evidence:
    """The e-process over deltas in the order they came.

    Args:
        deltas: one a matched pair, in an order fixed in advance (by seed), never by outcome.
        alternative: "less" claims that delta is mostly below 0, "greater" above.
        alpha: level; the process has its evidence at 1 / alpha.
    """
    assumes = ASSUMES if alternative == "less" else ASSUMES.replace("below", "above")
    process = Evidence(alternative, alpha, assumes=assumes)
    for delta in deltas:
        process = process.update(float(delta))
    return process
