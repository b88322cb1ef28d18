"""Laws by number: so many posts from one side, so many from the other, or from every author.

Where a side has too few posts a law stops the run and says so, or, where its option ``short`` is
``fill``, draws what is lacking uniformly from the other side; ``shortfall`` says how many.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from lwd_agents.errors import RunStopped
from lwd_agents.internet.law_options import asked, exact
from lwd_agents.internet.view import View
from lwd_agents.internet.weighted import Indices, even_counts, grouped

SHORT = ("refuse", "fill")


class TwoSides:
    """A number of posts from one side and the rest from the other, each uniformly, then mixed."""

    short: str
    sides: ClassVar[tuple[str, str]]

    def __post_init__(self) -> None:
        if self.short not in SHORT:
            raise ValueError(f"short: {self.short!r} (choices: {', '.join(SHORT)})")

    def first(self, view: View) -> NDArray[np.bool_]:
        """(V,) which posts are on the first side."""
        raise NotImplementedError

    def wanted(self, k: int) -> int:
        """How many of k are asked of the first side."""
        return k

    def shortfall(self, view: View, k: int) -> dict[str, int]:
        """How many posts each side lacks of what is asked of it; empty where both have enough."""
        first = self.wanted(k)
        there = int(np.count_nonzero(self.first(view)))
        lacks = (first - there, (k - first) - (len(view.ids) - there))
        return {side: lack for side, lack in zip(self.sides, lacks, strict=True) if lack > 0}

    def draw(self, view: View, k: int, rng: np.random.Generator) -> Indices:
        """k indices; see ``Law``. Raises RunStopped where a side is short, and that is refused."""
        lacking = self.shortfall(view, k)
        for side, lack in lacking.items() if self.short == "refuse" else ():
            raise RunStopped(
                f"{asked(self, view, k)} {lack} too few are {side} ({len(view.ids)} may be read); "
                "short: refuse stops here; short: fill would draw the lacking ones from the others"
            )
        first = self.first(view)
        count = self.wanted(k) - lacking.get(self.sides[0], 0) + lacking.get(self.sides[1], 0)
        return grouped(np.where(first, 0, 1), np.array([count, k - count]), rng)


@dataclass(frozen=True)
class Human(TwoSides):
    """Uniform over the h human posts: P(i_1, ..., i_k) = (h - k)! / h!.

    ``short``: where h < k, ``refuse``, or ``fill``: all h and k - h of the others, uniformly.
    """

    short: str = "refuse"
    sides = ("human", "synthetic")

    def first(self, view: View) -> NDArray[np.bool_]:
        """(V,)."""
        return view.human


@dataclass(frozen=True)
class Own(TwoSides):
    """Uniform over the o posts that the reader itself wrote: P(i_1, ..., i_k) = (o - k)! / o!.

    ``short``: where o < k (always at t = 0), ``refuse``, or ``fill``: all o and k - o of the
    others, uniformly.
    """

    short: str = "refuse"
    sides = ("its own", "others'")

    def first(self, view: View) -> NDArray[np.bool_]:
        """(V,)."""
        return np.asarray(view.author == view.agent, dtype=np.bool_) & ~view.human


@dataclass(frozen=True)
class Ratio(TwoSides):
    """s = floor(synthetic k) of the m synthetic posts and k - s of the h human ones, uniformly, in
    a random order: P(i_1, ..., i_k) = [C(m, s) C(h, k - s) k!]^-1.

    ``synthetic``: 0 to 1, as the decimal that is written. ``short``: where a side has too few (no
    post is synthetic at t = 0), ``refuse``, or ``fill``: all that it has, more of the other side.
    """

    synthetic: Decimal
    short: str = "refuse"
    sides = ("synthetic", "human")

    def __post_init__(self) -> None:
        object.__setattr__(self, "synthetic", exact("synthetic", self.synthetic, 0, 1))
        super().__post_init__()

    def first(self, view: View) -> NDArray[np.bool_]:
        """(V,)."""
        return ~view.human

    def wanted(self, k: int) -> int:
        """floor(synthetic k), exact: 0.7 of 90 is 63, in floats 62."""
        numerator, denominator = self.synthetic.as_integer_ratio()
        return numerator * k // denominator


@dataclass(frozen=True)
class Stratified:
    """As many posts of each author as of any other (humans count as one author), in a random order.

    With n_a posts of author a, a gives c_a = min(n_a, m) for the largest m with sum_a c_a <= k, and
    the rest go one each to authors with n_a > m, all sets of them equally likely. Given the counts
    the posts are uniform: P(i_1, ..., i_k) = P(c) [k! prod_a C(n_a, c_a)]^-1.
    """

    def draw(self, view: View, k: int, rng: np.random.Generator) -> Indices:
        """k indices; see ``Law``."""
        seen: dict[str, int] = {}
        groups = np.array([seen.setdefault(name, len(seen)) for name in view.author], np.int64)
        return grouped(groups, even_counts(np.bincount(groups), k, rng), rng)
