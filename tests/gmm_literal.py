"""Algorithms 2 and 3 of arXiv 2506.15690 line by line in NumPy, and the system they are run on.

The reference that the compiled kernels are held against. It takes its random draws either from a
NumPy generator of its own (``OwnDraws``) or from the kernels (``KernelDraws``), so that both can be
fed the same. Axes: N models, B components, D dimensions, T updates, P points of the store.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lwd_agents.kernels import run_key
from lwd_agents.worlds import gmm_kernel as kernel
from lwd_agents.worlds import gmm_points

Array = NDArray[np.float64]
_FAINT = 700.0  # the kernels' floor: a density below exp(-700) of the largest counts as that


class Draws(Protocol):
    """Where Algorithm 3 takes its random points and readings from."""

    def posted(self, t: int, model: int, weights: Array) -> Array:
        """The L points that a model posts at step t: (L, D)."""

    def fresh(self, t: int) -> Array:
        """The human points that enter at step t: (fresh, D)."""

    def reading(self, t: int, model: int) -> Sequence[int] | NDArray[Any]:
        """The places in the store of the k_t points that a model reads, in order: (k_t,)."""


class Result(NamedTuple):
    """What a simulation gives.

    Attributes:
        weights: (T + 1, N, B). norms: (T + 1,) of the distance matrices. clips: (T, N).
        points: (P, D) the store.
    """

    weights: Array
    norms: Array
    clips: NDArray[np.int64]
    points: Array


def densities(point: Array, means: Array, inverse: Array, log_scale: float) -> Array:
    """N(u; mu_b, Sigma) for all b in units of the largest, which cancels in line 3: (B,)."""
    away = point - means
    logs = log_scale - 0.5 * np.einsum("bi,ij,bj->b", away, inverse, away)
    return np.exp(np.maximum(logs - logs.max(), -_FAINT))


def update(
    weights: ArrayLike, points: ArrayLike, means: ArrayLike, covariance: ArrayLike,
    alpha: float, c: float, epsilon: float,
) -> tuple[Array, int]:  # fmt: skip
    """Algorithm 2.

    Args:
        weights: (B,). points: (k, D), in the order in which they are read.
        means: (B, D). covariance: (D, D).

    Returns:
        The new weights (B,) and how often lines 9 to 12 were run.
    """
    means, covariance = np.asarray(means, float), np.asarray(covariance, float)
    inverse, d = np.linalg.inv(covariance), len(covariance)
    log_scale = -0.5 * (d * math.log(2.0 * math.pi) + np.linalg.slogdet(covariance)[1])
    pi = np.array(weights, float)  # line 1
    clips, components = 0, len(pi)
    for u in np.asarray(points, float):  # line 2
        weighted = pi * densities(u, means, inverse, log_scale)
        o = weighted / weighted.sum()  # line 3
        pi = (1.0 - alpha) * pi + alpha * (o - c) / (1.0 - components * c)  # lines 4 to 6
        for b in range(components):  # line 7
            if pi[b] <= 0.0:  # line 8
                clips += 1
                scale = 1.0 + epsilon - pi[b]
                for other in range(components):  # lines 9 to 11
                    if other != b:
                        pi[other] /= scale
                pi[b] = epsilon  # line 12
    return pi, clips


def norm(weights: Array) -> float:
    """||D||_F, D_ij = ||Pi_i - Pi_j||_2 (equation 4), of weights (N, B)."""
    difference = weights[:, None] - weights[None]
    return float(np.sqrt((np.sqrt((difference**2).sum(-1)) ** 2).sum()))


def simulate(
    weights: ArrayLike, stored: Array, plan: gmm_points.Plan, covariance: ArrayLike, draws: Draws
) -> Result:
    """Algorithm 3 from starting weights (N, B) and A(0), the points ``stored`` (|A(0)|, D)."""
    updates, n = plan.k.shape
    found = [np.array(weights, float)]  # line 1
    store = np.empty((plan.size[-1], plan.means.shape[1]))
    store[: plan.size[0]] = stored
    norms, clips = np.empty(updates + 1), np.zeros((updates, n), np.int64)
    for t in range(updates):  # line 2
        norms[t] = norm(found[t])  # line 3
        posted, new = [], np.empty_like(found[t])
        for i in range(n):  # line 4
            posted.append(draws.posted(t, i, found[t][i]))  # line 5
            u = store[draws.reading(t, i)]  # line 6
            new[i], clips[t, i] = update(  # line 7
                found[t][i], u, plan.means, covariance, plan.alpha[t, i], plan.shift[t, i],
                plan.epsilon,
            )  # fmt: skip
        found.append(new)
        # Line 9. The human points that enter beside the models' own are an option of ours.
        store[plan.size[t] : plan.size[t + 1]] = np.concatenate([*posted, draws.fresh(t)])
    norms[-1] = norm(found[-1])
    return Result(np.array(found), norms, clips, store)


def system(
    means: ArrayLike, covariance: ArrayLike, *, models: int = 3, updates: int = 20,
    posts: int = 3, beta: float = 0.5, initial: int = 0, fresh: int = 0, replace: bool = False,
    authors: ArrayLike | None = None, human: ArrayLike | None = None, epsilon: float = 1e-6,
    seed: int = 0,
) -> gmm_points.Plan:  # fmt: skip
    """The kernels' plan of a system with the paper's alpha_t = 1 / k_t and c_t = 1 / (k_t B^2).

    Args:
        replace: A(t) is only what entered at step t - 1.
        authors: (N, N), who may read whom; all may read all if None.
        human: (B,) the shares of the components in human points; even if None.
    """
    means, factor = np.asarray(means, float), np.linalg.cholesky(np.asarray(covariance, float))
    components, whitener = len(means), np.linalg.inv(factor)
    size = initial + (models * posts + fresh) * np.arange(updates + 1)
    share = np.full(components, 1.0 / components) if human is None else np.asarray(human, float)
    none = np.zeros((updates, models))
    plan = gmm_points.Plan(
        run_key(seed, "gmm"), means, factor, means @ whitener.T, whitener,
        gmm_points.Law(np.cumsum(share), means, factor), none.astype(np.int64), none, none,
        np.concatenate([[0], size[:-1]]) if replace else np.zeros(updates + 1, np.int64),
        size, posts, fresh,
        np.ones((models, models), bool) if authors is None else np.asarray(authors, bool),
        authors is None, epsilon,
    )  # fmt: skip
    visible = np.repeat((size - plan.first)[:updates, None], models, axis=1)
    if authors is not None:
        visible = np.array(
            [[len(readable(plan, t, i)) for i in range(models)] for t in range(updates)]
        )
    k = np.floor(beta * visible).astype(np.int64)
    alpha = 1.0 / np.maximum(k, 1)
    return plan._replace(k=k, alpha=alpha, shift=alpha / components**2)


def readable(plan: gmm_points.Plan, t: int, model: int) -> NDArray[np.int64]:
    """The places of A(t) that a model may read, found from the author of every point."""
    n = len(plan.authors)
    entering = np.repeat(np.arange(n + 1), [plan.posts] * n + [plan.fresh])
    author = np.concatenate([np.full(plan.size[0], n), np.tile(entering, t)])
    allowed = np.append(plan.authors[model], True)[author]
    allowed[: plan.first[t]] = False
    return np.flatnonzero(allowed)


class OwnDraws:
    """Draws from a NumPy generator."""

    def __init__(self, plan: gmm_points.Plan, rng: np.random.Generator) -> None:
        self.plan, self.rng = plan, rng

    def posted(self, t: int, model: int, weights: Array) -> Array:
        """See ``Draws``."""
        return self._points(weights / weights.sum(), self.plan.posts)

    def fresh(self, t: int) -> Array:
        """See ``Draws``."""
        return self._points(np.diff(self.plan.human.cumulative, prepend=0.0), self.plan.fresh)

    def reading(self, t: int, model: int) -> NDArray[Any]:
        """See ``Draws``."""
        plan = self.plan
        all_of = np.arange(plan.first[t], plan.size[t])
        places = all_of if plan.everyone else readable(plan, t, model)
        return self.rng.choice(places, plan.k[t, model], replace=False)

    def _points(self, shares: Array, count: int) -> Array:
        labels = self.rng.choice(len(shares), count, p=shares)
        noise = self.rng.standard_normal((count, len(self.plan.factor)))
        return self.plan.means[labels] + noise @ self.plan.factor.T


class KernelDraws:
    """The draws that the kernels make in one arm."""

    def __init__(self, plan: gmm_points.Plan, replicate: int, placebo: bool = False) -> None:
        self.plan, self.replicate, self.placebo = plan, replicate, placebo
        self.places = np.arange(plan.size[-1], dtype=np.int32)
        memory = kernel.scratch(plan, 8)
        whole = {name: getattr(memory, name).astype(np.int32) for name in ("items", "work")}
        self.memory = memory._replace(stream=memory.stream.astype(np.int32), **whole)

    def stored(self) -> Array:
        """A(0): (|A(0)|, D)."""
        return self._points(self.plan.human, int(self.plan.size[0]), 0, gmm_points.START, 0)

    def posted(self, t: int, model: int, weights: Array) -> Array:
        """See ``Draws``."""
        own = gmm_points.Law(np.cumsum(weights), self.plan.means, self.plan.factor)
        law = self.plan.human if self.placebo else own
        return self._points(law, self.plan.posts, t, gmm_points.POST, model)

    def fresh(self, t: int) -> Array:
        """See ``Draws``."""
        return self._points(self.plan.human, self.plan.fresh, t, gmm_points.FRESH, 0)

    def reading(self, t: int, model: int) -> NDArray[Any]:
        """See ``Draws``."""
        stream = self.memory.stream[0]
        r = self.replicate
        k = kernel.read(self.plan, self.places, stream, self.memory, True, t, model, r)
        return stream[:k].copy()

    def _points(self, law: gmm_points.Law, count: int, t: int, purpose: int, model: int) -> Array:
        points = np.empty((count, len(self.plan.factor)))
        for slot, point in enumerate(points):
            gmm_points.draw_point(
                point, *law, slot, t, purpose, model, self.replicate, self.plan.key
            )
        return points
