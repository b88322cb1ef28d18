"""What one round of refitting is, as arrays: rows of each source, Gram matrices, mixings.

n learners refit in rounds. At t = 0 every learner fits real rows alone. In round t >= 1 learner i
fits rows of its sources j, labelled by theta_j(t-1) with noise N(0, s^2), and fresh real rows.
Arrays of sources have n + 1 columns: the learners, and last the real data.

Two mixings, with two names:
    samples: the rows of all sources are pooled, and one least-squares fit is made. The shares are
        m_ij / m_i, m_i = sum_j m_ij (`Learners.weights` is None).
    weight: one fit for each source, theta_i = sum_j w_ij theta_ij (arXiv 2502.18049); w_ij are
        the `weights`, whatever the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lwd_agents.errors import BadInput, BadLearner
from lwd_agents.theory.learning_graph import REAL, TOLERANCE, LearningGraph, shown

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Designs = Literal["fixed", "redrawn"]
Regime = Literal["replace", "accumulate"]


def shares_of(graph: LearningGraph) -> Array:
    """(n, n+1) the weights of a graph; the last column is the share of real data."""
    return np.column_stack([graph.weights.toarray(), graph.real])


def rows_of(graph: LearningGraph, m: int | Sequence[int] | Integers) -> Integers:
    """(n, n+1) how many of its m rows each learner takes from each source; the last is real.

    Largest remainder, in exact decimals: a share 0.7 of 90 rows is 63. Among equal remainders the
    first column gets the row.

    Args:
        m: rows of each learner in a round, one number or (n,).

    Raises:
        BadInput: m is no whole number above 0, or a share above 0 gives no row: an edge of the
            graph would be lost, and with it the verdict.
    """
    found: Integers = apportioned(graph, m).toarray()
    return found


def apportioned(graph: LearningGraph, m: int | Sequence[int] | Integers) -> csr_array:
    """``rows_of`` as a sparse array, without explicit zeros."""
    from scipy.sparse import csr_array

    n = len(graph.names)
    totals = np.asarray(m)
    if totals.dtype.kind not in "iu" or totals.shape not in ((), (n,)) or totals.min() < 1:
        given = str(m) if totals.ndim == 0 else f"of shape {totals.shape}"
        raise BadInput(f"m {given}: should be whole numbers above 0, one or {n}")
    starts, columns = graph.weights.indptr.tolist(), graph.weights.indices.tolist()
    weights, real = graph.weights.data.tolist(), graph.real.tolist()
    indptr, indices, data = [0], list[int](), list[int]()
    for i, total in enumerate(np.broadcast_to(totals, (n,)).tolist()):
        places, shares = columns[starts[i] : starts[i + 1]], weights[starts[i] : starts[i + 1]]
        if real[i] > 0:
            places, shares = [*places, n], [*shares, real[i]]
        counts = _apportioned(shares, total)
        if 0 in counts:
            lost = counts.index(0)
            source = REAL if places[lost] == n else graph.names[places[lost]]
            raise BadInput(
                f"the share {shares[lost]:g} that {shown(graph.names[i])} has of {shown(source)} "
                f"is no whole row of {total}; take more rows, about "
                f"{int(np.ceil(1 / shares[lost]))}"
            )
        indices += places
        data += counts
        indptr.append(len(indices))
    return csr_array((data, indices, indptr), shape=(n, n + 1), dtype=np.int64)


def _apportioned(shares: list[float], total: int) -> list[int]:
    exact = [Fraction(repr(share)) for share in shares]
    whole = sum(exact)
    quotas = [share * total / whole for share in exact]
    counts = [int(quota) for quota in quotas]
    order = sorted(range(len(shares)), key=lambda k: counts[k] - quotas[k])
    for k in order[: total - sum(counts)]:
        counts[k] += 1
    return counts


@dataclass(frozen=True, eq=False)
class Learners:
    """Linear regression whose Gram matrices are proportional, or redrawn each round.

    fixed: the Gram matrix of m_ij rows is m_ij times the identity (d features, scaled), the same
        each round. A Gaussian mean of D coordinates is D times ``features`` = 1.
    redrawn: rows are N(0, I), drawn anew each round. Moments are over designs and noise.

    Attributes:
        rows: (n, n+1) m_ij, whole numbers; the last column is real. In `weight`, the real rows
            are those of the start, too.
        features: d.
        noise: s, the labels' standard deviation.
        designs: ``fixed`` or ``redrawn``.
        regime: ``replace``: a round's rows alone are fitted. ``accumulate``: all rows so far are,
            the start's too; with fixed designs the same design comes again each round.
        weights: (n, n+1) for the mixing `weight`, rows summing to 1; None: `samples`.

    Raises:
        BadInput: shapes, a learner with no rows, too few rows for d features (a fixed design of
            m_ij < d rows can't be proportional to the others; a redrawn one of fewer than d + 2
            rows has infinite variance, and below d the fit is not determined), or `weight` that
            accumulates (not covered).
    """

    rows: Integers
    features: int
    noise: float = 1.0
    designs: Designs = "fixed"
    regime: Regime = "replace"
    weights: Array | None = None

    def __post_init__(self) -> None:
        rows = np.asarray(self.rows)
        if rows.ndim != 2 or rows.shape[1] != len(rows) + 1 or not len(rows):
            raise BadInput(f"rows of shape {rows.shape}: should be (n, n+1), the last column real")
        if rows.dtype.kind not in "iu" or rows.min() < 0:
            raise BadInput("rows should be whole numbers, 0 or more")
        object.__setattr__(self, "rows", rows.astype(np.int64))
        check_choices(self.designs, self.regime)
        if self.features < 1 or not (np.isfinite(self.noise) and self.noise > 0):
            raise BadInput(f"features {self.features}, noise {self.noise}: should be above 0")
        object.__setattr__(self, "weights", checked_weights(self.weights, len(rows), self.regime))
        self._check_rows()

    def _check_rows(self) -> None:
        d, rows = self.features, self.rows
        if self.weights is not None:
            used = self.weights > 0
            _refuse(np.any(used & (rows == 0), axis=1), "weighs a source of which it has no rows")
            fitted = np.where(used | (rows > 0), rows, 10**9)
        else:
            _refuse(rows.sum(axis=1) == 0, "has no rows")
            fitted = rows.sum(axis=1, keepdims=True)
        least = fitted.min(axis=1)
        if self.designs == "redrawn":
            _refuse(least < d, f"fits fewer rows than d = {d}: its fit is not determined")
            why = f"fits fewer than d + 2 = {d + 2} redrawn rows: its expected error is infinite"
            _refuse(least < d + 2, why)
        else:
            why = f"has fewer rows of a source than d = {d}: no design of its Gram is m_ij times "
            _refuse(np.any((rows > 0) & (rows < d), axis=1), why + "one matrix; give the Grams")

    @property
    def shares(self) -> Array:
        """(n, n+1) what each source counts for: rows sum to 1."""
        if self.weights is not None:
            return self.weights
        found: Array = self.rows / self.rows.sum(axis=1, keepdims=True)
        return found

    @property
    def fit_noise(self) -> Array:
        """(n,) the variance that one round's fit adds to each coordinate.

        fixed: s^2 / m. redrawn: s^2 E tr(S^-1) / d = s^2 / (m - d - 1), S ~ Wishart_d(m).
        """
        if self.weights is None:
            return self.variance_of(self.rows.sum(axis=1))
        used = self.weights > 0
        return np.asarray(
            np.sum(self.weights**2 * self.variance_of(np.where(used, self.rows, 10**9)), axis=1)
        )

    @property
    def start_noise(self) -> Array:
        """(n,) the same for the start: m_i real rows, or the rows of real data in `weight`.

        Raises:
            BadInput: in `weight`, a learner has no real rows to start from.
        """
        if self.weights is None:
            return self.fit_noise
        _refuse(self.rows[:, -1] == 0, "has no real rows to start from")
        return self.variance_of(self.rows[:, -1])

    def variance_of(self, rows: Integers) -> Array:
        """The variance per coordinate of a fit to so many rows."""
        lost = self.features + 1 if self.designs == "redrawn" else 0
        found: Array = self.noise**2 / (rows - lost)
        return found


@dataclass(frozen=True, eq=False)
class Blocks:
    """Fixed designs with any Gram matrices; or the asymptotics of other M-estimators.

    Attributes:
        grams: (n, n+1, d, d) G_ij = X_ij' X_ij, 0 where i has no rows of j; the last column is
            real. For an M-estimator the expected second derivatives of the rows' losses.
        scatter: (n, n+1, d, d) the covariance of the rows' summed scores; noise^2 G_ij for least
            squares, and the default with noise 1 (canonical links at theta*).
        regime, weights: as in `Learners`.

    Raises:
        BadInput: shapes; a sum of Gram matrices (in `weight`: each used one) that is singular.
    """

    grams: Array
    scatter: Array | None = None
    regime: Regime = "replace"
    weights: Array | None = None

    def __post_init__(self) -> None:
        grams = np.asarray(self.grams, dtype=np.float64)
        n, shape = len(grams), grams.shape
        if len(shape) != 4 or shape[1] != n + 1 or shape[2] != shape[3] or 0 in shape:
            raise BadInput(f"grams of shape {shape}: should be (n, n+1, d, d), the last real")
        scatter = grams if self.scatter is None else np.asarray(self.scatter, dtype=np.float64)
        if scatter.shape != shape:
            raise BadInput(f"scatter of shape {scatter.shape}: should be as grams, {shape}")
        for name, given in (("grams", grams), ("scatter", scatter)):
            if not np.all(np.isfinite(given)):
                raise BadInput(f"{name} hold a number that is not finite")
            if not np.allclose(given, np.swapaxes(given, 2, 3), rtol=1e-9, atol=0):
                raise BadInput(f"{name} should be symmetric")
        check_choices("fixed", self.regime)
        weights = checked_weights(self.weights, n, self.regime)
        for name, value in (("grams", grams), ("scatter", scatter), ("weights", weights)):
            object.__setattr__(self, name, value)
        if weights is None:
            fitted, owners = grams.sum(axis=1), np.arange(n)
        else:
            fitted, owners = grams[weights > 0], np.nonzero(weights > 0)[0]
        values = np.linalg.eigvalsh(fitted)
        singular = np.zeros(n, dtype=np.bool_)
        # Worse conditioned than this, no digit of the fit is sure.
        singular[owners[values[:, 0] <= 1e-13 * np.abs(values[:, -1])]] = True
        _refuse(singular, "has a singular design: fewer independent rows than features")

    def start(self) -> Array:
        """(n, d, d) each learner's covariance at t = 0: real labels on its whole design; in
        `weight`, on the design of its real rows.

        Raises:
            BadInput: in `weight`, a learner's real rows are too few to start from.
        """
        assert self.scatter is not None
        if self.weights is None:
            return sandwich(self.grams.sum(axis=1), self.scatter.sum(axis=1))
        real = self.grams[:, -1]
        values = np.linalg.eigvalsh(real)
        _refuse(values[:, 0] <= 1e-13 * values[:, -1], "has too few real rows to start from")
        return sandwich(real, self.scatter[:, -1])


def sandwich(gram: Array, scatter: Array) -> Array:
    """gram^-1 scatter gram^-1, of (..., d, d)."""
    half = np.linalg.solve(gram, scatter)
    return np.asarray(np.linalg.solve(gram, np.swapaxes(half, -1, -2)), dtype=np.float64)


def check_choices(designs: str, regime: str) -> None:
    """Raises BadInput where one of the two is no word we know."""
    for name, given, known in (("designs", designs, Designs), ("regime", regime, Regime)):
        if given not in get_args(known):
            raise BadInput(f"{name} {given!r}: should be {' or '.join(get_args(known))}")


def checked_weights(weights: ArrayLike | None, n: int, regime: str) -> Array | None:
    """Weights as numbers, or None; raises BadInput where they are no weights of n learners."""
    if weights is None:
        return None
    found = np.asarray(weights, dtype=np.float64)
    if found.shape != (n, n + 1):
        raise BadInput(f"weights of shape {found.shape}: should be ({n}, {n + 1})")
    if not np.all(np.isfinite(found) & (found >= 0)):
        raise BadInput("weights should be numbers, 0 or more")
    _refuse(np.abs(found.sum(axis=1) - 1) > TOLERANCE, "has weights that don't sum to 1")
    if regime != "replace":
        raise BadInput("weights on separate fits are covered for data that is replaced only")
    return found


def _refuse(bad: NDArray[np.bool_], why: str) -> None:
    if np.any(bad):
        raise BadLearner(int(np.argmax(bad)), why)
