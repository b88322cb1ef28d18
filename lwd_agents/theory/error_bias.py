"""Errors of ridge regression on fixed designs, round by round: exact, with the bias (ours).

The penalty lambda shrinks every fit. With S_i = sum_j G_ij, A_i = (S_i + lambda I)^-1 and data that
is replaced,

    e_i(t) = A_i (sum_j G_ij e_j(t-1) + X_i'eps - lambda theta*),

so the errors' covariance moves as in `error_recursion`, with A_i in place of S_i^-1, and their
mean b by b(t) = M b(t-1) - lambda A theta*. A learner without real data upstream forgets the truth:
its parameter goes to 0, and its error to |theta*|^2, however bounded its variance is.
accumulate: with A_i(t) = ((t+1) S_i + lambda I)^-1 the shrinking comes once,

    e_i(t) = A_i(t) ((t S_i + lambda I) e_i(t-1) + sum_j G_ij e_j(t-1) + X_i'eps).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lwd_agents.errors import BadInput
from lwd_agents.theory.error_designs import Array, Regime, check_choices
from lwd_agents.theory.error_recursion import check_rounds


@dataclass(frozen=True, eq=False)
class RidgeMoments:
    """Expected errors of n learners over rounds t = 0..T, in two parts that add up.

    Attributes:
        variance, bias: (T+1, n) the trace of each error's covariance, and its mean's square.
        variance_norm, bias_norm: (T+1,) the same of ||D(t)||_F^2.
    """

    variance: Array
    bias: Array
    variance_norm: Array
    bias_norm: Array


def ridge_errors(
    grams: ArrayLike,
    penalty: float,
    truth: ArrayLike,
    rounds: int,
    noise: float = 1.0,
    regime: Regime = "replace",
) -> RidgeMoments:
    """The expected errors of pooled fits over so many rounds after the start on real labels.

    Args:
        grams: (n, n+1, d, d) G_ij of one round, the last column real.
        penalty: lambda, above 0.
        truth: (d,) theta*.

    Raises:
        BadInput: shapes, or a penalty that is not above 0.
    """
    G, theta = np.asarray(grams, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    n, d = len(G), G.shape[-1]
    if G.shape != (n, n + 1, d, d) or theta.shape != (d,):
        raise BadInput(f"grams {G.shape}, truth {theta.shape}: should be (n, n+1, d, d) and (d,)")
    if not (penalty > 0 and np.isfinite(penalty)):
        raise BadInput(f"penalty {penalty}: should be above 0")
    check_choices("fixed", regime)
    check_rounds(rounds)
    S, eye = G.sum(axis=1), np.eye(d)
    mixed = G[:, :-1].transpose(0, 2, 1, 3).reshape(n * d, n * d)
    found = np.empty((4, rounds + 1, n))
    for t in range(rounds + 1):
        grown = t + 1 if regime == "accumulate" else 1
        A = np.linalg.inv(grown * S + penalty * eye)
        N = _blocks(noise**2 * A @ S @ A)
        if not t:
            C, b = N, (-penalty * A @ theta).ravel()
        else:
            kept = t * S + penalty * eye if regime == "accumulate" else np.zeros_like(S)
            M = _blocks(A) @ (_blocks(kept) + mixed)
            C, b = M @ C @ M.T + N, M @ b
            if regime == "replace":
                b = b - penalty * (A @ theta).ravel()
        found[:, t] = _read(C, b.reshape(n, d))
    return RidgeMoments(found[0], found[1], found[2, :, 0], found[3, :, 0])


def _blocks(parts: Array) -> Array:
    """(n, d, d) as the blocks of one diagonal matrix."""
    from scipy.linalg import block_diag

    return np.asarray(block_diag(*parts))


def _read(C: Array, b: Array) -> Array:
    """(4, n): variance, squared bias, and what both add to ||D||_F^2 (the same for all n)."""
    n, d = b.shape
    blocks = C.reshape(n, d, n, d)
    variance = np.einsum("iaia->i", blocks)
    apart = 2 * n * variance.sum() - 2 * np.einsum("iaja->", blocks)
    centred = b - b.mean(axis=0)
    bias = np.sum(b**2, axis=1)
    both = [np.full(n, apart), np.full(n, 2 * n * np.sum(centred**2))]
    return np.stack([variance, bias, *both])
