"""The world ``gmm``: its config, its replicates, its placebo, and what moves besides weights."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lwd_agents import seeding, threads
from lwd_agents.config import GmmConfig, read_experiment
from lwd_agents.errors import BadInput
from lwd_agents.measures.geometry import collapse_norms, distances
from lwd_agents.worlds import gmm, gmm_parts, gmm_system
from lwd_agents.worlds.gmm_moving import learn
from lwd_agents.worlds.gmm_parts import GmmParts, assemble


def parts(**keys: Any) -> GmmParts:
    config = read_experiment({"world": "gmm", "means": [-5, 5], "steps": 25, **keys}).resolve()
    assert isinstance(config, GmmConfig)
    return assemble(config)


def played(made: GmmParts, replicates: range = range(1)) -> dict[str, np.ndarray]:
    """All steps of some replicates, without a directory."""
    world, blocks, t = made.world(replicates), [], 0
    while t <= made.config.steps:
        round = world.step(t)
        blocks.append(round.block)
        t = round.t + 1
    return {name: np.concatenate([b[name] for b in blocks], axis=1) for name in blocks[0]}


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("alpha=0", ["--set alpha=0", "alpha: 0.0", "(0, 1]"]),
        ("alpha=1.01", ["alpha: 1.01", "(0, 1]"]),
        ("alpha=[0.5]", ["alpha", "1 numbers for 200 updates"]),
        ("alpha=fast", ["alpha", "'fast'", "paper, a number"]),
        ("c=0.5", ["--set c=0.5", "c: 0.5", "below 1 / components = 0.5"]),
        ("c=-0.1", ["c: -0.1"]),
        ("covariance=-1", ["--set covariance=-1", "not positive definite", "-1"]),
        ("covariance=[[1, 2], [2, 1]]", ["covariance", "2 by 2", "d = 1"]),
        ("covariance=x", ["covariance", "'x'", "number"]),
        ("weights=[0.5, 0.6]", ["weights", "[0.5, 0.6]", "sum to 1"]),
        ("weights=[[1, 0], [0, 1]]", ["weights", "2 by 2", "3 models by 2 components"]),
        ("weights=[[1, 0], [1]]", ["weights", "different lengths"]),
        ("means=[1, 2, 3]", ["means: 3 of them", "components is 2"]),
        ("means=[[1, 2], [3]]", ["means", "different lengths: 1, 2"]),
        ("means=[1, nan]", ["means", "finite number"]),
        ("components=11", ["means: 2 of them", "components is 11"]),
        ("dirichlet=0", ["dirichlet", "positive"]),
        ("initial_points=[[1, 2]]", ["initial_points", "d = 2", "the means have 1"]),
        ("initial_points=-1", ["initial_points: -1"]),
        ("readership=rng", ["readership", "'rng'", "isolated"]),
        ("epsilon=1", ["epsilon: 1", "less than 1"]),
        ("human.law=cauchy", ["human.law", "'cauchy'"]),
        ("human.mean=[1]", ["--set human.mean=[1]: human", "mixture takes no mean"]),
        ("human={law: normal}", ["human", "normal needs mean"]),
        ("posting.keep=window", ["posting.keep", "'window'", "replace"]),
        ("moving.mean=true", ["moving.mean", "did you mean 'means'"]),
        ("draws=3", ["unknown key 'draws'"]),
    ],
)
def test_what_is_wrong_is_said_in_one_line(setting: str, words: list[str]) -> None:
    with pytest.raises(BadInput) as caught:
        read_experiment("figure4", [setting]).resolve()
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"means": [0]}, r"c: at t = 1 model g1 reads 1 points, where components \* c is 1"),
        ({"initial_points": "no.csv"}, "initial_points: no.csv: cannot be read as points"),
        ({"readership": {"edges": [["g1", "g9"]]}}, "readership: no agent 'g9'"),
        ({"initial_points": [1e200]}, "initial_points: a point is over 1e\\+100 standard"),
        ({"means": [1, 1e170], "covariance": 1e-300}, "means: a point is over"),
    ],
)
def test_what_only_shows_when_put_together(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        parts(models=1, posts_per_step=2, **keys)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", "1,2\n3,4\n", r"shape \(2, 2\)"),
        ("a.csv", "x\n1\n", "cannot be read as points"),
        ("a.txt", "nan\n1\n", "not finite"),
        ("a.npy", "not numpy", "cannot be read as points"),
    ],
)
def test_files_that_are_no_points(tmp_path: Path, name: str, content: str, words: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(BadInput, match=words) as caught:
        parts(initial_points=str(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_points_come_from_lists_and_files_alike(tmp_path: Path) -> None:
    points = [[-5.0], [5.5], [4.0]]
    np.save(tmp_path / "p.npy", points)
    np.savetxt(tmp_path / "p.csv", points, delimiter=",")
    given = [points, str(tmp_path / "p.npy"), str(tmp_path / "p.csv")]
    found = [played(parts(initial_points=each))["weights"] for each in given]
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])
    assert parts(initial_points=given[1]).sha256.keys() == {"points/p.npy"}


def test_the_schedule_is_the_papers() -> None:
    made = parts(initial_points=20, reading={"beta": 0.7})
    assert made.plan.size.tolist() == [20 + 9 * t for t in range(26)]
    assert made.plan.k[:, 0].tolist() == [7 * (20 + 9 * t) // 10 for t in range(26)]
    np.testing.assert_array_equal(made.plan.alpha, 1 / made.plan.k)
    np.testing.assert_allclose(made.plan.shift, 1 / (4.0 * made.plan.k), rtol=1e-15)
    ring = parts(readership="ring", fresh_points=2)
    assert ring.plan.k[:, 1].tolist() == [(2 * 3 + 2) * t // 2 for t in range(26)]
    replaced = parts(posting={"keep": "replace"}, initial_points=4, fresh_points=1)
    assert (replaced.plan.size - replaced.plan.first).tolist() == [4, *[10] * 25]
    assert replaced.plan.k[:, 0].tolist() == [2, *[5] * 25]
    assert parts(reading={"k": 12}).plan.k[:4, 0].tolist() == [0, 9, 12, 12]


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"means": [-6, 0, 6]},
        {"placebo": True, "initial_points": 5},
        {"readership": "star", "fresh_points": 1},
        {"moving": {"means": True, "covariances": True}, "placebo": True},
    ],
)
def test_a_replicate_of_a_batch_equals_that_replicate_alone(keys: dict[str, Any]) -> None:
    made = parts(**keys)
    batch, alone = played(made, range(6)), played(made, range(4, 5))
    for name, values in alone.items():
        assert np.array_equal(batch[name][4:5], values), name
    assert not np.array_equal(batch["norm"][0], batch["norm"][1])


@pytest.mark.parametrize("models", [3, 40, 100])
def test_threads_and_blocks_change_nothing(models: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = parts(models=models, steps=12)
    one = played(made, range(3))
    monkeypatch.setattr(gmm_system, "_SMALL", 0)
    for place in (gmm_system, threads):
        monkeypatch.setattr(place, "threads", lambda: 3)
    monkeypatch.setattr(gmm, "_UPDATES", 1)
    many = played(made, range(3))
    for name, values in one.items():
        assert np.array_equal(values, many[name]), name


def test_starts_are_dirichlet_or_given() -> None:
    made = parts(dirichlet=[2.0, 6.0], models=400)
    starts = made.starts(range(5))
    assert starts.shape == (5, 400, 2)
    np.testing.assert_allclose(starts.sum(axis=-1), 1.0)
    assert starts[..., 0].mean() == pytest.approx(0.25, abs=0.02)
    assert starts[..., 0].var() == pytest.approx(0.25 * 0.75 / 9, rel=0.2)
    np.testing.assert_array_equal(made.starts(range(3, 4))[0], starts[3])
    given = parts(weights=[0.3, 0.7]).starts(range(2))
    np.testing.assert_array_equal(given, np.broadcast_to([0.3, 0.7], (2, 3, 2)))


def test_the_placebo_has_the_same_random_words() -> None:
    """With the models at the human law both sides post the same points, until a model has moved."""
    found = played(parts(placebo=True, weights=[0.5, 0.5], replicates=4), range(4))
    same = [
        np.array_equal(found["weights"][:, t], found["placebo_weights"][:, t]) for t in range(8)
    ]
    assert same[:3] == [True, True, True]  # what is read at t = 1 was posted at t = 0
    assert not any(same[4:])


def test_the_placebo_draws_from_the_human_law() -> None:
    made = parts(placebo=True, human={"weights": [0.9, 0.1]}, steps=60, models=10)
    found = played(made, range(20))
    assert found["placebo_weights"][:, -1, :, 0].mean() == pytest.approx(0.9, abs=0.01)
    assert abs(found["weights"][:, -1, :, 0].mean() - 0.9) > 0.2


@pytest.mark.parametrize("law", ["normal", "points"])
def test_other_human_laws(law: str) -> None:
    human = {"normal": {"mean": [5.0], "covariance": 0.01}, "points": {"points": [5.0, 4.9]}}[law]
    found = played(parts(human={"law": law, **human}, placebo=True, initial_points=10), range(4))
    assert found["placebo_weights"][:, -1, :, 1].min() > 0.999


def test_isolated_models_drift_apart_and_frozen_ones_stand_still() -> None:
    isolated = played(parts(readership="isolated", steps=80), range(200))["norm"]
    complete = played(parts(steps=80), range(200))["norm"]
    assert np.mean(complete[:, -1]) < 0.2 * np.mean(isolated[:, -1])
    frozen = played(parts(reading={"k": 0}), range(3))
    assert (frozen["norm"] == frozen["norm"][:, :1]).all()


def test_the_norm_is_that_of_the_distances() -> None:
    found = played(parts(models=7, means=[-6, 0, 6]), range(2))
    for r in range(2):
        for t in (0, 3, 25):
            D = distances(found["weights"][r, t])
            assert found["norm"][r, t] == pytest.approx(np.sqrt((D**2).sum()), rel=1e-12)
    assert (collapse_norms(np.full((4, 5, 3), 1 / 3)) == 0.0).all()


def literal_learn(
    p: np.ndarray, means: np.ndarray, covs: np.ndarray, u: np.ndarray, alpha: float, c: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Zivkovic and van der Heijden (2004), in NumPy, one component after another."""
    from scipy.stats import multivariate_normal

    owned = np.array(
        [w * multivariate_normal.pdf(u, m, s) for w, m, s in zip(p, means, covs, strict=True)]
    )
    owned /= owned.sum()
    p2, means2, covs2 = p.copy(), means.copy(), covs.copy()
    for b in range(len(p)):
        step = min(1.0, alpha * owned[b] / p[b])
        delta = u - means[b]
        means2[b] = means[b] + step * delta
        square = np.outer(delta, delta) + 1e-6 * np.eye(len(u))
        covs2[b] = covs[b] + step * (square - covs[b])
        p2[b] = (1 - alpha) * p[b] + alpha * (owned[b] - c) / (1 - len(p) * c)
    return p2, means2, covs2


