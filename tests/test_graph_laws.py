"""Laws of the rounds: statistics against rows, simulation against exact recursions, fits alone.

Seeds are fixed. Means lie within so many standard errors of what is expected.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from graph_parts import off, parts, played, ring
from scipy import optimize, stats
from scipy.special import expit

from lwd_agents.kernels import run_key
from lwd_agents.theory.refit_forms import refit_wasserstein, self_loop_risk, weighted_variance
from lwd_agents.worlds import graph_fits as fits
from lwd_agents.worlds.graph_labels import poisson
from lwd_agents.worlds.graph_theory import predicted

MOST = 4.5  # standard errors: hundreds of means are compared
MANY = 3000


def agrees(made: Any, most: float = MOST) -> None:
    """A run's errors and norms against what is predicted of it, at every round."""
    found, expected = played(made), predicted(made)
    assert expected.refused is None
    for name, values in expected.arrays.items():
        own = name.replace("predicted_", "")
        if own.endswith("rms"):
            far = off(found[own.replace("rms", "norm")] ** 2, values**2)
        else:
            far = off(found[own], values)
        assert np.abs(far).max() < most, (name, far)


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"designs": "redrawn"},
        {"designs": "fixed"},
        {"regime": "accumulate"},
        {"designs": "fixed", "regime": "accumulate"},
        {"mixing": "weight", "designs": "redrawn", "placebo": True},
        {"mixing": "weight", "designs": "fixed", "placebo": True},
        {"designs": "redrawn", "placebo": True},
        {"rows": {"v1": 30, "v2": 60, "v3": 41, "v4": 25}},
        {"estimator": {"kind": "ridge", "penalty": 15}},
        {"estimator": {"kind": "ridge", "penalty": 15}, "designs": "fixed"},
        {"estimator": {"kind": "ridge", "penalty": 15}, "regime": "accumulate"},
        {"estimator": "mean", "noise": 0.5, "truth": [1, 0, -2]},
        {"estimator": "mean", "regime": "accumulate-subsample"},
        {"estimator": "gaussian", "rows": 25, "placebo": True},
        {"estimator": {"kind": "gaussian", "unbiased": True}, "rows": 25},
        {"readership": {"schedule": {0: "isolated", 3: "ring"}}},
        {"readership": {"schedule": {0: "ring", 1: "star", 4: "chain"}}, "designs": "fixed"},
    ],
)
def test_simulation_agrees_with_the_exact_recursion_at_every_round(keys: dict[str, Any]) -> None:
    agrees(ring(**keys, replicates=MANY, seed=3))


@pytest.mark.parametrize(
    "keys",
    [
        {"estimator": "huber", "rows": 200},
        {"estimator": {"kind": "huber", "threshold": 0.5}, "rows": 200, "regime": "accumulate"},
        {"estimator": "logistic", "rows": 2000, "steps": 4},
        {"estimator": "logistic", "rows": 2000, "steps": 4, "designs": "fixed"},
        {"estimator": "poisson", "rows": 1500, "steps": 4},
        {"estimator": "poisson", "rows": 600, "steps": 2, "mixing": "weight", "placebo": True},
    ],
)
def test_m_estimators_agree_with_their_asymptotics(keys: dict[str, Any]) -> None:
    agrees(ring(**keys, replicates=400, seed=5), most=5.0)


