"""``lwd test`` on runs of our making: what it finds, what it refuses to say, what it keeps."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from made_runs import made_run, network

import lwd_agents as lwd
from lwd_agents.errors import BadInput
from lwd_agents.report.verdict_words import lines

STEPS = 12


def pairs(
    folder: Path,
    count: int = 8,
    *,
    fall: float = 0.0,
    draws: int = 8,
    steps: int = STEPS,
    change: Callable[[int, np.ndarray], np.ndarray] | None = None,
    **config: object,
) -> Path:
    """Live runs whose distance shrinks by ``fall``, and placebos in which it does not.

    As with matched keys, the first step of both is the same.
    """
    for seed in range(count):
        placebo = network(steps, draws=draws, key=100 + 2 * seed, wander=0.02)
        live = network(steps, draws=draws, key=101 + 2 * seed, wander=0.02, fall=fall)
        live[0] = placebo[0]
        if change is not None:
            live = change(seed, live)
        made_run(folder / f"live-{seed}", live, seed=seed, **config)
        made_run(folder / f"placebo-{seed}", placebo, seed=seed, placebo=True, **config)
    return folder


def test_agents_that_come_together_are_consensus_and_not_collapse(tmp_path: Path) -> None:
    found = lwd.test(pairs(tmp_path, fall=0.8))
    (condition,) = found.conditions
    assert condition.pairs == 8
    verdict = condition.collapse
    assert verdict is not None
    assert verdict.finding == "consensus"
    assert [q.name for q in verdict.quantities] == ["between", "within", "drift"]
    between = verdict.quantities[0]
    # the simplex is 0.5 wide: ||D||_F^2 is 1.5 in the placebo, and 0.06 of it late in a live run
    assert -1.41 - 0.6 < between.interval.estimate < -1.41 + 0.6
    assert between.p_adjusted == pytest.approx(3 / 2**8)
    assert condition.evidence is not None
    assert condition.evidence.values[-1] == pytest.approx(2 * (2**9 - 1) / 9 / 2, rel=1e-6)
    said = "\n".join(lines(found.as_json()))
    assert "VERDICT: Consensus, without evidence of collapse" in said


def test_spread_lost_and_drift_gained_are_collapse(tmp_path: Path) -> None:
    def collapsing(seed: int, live: np.ndarray) -> np.ndarray:
        centre = live.mean(axis=2, keepdims=True)
        shares = np.linspace(1, 0.3, STEPS)[:, None, None, None]
        away = np.linspace(0, 0.5, STEPS)[:, None, None, None] * np.eye(8)[7]
        return centre + shares * (live - centre) + away

    found = lwd.test(pairs(tmp_path, fall=0.8, change=collapsing))
    verdict = found.conditions[0].collapse
    assert verdict is not None
    assert verdict.finding == "collapse"


def test_no_difference_is_no_evidence(tmp_path: Path) -> None:
    verdict = lwd.test(pairs(tmp_path)).conditions[0].collapse
    assert verdict is not None
    assert verdict.finding == "no evidence"


def test_five_pairs_are_too_few_and_it_says_so(tmp_path: Path) -> None:
    found = lwd.test(pairs(tmp_path, 5, fall=0.9))
    verdict = found.conditions[0].collapse
    assert verdict is not None
    assert verdict.finding == "untestable"
    assert "6 pairs are needed" in "\n".join(lines(found.as_json()))
    # but the e-process takes any number: five of five is 10.5
    assert found.conditions[0].evidence is not None
    assert found.conditions[0].evidence.values[-1] == pytest.approx(63 / 6)


def test_without_a_placebo_a_trend_is_no_evidence(tmp_path: Path) -> None:
    for seed in range(8):
        made_run(tmp_path / f"{seed}", network(STEPS, fall=0.9, key=seed), seed=seed)
    found = lwd.test(tmp_path)
    assert found.conditions[0].collapse is None
    assert found.conditions[0].trends["between"].interval.high < 0
    said = "\n".join(lines(found.as_json()))
    assert "no evidence for or against collapse: there is no matched placebo" in said
    assert "A trend alone is no evidence of collapse" in said


def test_one_replicate_says_that_there_is_no_between_run_inference(tmp_path: Path) -> None:
    found = lwd.test(made_run(tmp_path / "r", network(STEPS, fall=0.5)))
    said = "\n".join(lines(found.as_json()))
    assert "one run: no between-run inference" in said
    assert "one replicate: no between-run inference" in said
    assert found.conditions[0].limit is not None


def test_a_run_of_one_step_is_tested_inside_it_and_no_further(tmp_path: Path) -> None:
    found = lwd.test(made_run(tmp_path / "r", network(1, apart=3.0)))
    said = "\n".join(lines(found.as_json()))
    assert "nothing can be said of change: there is one step" in said
    assert "a run of one step; a change needs 2 or more" in said
    assert [step.t for step in found.steps] == [0]
    assert all(pair.claimed for pair in found.steps[0].draws.pairs)


def test_all_texts_identical_has_a_finite_answer_everywhere(tmp_path: Path) -> None:
    for seed in range(6):
        for placebo in (False, True):
            name = f"{'placebo' if placebo else 'live'}-{seed}"
            same = np.broadcast_to(np.eye(8)[0], (6, 3, 9, 8)).copy()
            made_run(tmp_path / name, same, seed=seed, placebo=placebo)
    found = lwd.test(tmp_path)
    condition = found.conditions[0]
    assert condition.collapse is not None
    assert condition.collapse.finding == "no evidence"
    for q in condition.collapse.quantities:
        assert q.test.p == 1.0
        assert (q.interval.estimate, q.interval.low, q.interval.high) == (0.0, 0.0, 0.0)
    assert all(pair.p == 1.0 and pair.energy == 0.0 for pair in found.steps[0].draws.pairs)
    assert condition.limit is not None
    assert condition.limit.late.estimate == 0.0
    band = found.by_run[0].band
    assert np.isfinite(band.low_all).all()
    measured = lwd.measure(tmp_path / "live-0", text=False)
    assert np.isfinite(measured.steps.to_numpy()).all()
    assert np.isfinite(measured.agents.to_numpy()).all()


def test_what_is_wrong_with_files_is_said_and_the_rest_computed(tmp_path: Path) -> None:
    folder = pairs(tmp_path, fall=0.8)
    whole = lwd.test(folder, write=False)
    rounds = folder / "live-3" / "rounds.jsonl"
    damaged = rounds.read_text().splitlines()
    damaged[5] = "{" + damaged[5][20:]
    rounds.write_text("\n".join(damaged) + "\n")
    array = folder / "placebo-2" / "embeddings" / "00011.npy"
    broken = np.load(array)
    broken[0, :2] = np.nan
    np.save(array, broken)
    found = lwd.test(folder)
    said = "\n".join(lines(found.as_json()))
    assert f"{rounds}, line 6: damaged" in said
    assert "step 11: 2 embeddings are not finite numbers" in said
    a, b = (f.conditions[0].collapse for f in (whole, found))
    assert a is not None
    assert b is not None
    # step 5 is in neither window, so that live run counts as before; placebo 2 changed a little
    np.testing.assert_array_equal(
        np.delete(a.quantities[0].deltas, 2), np.delete(b.quantities[0].deltas, 2)
    )
    assert 0 < abs(a.quantities[0].deltas[2] - b.quantities[0].deltas[2]) < 0.2
    assert b.finding == "consensus"


def test_missing_draws_and_how_wrong_they_could_be(tmp_path: Path) -> None:
    def refusing(seed: int, live: np.ndarray) -> np.ndarray:
        live[-3:, 0, :2] = np.nan
        return live

    found = lwd.test(pairs(tmp_path, fall=0.8, change=refusing))
    condition = found.conditions[0]
    assert condition.sensitivity is not None
    assert 0 < condition.sensitivity.missing < 0.05
    assert condition.sensitivity.apart is not None
    assert condition.sensitivity.apart > 0.5
    said = "\n".join(lines(found.as_json()))
    assert "not missing at random, they could move" in said
    assert "could make ||D||_F at the end anything from" in said


def test_runs_of_other_worlds_or_embeddings_are_not_compared(tmp_path: Path) -> None:
    pairs(tmp_path / "here", fall=0.5)
    pairs(tmp_path / "there", fall=0.1, normalize=False)
    found = lwd.test(tmp_path / "here", against=[tmp_path / "there"])
    assert found.contrasts == ()
    said = "\n".join(lines(found.as_json()))
    assert "different embeddings (minilm and minilm, not normalised)" in said
    assert len(found.conditions) == 2  # each is assessed by itself all the same
    assert "no radius is known in advance (--radius)" in said
    assert "no margin is known in advance (--margin)" in said


def test_a_declared_contrast_is_paired_where_seeds_are_shared(tmp_path: Path) -> None:
    for seed in range(8):
        noise = network(STEPS, key=seed)
        made_run(tmp_path / "slow" / f"{seed}", noise, seed=seed, reading={"beta": 0.1})
        fast = network(STEPS, key=seed, fall=0.9)
        made_run(tmp_path / "fast" / f"{seed}", fast, seed=seed, reading={"beta": 0.9})
    found = lwd.test(tmp_path / "fast", against=[tmp_path / "slow"])
    (contrast,) = found.contrasts
    assert contrast.paired
    assert contrast.difference is not None
    assert contrast.difference.high < 0
    assert contrast.p_adjusted == pytest.approx(2 / 2**8)
    assert (contrast.first, contrast.second) == ("reading.beta=0.9", "reading.beta=0.1")


def test_only_fresh_steps_of_a_stopped_run_are_tested(tmp_path: Path) -> None:
    folder = pairs(tmp_path, fall=0.8)
    for seed in range(8):
        file = folder / f"live-{seed}" / "manifest.json"
        manifest = json.loads(file.read_text())
        manifest["stopped"] = {"rule": "converged", "at": 8, "fresh": [9, 11], "margin": 0.4}
        file.write_text(json.dumps(manifest))
    found = lwd.test(folder)
    (condition,) = found.conditions
    assert condition.fresh
    assert condition.collapse is not None
    live = [lwd.load(folder / f"live-{seed}").embeddings[9:12] for seed in range(8)]
    placebo = [lwd.load(folder / f"placebo-{seed}").embeddings[9:12] for seed in range(8)]
    from lwd_agents.measures.unbiased import squared_norm

    wanted = [
        squared_norm(a).mean() - squared_norm(b).mean() for a, b in zip(live, placebo, strict=True)
    ]
    np.testing.assert_allclose(condition.collapse.quantities[0].deltas, wanted)
    assert {step.t for step in found.steps} == {11}
    said = "\n".join(lines(lwd.test(folder, at="3").as_json()))
    assert "only its fresh steps may be tested" in said


def test_what_is_found_is_kept_beside_what_was_there(tmp_path: Path) -> None:
    folder = pairs(tmp_path, fall=0.8)
    summary = folder / "live-0" / "summary.json"
    summary.write_text('{"norm_first": 1.0}')
    lwd.test(folder)
    kept = json.loads(summary.read_text())
    assert kept["norm_first"] == 1.0
    assert kept["inference"]["conditions"][0]["collapse"]["finding"] == "consensus"
    assert {one["run"] for one in kept["inference"]["by_run"]} == {str(folder / "live-0")}
    assert not (folder / "placebo-0" / "summary.json").exists()
    again = lwd.test(folder)
    assert json.loads(summary.read_text()) == kept
    assert again.as_json()["conditions"] == kept["inference"]["conditions"]


def test_a_damaged_summary_is_not_overwritten(tmp_path: Path) -> None:
    path = made_run(tmp_path / "r", network(3))
    (path / "summary.json").write_text("{half")
    found = lwd.test(path)
    assert any("what was found is not kept there" in line for line in found.said)
    assert (path / "summary.json").read_text() == "{half"


def test_the_experiments_own_windows_are_used_and_named(tmp_path: Path) -> None:
    windows = {"early": [0, 2], "late": [6, 8]}
    folder = pairs(tmp_path, windows=windows)
    condition = lwd.test(folder).conditions[0]
    assert condition.windows is not None
    assert (condition.windows.early, condition.windows.late) == ((0, 2), (6, 8))
    assert condition.declared == "the experiment"
    mine = lwd.test(folder, early="0:1", late=(7, 8)).conditions[0]
    assert mine.windows is not None
    assert mine.windows.late == (7, 8)
    assert mine.declared == "this command"
    with pytest.raises(BadInput, match="late window"):
        lwd.test(folder, late="9:30")


def test_too_few_permutations_are_refused_with_the_number_needed(tmp_path: Path) -> None:
    path = made_run(tmp_path / "r", network(3))
    with pytest.raises(BadInput, match="at least 119 are needed"):  # 2 steps, 3 pairs, 5 %
        lwd.test(path, permutations=100)
    assert not (path / "summary.json").exists()


def test_one_agent_and_one_draw_are_said(tmp_path: Path) -> None:
    said = "\n".join(lines(lwd.test(made_run(tmp_path / "one", network(4, n=1))).as_json()))
    assert "1 agent at every step: there is no distance between models" in said
    said = "\n".join(lines(lwd.test(made_run(tmp_path / "two", network(4, draws=1))).as_json()))
    assert "an agent has fewer than 2 draws at every step" in said
