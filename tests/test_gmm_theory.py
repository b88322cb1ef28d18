"""The GMM theory against simulation, closed forms and invariants."""

import time
from decimal import Decimal

import numpy as np
import pytest
from gmm_simulation import dirichlet, simulate
from hypothesis import given, settings
from hypothesis import strategies as st

from lwd_agents.theory.region import outside
from lwd_agents.theory.schedule import Schedule, mean_field
from lwd_agents.theory.second_moment import Dirichlet, second_moment

R = 2500


def equal(n, *weights):
    return np.broadcast_to(np.array(weights, dtype=float), (R, n, len(weights)))


def random(n, B, a=1.0):
    return dirichlet(n, B, a, R)


def rms(values):
    return np.sqrt(np.mean(values**2, axis=0))


def ratios(start, schedule, law=None, **options):
    """Predicted over simulated root mean square, after the first reading and from t = 2 on."""
    shared = {k: v for k, v in options.items() if k in ("composition", "human", "placebo")}
    predicted = second_moment(start if law is None else law, schedule, **shared)
    norm = simulate(start, schedule, **shared).norm
    assert predicted.rms.shape == (*norm.shape[:-1], schedule.steps + 1)[-predicted.rms.ndim :]
    first = max(np.flatnonzero(schedule.k > 0)[0], 1) + 1  # before it, equal starts give 0 / 0
    predicted_rms = rms(predicted.rms.reshape(-1, schedule.steps + 1))
    return predicted_rms[first:] / rms(norm)[first:], predicted