def test_finite_samples_depart_from_the_asymptotics_as_they_should() -> None:
    few = ring(estimator="logistic", rows=60, steps=2, replicates=2000, seed=1)
    far = off(played(few)["error"], predicted(few).arrays["predicted_error"])
    assert far.min() > 6  # of few rows the error is larger: the prediction is of first order


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"designs": "fixed"},
        {"designs": "redrawn"},
        {"designs": "redrawn", "regime": "accumulate"},
        {"designs": "redrawn", "mixing": "weight"},
        {"estimator": {"kind": "ridge", "penalty": 15}, "designs": "redrawn"},
        {"estimator": "mean", "regime": "accumulate"},
        {"estimator": "gaussian", "rows": 9, "features": 2, "steps": 3},
        {"estimator": "gaussian", "rows": 9, "features": 2, "steps": 3, "regime": "accumulate"},
    ],
)
def test_sufficient_statistics_have_the_law_of_the_rows(keys: dict[str, Any]) -> None:
    """The same law, not only the same means: marginals, and products across learners and time."""
    a, b = (
        played(ring(**keys, replicates=MANY, seed=2, draw=draw)) for draw in ("statistics", "rows")
    )
    if keys.get("designs") == "fixed":  # the same designs in both
        np.testing.assert_allclose(a["error"].mean(), b["error"].mean(), rtol=0.05)
    for name in ("error", "norm", "drift"):
        for t in (0, 1, -1):
            one, two = (x[name][:, t].reshape(MANY, -1).T for x in (a, b))
            for x, y in zip(one, two, strict=True):
                assert stats.ks_2samp(x, y).pvalue > 1e-4, (name, t)
    first, last = (x["parameters"][:, 1] for x in (a, b)), (x["parameters"][:, -1] for x in (a, b))
    products = [
        np.einsum("rip,rjq->rijpq", x - x.mean(0), y - y.mean(0)).reshape(MANY, -1)
        for x, y in zip(first, last, strict=True)
    ]
    spread = np.sqrt(sum(x.var(axis=0) for x in products) / MANY)
    far = (products[0].mean(axis=0) - products[1].mean(axis=0)) / np.maximum(spread, 1e-12)
    assert np.abs(far).max() < 5


def test_a_self_loop_has_the_closed_forms_of_the_literature() -> None:
    """Replace grows by one fit a round; accumulate ends below pi^2/6 with the design reused."""
    base = {"learners": 40, "readership": "isolated", "features": 10, "steps": 8}
    for regime, designs, rows in (
        ("replace", "fixed", 60),
        ("replace", "redrawn", 60),
        ("accumulate", "fixed", 60),
        ("accumulate", "redrawn", 20),
    ):
        made = parts(**base, rows=rows, regime=regime, designs=designs, replicates=250, seed=4)
        seen = played(made)["error"].mean(axis=2)
        kind: Any = regime
        form = self_loop_risk(rows, 10, 9, regime=kind, designs=designs)  # type: ignore[arg-type]
        assert np.abs(off(seen, form)).max() < 4, (regime, designs)


def test_gaussian_refits_on_a_line_have_the_closed_form_of_w2() -> None:
    made = parts(learners=60, readership="isolated", estimator="gaussian", features=1, rows=30,
                 steps=12, replicates=200, seed=6)  # fmt: skip
    seen = played(made)["error"].mean(axis=2)
    assert np.abs(off(seen, refit_wasserstein(30, 13))).max() < 4
    long = parts(learners=200, readership="isolated", estimator="gaussian", features=1, rows=10,
                 steps=400, seed=1)  # fmt: skip
    spread = played(long)["spread"][0]
    assert np.median(spread[-1]) < 1e-8 < np.median(spread[0])  # the variance goes to 0


def test_the_golden_ratio_is_the_best_weight_and_no_best_share() -> None:
    shares = [0.4, 0.5, (np.sqrt(5) - 1) / 2, 0.75, 1.0]
    edges = [["real", f"w{i}", w] for i, w in enumerate(shares)]
    edges += [[f"w{i}", f"w{i}", 1 - w] for i, w in enumerate(shares) if w < 1]
    base: dict[str, Any] = {"graph": {"edges": edges}, "features": 4, "rows": 100, "steps": 40}
    weighed = parts(**base, mixing="weight", replicates=4000, seed=9)
    seen = played(weighed)["error"][:, -1]
    wanted = np.array([weighted_variance(w) for w in shares]) * 4 / 100
    assert np.abs(off(seen, wanted)).max() < 4
    assert seen.mean(axis=0).argmin() == 2
    pooled = played(parts(**base, replicates=2000, seed=9))["error"][:, -1]
    assert pooled.mean(axis=0).argmin() == 4  # real data alone


