"""Whether errors stay bounded, and where they settle, for data that is replaced (ours).

With M the random map of one round, E[C(t)] is bounded where the spectral radius of E[M (x) M] is
below 1, and grows geometrically where it is above. At 1 it grows linearly: a closed component.

E[M (x) M] maps covariances to covariances. Such a map has its radius as an eigenvalue, with a
covariance as its eigenvector; turned and averaged over all rotations that one is isotropic. So the
n x n recursion of `error_recursion` has the radius of the whole. It is the largest over strongly
connected components: two components' covariances move with the product of the radii of their mean
maps, and the square of that radius is never above the radius of E[M (x) M].
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lwd_agents.errors import BadInput
from lwd_agents.theory.error_designs import Array, Blocks, Learners
from lwd_agents.theory.error_recursion import excess, one_round

CLOSE = 1e-9  # a radius so close to 1 counts as 1: numbers can't tell
MOST = 200  # learners of redrawn designs whose limits are solved for
_DENSE = 20  # learners of a component whose map is built as a matrix


def moment_radius(learners: Learners | Blocks) -> Array:
    """(n,) the spectral radius of E[M (x) M] among each learner and its ancestors.

    1 or above: its expected squared error grows without bound. With fixed proportional designs it
    is the square of the verdict's radius; with redrawn ones it can exceed 1 despite real data.

    Raises:
        BadInput: data that accumulates: there the map of a round tends to the identity.
    """
    if learners.regime != "replace":
        raise BadInput(
            "the radius decides for data that is replaced, not for data that accumulates"
        )
    mixing, _ = one_round(learners)
    linked, owner = _linked(learners)
    component = _components(linked)
    spread = excess(learners) if isinstance(learners, Learners) else None
    own = np.zeros(int(component.max()) + 1)
    for c in range(len(own)):
        members = component == c
        chosen = np.ix_(members[owner], members[owner])
        if linked[np.ix_(members, members)].any():
            part = None if spread is None else spread[members]
            own[c] = _radius(mixing[chosen], part)
            if not linked[np.ix_(members, ~members)].any() and not _fed(learners, members):
                # The same error in all of them stays, so 1 is an eigenvalue.
                own[c] = 1.0 if own[c] < 1 + CLOSE else own[c]
            elif part is None and isinstance(learners, Learners):
                own[c] = min(own[c], np.nextafter(1.0, 0.0))  # something leaks: below 1
    reach = _reachable(linked)
    return np.array([own[component[row]].max() for row in reach])


def stationary_errors(learners: Learners | Blocks) -> Array:
    """(n,) what E|theta_i - theta*|^2 settles at; inf where it grows without bound.

    Fixed designs and `weight`: C = M C M' + N is solved by doubling. Redrawn designs: V solves the
    same equation with a diagonal q in place of N, q_i = N_i + c_i ((W v)_i - v_i + q_i) where v is
    V's diagonal, v = K q: n linear equations.

    Raises:
        BadInput: data that accumulates, or more than 200 learners with redrawn designs.
    """
    stable = moment_radius(learners) < 1 - CLOSE
    mixing, noise = one_round(learners)
    _, owner = _linked(learners)
    found = np.full(len(stable), np.inf)
    if not stable.any():
        return found
    # A stable learner's ancestors are stable: the block is closed.
    M, N = (each[np.ix_(stable[owner], stable[owner])] for each in (mixing, noise))
    if isinstance(learners, Blocks):
        C = _lyapunov(M, N)
        d = learners.grams.shape[2]
        found[stable] = np.diagonal(C).reshape(-1, d).sum(axis=1)
        return found
    spread = excess(learners)
    if spread is None:
        found[stable] = np.diagonal(_lyapunov(M, N)) * learners.features
        return found
    c, n = spread[stable], len(M)
    if n > MOST:
        raise BadInput(f"{n} learners with redrawn designs: solved for up to {MOST}")
    units = np.eye(n)[:, :, None] * np.eye(n)[:, None, :]
    K = np.diagonal(_lyapunov(M, units), axis1=1, axis2=2).T
    q = np.linalg.solve(np.diag(1 - c) - c[:, None] * (M @ K - K), np.diagonal(N))
    found[stable] = K @ q * learners.features
    return found


def _lyapunov(M: Array, N: Array) -> Array:
    """sum_k M^k N M'^k, twice as many terms at each turn; N may have leading axes."""
    C = N
    for _ in range(64):
        more = M @ C @ M.T
        C = C + more
        if np.all(np.abs(more) <= 1e-16 * np.abs(C).max()):
            break
        M = M @ M
    return C


def _radius(W: Array, spread: Array | None) -> float:
    """The radius of V -> E[M V M'] within one component."""
    n = len(W)
    if spread is None:
        return float(np.abs(np.linalg.eigvals(W)).max()) ** 2

    def moved(V: Array) -> Array:
        after = W @ V @ W.T
        old, new = np.diagonal(V, axis1=-2, axis2=-1), np.diagonal(after, axis1=-2, axis2=-1)
        return np.asarray(after + (spread * (old @ W.T - new))[..., None] * np.eye(n))

    if n <= _DENSE:
        matrix = moved(np.eye(n * n).reshape(n * n, n, n)).reshape(n * n, n * n)
        return float(np.abs(np.linalg.eigvals(matrix)).max())
    from scipy.sparse.linalg import LinearOperator, eigs

    # The radius is an eigenvalue, so with the identity added it stands out from all others.
    size = (n * n, n * n)
    added = LinearOperator(
        size, matvec=lambda v: v + moved(v.reshape(n, n)).ravel(), dtype=np.float64
    )
    most = eigs(
        added, k=1, which="LM", v0=np.eye(n).ravel(), return_eigenvectors=False, ncv=40, tol=1e-12
    )
    return float(most.real.max()) - 1.0


def _linked(learners: Learners | Blocks) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """(n, n) who learns from whom; and whose each row of the map is."""
    if isinstance(learners, Learners):
        linked = learners.shares[:, :-1] > 0
        return linked, np.arange(len(linked))
    n, _, d, _ = learners.grams.shape
    if learners.weights is not None:
        linked = learners.weights[:, :-1] > 0
    else:
        linked = np.any(learners.grams[:, :-1] != 0, axis=(2, 3))
    return linked, np.repeat(np.arange(n), d)


def _fed(learners: Learners | Blocks, members: NDArray[np.bool_]) -> bool:
    """Whether one of them has real data."""
    if isinstance(learners, Learners):
        return bool(np.any(learners.shares[members, -1] > 0))
    if learners.weights is not None:
        return bool(np.any(learners.weights[members, -1] > 0))
    return bool(np.any(learners.grams[members, -1] != 0))


def _components(linked: NDArray[np.bool_]) -> NDArray[np.int64]:
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    _, component = connected_components(csr_array(linked), connection="strong")
    return np.asarray(component, dtype=np.int64)


def _reachable(linked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(n, n) row i: i and its ancestors."""
    found = linked | np.eye(len(linked), dtype=np.bool_)
    while True:
        more = (found.astype(np.float32) @ found.astype(np.float32)) > 0
        if np.array_equal(more, found):
            return np.asarray(more)
        found = more
