"""How large learners' errors are, round by round: exact second moments (derivations: ours).

e_i = theta_i - theta* in R^d, C(t) the covariance of (e_1, ..., e_n) at t. Everything is unbiased,
so E|e_i|^2 is a trace of C. S_i = sum_j G_ij is learner i's Gram matrix of one round.

Fixed designs. replace: e_i(t) = S_i^-1 (sum_j G_ij e_j(t-1) + X_i' eps), so

    C(t) = M C(t-1) M' + N,   M_ij = S_i^-1 G_ij,   N = s^2 diag(S_i^-1).

In the mixing `weight`, M_ij = w_ij I and N_i = s^2 sum_j w_ij^2 G_ij^-1.
accumulate: the fit at t has the Gram matrix (t+1) S_i, the start's rows kept, and its right side
is that of t-1 with the new rows added. So the error itself is the state, and

    C(t) = M_t C(t-1) M_t' + N / (t+1)^2,   M_t = (t I + M) / (t+1).

With G_ij = m_ij I all blocks are multiples of I: n x n matrices do.

Redrawn designs, rows N(0, I). replace: M is random, and independent of e(t-1). By rotational
symmetry E e_i e_k' = V_ik I for ever, with w_ij = m_ij / m_i and

    V(t)_ik = (W V W')_ik                                            for i != k,
    V(t)_ii = (1 - c_i) (W V W')_ii + c_i sum_j w_ij V_jj + s^2 / (m_i - d - 1),
    c_i = (m_i r_i - 1) / (m_i - 1),   r_i = (d+2)(m_i-2) / ((m_i+2)(m_i-d-1)).

For X = H S^(1/2) with S and H independent, so for a row x of X: x'x = h'Sh, x'S^-2 x = h'S^-1 h,
and E[x'x x'S^-2 x] = (E[tr S tr S^-1] + 2d) / (m(m+2)) = d r / m, as E[tr S tr S^-1] is
d(md-2)/(m-d-1). Rows are exchangeable, and the rows' terms sum to E tr(I) = d: that gives the mixed
moment of two rows. All of it needs m_i > d + 1 and no more; below d the fit is not determined.
accumulate: the old Gram matrix and the old error depend on each other, and V is not closed. Known
are learners that learn from themselves alone, e(t) = e(t-1) + S(t)^-1 X_t' eps with
E tr(S(t)^-1 G_t S(t)^-1) = d / ((t+1)((t+1)m-d-1)) (2410.22812), and those with real data alone.
For many rows the recursion of fixed designs is the limit of both.

subsample (m rows drawn without replacement from all so far) has an exact recursion for means, where
the design is a column of ones: `subsampled_means`. With features that differ from row to row the
Gram matrix depends on which rows are drawn, and there is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from lwd_agents.errors import BadInput, BadLearner
from lwd_agents.theory.error_designs import Array, Blocks, Learners, sandwich

Start = ArrayLike | Literal["real"]


@dataclass(frozen=True, eq=False)
class ErrorMoments:
    """Expected errors of n learners over rounds t = 0..T.

    Attributes:
        squared: (T+1, n) E|theta_i(t) - theta*|^2. Where features are N(0, I), that is the excess
            risk at a new point, E(x'e_i)^2.
        squared_norm: (T+1,) E||D(t)||_F^2, D_ij = |theta_i - theta_j|, over all ordered pairs.
        covariance: of the errors at T. For `Learners` (n, n), that of one coordinate, all alike
            and uncorrelated; for `Blocks` (n d, n d), learner after learner.
    """

    squared: Array
    squared_norm: Array
    covariance: Array


def expected_errors(
    learners: Learners | Blocks, rounds: int, start: Start = "real"
) -> ErrorMoments:
    """The expected errors over so many rounds after the start.

    Args:
        start: ``real``: each learner fits as many real rows as it has rows in a round, on the
            design of a round; in `weight`, its real rows. Or the errors' covariance at t = 0,
            shaped as `ErrorMoments.covariance`; it counts as a round's fit that accumulates.

    Raises:
        BadInput: a start of another shape, or what is not known: redrawn designs that accumulate
            where a learner has two sources, or learns from another.
    """
    check_rounds(rounds)
    if (
        isinstance(learners, Learners)
        and learners.designs == "redrawn"
        and learners.regime == "accumulate"
    ):
        return _redrawn_accumulating(learners, rounds, start)
    mixing, noise = one_round(learners)
    spread = excess(learners) if isinstance(learners, Learners) else None
    n = len(learners.rows if isinstance(learners, Learners) else learners.grams)
    d = 1 if isinstance(learners, Learners) else learners.grams.shape[2]
    C = _started(learners, start)
    squared, norm = np.empty((rounds + 1, n)), np.empty(rounds + 1)
    step = _sparse(mixing)
    for t in range(rounds + 1):
        if t and learners.regime == "accumulate":
            half = (t * C + step @ C) / (t + 1)
            C = (t * half + (step @ half.T).T) / (t + 1) + noise / (t + 1) ** 2
        elif t:
            before = np.diagonal(C)
            after = step @ (step @ C).T
            if spread is not None:
                after = after + np.diag(spread * (mixing @ before - np.diagonal(after)))
            C = after + noise
        C = (C + C.T) / 2
        squared[t], norm[t] = _read(C, n, d)
    times = learners.features if isinstance(learners, Learners) else 1
    return ErrorMoments(times * squared, times * norm, C)


def one_round(learners: Learners | Blocks) -> tuple[Array, Array]:
    """The mean of the map of errors, and the covariance that one round's fits add.

    Returns:
        M and N, both (n, n) for `Learners` (per coordinate) and (n d, n d) for `Blocks`.
    """
    if isinstance(learners, Learners):
        return learners.shares[:, :-1], np.diag(learners.fit_noise)
    from scipy.linalg import block_diag

    n, _, d, _ = learners.grams.shape
    assert learners.scatter is not None
    if learners.weights is None:
        whole = learners.grams.sum(axis=1)
        mixing = np.linalg.solve(whole[:, None], learners.grams[:, :-1])
        noise = sandwich(whole, learners.scatter.sum(axis=1))
    else:
        w, used = learners.weights, learners.weights > 0
        mixing = w[:, :-1, None, None] * np.eye(d)
        alone = np.zeros_like(learners.grams)
        alone[used] = sandwich(learners.grams[used], learners.scatter[used])
        noise = np.einsum("ij,ijab->iab", w**2, alone)
    return mixing.transpose(0, 2, 1, 3).reshape(n * d, n * d), block_diag(*noise)


def excess(learners: Learners) -> Array | None:
    """(n,) c_i of the module's docstring; None where M is not random (fixed, or `weight`)."""
    if learners.designs == "fixed" or learners.weights is not None:
        return None
    m, d = learners.rows.sum(axis=1).astype(np.float64), learners.features
    r = (d + 2) * (m - 2) / ((m + 2) * (m - d - 1))
    found: Array = (m * r - 1) / (m - 1)
    return found


def subsampled_means(learners: Learners, rounds: int) -> ErrorMoments:
    """Means that are fitted to m_i rows drawn without replacement from all rows so far.

    Each round m_ij rows with mean theta_j(t-1), and real ones, enter learner i's pool of then
    (t+1) m_i rows; the mean of m_i of them is the fit. For one coordinate and the pool's mean y
    and mean square Q: E theta_i^2 = E y_i^2 + (N - m)(Q_i - E y_i^2) / (m (N-1)), N the pool's
    size, and E theta_i y_k = E y_i y_k: so E y y' and Q are a state that closes. Exact.

    Args:
        learners: fixed designs, pooled (`samples`), one feature; ``regime`` is not used.

    Raises:
        BadInput: other learners: see the module's docstring.
    """
    if learners.features != 1 or learners.designs != "fixed" or learners.weights is not None:
        raise BadInput("subsample is known for means alone: features 1, fixed designs, samples")
    check_rounds(rounds)
    m, W = learners.rows.sum(axis=1), learners.shares[:, :-1]
    one = learners.noise**2
    U, Q = np.diag(one / m), np.full(len(m), one)
    squared, norm = np.empty((rounds + 1, len(m))), np.empty(rounds + 1)
    theta = U
    for t in range(rounds + 1):
        if t:
            mixed = W @ U
            U = (t * t * U + t * (mixed + mixed.T) + W @ theta @ W.T + np.diag(one / m)) / (
                t + 1
            ) ** 2
            Q = (t * Q + one + W @ np.diagonal(theta)) / (t + 1)
        pool = (t + 1) * m
        drawn = (pool - m) / (m * np.maximum(pool - 1, 1)) * (Q - np.diagonal(U))
        theta = U + np.diag(drawn)
        squared[t], norm[t] = _read(theta, len(m), 1)
    return ErrorMoments(squared, norm, theta)


def check_rounds(rounds: int) -> None:
    """Raises BadInput where this is no number of rounds."""
    if rounds < 0:
        raise BadInput(f"{rounds} rounds: should be 0 or more")


def _redrawn_accumulating(learners: Learners, rounds: int, start: Start) -> ErrorMoments:
    if not isinstance(start, str):
        raise BadInput("redrawn designs that accumulate are known from the start `real` only")
    W, m, d = learners.shares[:, :-1], learners.rows.sum(axis=1), learners.features
    alone, real = np.diagonal(W) == 1, learners.shares[:, -1] == 1
    if not np.all(alone | real):
        raise BadLearner(
            int(np.argmin(alone | real)),
            "has other sources: redrawn designs that accumulate have a known form only for "
            "learners with one source, themselves or real data",
        )
    sizes = np.arange(1, rounds + 2)[:, None]
    fitted = learners.noise**2 / (sizes * m - d - 1)
    V = np.where(alone, np.cumsum(fitted / sizes, axis=0), fitted)
    norm = 2 * (len(m) - 1) * V.sum(axis=1)
    return ErrorMoments(d * V, d * norm, np.diag(V[-1]))


def _started(learners: Learners | Blocks, start: Start) -> Array:
    from scipy.linalg import block_diag

    if isinstance(start, str):
        if start != "real":
            raise BadInput(f"start {start!r}: should be 'real' or a covariance")
        if isinstance(learners, Learners):
            return np.diag(learners.start_noise)
        return np.asarray(block_diag(*learners.start()))
    if isinstance(learners, Learners):
        size = len(learners.rows)
    else:
        size = len(learners.grams) * learners.grams.shape[2]
    found = np.array(start, dtype=np.float64)
    if found.shape != (size, size) or not np.allclose(found, found.T):
        raise BadInput(f"a start of shape {found.shape}: should be ({size}, {size}), symmetric")
    return found


def _read(C: Array, n: int, d: int) -> tuple[Array, float]:
    """E|e_i|^2 (n,), and E sum_ij |e_i - e_j|^2 = 2n sum_i E|e_i|^2 - 2 E|sum_i e_i|^2."""
    blocks = C.reshape(n, d, n, d)
    squared = np.einsum("iaia->i", blocks)
    total = np.einsum("iaja->", blocks)
    return squared, float(2 * n * squared.sum() - 2 * total)


def _sparse(mixing: Array) -> Array:
    """The same map, without its zeros where it is large and has many."""
    from scipy.sparse import csr_array

    if len(mixing) < 100 or np.count_nonzero(mixing) > 0.1 * mixing.size:
        return mixing
    found: Array = csr_array(mixing)
    return found
