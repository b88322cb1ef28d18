"""The compiled GMM kernels: agreement with Algorithms 2 and 3 read literally, and invariants."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from gmm_literal import KernelDraws, norm, simulate, system
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lwd_agents.worlds import gmm_kernel as kernel
from lwd_agents.worlds import gmm_points
from lwd_agents.worlds.gmm_sampling import STREAMED

Array = NDArray[np.float64]
COVARIANCES = {
    1: [[1.3]],
    2: [[1.0, 0.6], [0.6, 0.9]],
    3: [[1.0, 0.3, -0.2], [0.3, 0.8, 0.1], [-0.2, 0.1, 1.2]],
}


class Batch(NamedTuple):
    """Weights (A, T + 1, N, B), clips (A, T, N) and the final tables (A, P, width) of arms."""

    weights: Array
    clips: NDArray[np.int64]
    tables: Array


def starts(arms: int, models: int, components: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).dirichlet(np.ones(components), (arms, models))


def run(
    plan: gmm_points.Plan, start: Array, *, replicates: Any = None, placebo: Any = None,
    lanes: int = 32, block: int = 10**6,
) -> Batch:  # fmt: skip
    """All steps of some arms, in blocks of steps, from starting weights (A, N, B)."""
    arms, n, components = start.shape
    updates = len(plan.k)
    replicates = np.arange(arms) if replicates is None else np.asarray(replicates)
    placebo = np.zeros(arms, bool) if placebo is None else np.asarray(placebo)
    tables = np.zeros((arms, plan.size[-1], gmm_points.table_width(components)))
    places = np.arange(plan.size[-1], dtype=np.int32)
    for arm in range(arms):
        gmm_points.humans(plan, tables[arm], 0, plan.size[0], 0, gmm_points.START, replicates[arm])
    weights, now = np.empty((arms, updates + 1, n, components)), start.copy()
    weights[:, 0], clips = start, np.zeros((arms, updates, n), np.int64)
    memory = kernel.scratch(plan, lanes)
    for begin in range(0, updates, block):
        end = min(updates, begin + block)
        out, counts = np.empty((arms, end - begin, n, components)), clips[:, begin:end].copy()
        kernel.advance(
            plan, kernel.registers_for(components), kernel.ratios_of(tables), now, tables, places,
            begin, end, replicates, placebo, memory, out, counts,
        )  # fmt: skip
        weights[:, begin + 1 : end + 1], clips[:, begin:end] = out, counts
    return Batch(weights, clips, tables)


def line_of(components: int, gap: float, d: int = 1) -> Array:
    """Means on a line through all axes, ``gap`` apart."""
    return gap * (np.arange(components)[:, None] - (components - 1) / 2) * np.ones(d) / d**0.5


def example(components: int, d: int = 1, gap: float = 2.5, **options: Any) -> gmm_points.Plan:
    return system(line_of(components, gap, d), COVARIANCES[d], **options)


def assert_literal(plan: gmm_points.Plan, placebo: bool = False) -> Batch:
    """Compare two arms with the literal algorithms on the same draws."""
    replicates, (components, d) = np.array([0, 5]), plan.means.shape
    start = starts(2, plan.k.shape[1], components)
    batch = run(plan, start, replicates=replicates, placebo=np.full(2, placebo))
    for arm, replicate in enumerate(replicates):
        draws = KernelDraws(plan, replicate, placebo)
        literal = simulate(start[arm], draws.stored(), plan, COVARIANCES[d], draws)
        np.testing.assert_allclose(batch.weights[arm], literal.weights, rtol=0, atol=1e-12)
        np.testing.assert_array_equal(batch.clips[arm], literal.clips)
    return batch


AUTHORS = [[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 1], [0, 0, 0, 0]]
VARIANTS: dict[str, dict[str, Any]] = {
    "paper": {},
    "one model": {"models": 1},
    "beta 1": {"beta": 1.0, "updates": 12},
    "k of 1": {"beta": 0.12, "models": 2},
    "a store at the start": {"initial": 20, "beta": 0.7, "human": [0.9, 0.1]},
    "fresh human points": {"fresh": 4, "initial": 3, "human": [0.2, 0.8]},
    "replaced": {"replace": True, "initial": 7, "fresh": 2},
    "restricted readership": {"models": 4, "authors": AUTHORS, "fresh": 1, "initial": 6},
    "restricted and replaced": {"models": 4, "authors": AUTHORS, "replace": True, "fresh": 2},
    "epsilon 1e-3": {"epsilon": 1e-3, "gap": 12.0},
    "far apart": {"gap": 100.0},
    "a long reading": {"initial": 2600, "updates": 2, "models": 2},
}


@pytest.mark.parametrize("components", [2, 3])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_is_the_literal_algorithm(variant: str, components: int) -> None:
    options = dict(VARIANTS[variant])
    if "human" in options:
        options["human"] = [*options["human"], 0.0][:components]
    batch = assert_literal(example(components, **options))
    assert np.isfinite(batch.weights).all()


@pytest.mark.parametrize("components", [2, 3, 11, 20])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_any_number_of_components_and_dimensions(components: int, d: int) -> None:
    assert_literal(example(components, d, models=2, updates=15))


@pytest.mark.parametrize("components", [2, 3, 11])
@pytest.mark.parametrize("placebo", [False, True])
def test_schedules_and_placebos(components: int, placebo: bool) -> None:
    plan = example(components, models=3, initial=5)
    rng = np.random.default_rng(1)
    alpha = rng.uniform(0.01, 1.0, plan.k.shape)
    shift = rng.uniform(0.0, 0.9 / components, plan.k.shape)
    batch = assert_literal(plan._replace(alpha=alpha, shift=shift), placebo)
    assert batch.clips.sum() > 50


@pytest.mark.parametrize("components", [2, 3, 11])
def test_clips_are_counted_and_every_weight_stays_positive(components: int) -> None:
    batch = assert_literal(example(components, gap=12.0, beta=0.25, updates=30))
    assert batch.clips.sum() > 0
    assert batch.weights.min() > 0.0


@pytest.mark.parametrize("components", [2, 3, 11])
@pytest.mark.parametrize("gap", [100.0, 1e4])
def test_means_so_far_apart_that_densities_underflow(components: int, gap: float) -> None:
    batch = assert_literal(example(components, gap=gap, updates=25))
    assert np.isfinite(batch.weights).all()
    assert batch.weights.min() > 0.0


@pytest.mark.parametrize("components", [2, 3])
def test_no_reading_leaves_the_weights_bit_for_bit(components: int) -> None:
    plan = example(components, models=3)
    k = plan.k.copy()
    k[:, 1] = 0
    batch = run(plan._replace(k=k), starts(5, 3, components))
    frozen = np.broadcast_to(batch.weights[:, :1, 1], batch.weights[:, :, 1].shape)
    np.testing.assert_array_equal(batch.weights[:, :, 1], frozen)
    np.testing.assert_array_equal(batch.weights[:, 1], batch.weights[:, 0])  # A(0) is empty
    assert (batch.weights[:, 2:, [0, 2]] != batch.weights[:, 1:2, [0, 2]]).all()


@pytest.mark.parametrize("components", [2, 3])
@pytest.mark.parametrize("options", [{}, {"models": 4, "authors": AUTHORS, "initial": 6}])
def test_what_runs_side_by_side_changes_no_bit(components: int, options: dict[str, Any]) -> None:
    plan = example(components, **{"models": 5, **options})
    arms, n = 7, len(plan.authors)
    start = starts(arms, n, components)
    placebo = np.arange(arms) % 3 == 1
    whole = run(plan, start, placebo=placebo)
    few = run(plan, start, placebo=placebo, lanes=8)
    np.testing.assert_array_equal(few.weights, whole.weights)
    for chunk in ([0], [3], [6], [1, 2], [5, 4, 0], [2, 3, 4, 5, 6]):
        part = run(plan, start[chunk], replicates=chunk, placebo=placebo[chunk], lanes=8)
        np.testing.assert_array_equal(part.weights, whole.weights[chunk])
        np.testing.assert_array_equal(part.clips, whole.clips[chunk])
    for block in (1, 3, 19):
        parts = run(plan, start, placebo=placebo, block=block)
        np.testing.assert_array_equal(parts.weights, whole.weights)
        np.testing.assert_array_equal(parts.clips, whole.clips)


@pytest.mark.parametrize("components", [2, 3])
@pytest.mark.parametrize("lanes", [8, 32])
def test_lanes_split_anywhere(components: int, lanes: int) -> None:
    plan = example(components, models=5, initial=40, updates=1)
    arms, width = 9, gmm_points.table_width(components)
    start = starts(arms, 5, components)
    batch = run(plan, start)
    places = np.arange(plan.size[-1], dtype=np.int32)
    weights, clips = start.copy(), np.zeros((arms, 5), np.int64)
    for lo, hi in ((0, 3), (3, 20), (20, 21), (21, 45)):
        kernel.read_lanes(
            plan, kernel.registers_for(components), kernel.ratios_of(batch.tables), weights,
            batch.tables, places, 0, lo, hi, np.arange(arms), kernel.scratch(plan, lanes), clips,
        )  # fmt: skip
    assert batch.tables.shape == (arms, plan.size[-1], width)
    np.testing.assert_array_equal(weights, batch.weights[:, 1])
    np.testing.assert_array_equal(clips, batch.clips[:, 0])


def test_models_that_read_different_numbers_share_their_memory() -> None:
    """One model's reading by buckets must leave A(t) whole for the next one's by exchanges."""
    plan = example(2, models=2, updates=1, initial=STREAMED, posts=1)
    start = starts(1, 2, 2)
    for first in (STREAMED // 3, 100):  # by buckets; by exchanges that are written down
        both = run(plan._replace(k=np.array([[first, 50_000]])), start)
        alone = run(plan._replace(k=np.array([[0, 50_000]])), start)
        np.testing.assert_array_equal(both.weights[:, 1, 1], alone.weights[:, 1, 1])


def test_a_placebo_draws_human_points_with_the_models_random_words() -> None:
    share = [0.3, 0.7]
    plan = example(2, human=share)
    batch = run(plan, np.full((2, 3, 2), share), replicates=[4, 4], placebo=[False, True])
    np.testing.assert_array_equal(batch.weights[0, 2], batch.weights[1, 2])
    assert (batch.weights[0, 3:] != batch.weights[1, 3:]).any()


def one_point_each_step(means: Array, models: int, updates: int, seed: int) -> gmm_points.Plan:
    """A(t) is one human point, read by all: the draws are then the same for every model."""
    law = gmm_points.Law(np.array([0.3, 1.0]), np.array([[-2.0], [3.0]]), np.eye(1))
    plan = system(means, [[1.0]], models=models, updates=updates, posts=0, fresh=1, initial=1,
                  replace=True, beta=1.0, seed=seed)  # fmt: skip
    rng = np.random.default_rng(seed)
    alpha = np.repeat(rng.uniform(0.01, 0.5, (updates, 1)), models, 1)
    return plan._replace(human=law, alpha=alpha, shift=np.zeros_like(alpha))


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([2, 3, 11]), st.permutations(range(5)), st.integers(0, 1000))
def test_relabelled_models(components: int, order: list[int], seed: int) -> None:
    """All models read the same points here: a model's draws are keyed by its number else."""
    plan = one_point_each_step(line_of(components, 1.7), 5, 12, seed)
    plan = plan._replace(shift=plan.alpha / components**2)
    start = starts(2, 5, components, seed)
    there, here = run(plan, start[:, order]), run(plan, start)
    np.testing.assert_array_equal(there.weights, here.weights[:, :, order])
    np.testing.assert_array_equal(there.clips, here.clips[:, :, order])


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([2, 3, 11]), st.data(), st.integers(0, 1000))
def test_relabelled_components(components: int, data: st.DataObject, seed: int) -> None:
    """Without clips (c = 0): Algorithm 2 clips for b = 1, 2, ... in that order."""
    order = data.draw(st.permutations(range(components)))
    plan = one_point_each_step(line_of(components, 1.7), 3, 12, seed)
    other = plan._replace(means=plan.means[order], whitened=plan.whitened[order])
    start = starts(2, 3, components, seed)
    here, there = run(plan, start), run(other, start[..., order])
    assert here.clips.sum() == there.clips.sum() == 0
    np.testing.assert_allclose(there.weights, here.weights[..., order], rtol=0, atol=1e-13)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([2, 3, 11]), st.integers(1, 5), st.integers(1, 4), st.floats(0.05, 1.0),
    st.floats(0.5, 60.0), st.sampled_from([1e-12, 1e-6, 1e-3, 0.05]), st.integers(0, 1000),
)  # fmt: skip
def test_weights_stay_positive_and_their_sum_within_epsilon(
    components: int, models: int, posts: int, beta: float, gap: float, epsilon: float, seed: int
) -> None:
    """The sum stays in [1, 1 + epsilon], whatever B is.

    Line 5 takes the sum 1 + s to 1 + (1 - alpha) s. A clip of pi <= 0 takes it to 1 + s / q +
    epsilon (1 - 1 / q), q = 1 + epsilon - pi > 1: the excess moves towards epsilon, never past it.
    """
    plan = example(components, models=models, posts=posts, beta=beta, gap=gap, seed=seed,
                   epsilon=epsilon, updates=15)  # fmt: skip
    batch = run(plan, starts(2, models, components, seed))
    assert batch.weights.min() > 0.0
    excess = batch.weights.sum(-1) - 1.0
    assert excess.min() > -1e-13
    assert excess.max() < epsilon + 1e-13


def test_one_model_is_at_no_distance() -> None:
    weights = run(example(3, models=1), starts(4, 1, 3)).weights
    assert {norm(w) for arm in weights for w in arm} == {0.0}


@pytest.mark.parametrize("components", [2, 3])
def test_models_that_start_alike_differ_by_noise_only(components: int) -> None:
    share = np.arange(1.0, components + 1) / np.arange(1.0, components + 1).sum()
    batch = run(example(components, models=2, gap=5.0), np.tile(share, (3000, 2, 1)))
    difference = batch.weights[:, -1, 0] - batch.weights[:, -1, 1]
    error = difference.std(0) / len(difference) ** 0.5
    assert (error > 0).all()
    assert (np.abs(difference.mean(0)) < 4.0 * error).all()
