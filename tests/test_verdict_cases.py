"""``lwd test`` and ``lwd plan`` where runs differ: readings, queries, windows, controls."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from made_runs import made_run, network
from test_verdict import STEPS, pairs

import lwd_agents as lwd
from lwd_agents.inference.assess import ConditionFindings
from lwd_agents.inference.missing import norm_shift
from lwd_agents.measures.geometry import collapse_norm, distances, over_queries
from lwd_agents.measures.unbiased import squared_norm
from lwd_agents.report.verdict_words import lines


def deltas(found: ConditionFindings) -> np.ndarray:
    """Of ``between``, pair by pair."""
    assert found.collapse is not None
    return found.collapse.quantities[0].deltas


def stop(path: Path, first: int, last: int) -> None:
    """Let a run have stopped itself, so that only these steps are fresh."""
    file = path / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["stopped"] = {"rule": "converged", "at": first - 1, "fresh": [first, last]}
    file.write_text(json.dumps(manifest))


def test_the_verdict_is_over_the_readings_that_the_plan_counts(tmp_path: Path) -> None:
    """Readings that move the agents: with four of them delta has less noise, as is planned."""
    generator = np.random.default_rng(5)
    for seed in range(12):
        for placebo in (False, True):
            shifts = generator.normal(size=(4, 6, 3, 1, 8)) * 0.3
            draws = shifts + generator.normal(size=(4, 6, 3, 8, 8)) * 0.1
            more = [(f".r{r}", draws[r]) for r in (1, 2, 3)]
            name = f"{'placebo' if placebo else 'live'}-{seed}"
            reading = {"beta": 0.5, "readings_per_step": 4}
            made_run(
                tmp_path / name, draws[0], seed=seed, placebo=placebo, extra=more, reading=reading
            )
    planned = lwd.plan(tmp_path, 1.0, draws=[8], readings=[1, 4])
    found = deltas(lwd.test(tmp_path, at="none").conditions[0])
    assert planned.components.total == pytest.approx(np.var(found, ddof=1))
    one, four = planned.plan.options
    assert four.variance < one.variance / 2
    live = [np.load(tmp_path / "live-0" / "embeddings" / f"00005{s}.npy") for s in ("", ".r1")]
    assert squared_norm(live[0]) != squared_norm(live[1])


def test_a_plan_of_several_queries_counts_all_responses(tmp_path: Path) -> None:
    queries = ["a?", "b?", "c?"]
    for seed in range(6):
        for placebo in (False, True):
            more = [(f".q{q}", network(4, key=50 * q + seed + 7 * placebo)) for q in (1, 2)]
            made_run(
                tmp_path / f"{'placebo' if placebo else 'live'}-{seed}",
                network(4, key=seed + 7 * placebo),
                seed=seed,
                placebo=placebo,
                extra=more,
                queries=queries,
            )
    option = lwd.plan(tmp_path, 1.0, draws=[10]).plan.options[0]
    assert option.pairs is not None
    assert option.responses == 2 * option.pairs * 4 * 3 * 10 * 3


def test_a_placebo_that_is_too_short_is_said_and_its_pair_left_out(tmp_path: Path) -> None:
    folder = pairs(tmp_path, fall=0.8)
    rounds = folder / "placebo-3" / "rounds.jsonl"
    rounds.write_text("".join(f"{line}\n" for line in rounds.read_text().splitlines()[:6]))
    found = lwd.test(folder, at="none")
    assert found.conditions[0].pairs == 7
    assert len(deltas(found.conditions[0])) == 7
    said = "\n".join(lines(found.as_json()))
    assert "the placebo of seed 3 ends at t = 5, and step 11 is needed" in said


def test_nothing_but_fresh_steps_of_stopped_runs_enters_the_late_level(tmp_path: Path) -> None:
    folder = pairs(tmp_path, fall=0.8)
    for seed in range(6):  # two of eight go on to the end
        stop(folder / f"live-{seed}", 4 + seed, 6 + seed)
    found = lwd.test(folder, at="none").conditions[0]
    assert found.limit is not None
    assert found.limit.late.replicates == 8
    wanted = [
        squared_norm(lwd.load(folder / f"live-{seed}").embeddings[4 + seed : 7 + seed]).mean()
        for seed in range(6)
    ]
    wanted += [squared_norm(lwd.load(folder / f"live-{s}").embeddings[-3:]).mean() for s in (6, 7)]
    assert found.limit.late.estimate == pytest.approx(np.mean(wanted))
    assert found.band is None
    said = "\n".join(lines(lwd.test(folder, at="none").as_json()))
    assert "over the fresh steps" in said
    assert "The level holds then only if a run's state does not linger" in said
    assert "extrapolated" not in said


def test_windows_that_experiments_declare_hold_everywhere(tmp_path: Path) -> None:
    windows = {"early": [0, 1], "late": [3, 4]}
    for name, fall, beta in (("a", 0.9, 0.9), ("b", 0.0, 0.1)):
        pairs(tmp_path / name, 6, fall=fall, windows=windows, reading={"beta": beta})
    found = lwd.test(tmp_path / "a", against=[tmp_path / "b"], at="none")
    assert found.contrast_windows is not None
    assert (found.contrast_windows.early, found.contrast_windows.late) == ((0, 1), (3, 4))
    assert "between conditions, [t = 3 .. 4] - [t = 0 .. 1]" in "\n".join(lines(found.as_json()))
    planned = lwd.plan(tmp_path / "a", 1.0)
    assert planned.windows == found.conditions[0].windows
    half = lwd.test(tmp_path / "a", early="0:0", at="none").conditions[0].windows
    assert half is not None
    assert (half.early, half.late) == ((0, 0), (3, 4))  # the other side stays as declared


def test_missing_draws_of_one_query_move_the_norm_as_far_as_is_said(tmp_path: Path) -> None:
    unit = np.zeros((2, 3, 10, 4))
    unit[..., 0] = 1.0
    half = unit.copy()
    half[:, 0, :5] = np.nan
    path = made_run(tmp_path / "r", half, extra=[(".q1", unit)], queries=["a?", "b?"])
    (run,) = lwd.test(path).by_run
    assert run.norm_range is not None
    worst = np.stack([unit[0].mean(axis=1), unit[0].mean(axis=1)])
    worst[0, 0, 0] = 0.0  # half of the draws at -1
    truth = collapse_norm(over_queries([distances(X) for X in worst]))
    assert run.norm_range[1] >= truth - 1e-6
    assert norm_shift([0.5, 0, 0], 2.0) > truth


def test_the_bound_is_for_the_draws_that_are_there(tmp_path: Path) -> None:
    embeddings = network(4, draws=20)
    whole = lwd.test(made_run(tmp_path / "whole", embeddings)).by_run[0].bound
    embeddings[2, 1, 3:] = np.nan
    few = lwd.test(made_run(tmp_path / "few", embeddings)).by_run[0].bound
    assert whole is not None
    assert few is not None
    assert few.half_width > 1.3 * whole.half_width


def test_runs_with_other_margins_are_told_of_apart(tmp_path: Path) -> None:
    for seed in range(2):
        made_run(tmp_path / f"n-{seed}", network(4), seed=seed)
        made_run(tmp_path / f"u-{seed}", network(4), seed=seed, normalize=False)
    said = lines(lwd.test(tmp_path, radius=2.0, margin=0.7, at="none").as_json())
    assert sum("in 0 of 4 runs" in line for line in said) == 1
    said = lines(lwd.test(tmp_path, at="none").as_json())
    assert sum("in 0 of 2 runs" in line for line in said) == 1
    assert any(f"{tmp_path / 'n-0'} and 1 more:" in line for line in said)


def test_a_control_that_cannot_be_used_does_not_cost_the_verdict(tmp_path: Path) -> None:
    folder = pairs(tmp_path, 6, fall=0.8)
    for seed in range(6):
        path = made_run(tmp_path / f"frozen-{seed}", network(STEPS), seed=seed, reading={"k": 0})
        for file in (path / "embeddings").glob("0*.npy"):
            file.unlink()
    found = lwd.test(folder, calibrate=True, at="none")
    assert found.conditions[0].collapse is not None
    assert found.conditions[0].collapse.finding == "consensus"
    assert all(one.level is None and one.reason for one in found.calibrations)


def test_an_agent_that_joins_changes_no_curve_of_the_network(tmp_path: Path) -> None:
    agents = [{"name": name, "model": "pocket:north"} for name in "abc"]
    agents[2]["joins"] = 2  # type: ignore[assignment]
    embeddings = network(5)
    embeddings[:2, 2] = np.nan
    path = made_run(tmp_path / "r", embeddings, agents=agents)
    alone = made_run(tmp_path / "two", embeddings[:, :2], agents=agents[:2])
    mine, theirs = lwd.measure(path, text=False), lwd.measure(alone, text=False)
    for name in ("norm", "between", "within", "drift", "energy", "vendi_of_all"):
        np.testing.assert_allclose(mine.steps[name], theirs.steps[name])
    assert "not in the network's curves: c" in mine.said[0]
    assert lwd.test(path).conditions[0].agents == ("a", "b")


def test_conditions_that_differ_in_many_keys_are_never_taken_for_each_other(
    tmp_path: Path,
) -> None:
    """Names of at most three keys collide; the contrast of each must stay its own."""
    same = {"query": "q?", "prompt": "answer", "max_missing": 0.9}
    for name, fall, window in (("a", 0.9, 3), ("b", 0.0, 4), ("c", 0.5, 5)):
        for r in range(6):
            made_run(
                tmp_path / name / f"replicate-{r:03d}",
                network(STEPS, key=900 + r, fall=fall),
                seed=r,
                posting={"keep": {"window": window}},
                **(same if name == "a" else {}),
            )
    alone = [lwd.test(tmp_path / "a", against=[tmp_path / n], at="none").contrasts for n in "bc"]
    both = lwd.test(tmp_path / "a", against=[tmp_path / "b", tmp_path / "c"], at="none")
    assert len({condition.name for condition in both.conditions}) == 3
    assert [one.difference for one in both.contrasts] == [one[0].difference for one in alone]
    assert both.contrasts[0].difference != both.contrasts[1].difference
    swapped = lwd.test(tmp_path / "b", against=str(tmp_path / "c"), at="none")
    assert len(swapped.contrasts) == 1


def test_one_agent_that_stays_has_no_distance(tmp_path: Path) -> None:
    agents = [{"name": name, "model": "pocket:north"} for name in "abc"]
    agents[1]["joins"], agents[2]["leaves"] = 2, 3  # type: ignore[assignment]
    embeddings = network(6)
    for seed in range(6):
        for placebo in (False, True):
            name = f"{'placebo' if placebo else 'live'}-{seed}"
            made_run(tmp_path / name, embeddings, seed=seed, placebo=placebo, agents=agents)
    condition = lwd.test(tmp_path, at="none").conditions[0]
    assert condition.evidence is None
    assert condition.limit is None
    assert condition.collapse is not None
    assert [q.name for q in condition.collapse.quantities] == ["within", "drift"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", None),
        ("agents", "north"),
        ("agents", []),
        ("config", None),
        ("config.draws", 10**9),
        ("config.agents", [{"name": "other"}]),
        ("stopped", "x"),
        ("forked", "x"),
    ],
)
def test_a_damaged_manifest_costs_its_run_alone(tmp_path: Path, key: str, value: object) -> None:
    folder = pairs(tmp_path, 7, fall=0.8, draws=4)
    file = folder / "live-2" / "manifest.json"
    manifest = json.loads(file.read_text())
    inner = manifest["config"] if key.startswith("config.") else manifest
    inner[key.removeprefix("config.")] = value
    file.write_text(json.dumps(manifest))
    found = lwd.test(folder, at="none")
    assert found.conditions[0].pairs == 6
    assert any(f"{file}: {key} is missing or damaged" in line for line in found.said)
    with pytest.raises(lwd.BadInput, match="missing or damaged"):
        lwd.test(folder / "live-2")


@pytest.mark.parametrize(
    "damage",
    [{"t": 10_000_000}, {"missing": "x"}, {"seconds": "x"}, {"cost": "x"}, {"reads": [1]}],
)
def test_a_line_with_what_cannot_be_is_left_out(tmp_path: Path, damage: dict) -> None:  # type: ignore[type-arg]
    path = made_run(tmp_path / "r", network(6))
    file = path / "rounds.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    rows[3] |= damage
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = lwd.test(path, at="none")
    assert found.conditions[0].steps == 5
    assert any("left out" in line for line in found.conditions[0].said)
    assert np.isnan(found.by_run[0].band.centre).tolist() == [t == 3 for t in range(6)]


def test_no_control_character_reaches_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from lwd_agents.report.verdict_words import tell

    agents = [{"name": f"a\x1b[31m{i}:bear:", "model": "pocket:north"} for i in range(3)]
    tell(lwd.test(made_run(tmp_path / "r", network(4, apart=3.0), agents=agents)).as_json())
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert ":bear:" in said
