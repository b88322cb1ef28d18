"""The names that the world ``graph`` knows, with a line on each: what ``lwd list`` says."""

from __future__ import annotations

ESTIMATORS = {
    "least-squares": "y = x'theta + noise, by least squares",
    "ridge": "the same with a penalty on the Gram matrix of a fit: {kind: ridge, penalty: 1}",
    "logistic": "logistic regression without an intercept, by maximum likelihood",
    "poisson": "Poisson regression, log link, without an intercept, by maximum likelihood",
    "mean": "the mean of points N(theta, noise^2 I)",
    "gaussian": "mean and covariance of points, by maximum likelihood (or {unbiased: true})",
    "huber": "a location by Huber's psi, coordinate by coordinate: {threshold: 1.345}",
}
DESIGNS = {
    "orthogonal": "X'X = m I for each source of m rows: Gram matrices are proportional",
    "fixed": "rows N(0, I), drawn once for each replicate and reused in every round",
    "redrawn": "rows N(0, I), drawn anew in every round",
}
REGIMES = {
    "replace": "a round fits its own data alone",
    "accumulate": "a round fits all data so far",
    "accumulate-subsample": "as many rows as a round has, drawn from all data so far",
}
MIXING = {
    "samples": "shares of one pooled sample, which is fitted once",
    "weight": "weights on separate fits of equal size, one for each source",
}