LAW = (0.3, 0.7)
SETTINGS = {
    "paper": (equal(3, 0.5, 0.5), {"draws": 3, "beta": 0.5}, {}),
    "paper's starts": (random(3, 2), {"draws": 3, "beta": 0.5}, {}),
    "B = 11": (random(3, 11), {"draws": 3, "beta": 0.5}, {}),
    "all is read": (equal(10, 0.3, 0.7), {"draws": 1, "beta": 1.0}, {}),
    "a little is read": (random(5, 3), {"draws": 2, "beta": 0.25}, {}),
    "A(0)": (equal(3, 0.5, 0.5), {"draws": 3, "beta": 0.5, "initial": 20}, {"composition": LAW}),
    "A(0), little is read": (
        equal(3, 0.5, 0.5), {"draws": 3, "beta": 0.1, "initial": 20}, {"composition": (0.88, 0.12)},
    ),
    "k = 1 is visited": (equal(3, 0.5, 0.5), {"draws": 1, "beta": 0.25}, {}),
    "k = 1, then 3": (equal(3, 0.5, 0.5), {"draws": 1, "beta": 0.5}, {}),
    "k = 1, B = 11": (random(3, 11), {"draws": 1, "beta": 0.25}, {}),
    "c > M": (
        equal(3, 0.5, 0.5), {"draws": 1, "beta": 0.2, "initial": 20},
        {"composition": (0.945, 0.055)},
    ),
    "fresh": (random(3, 2), {"draws": 3, "beta": 0.5, "fresh": 5}, {"human": LAW}),
    "fresh, replaced": (
        random(3, 2), {"draws": 3, "beta": 0.5, "fresh": 11, "replaces": True}, {"human": LAW},
    ),
    "placebo": (random(3, 2), {"draws": 3, "beta": 0.5}, {"human": LAW, "placebo": True}),
    "placebo, replaced, fresh": (
        equal(3, 0.5, 0.5), {"draws": 4, "beta": 0.5, "fresh": 4, "replaces": True, "initial": 10},
        {"human": LAW, "placebo": True, "composition": LAW},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SETTINGS)
def test_the_second_moment_agrees_with_simulation(name):
    start, setting, options = SETTINGS[name]
    n, B = start.shape[1:]
    schedule = Schedule.of(models=n, components=B, steps=30, **setting)
    ratio, predicted = ratios(start, schedule, **options)
    assert outside(schedule, predicted) is None
    assert np.abs(ratio - 1).max() < 0.06


@pytest.mark.parametrize(("n", "B", "a"), [(3, 2, 1.0), (4, 5, 0.5)])
def test_it_agrees_from_the_law_of_the_starts(n, B, a):
    schedule = Schedule.of(models=n, draws=3, components=B, beta=0.5, steps=30)
    ratio, predicted = ratios(random(n, B, a), schedule, law=Dirichlet(a))
    assert outside(schedule, predicted) is None
    assert np.abs(ratio - 1).max() < 0.06
    assert not predicted.mean_field_norm.any()


def test_it_can_start_from_a_runs_own_state():
    schedule = Schedule.of(models=3, draws=1, components=2, beta=0.25, steps=30)
    runs = simulate(equal(3, 0.5, 0.5), schedule)
    later = schedule.since(6)
    share = runs.composition(6)
    assert share.sum(axis=1) == pytest.approx(np.ones(R))
    predicted = second_moment(runs.weights[:, 6], later, composition=share)
    assert predicted.rms[:, 0] == pytest.approx(runs.norm[:, 6])
    assert np.abs(rms(predicted.rms)[1:] / rms(runs.norm)[7:] - 1).max() < 0.06


@pytest.mark.parametrize(("separation", "weight"), [(2.0, 0.5), (2.5, 0.4), (3.0, 0.5)])
def test_overlap_is_linearised(separation, weight):
    schedule = Schedule.of(models=3, draws=3, components=2, beta=0.5, steps=30)
    start = equal(3, weight, 1 - weight)
    simulated = rms(simulate(start, schedule, separation=separation).norm)[2:]
    near = second_moment(start, schedule, separation=separation)
    setting = {"separation": separation, "lowest": min(weight, 1 - weight)}
    assert outside(schedule, near, linearised=True, **setting) is None
    assert "apart" in outside(schedule, near, **setting)
    assert np.abs(rms(near.rms)[2:] / simulated - 1).max() < 0.06


def test_far_components_need_no_linearisation():
    schedule = Schedule.of(models=3, draws=3, components=2, beta=0.5, steps=30)
    start = dirichlet(3, 2, replicates=10)
    far = second_moment(start, schedule, separation=14.0)
    assert far.rms == pytest.approx(second_moment(start, schedule).rms, rel=1e-6)


@pytest.mark.parametrize("beta", [0.7, Decimal("0.7")])
def test_beta_is_the_decimal_that_was_written(beta):
    schedule = Schedule.of(models=3, draws=3, components=2, beta=beta, steps=11)
    assert schedule.size[10] == 90
    assert schedule.k[10] == 63


def naive(weights, schedule, composition):
    """Appendix A, model by model."""
    pi, M, B = weights.copy(), composition.copy(), schedule.components
    for t in range(schedule.steps):
        size, k, alpha, c = (x[t] for x in (schedule.size, schedule.k, schedule.alpha, schedule.c))
        old = pi
        if k > 0:
            h = (1 - alpha) ** k
            pi = np.array([h * p + (1 - h) * (M - c) / (1 - B * c) for p in pi])
        posted = schedule.models * schedule.draws
        M = (size * M + posted * old.mean(axis=0)) / (size + posted)
        yield pi


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(1, 6), B=st.integers(2, 5), draws=st.integers(1, 4), beta=st.floats(0.05, 1),
    initial=st.integers(0, 30), seed=st.integers(0, 99),
)  # fmt: skip
def test_the_affine_form_is_the_naive_recursion(n, B, draws, beta, initial, seed):
    rng = np.random.default_rng(seed)
    weights, composition = rng.dirichlet([1] * B, n), rng.dirichlet([1] * B)
    schedule = Schedule.of(
        models=n, draws=draws, components=B, beta=beta, steps=12, initial=initial
    )
    field = mean_field(weights, schedule, composition=composition)
    for t, pi in enumerate(naive(weights, schedule, composition), start=1):
        assert field.weights(t) == pytest.approx(pi, abs=1e-12)
        assert field.weights(t).sum(axis=-1) == pytest.approx(np.ones(n), abs=1e-12)
        distance = np.sqrt(np.sum((pi[:, None] - pi) ** 2))
        assert field.norm[t] == pytest.approx(distance, abs=1e-12)
    second = second_moment(weights, schedule, composition=composition)
    assert second.composition[1:].sum(axis=-1) == pytest.approx(np.ones(12), abs=1e-9)
    assert second.mean_field_norm == pytest.approx(field.norm, abs=1e-12)
    assert (second.rms >= second.mean_field_norm).all()


def test_shapes_with_leading_axes():
    schedule = Schedule.of(models=3, draws=2, components=4, beta=0.5, steps=5)
    start = dirichlet(3, 4, replicates=6).reshape(2, 3, 3, 4)
    field, second = mean_field(start, schedule), second_moment(start, schedule)
    assert field.norm.shape == second.rms.shape == second.mean_field_norm.shape == (2, 3, 6)
    assert field.composition.shape == second.composition.shape == (2, 3, 6, 4)
    assert second.variance.shape == (2, 3, 6, 4)
    assert field.weights(5).shape == (2, 3, 3, 4)
    one = second_moment(start[1, 2], schedule)
    assert second.rms[1, 2] == pytest.approx(one.rms, abs=1e-14)


def test_one_model_has_no_distance():
    schedule = Schedule.of(models=1, draws=3, components=3, beta=0.5, steps=9)
    start = np.array([[0.2, 0.3, 0.5]])
    assert not mean_field(start, schedule).norm.any()
    assert not second_moment(start, schedule).rms.any()
    assert not second_moment(Dirichlet(1.0), schedule).rms.any()


