"""Calibration sees a level that is kept, and one that is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_runs import made_run, network
from scipy import stats

import lwd_agents as lwd
from lwd_agents.inference import calibrate
from lwd_agents.inference.windows import Windows

WINDOWS = Windows((0, 1), (8, 11))


@pytest.fixture(autouse=True)
def fewer_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate, "REPEATS", 200)


def curves(runs: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Three quantities of runs whose steps are like any other."""
    generator = np.random.default_rng(seed)
    own = generator.normal(size=(runs, 1))  # a run has a level of its own
    return {n: own + generator.normal(size=(runs, 12)) for n in ("between", "within", "drift")}


def test_a_verdict_that_keeps_its_level_is_seen_to() -> None:
    for found in (
        calibrate.frozen_readers(curves(8), WINDOWS, 0.05, 1),
        calibrate.placebo_against_placebo(curves(16), WINDOWS, 0.05, 1),
    ):
        assert found.level is not None
        assert found.low is not None
        assert found.low <= 0.05
        assert 0.01 < found.level < 0.09  # and the test is not one that never rejects
        assert found.repeats == calibrate.REPEATS


def test_a_verdict_that_does_not_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test of all steps as if they were independent: runs with levels of their own undo it."""
    whole = calibrate.collapse

    def naive(live, placebo, windows, alpha, permutations, key):  # type: ignore[no-untyped-def]
        found = whole(live, placebo, windows, alpha, permutations, key)
        p = stats.ttest_ind(live["between"].ravel(), placebo["between"].ravel()).pvalue
        finding = "consensus" if p <= alpha else "no evidence"
        return type(found)(finding, "", found.quantities, found.windows, found.alpha)

    monkeypatch.setattr(calibrate, "collapse", naive)
    found = calibrate.placebo_against_placebo(curves(16), WINDOWS, 0.05, 1)
    assert found.level is not None
    assert found.low is not None
    assert found.low > 0.05


def test_what_cannot_be_tried_says_what_it_needs() -> None:
    few = calibrate.placebo_against_placebo(curves(11), WINDOWS, 0.05, 1)
    assert few.level is None
    assert "11 placebos, 12 are needed" in few.reason
    assert "5 frozen runs, 6" in calibrate.frozen_readers(curves(5), WINDOWS, 0.05, 1).reason
    wide = calibrate.frozen_readers(curves(8), Windows((0, 3), (4, 11)), 0.05, 1)
    assert "12 steps, but two windows of 4 and 8" in wide.reason


def test_draws_of_one_law_are_told_apart_at_the_level_only() -> None:
    steps = [network(20, draws=8, key=k, apart=0.3) for k in range(6)]
    found = calibrate.draws_of_frozen_readers(steps, 0.05, 3)
    assert found.repeats == 6 * 3 * 10
    assert found.low is not None
    assert found.low <= 0.05
    assert found.level is not None
    assert found.level < 0.12
    half = calibrate.draws_of_frozen_readers(steps, 0.5, 3)
    assert half.level == pytest.approx(0.5, abs=0.15)
    moving = [step + np.arange(20)[:, None, None, None] * 0.2 for step in steps]
    caught = calibrate.draws_of_frozen_readers(moving, 0.05, 3)
    assert caught.level is not None
    assert caught.level > 0.5


def test_the_controls_among_the_runs_are_found(tmp_path: Path) -> None:
    for seed in range(12):
        for placebo in (False, True):
            name = f"{'placebo' if placebo else 'live'}-{seed}"
            key = 2 * seed + placebo + 500
            made_run(tmp_path / name, network(12, key=key), seed=seed, placebo=placebo)
        if seed < 6:
            frozen = network(12, key=700 + seed)
            made_run(tmp_path / f"frozen-{seed}", frozen, seed=seed, reading={"k": 0})
    found = lwd.test(tmp_path, calibrate=True, at="none")
    tried = {(one.control, one.replicates) for one in found.calibrations if one.level is not None}
    assert tried == {
        ("placebo against placebo", 6),
        ("frozen readers", 6),
        ("frozen readers, two steps of one agent", 1),
    }
    assert [condition.name for condition in found.conditions] == ["reading.beta=0.5"]
