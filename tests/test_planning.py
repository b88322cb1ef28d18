"""Plans: the parts of a variance found again, and the promised power reached in simulation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import nct, norm, t

from lwd_agents.errors import BadInput
from lwd_agents.inference.planning import (
    Components,
    components,
    draw_groups,
    plan,
    predicted_variance,
)
from lwd_agents.inference.power import flip_power, least_pairs, t_power
from lwd_agents.inference.replicates import sign_flip

LEVEL = 0.05 / 3
PILOT = Components(1.0, 0.4, 0.3, 2.0, 9.0, 10, 1, 40, ())


def squared_mean(draws: np.ndarray) -> np.ndarray:
    """||mu||^2 without bias from (..., L, D); variance 4 |mu|^2 s^2 / L + 2 D s^4 / (L (L-1))."""
    L = draws.shape[-2]
    total = draws.sum(axis=-2)
    return (np.sum(total**2, axis=-1) - np.sum(draws**2, axis=(-2, -1))) / (L * (L - 1))


def test_the_parts_of_a_variance_are_found_again() -> None:
    rng, R, L, D, M = np.random.default_rng(0), 3000, 12, 5, 3
    mu, s, run, reading = 0.7, 0.8, 0.5, 0.3
    draws = s * rng.normal(size=(R, M, L, D))
    draws[..., 0] += mu
    own = np.sqrt(run) * rng.normal(size=(R, 1)) + np.sqrt(reading) * rng.normal(size=(R, M))
    deltas = squared_mean(draws) + own
    groups = {
        size: np.stack([squared_mean(draws[:, 0, g]) + own[:, 0] for g in parts], axis=1)
        for size, parts in draw_groups(L).items()
    }
    found = components(deltas.mean(axis=1), L, groups, deltas)
    A, B = 4 * mu**2 * s**2, 2 * D * s**4
    assert (found.draw_linear, found.draw_square) == pytest.approx((A, B), rel=0.1)
    assert (found.run, found.reading) == pytest.approx((run, reading), rel=0.1)
    assert found.draw(L) == pytest.approx(A / L + B / (L * (L - 1)), rel=0.05)
    assert found.readings == 3
    single = components(deltas[:, 0], L, groups)
    assert single.run == pytest.approx(run + reading, rel=0.1)
    assert single.notes == ("one reading a step: the readings' part counts as the run's",)


def test_groups_of_draws_are_disjoint_and_of_two_sizes() -> None:
    assert draw_groups(5) == {}
    for L in (6, 7, 10, 41):
        groups = draw_groups(L)
        assert list(groups) == [2, L // 2]
        for size, parts in groups.items():
            flat = [i for part in parts for i in part]
            assert sorted(set(flat)) == sorted(flat)
            assert set(flat) <= set(range(L))
            assert {len(part) for part in parts} == {size}


def test_more_draws_and_readings_take_their_parts_away() -> None:
    assert predicted_variance(PILOT, 10) == pytest.approx(0.4 + 0.3 + 0.2 + 0.1)
    assert predicted_variance(PILOT, 10, 4) == pytest.approx(0.4 + 0.6 / 4)
    assert predicted_variance(PILOT, 4) == pytest.approx(0.4 + 0.3 + 0.5 + 0.75)
    # Beyond the pilot's L the draws' part falls like 1 / L, no faster.
    assert predicted_variance(PILOT, 40) == pytest.approx(0.4 + 0.3 + 0.3 / 4)
    with pytest.raises(BadInput, match="draws: 1"):
        predicted_variance(PILOT, 1)


def test_power_of_the_t_test_and_of_six_signs() -> None:
    assert t_power(1.0, 4.0, 20, LEVEL) == pytest.approx(
        nct.sf(t.ppf(1 - LEVEL, 19), 19, np.sqrt(20) / 2)
    )
    # Six pairs reject only where all have one sign.
    assert flip_power(1.5, 1.0, 6, LEVEL) == pytest.approx(norm.cdf(1.5) ** 6, abs=0.025)
    assert flip_power(0.0, 1.0, 9, 0.05) == pytest.approx(25 / 512, abs=0.011)
    assert flip_power(1.0, 0.0, 6, LEVEL) == t_power(1.0, 0.0, 6, LEVEL) == 1.0


@pytest.mark.parametrize("size", [0.6, 1.0, 1.7])
def test_the_least_number_of_pairs_reaches_the_power_and_one_fewer_does_not(size: float) -> None:
    pairs = least_pairs(size, 1.0, LEVEL)
    assert pairs is not None
    rng, power = np.random.default_rng(4), []
    for count in (pairs, pairs - 1):
        if count < 6:
            continue
        samples = rng.normal(size=(1500, count)) - size
        power.append(np.mean([sign_flip(x, "less", 999).p <= LEVEL for x in samples]))
    error = 3 * np.sqrt(0.16 / 1500) + 0.01
    assert power[0] > 0.8 - error
    assert len(power) == 1 or power[1] < 0.8 + error


def test_few_or_endless_pairs() -> None:
    assert least_pairs(100.0, 1.0, LEVEL) == 6
    assert least_pairs(100.0, 1.0, 0.001) == 10  # 2^-9 is above 0.001
    assert least_pairs(1e-4, 1.0, LEVEL) is None
    assert least_pairs(1.0, 0.0, LEVEL) == 6


def test_a_plan_counts_responses_and_cost() -> None:
    table = plan(PILOT, 0.8, (5, 10), (1, 2), steps=21, agents=3, cost_per_response=0.01)
    assert [(o.draws, o.readings) for o in table.options] == [(5, 1), (5, 2), (10, 1), (10, 2)]
    for option in table.options:
        assert option.pairs is not None
        assert option.pairs == least_pairs(0.8, option.variance, LEVEL)
        assert option.pairs_low is not None
        assert option.pairs_high is not None
        assert option.pairs_low <= option.pairs <= option.pairs_high
        responses = 2 * option.pairs * 21 * 3 * option.draws * option.readings
        assert option.responses == responses
        assert option.cost == pytest.approx(responses * 0.01)
    assert "40 pairs" in table.notes[-1]
    unsure = plan(replace(PILOT, pairs=4), 0.8, (10,), steps=21, agents=3).options[0]
    sure = plan(replace(PILOT, pairs=400), 0.8, (10,), steps=21, agents=3).options[0]
    assert unsure.pairs_high is not None
    assert sure.pairs_high is not None
    assert unsure.pairs_high > 3 * sure.pairs_high


def test_a_variance_that_draws_explain_is_cut_and_said() -> None:
    groups = {2: np.array([[0.0, 9.0], [1.0, -9.0]]), 3: np.array([[0.0, 5.0], [1.0, -5.0]])}
    found = components([0.1, 0.2], 6, groups)
    assert found.run == 0.0
    assert "cut at 0" in found.notes[-1]
    none = components([0.1, 0.2, np.nan], 6)
    assert none.run == pytest.approx(none.total) == pytest.approx(0.005)
    assert none.pairs == 2
    assert "draws' part" in none.notes[0]


def test_bad_input_is_named() -> None:
    with pytest.raises(BadInput, match="1 matched pairs"):
        components([1.0], 10)
    with pytest.raises(BadInput, match=r"groups of \[2\]"):
        components([1.0, 2.0], 10, {2: np.zeros((2, 2))})
    with pytest.raises(BadInput, match=r"\(3, 2\)"):
        components([1.0, 2.0], 10, {2: np.zeros((3, 2)), 5: np.zeros((2, 2))})
    with pytest.raises(BadInput, match="effect 0"):
        plan(PILOT, 0.0, (10,), steps=2, agents=2)
    with pytest.raises(BadInput, match="no draws"):
        plan(PILOT, 1.0, (), steps=2, agents=2)
