"""Non-asymptotic bounds: by hand, by the draws that move the norm most, and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lwd_agents.errors import BadInput
from lwd_agents.inference.bounds import bounds, narrowest
from lwd_agents.measures.geometry import collapse_norms


def test_widths_by_hand() -> None:
    found = {b.name: b for b in bounds(3, 40, 1.0)}
    log = math.log(40)
    assert found["pinelis"].half_width == pytest.approx(4 * math.sqrt(6 * log / 40))
    s, bias = 2 * math.sqrt(6 * log / 40), math.sqrt(12 / 40)
    assert (found["mcdiarmid"].below, found["mcdiarmid"].above) == pytest.approx((s + bias, s))
    h = found["bernstein"].half_width
    assert h**2 == pytest.approx(2 * log * (12 / 40 + 4 / 40 * h / 3))
    assert narrowest(3, 40, 1.0) == found["bernstein"]
    assert found["pinelis"].most == pytest.approx(4.243, abs=1e-3)


def test_one_draw_moves_the_norm_by_no_more_than_is_said() -> None:
    """McDiarmid's constant, sqrt(2 (n - 1)) 2 rho/L: reached where a draw is turned round."""
    n, L = 4, 5
    E = np.zeros((n, L, 2))
    E[..., 0] = 1.0
    before = collapse_norms(E.mean(axis=1))
    E[0, 0, 0] = -1.0
    most = math.sqrt(2 * (n - 1)) * 2 / L
    assert collapse_norms(E.mean(axis=1)) - before == pytest.approx(most)
    rng = np.random.default_rng(0)
    E = rng.normal(size=(2000, n, L, 2))
    E /= np.linalg.norm(E, axis=-1, keepdims=True)
    before = collapse_norms(E.mean(axis=2))
    E[:, 0, 0] *= -1
    assert np.abs(collapse_norms(E.mean(axis=2)) - before).max() <= most + 1e-12


@pytest.mark.parametrize("L", [2, 10, 40])
@pytest.mark.parametrize("share", [0.5, 0.05])
def test_the_worst_laws_are_covered(L: int, share: float) -> None:
    """Two points at opposite ends of the ball: no law in it spreads more, or is more skewed."""
    n, S = 3, 4000
    signs = np.where(np.random.default_rng(L).random((S, n, L, 1)) < share, -1.0, 1.0)
    signs[:, 1:] *= -1.0
    truth = float(collapse_norms((1 - 2 * share) * np.array([[1.0], [-1.0], [-1.0]])))
    error = collapse_norms(signs.mean(axis=2)) - truth
    for bound in bounds(n, L, 1.0):
        held = (error <= bound.below) & (-error <= bound.above)
        assert np.mean(held) >= 0.95


def test_a_smaller_ball_a_known_spread_more_steps_and_counts_that_differ() -> None:
    one = narrowest(3, 40, 1.0)
    assert narrowest(3, 40, 2.0).half_width == pytest.approx(2 * one.half_width)
    assert narrowest(3, 40, 1.0, variance=0.4).half_width < one.half_width
    assert narrowest(3, 40, 1.0, variance=9.0) == one
    assert narrowest(3, 40, 1.0, steps=61).half_width > one.half_width
    assert narrowest(3, [40, 40, 40], 1.0) == one
    assert narrowest(3, [40, 40, 10], 1.0).half_width > one.half_width


def test_the_draws_that_it_needs() -> None:
    for bound in bounds(3, 40, 1.0, wanted=0.1):
        at = {b.name: b for b in bounds(3, bound.draws_needed, 1.0)}[bound.name]
        less = {b.name: b for b in bounds(3, bound.draws_needed - 1, 1.0)}[bound.name]
        assert at.half_width <= 0.1 < less.half_width


def test_bad_arguments() -> None:
    with pytest.raises(BadInput, match="known in advance"):
        narrowest(3, 40, None)
    for agents, draws, radius, more in (
        (1, 40, 1.0, {}),
        (3, [40, 40], 1.0, {}),
        (3, 0, 1.0, {}),
        (3, 40, -1.0, {}),
        (3, 40, math.inf, {}),
        (3, 40, 1.0, {"alpha": 1.0}),
        (3, 40, 1.0, {"steps": 0}),
        (3, 40, 1.0, {"wanted": 0.0}),
        (3, 40, 1.0, {"variance": 0.0}),
    ):
        with pytest.raises(BadInput, match="need"):
            narrowest(agents, draws, radius, **more)


def test_bernstein_with_counts_that_differ_by_hand() -> None:
    """c is the most that any one draw moves: one of the agent with the fewest."""
    counts, log = [40, 20, 5], math.log(40)
    found = {b.name: b for b in bounds(3, counts, 1.0)}
    h, c = found["bernstein"].half_width, 4 / 5
    assert h**2 == pytest.approx(2 * log * (sum(4 / many for many in counts) + c * h / 3))
    moves = sum(16 / many for many in counts)  # sum_i L_i c_i^2, by the counts' own c_i = 4 / L_i
    assert found["pinelis"].half_width == pytest.approx(math.sqrt(2 * moves * log))
