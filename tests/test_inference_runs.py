"""Runs read forgivingly, and grouped into conditions and matched pairs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from made_runs import made_run, network

from lwd_agents.errors import BadInput
from lwd_agents.inference.curves import curves_of
from lwd_agents.inference.grouping import conditions, expand, read_all
from lwd_agents.inference.missing import norm_shift, tipping_point
from lwd_agents.inference.options import Options, read_steps, read_window
from lwd_agents.inference.told import told
from lwd_agents.measures.geometry import collapse_norm, distances
from lwd_agents.run_files import read_run


def test_a_damaged_line_is_named_and_the_other_steps_are_read(tmp_path: Path) -> None:
    path = made_run(tmp_path / "r", network(6))
    whole = curves_of(read_run(path))
    file = path / "rounds.jsonl"
    lines = file.read_text().splitlines()
    lines[2] = lines[2][:40]
    file.write_text("\n".join(lines) + "\n")
    run = read_run(path)
    assert list(run.lines) == [0, 1, 3, 4, 5]
    found = curves_of(run)
    assert any(f"{file}, line 3: damaged" in line for line in found.said)
    assert np.isnan(found.between[0, 2])
    np.testing.assert_array_equal(found.between[0, 3:], whole.between[0, 3:])


def test_embeddings_that_are_no_numbers_count_as_missing_and_are_said(tmp_path: Path) -> None:
    embeddings = network(4)
    embeddings[1, 0, 2] = np.nan  # a draw that is missing, as the journal says
    path = made_run(tmp_path / "r", embeddings)
    assert not curves_of(read_run(path)).said
    file = path / "embeddings" / "00002.npy"
    array = np.load(file)
    array[1, 3, 4] = np.inf
    array[2, 5] = np.nan
    np.save(file, array)
    found = curves_of(read_run(path))
    assert [line for line in found.said if "step 2: 2 embeddings are not finite" in line]
    assert len(found.said) == 1
    assert np.isfinite(found.between).all()
    assert found.missing[0, 2].tolist() == [0.0, 0.1, 0.1]


@pytest.mark.parametrize("how", ["gone", "torn", "shape"])
def test_a_damaged_array_is_named_and_its_step_left_out(tmp_path: Path, how: str) -> None:
    path = made_run(tmp_path / "r", network(4))
    file = path / "embeddings" / "00001.npy"
    if how == "gone":
        file.unlink()
    elif how == "torn":
        file.write_bytes(file.read_bytes()[:-100])
    else:
        np.save(file, np.zeros((2, 10, 8), dtype=np.float32))
    found = curves_of(read_run(path))
    assert [line for line in found.said if str(file) in line and "step 1 is left out" in line]
    assert np.isnan(found.between[0]).tolist() == [False, True, False, False]


def test_nothing_committed_and_no_run_are_refused(tmp_path: Path) -> None:
    path = made_run(tmp_path / "r", network(2))
    (path / "rounds.jsonl").write_text("")
    with pytest.raises(BadInput, match="no step of this run is committed"):
        read_run(path)
    with pytest.raises(BadInput, match="nor a folder that holds some"):
        expand([tmp_path / "nothing"])


def test_between_is_unbiased_where_the_plain_norm_is_not(tmp_path: Path) -> None:
    """Three agents of one law: the plain norm is the draw floor, ours is 0 on average."""
    embeddings = network(400, apart=0.0, draws=5)
    found = curves_of(read_run(made_run(tmp_path / "r", embeddings)))
    plain = np.mean([collapse_norm(distances(step.mean(axis=1))) ** 2 for step in embeddings])
    error = found.between.std() / np.sqrt(400)
    assert abs(found.between.mean()) < 4 * error
    np.testing.assert_allclose(plain, 6 * 2 * 0.3**2 / 5, rtol=0.1)  # N (N - 1) pairs, 2 tr S / L


def test_runs_of_one_config_are_replicates_and_placebos_match_by_seed(tmp_path: Path) -> None:
    steps = network(4)
    for seed in (0, 1, 2):
        made_run(tmp_path / f"live-{seed}", steps, seed=seed)
    for seed in (1, 2, 5):
        made_run(tmp_path / f"placebo-{seed}", steps, seed=seed, placebo=True)
    made_run(tmp_path / "again", steps, seed=2)
    made_run(tmp_path / "other", steps, reading={"k": 3})
    found = conditions(read_all(expand([tmp_path]))[0])
    assert sorted(len(condition.live) for condition in found) == [1, 3]
    mine = next(condition for condition in found if len(condition.live) == 3)
    assert [(a.seed, b.seed) for a, b in mine.pairs] == [(1, 1), (2, 2)]
    assert {run.seed for run in mine.runs} == {0, 1, 2, 5}
    assert any("one replicate, not two" in line for line in mine.said)
    assert {condition.name for condition in found} == {"reading.beta=0.5", "reading.k=3"}


def test_more_steps_and_other_bounds_make_no_other_condition(tmp_path: Path) -> None:
    made_run(tmp_path / "a", network(4), seed=0)
    made_run(tmp_path / "b", network(6), seed=1, limits={"tokens": 10})
    assert len(conditions(read_all(expand([tmp_path]))[0])) == 1


def test_other_draws_make_another_condition(tmp_path: Path) -> None:
    made_run(tmp_path / "a", network(4, draws=5), seed=0)
    made_run(tmp_path / "b", network(4, draws=8), seed=1)
    assert len(conditions(read_all(expand([tmp_path]))[0])) == 2


def test_an_unfinished_replicate_does_not_cut_the_others_short(tmp_path: Path) -> None:
    for seed in range(3):
        made_run(tmp_path / f"{seed}", network(6), seed=seed)
    file = tmp_path / "1" / "manifest.json"
    file.write_text(file.read_text().replace('"status": "complete"', '"status": "stopped"'))
    (condition,) = conditions(read_all(expand([tmp_path]))[0])
    assert [run.seed for run in condition.live] == [0, 2]
    assert any("unfinished (t = 0 to 5)" in line for line in condition.said)
    (alone,) = conditions(read_all([tmp_path / "1"])[0])
    assert [run.seed for run in alone.live] == [1]


def test_an_agent_that_joins_is_left_out_and_named(tmp_path: Path) -> None:
    agents = [{"name": name, "model": "pocket:north"} for name in "abc"]
    agents[2]["joins"] = 2  # type: ignore[assignment]
    embeddings = network(4)
    embeddings[:2, 2] = np.nan
    found = curves_of(read_run(made_run(tmp_path / "r", embeddings, agents=agents)))
    assert found.agents == ("a", "b")
    assert any("left out: c" in line for line in found.said)
    assert np.isfinite(found.between).all()


def test_a_run_that_cannot_be_read_is_said_and_the_others_are_read(tmp_path: Path) -> None:
    good = made_run(tmp_path / "good", network(3))
    bad = made_run(tmp_path / "bad", network(3))
    (bad / "manifest.json").write_text("{")
    runs, said = read_all([good, bad])
    assert [run.path for run in runs] == [good]
    assert "not readable as a manifest" in said[0]
    with pytest.raises(BadInput, match="not readable"):
        read_all([bad])


def test_the_norm_moves_by_no_more_than_is_said() -> None:
    generator = np.random.default_rng(0)
    for _ in range(200):
        n, apart = int(generator.integers(2, 6)), 0.7
        present, shares = generator.normal(size=(n, 5)), generator.random(n)
        away = generator.normal(size=(n, 5))
        away *= apart / np.linalg.norm(away, axis=1, keepdims=True)
        moved = collapse_norm(distances(present + shares[:, None] * away))
        shift = abs(moved - collapse_norm(distances(present)))
        assert shift <= norm_shift(shares, apart) + 1e-12
    # and is reached: two agents, pushed apart along the line between them
    shift = collapse_norm(distances(np.array([[-0.7 * 0.5], [1 + 0.7 * 0.5]]))) - np.sqrt(2)
    np.testing.assert_allclose(shift, norm_shift([0.5, 0.5], 0.7))


def test_the_tipping_point_solves_its_equation() -> None:
    norms, shifts = np.array([0.5, 0.7]), np.array([0.1, 0.3])
    a = tipping_point(0.2, norms, shifts)
    np.testing.assert_allclose(np.mean(2 * norms * shifts * a + (shifts * a) ** 2), 0.2)
    assert tipping_point(0.2, norms, np.zeros(2)) == np.inf
    assert tipping_point(0.0, norms, shifts) == 0.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 0.0}, "--alpha 0.0"),
        ({"alpha": float("nan")}, "--alpha nan"),
        ({"permutations": 0}, "--permutations 0"),
        ({"window": 0}, "--window 0"),
        ({"margin": -1.0}, "--margin -1.0"),
        ({"radius": float("inf")}, "--radius inf"),
    ],
)
def test_options_that_make_no_test_are_refused(options: dict, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(BadInput, match=message):
        Options(**options)


def test_windows_and_steps_are_read_or_refused() -> None:
    assert read_window("0:5", "--early") == (0, 5)
    assert read_window("7", "--early") == (7, 7)
    assert read_window((2, 4), "--early") == (2, 4)
    assert read_window(None, "--early") is None
    for bad in ("5:0", "a:b", "1:2:3", "-1:3", ""):
        with pytest.raises(BadInput, match="--early"):
            read_window(bad, "--early")
    assert read_steps("0,30,0") == (0, 30)
    assert read_steps("none") == ()
    for bad in ("1,x", "-3", ""):
        with pytest.raises(BadInput, match="--at"):
            read_steps(bad)


def test_what_is_told_is_json_without_nan() -> None:
    value = {"a": np.array([1.0, np.nan]), "b": (np.float32(2), np.int64(3)), "c": np.inf}
    value |= {"d": Options(), "e": Path("x"), "f": range(2), "g": np.bool_(True), "h": None}
    text = json.dumps(told(value), allow_nan=False)
    read = json.loads(text)
    assert read["a"] == [1.0, None]
    assert read["c"] is None
    assert read["d"]["alpha"] == 0.05
    assert read["g"] is True
