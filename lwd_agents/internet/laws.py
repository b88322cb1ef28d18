"""Sampling laws: which k of the V posts that an agent may read, and in what order they are drawn.

A law is ``draw(view, k, rng)``: k different indices into the view, a function of the three alone.
Some are one weight over the posts (``WeightLaw``) under one exact sampler: a law of your own may
need ``log_weights`` and no more. Others share k out (``law_shares``) or search (``similar``).
Where a law can't draw k posts it stops the run and says so; none draws fewer in silence.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lwd_agents import extensions
from lwd_agents.errors import BadInput, RunStopped
from lwd_agents.internet.law_options import asked, number
from lwd_agents.internet.law_shares import Human, Own, Ratio, Stratified
from lwd_agents.internet.similar import closest, spread
from lwd_agents.internet.view import View
from lwd_agents.internet.weighted import Indices, successive, uniform

ORDERS = ("drawn", "random", "time", "reversed")


class Law(Protocol):
    """How a reading is drawn."""

    def draw(self, view: View, k: int, rng: np.random.Generator) -> Indices:
        """k different indices into the view, (k,), in the order drawn."""
        ...


@dataclass(frozen=True)
class Uniform:
    """P(i_1, ..., i_k) = (V - k)! / V!: every k-subset and every order of it has the same
    probability (arXiv 2506.15690, Algorithm 1, line 3)."""

    def draw(self, view: View, k: int, rng: np.random.Generator) -> Indices:
        """k indices; see ``Law``."""
        return uniform(len(view.ids), k, rng)


class WeightLaw:
    """Posts one after the other in proportion to a weight: see ``weighted.successive``."""

    def log_weights(self, view: View) -> NDArray[np.float64]:
        """(V,) log w of each post; -inf for one that is never drawn."""
        raise NotImplementedError

    def draw(self, view: View, k: int, rng: np.random.Generator) -> Indices:
        """k indices; see ``Law``.

        Raises:
            RunStopped: fewer than k weights are positive.
            ValueError: there are more or fewer weights than posts, or one is NaN or infinite.
        """
        logs = np.asarray(self.log_weights(view), dtype=np.float64)
        if logs.shape != (len(view.ids),):
            raise ValueError(f"weights of shape {logs.shape} for {len(view.ids)} posts")
        there = int(np.count_nonzero(logs != -np.inf))
        if there < k:
            raise RunStopped(
                f"{asked(self, view, k)} only {there} of {len(view.ids)} have a weight above 0, "
                "and a post of weight 0 is never read; lower reading.k or reading.beta"
            )
        return successive(logs, k, rng)


@dataclass(frozen=True)
class Recency(WeightLaw):
    """w = 2^(-age / half_life), age = t - (the step it was written in), t + 1 for A(0): the new
    ones more often. P(i_1, ..., i_k) = prod_j w_{i_j} / (sum of the w not yet drawn).

    ``half_life``: in steps, at least 0.001.
    """

    half_life: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "half_life", number("half_life", self.half_life, 1e-3, np.inf))

    def log_weights(self, view: View) -> NDArray[np.float64]:
        """(V,), up to a constant."""
        newest = view.step.max(initial=-1)
        return np.asarray((view.step - newest) * (np.log(2.0) / self.half_life))


@dataclass(frozen=True)
class Popularity(WeightLaw):
    """w = (prior + reads)^exponent: what was read often is read more often, the rich get richer.
    P(i_1, ..., i_k) = prod_j w_{i_j} / (sum of the w not yet drawn); 0^0 = 1.

    ``exponent``: -100 to 100 (0 is uniform). ``prior``: at least 0; at 0 and a positive exponent a
    post that nobody has read is never read. A negative exponent needs a prior above 0.
    """

    exponent: float = 1.0
    prior: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "exponent", number("exponent", self.exponent, -100, 100))
        object.__setattr__(self, "prior", number("prior", self.prior, 0, np.inf))
        if self.exponent < 0 and self.prior == 0:
            raise ValueError(f"prior: 0 should be above 0 where exponent is {self.exponent:g}")

    def log_weights(self, view: View) -> NDArray[np.float64]:
        """(V,)."""
        if self.exponent == 0:
            return np.zeros(len(view.ids))
        with np.errstate(divide="ignore"):
            return np.asarray(self.exponent * np.log(self.prior + view.reads))


@dataclass(frozen=True)
class Similarity:
    """The k posts of the largest cos(phi(post), phi(q)), best first; no chance but among equals:
    which of them, and in what order, is uniform."""

    def draw(self, view: View, k: int, rng: np.random.Generator) -> Indices:
        """k indices, best first; see ``similar.closest``."""
        return closest(view, k, rng)


@dataclass(frozen=True)
class Mmr:
    """Maximal marginal relevance (Carbonell and Goldstein 1998), greedily: the next post maximises
    trade_off cos(post, q) - (1 - trade_off) max over those chosen of cos(post, chosen), the maximum
    over none being 0. No chance but among equals: the next is uniform over them.

    ``trade_off``: 0 (only variety) to 1 (``similarity``).
    """

    trade_off: float = 0.5

    def __post_init__(self) -> None:
        object.__setattr__(self, "trade_off", number("trade_off", self.trade_off, 0, 1))

    def draw(self, view: View, k: int, rng: np.random.Generator) -> Indices:
        """k indices in the order chosen; see ``similar.spread``."""
        return spread(view, k, self.trade_off, rng)


LAWS: dict[str, type] = {
    "uniform": Uniform,
    "recency": Recency,
    "popularity": Popularity,
    "ratio": Ratio,
    "human": Human,
    "own": Own,
    "stratified": Stratified,
    "similarity": Similarity,
    "mmr": Mmr,
}


def make_law(name: str, options: Mapping[str, Any], where: str) -> Law:
    """The law of a name and its options; ``where`` is the place that named it (``reading.law``).

    A name is one of ``LAWS``, one that a distribution registers (entry points of the group
    ``lwd_agents.laws``), or the dotted path of a class or function that makes a law.

    Raises:
        BadInput: there is no such law, an option is unknown, missing or out of its range.
    """
    if name in LAWS:
        return _ours(name, options, where)
    if name in (others := extensions.registered("laws")):
        factory = extensions.load("laws", name, where)
    elif extensions.is_dotted_path(name):
        factory = extensions.imported(name, where)
    else:
        known = [*LAWS, *others]
        choices = f"{', '.join(known)}, or a dotted path such as my_module:MyLaw"
        raise BadInput(f"{where}: no law {name!r}{_near(name, known)} (choices: {choices})")
    law = extensions.call(factory, {}, f"{where}: {name!r}", options)
    if not callable(getattr(law, "draw", None)):
        kind = type(law).__name__
        raise BadInput(f"{where}: {name!r} made a {kind}, which has no draw(view, k, rng)")
    return law  # type: ignore[no-any-return]


def shortfall(law: Law, view: View, k: int) -> dict[str, int]:
    """How many posts of each kind a law lacks for a reading of k, such as {"human": 3}.

    What it draws in their place, or that it refuses, its option ``short`` says. Empty where it
    lacks none, and for laws that cannot be short.
    """
    lacking = getattr(law, "shortfall", None)
    return {} if lacking is None else lacking(view, k)


def arranged(indices: Indices, view: View, order: str, rng: np.random.Generator) -> Indices:
    """The posts of a reading in the order in which they are read, (k,).

    Args:
        indices: (k,) into the view, in the order drawn.
        order: ``drawn`` (as they are: random, or best first), ``random`` (all orders equally
            likely), ``time`` (oldest first), ``reversed`` (newest first).

    Raises:
        ValueError: there is no such order.
    """
    if order == "drawn":
        return indices
    if order == "random":
        return rng.permutation(indices)
    if order not in ORDERS:
        raise ValueError(f"order: {order!r} (choices: {', '.join(ORDERS)})")
    oldest_first = indices[np.lexsort((indices, view.step[indices]))]
    return oldest_first if order == "time" else oldest_first[::-1]


def _ours(name: str, options: Mapping[str, Any], where: str) -> Law:
    where = f"{where} {name}"
    known = {option.name: option for option in fields(LAWS[name])}
    for option in options:
        if option not in known:
            choices = ", ".join(known) or "none"
            hint = _near(str(option), known)
            raise BadInput(f"{where}: no option {option!r}{hint} (choices: {choices})")
    for option, field in known.items():
        if field.default is MISSING and option not in options:
            raise BadInput(f"{where}: its option {option} is missing (a number, without default)")
    try:
        return LAWS[name](**options)  # type: ignore[no-any-return]
    except ValueError as error:
        raise BadInput(f"{where}: {error}") from None


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else ""
