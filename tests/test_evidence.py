"""The e-process against quadrature, exact integers, and sweeps that stop when they like."""

from __future__ import annotations

from math import comb, log

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import betainc, betaln

from lwd_agents.errors import BadInput
from lwd_agents.inference.evidence import Evidence, log_evidence, sign_evidence


def test_seven_of_seven() -> None:
    found = sign_evidence([-1.0] * 7)
    assert found.e == pytest.approx(255 / 8)
    assert found.reached_at == 7
    assert sign_evidence([1.0] * 7, "greater").e == found.e
    assert Evidence().e == 1.0


@pytest.mark.parametrize("n", [1, 2, 7, 30])
def test_evidence_is_the_mixture_integral(n: int) -> None:
    for k in range(n + 1):
        whole, _ = quad(lambda p, k=k: 2 * (2 * p) ** k * (2 * (1 - p)) ** (n - k), 0.5, 1)
        assert np.exp(log_evidence(n, k)) == pytest.approx(whole, rel=1e-7)


@pytest.mark.parametrize(("n", "k"), [(1000, 0), (1000, 500), (1000, 730), (1000, 1000)])
def test_evidence_of_a_thousand_is_exact(n: int, k: int) -> None:
    top = sum(comb(n + 1, j) for j in range(k + 1))
    assert log_evidence(n, k) == pytest.approx(log(top) - log((n + 1) * comb(n, k)), rel=1e-10)
    if k >= 500:
        beta = (n + 1) * log(2) + betaln(k + 1, n - k + 1) + np.log(betainc(n - k + 1, k + 1, 0.5))
        assert log_evidence(n, k) == pytest.approx(beta, rel=1e-9)
    assert np.isfinite(log_evidence(100_000, 100_000))


def test_it_is_a_martingale_at_one_half_and_falls_below() -> None:
    for n in range(12):
        for k in range(n + 1):
            now = np.exp(log_evidence(n, k)) if n else 1.0
            up, down = np.exp(log_evidence(n + 1, k + 1)), np.exp(log_evidence(n + 1, k))
            assert (up + down) / 2 == pytest.approx(now)
            assert 0.3 * up + 0.7 * down <= now


def test_stopping_when_it_likes_keeps_the_level() -> None:
    rng, n, sweeps = np.random.default_rng(1), 150, 4000
    table = np.array([[log_evidence(i, min(k, i)) for k in range(n + 1)] for i in range(1, n + 1)])
    for p, low, high in ((0.5, 0.0, 0.05), (0.9, 0.95, 1.0)):
        k = (rng.random((sweeps, n)) < p).cumsum(axis=1)
        stopped = (table[np.arange(n), k] >= log(20)).any(axis=1).mean()
        assert low <= stopped <= high


def test_one_at_a_time_is_all_at_once_and_a_stop_stays() -> None:
    deltas = [-1.0] * 7 + [1.0] * 9
    process = Evidence()
    for delta in deltas:
        process = process.update(delta)
    assert process == sign_evidence(deltas)
    assert process.reached_at == 7
    assert process.e < 1
    assert len(process.values) == 16


def test_ties_count_against_and_missing_not_at_all() -> None:
    assert sign_evidence([-1.0, 0.0]).e == sign_evidence([-1.0, 1.0]).e < 1
    assert sign_evidence([0.0, 1.0], "greater").e == sign_evidence([-1.0, 1.0], "greater").e
    missing = sign_evidence([-1.0, np.nan, -1.0])
    assert missing.values == sign_evidence([-1.0, -1.0]).values
    assert missing.left_out == 1


def test_a_stricter_level_needs_more() -> None:
    assert sign_evidence([-1.0] * 12, alpha=0.05 / 3).reached_at == 9
    with pytest.raises(BadInput, match="two-sided"):
        Evidence("two-sided")
    with pytest.raises(BadInput, match="alpha: 0"):
        Evidence(alpha=0.0)
    with pytest.raises(ValueError, match="successes=3"):
        log_evidence(2, 3)