# --- Fits by themselves.


def turned(x: np.ndarray) -> np.ndarray:
    """Rows as the kernels have them, coordinate by coordinate."""
    return np.ascontiguousarray(x.T)


def test_fits_are_the_likelihoods_maxima() -> None:
    rng = np.random.default_rng(0)
    for family, name in ((fits.LOGISTIC, "logistic"), (fits.POISSON, "poisson")):
        for _ in range(5):
            x = rng.normal(size=(80, 4))
            eta = x @ np.array([0.5, -1.0, 0.3, 0.0])
            y = (rng.random(80) < expit(eta)) * 1.0 if family == fits.LOGISTIC else None
            y = rng.poisson(np.exp(eta)).astype(float) if y is None else y

            def loss(theta: np.ndarray, x: Any = x, y: Any = y, f: int = family) -> float:
                eta = x @ theta
                b = np.logaddexp(0, eta) if f == fits.LOGISTIC else np.exp(eta)
                return float((b - y * eta).sum())

            out = np.zeros(4)
            ended = fits.regression(family, turned(x), y, out, fits.fit_memory(4, 80, True))
            assert ended == fits.FITTED, name
            best = optimize.minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-9})
            np.testing.assert_allclose(out, best.x, atol=2e-6)


def test_fits_that_do_not_exist_are_told() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(30, 3))
    memory = fits.fit_memory(3, 30, True)
    apart = (x[:, 0] > 0) * 1.0
    ones = np.ones(30)
    nearly = np.column_stack([x[:, 0], x[:, 0], x[:, 1]])

    def ended(x: np.ndarray, y: np.ndarray) -> int:
        return int(fits.regression(fits.LOGISTIC, turned(x), y, np.zeros(3), memory))

    assert ended(x, apart) == fits.SEPARABLE
    assert ended(np.abs(x), ones) == fits.SEPARABLE
    assert ended(nearly, 1 - ones) != fits.FITTED
    singular = turned(nearly)
    assert fits.least_squares(singular, ones, 0.0, np.zeros(3), memory) == fits.SINGULAR
    assert fits.least_squares(singular, ones, 1.0, np.zeros(3), memory) == fits.FITTED


def test_hubers_location_is_the_root() -> None:
    rng = np.random.default_rng(2)
    for m, k in ((1, 1.0), (2, 0.5), (9, 1.345), (200, 0.1), (201, 5.0)):
        for _ in range(20):
            y = rng.standard_t(2, size=m) * 3
            found = fits.huber(y, k)
            assert abs(np.clip(y - found, -k, k).sum()) < 1e-9 * m * k
    assert fits.huber(np.array([0.0, 100.0]), 1.0) == pytest.approx(50.0, abs=49.0)


@pytest.mark.parametrize("mean", [0.01, 1.0, 9.9, 10.1, 55.0, 3000.0])
def test_poisson_numbers_have_their_law(mean: float) -> None:
    key, n = run_key(1, "test"), 20_000
    one = [np.uint64(v) for v in (1, 2, 3)]
    found = np.array([poisson(mean, slot, *one, key) for slot in range(n)])
    cells = np.unique(stats.poisson(mean).ppf(np.linspace(0.02, 0.98, 25)))
    seen = np.bincount(np.searchsorted(cells, found), minlength=len(cells) + 1)
    wanted = n * np.diff([0.0, *stats.poisson(mean).cdf(cells), 1.0])
    kept = wanted > 5
    assert (
        stats.chisquare(
            [*seen[kept], seen[~kept].sum()] if (~kept).any() else seen,
            [*wanted[kept], wanted[~kept].sum()] if (~kept).any() else wanted,
        ).pvalue
        > 1e-4
    )