@pytest.mark.parametrize("d", [1, 2, 3])
def test_moving_means_and_covariances_follow_the_literal_updates(d: int) -> None:
    rng = seeding.generator(d)
    components = 3
    p = np.array([0.2, 0.5, 0.3])
    means = rng.normal(0, 2, (components, d))
    covs = np.stack([np.eye(d) * (1 + b) + 0.2 for b in range(components)])
    fast = p.copy(), means.copy(), covs.copy()
    slow = p, means, covs
    for _ in range(200):
        u = rng.normal(0, 3, d)
        clips = learn(*fast, u, 0.05, 0.001, 1e-6, (True, True), 1e-6)
        slow = literal_learn(*slow, u, 0.05, 0.001)
        assert clips == 0
    for a, b in zip(fast, slow, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)
    assert all(np.linalg.eigvalsh(cov)[0] > 0 for cov in fast[2])


def test_what_does_not_move_is_the_plain_system() -> None:
    plain = played(parts(), range(2))
    moving = gmm_system.MovingSystem(parts(), range(2))
    found = moving.advance(0, 25)
    np.testing.assert_allclose(found["weights"], plain["weights"][:, 1:], atol=1e-12)
    assert (found["means"] == np.array([-5.0, 5.0])[:, None]).all()


def test_more_replicates_than_fit_run_as_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import lwd_agents as lwd

    whole = lwd.run("figure4", out=tmp_path / "whole", steps=20, replicates=7)
    monkeypatch.setattr(gmm_parts, "_MEMORY", 20_000)
    assert parts(steps=20)._most() in (2, 3)
    pieces = lwd.run("figure4", out=tmp_path / "pieces", steps=20, replicates=7)
    for name, values in whole.arrays.items():
        assert np.array_equal(values, pieces.arrays[name]), name


def test_the_world_knows_nothing_of_language_models() -> None:
    code = (
        "import sys, lwd_agents.worlds.gmm, lwd_agents.worlds.gmm_theory; "
        "print(sorted({'torch', 'chromadb', 'langchain_core', 'transformers'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout.strip() == "[]", found.stderr


def test_kernels_are_kept_where_one_may_write(tmp_path: Path) -> None:
    """A home that cannot be written: they go to the folder for temporary files."""
    code = "from lwd_agents import kernels; print(kernels._FOLDER)"
    environment = {**os.environ, "XDG_CACHE_HOME": "/proc/none", "TMPDIR": str(tmp_path)}
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert found.stdout.startswith(str(tmp_path)), found.stderr