def test_equal_starts_have_no_mean_field_norm():
    schedule = Schedule.of(models=4, draws=3, components=2, beta=0.5, steps=9)
    start = np.full((4, 2), 0.5)
    assert not mean_field(start, schedule).norm.any()
    second = second_moment(start, schedule)
    assert not second.mean_field_norm.any()
    assert (second.rms[2:] > 0).all()


def test_frozen_readers_keep_their_norm():
    schedule = Schedule.of(models=3, draws=3, components=2, beta=0.0, steps=9)
    start = dirichlet(3, 2, replicates=1)[0]
    first = np.sqrt(np.sum((start[:, None] - start) ** 2))
    assert mean_field(start, schedule).norm == pytest.approx(np.full(10, first))
    assert second_moment(start, schedule).rms == pytest.approx(np.full(10, first))


def test_the_first_reading_in_closed_form():
    # All of A(0) is read, at alpha = 1/2 and c = 0: only the order of the two points differs.
    schedule = Schedule(np.array([2.0]), np.array([2]), np.array([0.5]), np.array([0.0]), 2, 1, 2)
    second = second_moment(np.full((2, 2), 0.5), schedule, composition=(0.5, 0.5))
    # pi_1 is 1/8 + 1/4 or 1/8 + 1/2, each with probability 1/2, for both models independently.
    assert second.rms[1] ** 2 == pytest.approx(2 * 2 * 2 * (1 / 8) ** 2)


def test_one_point_sets_one_weight():
    schedule = Schedule.of(models=3, draws=3, components=2, beta=0.05, steps=1, initial=20)
    second = second_moment(np.full((3, 2), 0.5), schedule, composition=(0.3, 0.7))
    assert second.rms[1] ** 2 == pytest.approx(3 * 2 * 2 * 2 * 0.3 * 0.7)


def test_the_placebo_keeps_the_human_law():
    schedule = Schedule.of(models=3, draws=3, components=2, beta=0.5, steps=9, initial=10)
    options = {"composition": LAW, "human": LAW, "placebo": True}
    for prediction in (mean_field, second_moment):
        share = prediction(np.full((3, 2), 0.5), schedule, **options).composition
        assert share == pytest.approx(np.broadcast_to(LAW, (10, 2)))


def test_outside_says_why():
    def reason(start, *, steps=9, **options):
        asked = {k: options.pop(k) for k in ("floor", "separation", "eps") if k in options}
        schedule = Schedule.of(models=3, components=2, steps=steps, **options)
        start = np.broadcast_to(start, (3, 2))
        return outside(schedule, second_moment(start, schedule), **asked)

    assert reason([0.5, 0.5], draws=3, beta=0.5) is None
    assert reason([0.5, 0.5], draws=1, beta=0.25) is None
    assert "k_t = 1 is visited at t = 2" in reason([0.5, 0.5], draws=1, beta=0.25, floor=False)
    assert "c = 0.0625 at t = 1" in reason([0.98, 0.02], draws=3, beta=0.5)
    assert "3 standard deviations" in reason([0.5, 0.5], draws=3, beta=0.5, separation=3)
    assert "eps = 0.1" in reason([0.5, 0.5], draws=3, beta=0.5, eps=0.1)
    assert "one component" in reason([0.5, 0.5], draws=3, beta=0.5, replaces=True, steps=40)
    schedule = Schedule.of(models=3, draws=3, components=2, beta=0.5, steps=9)
    assert outside(schedule, mean_field(np.full((3, 2), 0.5), schedule)) is None
    assert "0.02" in outside(schedule, mean_field([[0.98, 0.02]] * 3, schedule))


def test_what_is_missing_is_named():
    schedule = Schedule.of(models=3, draws=3, components=2, beta=0.5, steps=9, initial=10)
    start = np.full((3, 2), 0.5)
    with pytest.raises(ValueError, match="10 points"):
        second_moment(start, schedule)
    with pytest.raises(ValueError, match="human"):
        mean_field(start, schedule, composition=LAW, placebo=True)
    with pytest.raises(ValueError, match=r"\(2, 2\)"):
        mean_field(start[:2], schedule, composition=LAW)
    with pytest.raises(ValueError, match="B = 3"):
        second_moment(
            Dirichlet(1.0),
            Schedule.of(models=3, draws=3, components=3, beta=0.5, steps=9),
            separation=3.0,
        )


def test_a_million_models_are_no_trouble():
    rng = np.random.default_rng(0)
    weights = rng.standard_exponential((100_000, 11))
    weights /= weights.sum(axis=1, keepdims=True)
    schedule = Schedule.of(models=100_000, draws=1, components=11, beta=0.5, steps=1000)
    begin = time.perf_counter()
    mean_field(weights, schedule)
    assert time.perf_counter() - begin < 6
