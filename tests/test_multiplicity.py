"""Adjusted p-values by hand and by brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwd_agents.inference.multiplicity import bonferroni, holm, least_permutations, reaches

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=8)


def test_holm_by_hand() -> None:
    # 4 * .01; 3 * .02; 2 * .02 is less than the one before; .6 alone
    np.testing.assert_allclose(holm([0.02, 0.01, 0.6, 0.02]), [0.06, 0.04, 0.6, 0.06])
    np.testing.assert_allclose(holm([0.5, 0.5]), [1.0, 1.0])
    np.testing.assert_array_equal(holm([]), [])


@given(p_values, st.floats(0.001, 0.5))
def test_holm_rejects_as_the_stepwise_definition_does(p: list[float], alpha: float) -> None:
    rejected = set()
    for step, i in enumerate(np.argsort(p, kind="stable")):
        if p[i] * (len(p) - step) > alpha:
            break
        rejected.add(int(i))
    assert set(np.flatnonzero(holm(p) <= alpha)) == rejected


@given(p_values)
def test_holm_lies_between_p_and_bonferroni(p: list[float]) -> None:
    adjusted = holm(p)
    assert (adjusted >= p).all()
    assert (adjusted <= bonferroni(p)).all()


def test_what_was_not_tested_takes_no_part() -> None:
    p = [0.02, np.nan, 0.01]
    np.testing.assert_allclose(holm(p), [0.02, np.nan, 0.02])
    np.testing.assert_allclose(bonferroni(p), [0.04, np.nan, 0.02])
    np.testing.assert_allclose(bonferroni(p, tests=10), [0.2, np.nan, 0.1])
    assert np.isnan(holm([np.nan, np.nan])).all()


@pytest.mark.parametrize("alpha", [0.05, 0.01, 0.1, 0.025])
@pytest.mark.parametrize("tests", [1, 3, 183])
def test_the_least_number_of_permutations_is_enough_and_no_fewer_are(
    alpha: float, tests: int
) -> None:
    least = least_permutations(alpha, tests)
    assert reaches(1 / (least + 1), alpha / tests)
    assert not reaches(1 / least, alpha / tests)


def test_the_least_number_of_permutations_by_hand() -> None:
    assert least_permutations(0.05, 1) == 19
    assert least_permutations(0.05, 3) == 59
    assert least_permutations(0.05, 3 * 61) == 3659


def test_bad_values_are_refused() -> None:
    with pytest.raises(ValueError, match=r"found 1\.5"):
        holm([0.1, 1.5])
    with pytest.raises(ValueError, match="tests=1, but 2"):
        bonferroni([0.1, 0.2], tests=1)
    with pytest.raises(ValueError, match="alpha=1"):
        least_permutations(1.0, 3)
    with pytest.raises(ValueError, match="tests=0"):
        least_permutations(0.05, 0)
    assert not reaches(float("nan"), 0.05)
