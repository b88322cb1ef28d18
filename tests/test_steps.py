"""Tests inside a step: what is claimed, what is refused, and what cannot be tested."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from lwd_agents.errors import BadInput
from lwd_agents.inference import readings, steps

NAMES = ["a", "b", "c"]


def draws(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def test_an_agent_with_one_draw_is_not_in_the_gate() -> None:
    E = draws(3, 3, 12, 4)
    E[2, 1:] = np.nan
    E[2, 0] += 50.0  # it would decide the gate
    found = steps.test_step(E, NAMES, key=1, permutations=999)
    assert found.gate.models == ("a", "b")
    assert not found.gate.rejected
    alone = steps.test_step(E[:2], NAMES[:2], key=1, permutations=999)
    assert found.gate.share == pytest.approx(alone.gate.share)


def test_two_equal_models_and_one_that_differs() -> None:
    E = draws(0, 3, 30, 4)
    E[2] += 2.0
    found = steps.test_step(E, NAMES, key=1, permutations=999)
    assert [(p.first, p.second) for p in found.pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [p.claimed for p in found.pairs] == [False, True, True]
    assert found.gate.rejected
    assert found.pairs[0].reason == "not rejected at 0.05"
    assert found.pairs[1].p == pytest.approx(1 / 1000)
    assert found.pairs[1].adjusted == pytest.approx(3 / 1000)  # Holm's first step
    assert found.draws == (30, 30, 30)
    assert "not that the models differ" in found.claim
    expected = 2 * cdist(E[0], E[2]).mean() - cdist(E[0], E[0]).mean() - cdist(E[2], E[2]).mean()
    assert found.pairs[1].energy == pytest.approx(expected)
    d = cdist(E.reshape(90, 4), E.reshape(90, 4))
    within = sum(cdist(e, e).sum() / 60 for e in E)
    assert found.gate.share == pytest.approx(1 - within / (d.sum() / 180))


def test_steps_named_multiply_every_p_value() -> None:
    E = draws(0, 3, 30, 4)
    one = steps.test_step(E, NAMES, key=1, permutations=999)
    five = steps.test_step(E, NAMES, key=1, steps_named=5, permutations=999)
    assert five.level == pytest.approx(0.01)
    assert five.gate.adjusted == pytest.approx(min(1.0, 5 * one.gate.p))
    for before, after in zip(one.pairs, five.pairs, strict=True):
        assert after.p == before.p
        assert after.adjusted == pytest.approx(min(1.0, 5 * before.adjusted))


def test_no_pair_is_claimed_unless_the_gate_rejects() -> None:
    for seed in range(400):
        found = steps.test_step(draws(seed, 3, 8, 2), NAMES, key=seed, permutations=199)
        below = [p for p in found.pairs if p.adjusted <= 0.05]
        if below and not found.gate.rejected:
            assert not any(p.claimed for p in found.pairs)
            assert below[0].reason == "the test over all models did not reject"
            return
    pytest.fail("no data set on which the gate had anything to do")


def test_the_gate_of_two_models_is_their_pair() -> None:
    found = steps.test_step(draws(3, 2, 12, 3), NAMES[:2], key=5, permutations=999)
    assert found.gate.p == found.pairs[0].p == found.pairs[0].adjusted


def test_a_number_of_permutations_that_cannot_reach_the_level_is_refused() -> None:
    E = draws(0, 3, 30, 4)
    with pytest.raises(BadInput, match=r"permutations=58 .* at least 59 are needed"):
        steps.test_step(E, NAMES, key=0, permutations=58)
    E[2] += 9.0
    assert steps.test_step(E, NAMES, key=0, permutations=59).pairs[2].claimed
    with pytest.raises(BadInput, match="at least 3659 are needed"):
        steps.test_step(E, NAMES, key=0, permutations=999, steps_named=61)


def test_too_few_draws_are_said_with_the_number_that_would_do() -> None:
    # C(8, 4) / 2 = 35 groupings: p >= 0.029 > 0.05 / 3; C(10, 5) / 2 = 126 do.
    E = draws(0, 3, 5, 4)
    E[2] += 9.0
    found = steps.test_step(E[:, :4], NAMES, key=0)
    assert found.gate.rejected
    assert not any(p.claimed for p in found.pairs)
    assert all("5 draws each would do" in p.reason for p in found.pairs)
    assert np.isnan([p.p for p in found.pairs]).all()
    found = steps.test_step(E, NAMES, key=0)
    assert [p.claimed for p in found.pairs] == [False, True, True]
    assert found.pairs[2].p == pytest.approx(1 / 126)


def test_missing_draws_and_silent_agents_are_left_out() -> None:
    E = draws(0, 3, 30, 4)
    E[1] += 2.0
    E[0, 10:] = np.nan
    E[2] = np.nan
    found = steps.test_step(E, NAMES, key=0, permutations=999)
    assert found.draws == (10, 30, 0)
    assert found.gate.models == ("a", "b")
    assert [p.claimed for p in found.pairs] == [True, False, False]
    assert found.pairs[0].p == found.pairs[0].adjusted  # one test: nothing to correct for
    assert found.pairs[1].reason == "not tested: 10 and 0 draws; at least 2 each are needed"
    packed = steps.test_step(E[:2], NAMES[:2], key=0, permutations=999)
    assert packed.pairs[0] == found.pairs[0]


@pytest.mark.parametrize("E", [np.full((3, 6, 2), np.nan), draws(0, 3, 1, 2), draws(0, 1, 9, 2)])
def test_where_nothing_can_be_tested_the_reason_is_said(E: np.ndarray) -> None:
    found = steps.test_step(E, NAMES[: len(E)], key=0)
    assert found.gate.reason.startswith("not tested")
    assert not found.gate.rejected
    assert all(p.reason.startswith("not tested") for p in found.pairs)


def test_identical_draws_are_no_difference() -> None:
    found = steps.test_step(np.full((3, 8, 5), 0.3, dtype=np.float32), NAMES, key=0)
    assert (found.gate.share, found.gate.p) == (0.0, 1.0)
    assert [(p.energy, p.p, p.claimed) for p in found.pairs] == [(0.0, 1.0, False)] * 3


def test_each_model_with_one_text_of_its_own_is_all_difference() -> None:
    E = np.repeat(np.eye(3)[:, None], 8, axis=1)
    found = steps.test_step(E, NAMES, key=0)
    assert found.gate.share == pytest.approx(1.0)
    assert all(p.claimed for p in found.pairs)
    assert [p.energy for p in found.pairs] == pytest.approx([2 * np.sqrt(2)] * 3)


def test_rotation_shift_and_order_change_nothing() -> None:
    E = draws(1, 3, 6, 4)
    plain = steps.test_step(E, NAMES, key=0)
    rotation, _ = np.linalg.qr(draws(2, 4, 4))
    moved = steps.test_step(E @ rotation + 3.0, NAMES, key=0)
    swapped = steps.test_step(E[[1, 0, 2]][:, ::-1], ["b", "a", "c"], key=0)
    for p, q in zip(plain.pairs, moved.pairs, strict=True):
        assert q.energy == pytest.approx(p.energy)
        assert q.p == p.p
    order = [0, 2, 1]  # all groupings are enumerated: no chance is in it
    assert [swapped.pairs[i].p for i in order] == pytest.approx([p.p for p in plain.pairs])


def test_bad_input_is_said() -> None:
    E = draws(0, 3, 8, 2)
    for arguments, message in (
        ({"alpha": 0.0}, "alpha=0.0"),
        ({"steps_named": 0}, "steps_named=0"),
        ({"names": ["a"]}, "names: 1 for 3 agents"),
        ({"embeddings": E[0]}, r"shape \(8, 2\)"),
    ):
        with pytest.raises(BadInput, match=message):
            steps.test_step(**{"embeddings": E, "names": NAMES, "key": 0, **arguments})


# Whole readings


def test_the_statistic_over_readings_and_its_p_value_are_their_definitions() -> None:
    E = draws(4, 5, 2, 6, 3)
    E[:, 1] += 0.4
    E[2, 0, 3:] = np.nan  # a reading with fewer draws has the same weight
    found = readings.test_step_models(E, NAMES[:2], key=0)
    blocks = [b[np.isfinite(b[:, 0])] for agent in (0, 1) for b in E[:, agent]]
    R = np.array([[cdist(a, b).mean() for b in blocks] for a in blocks])

    def energy(first: tuple[int, ...]) -> float:
        rest = tuple(set(range(10)) - set(first))
        mean = [R[np.ix_(a, b)].mean() for a, b in ((first, rest), (first, first), (rest, rest))]
        return float(2 * mean[0] - mean[1] - mean[2])

    seen = energy(tuple(range(5)))
    everything = [energy(first) for first in combinations(range(10), 5)]
    assert found.pairs[0].energy == pytest.approx(seen)
    assert found.pairs[0].p == pytest.approx(np.mean(np.array(everything) >= seen - 1e-9))
    assert found.readings == (5, 5)


def one_model(seed: int, M: int, shared: bool) -> np.ndarray:
    g = np.random.default_rng(seed)
    effects = g.normal(size=(M, 1 if shared else 2, 1, 3))
    return g.normal(size=(M, 2, 20, 3)) + effects


def test_one_model_differs_from_itself_by_its_reading_alone() -> None:
    """Permuting draws claims a difference nearly always; permuting readings, at its level."""
    by_draws, by_readings = [], []
    for seed in range(100):
        E = one_model(seed, 4, shared=False)
        by_draws.append(steps.test_step(E[0], NAMES[:2], key=seed, permutations=99).pairs[0])
        by_readings.append(readings.test_step_models(E, NAMES[:2], key=seed).pairs[0])
    assert np.mean([p.claimed for p in by_draws]) > 0.8
    # exactly 2 / 70 at level 0.05
    assert np.mean([p.claimed for p in by_readings]) < 0.03 + 4 * np.sqrt(0.03 * 0.97 / 100)


def test_shared_readings_are_swapped_and_their_differences_cancel() -> None:
    E = one_model(1, 8, shared=True)
    E[:, 1] += 0.5  # less than what readings do
    shared = readings.test_step_models(E, NAMES[:2], key=0, shared=True)
    own = readings.test_step_models(E, NAMES[:2], key=0)
    assert shared.pairs[0].p == pytest.approx(2 / 2**8)
    assert own.pairs[0].p > 0.05
    assert shared.claim == readings.CLAIM_SHARED


def test_a_shared_reading_that_one_agent_missed_is_left_out_for_both() -> None:
    E = one_model(1, 7, shared=True)
    E[3, 1] = np.nan
    found = readings.test_step_models(E, NAMES[:2], key=0, shared=True)
    kept = readings.test_step_models(np.delete(E, 3, axis=0), NAMES[:2], key=0, shared=True)
    assert found.readings == (7, 6)
    assert found.pairs[0] == kept.pairs[0]


def test_too_few_readings_are_said_with_the_number_that_would_do() -> None:
    E = draws(0, 6, 3, 4, 2)
    for M, shared, expected in (
        (3, False, "at least 4 each are needed"),
        (4, False, "5 readings each would do"),  # 2 / 70 > 0.05 / 3 >= 2 / 252
        (6, True, "7 readings each would do"),  # 2 / 64 > 0.05 / 3 >= 2 / 128
    ):
        found = readings.test_step_models(E[:M], NAMES, key=0, shared=shared)
        assert all(expected in p.reason for p in found.pairs)
        assert expected in found.reason
    assert readings.test_step_models(E[:4, :2], NAMES[:2], key=0).reason == ""
    alone = readings.test_step_models(E[:, :1], ["a"], key=0)
    assert (alone.pairs, alone.reason) == ((), "not tested: one agent, nothing to compare")
    with pytest.raises(BadInput, match="at least 59 are needed"):
        readings.test_step_models(E, NAMES, key=0, permutations=20)


def test_identical_readings_are_no_difference() -> None:
    found = readings.test_step_models(np.ones((5, 2, 3, 4)), NAMES[:2], key=0)
    assert (found.pairs[0].energy, found.pairs[0].p) == (0.0, 1.0)
