"""How large learners' errors stay, and the least share of real data that keeps them so (ours).

In the reading of `graph_verdict`, the covariance of the learners' errors in one dimension goes

    V(t+1) = W V(t) W' + diag(noise),

noise_i the variance that one round's fit adds to learner i, independent between learners and the
same whatever the data's shares. Where nothing collapses it settles at V = sum_k W^k diag(noise)
W'^k. A larger real share of i scales row i of W down, and every term is a sum of products of
non-negative weights: all variances fall, or stay. So one bisection finds the least share.

The conditions are the verdict's own. Weights that tend to a real share of 0 rescue in this ideal
case, but leave a variance without bound: that is why a bound is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lwd_agents.errors import BadInput
from lwd_agents.theory.graph_verdict import structure
from lwd_agents.theory.learning_graph import LearningGraph, shown

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Array = NDArray[np.float64]
MOST = 1000  # learners of a block that is solved dense
_LEAST = 1e-12  # a share that numbers of this size can't tell from none


@dataclass(frozen=True)
class RealShare:
    """The least share of real data.

    Attributes:
        share: from 0 to 1; None where no share does.
        reason: why it is None, 0 or 1; else empty.
    """

    share: float | None
    reason: str = ""


def stationary_variance(graph: LearningGraph, noise: ArrayLike = 1.0) -> Array:
    """(n,) what each learner's error variance settles at, in one dimension; inf if it collapses.

    Args:
        noise: the variance that one round's fit adds, for all learners or (n,).

    Raises:
        BadInput: more than 1,000 learners are stable, or the noise is not positive.
    """
    return _settled(graph.weights, graph.real > 0, _noise(graph, noise))


def least_real_share(
    graph: LearningGraph, learner: str, bound: float, noise: ArrayLike = 1.0
) -> RealShare:
    """The least share of real data that keeps a learner's variance at or below a bound.

    The share is the learner's whole real share; its other weights keep their proportions. It may
    be less than it has now. Exact to a relative 1e-8.

    Raises:
        BadInput: no such learner, a bound that is not positive, or as `stationary_variance`.
    """
    i, q = graph.index(learner), _noise(graph, noise)
    _check_bound(bound)
    if q[i] > bound:
        return RealShare(None, f"one round's noise alone is {q[i]:g}")
    if graph.real[i] == 1 or not graph.weights[[i]].nnz:
        return RealShare(1.0, "it has no other data")
    real = graph.real > 0
    scale = np.ones(len(q))

    def variance(share: float) -> float:
        scale[i], real[i] = (1 - share) / (1 - graph.real[i]), share > 0
        return float(_settled(_scaled(graph.weights, scale), real, q, only=i)[i])

    return _least(variance, bound)


def common_real_share(graph: LearningGraph, bound: float, noise: ArrayLike = 1.0) -> RealShare:
    """The least share of real data that, had by every learner, keeps all variances under a bound.

    Learners that have nothing but real data keep it. Else as `least_real_share`.
    """
    q = _noise(graph, noise)
    _check_bound(bound)
    if q.max() > bound:
        name = shown(graph.names[int(np.argmax(q))])
        return RealShare(None, f"one round's noise alone is {q.max():g} for {name}")
    sums = np.asarray(graph.weights.sum(axis=1))
    alone = sums == 0
    if alone.all():
        return RealShare(1.0, "nobody has other data")

    def variance(share: float) -> float:
        scale = np.where(alone, 1.0, (1 - share) / np.where(alone, 1.0, sums))
        return float(_settled(_scaled(graph.weights, scale), alone | (share > 0), q).max())

    return _least(variance, bound)


def under_bound(
    graph: LearningGraph, bound: float, asked: int = 20, noise: ArrayLike = 1.0
) -> dict[str, Any]:
    """Variances, and the least shares that bring them under a bound, as JSON.

    The least share is found for the first ``asked`` of the learners that are over the bound.

    Raises:
        BadInput: as `least_real_share`.
    """
    _check_bound(bound)
    variance = stationary_variance(graph, noise)
    over = np.flatnonzero(variance > bound)
    known = [None if np.isinf(v) else float(v) for v in variance]
    names = graph.names
    return {
        "bound": bound,
        "noise": dict(zip(names, _noise(graph, noise).tolist(), strict=True)),
        "variance": dict(zip(names, known, strict=True)),
        "over": [names[i] for i in over],
        "least_real_share": {
            names[i]: asdict(least_real_share(graph, names[i], bound, noise)) for i in over[:asked]
        },
        "common_real_share": asdict(common_real_share(graph, bound, noise)),
    }


def _least(variance: Callable[[float], float], bound: float) -> RealShare:
    """Where a variance that falls with the share reaches the bound; it does so at share 1."""
    from scipy.optimize import brentq

    if variance(0.0) <= bound:
        return RealShare(0.0, "it stays under the bound without")
    if variance(_LEAST) <= bound:
        return RealShare(_LEAST, f"{_LEAST:g} or less does")
    if variance(1 - _LEAST) == np.inf:
        return RealShare(1.0, "it learns from an unstable source: nothing but real data will do")

    def over(log: float) -> float:
        found = variance(float(np.exp(log)))
        return float(np.log(min(found, 1e300) / bound))

    if over(0.0) >= 0:
        return RealShare(1.0, "the bound is what one round's noise leaves")
    root = brentq(over, np.log(_LEAST), 0.0, xtol=1e-10, rtol=1e-10)
    return RealShare(min(1.0, float(np.exp(root)) * (1 + 1e-9)))


def _settled(
    weights: csr_array, real: NDArray[np.bool_], q: Array, only: int | None = None
) -> Array:
    """(n,) the stationary variances; of one learner and its ancestors where ``only`` is given."""
    from scipy.sparse.csgraph import breadth_first_order

    weights.eliminate_zeros()
    found = np.full(len(q), np.inf)
    stable = ~structure(weights, real).collapses
    if only is not None:
        ancestors = breadth_first_order(weights, only, return_predecessors=False)
        if not stable[only]:
            return found
        stable = np.isin(np.arange(len(q)), ancestors)
    # A stable learner's ancestors are stable: the block is closed.
    chosen = np.flatnonzero(stable)
    if len(chosen) > MOST:
        raise BadInput(f"{len(chosen):,} learners: the variance is solved for up to {MOST:,}")
    A, V = weights[chosen][:, chosen].toarray(), np.diag(q[chosen])
    # V = sum_k A^k Q A'^k, twice as many terms at each turn; nothing is subtracted.
    for _ in range(64):
        more = A @ V @ A.T
        V = V + more
        if np.all(np.diagonal(more) <= 1e-16 * np.diagonal(V)):
            break
        A = A @ A
    found[chosen] = np.diagonal(V)
    return found


def _scaled(weights: csr_array, scale: Array) -> csr_array:
    """The weights with each row scaled."""
    found = weights.copy()
    found.data = found.data * np.repeat(scale, np.diff(found.indptr))
    return found


def _noise(graph: LearningGraph, noise: ArrayLike) -> Array:
    n = len(graph.names)
    found = np.asarray(noise, dtype=np.float64)
    if found.shape not in ((), (n,)) or not np.all(np.isfinite(found) & (found > 0)):
        raise BadInput(f"noise of shape {found.shape}: should be positive, one number or {n}")
    return np.broadcast_to(found, (n,)).copy()


def _check_bound(bound: float) -> None:
    if not (np.isfinite(bound) and bound > 0):
        raise BadInput(f"a bound of {bound:g}: should be a positive number")
