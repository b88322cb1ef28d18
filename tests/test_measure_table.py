"""All measures of a run as tables: against the single functions, and with what files lack."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_runs import made_run, network

import lwd_agents as lwd
from lwd_agents.errors import BadInput
from lwd_agents.measures import diversity, energy, geometry, unbiased
from lwd_agents.measures.perspective import fit_frame, place
from lwd_agents.trajectory import Trajectory


def test_the_columns_are_the_functions_of_each_step(tmp_path: Path) -> None:
    embeddings = network(5, draws=6)
    embeddings[2, 1, :2] = np.nan
    human = np.random.default_rng(1).normal(size=(20, 8))
    path = made_run(tmp_path / "r", embeddings, human=human)
    found = lwd.measure(path, text=False)
    stored = lwd.load(path).embeddings.astype(np.float64)
    steps, agents, pairs = found.steps, found.agents, found.pairs
    np.testing.assert_allclose(steps["norm"], lwd.load(path).norm, rtol=1e-6)
    np.testing.assert_allclose(steps["between"], unbiased.squared_norm(stored))
    np.testing.assert_allclose(steps["norm"] ** 2, steps["between"] + steps["draw_floor"])
    np.testing.assert_allclose(
        steps["drift"], unbiased.drift(stored, human.astype(np.float32).mean(axis=0)), rtol=1e-5
    )
    np.testing.assert_allclose(
        agents["vendi"].unstack("agent"), diversity.vendi_score(stored), rtol=1e-9
    )
    D = geometry.distances(geometry.perspectives(stored[3]))
    assert pairs.loc[(3, "a0", "a2"), "distance"] == pytest.approx(D[0, 2])
    gaps = energy.energy_distances(stored[3])
    assert pairs.loc[(3, "a1", "a2"), "energy_distance"] == pytest.approx(gaps[1, 2])
    X = geometry.perspectives(stored)
    np.testing.assert_allclose(
        agents["x"].unstack("agent"), place(fit_frame(X), X).coordinates[..., 0], atol=1e-9
    )
    assert found.said == ()


def test_further_readings_tell_models_from_readings(tmp_path: Path) -> None:
    """One law, readings that shift it: all distance is the readings' own."""
    generator = np.random.default_rng(2)
    shifts = generator.normal(size=(4, 30, 3, 1, 8)) * 0.2
    draws = shifts + generator.normal(size=(4, 30, 3, 10, 8)) * 0.1
    path = made_run(
        tmp_path / "r",
        draws[0],
        extra=[(f".r{r}", draws[r]) for r in (1, 2, 3)],
        reading={"beta": 0.5, "readings_per_step": 4},
    )
    found = lwd.measure(path, text=False)
    models = found.steps["between_models"]
    assert abs(models.mean()) < 4 * models.std() / np.sqrt(30)
    assert found.steps["between"].mean() == pytest.approx(6 * 2 * 8 * 0.04, rel=0.15)
    assert found.agents["reading_floor"].mean() == pytest.approx(8 * 0.04, rel=0.15)


def test_classes_of_the_readership_have_polarization_and_agreement(tmp_path: Path) -> None:
    embeddings = network(4, n=6, spread=0.01, apart=0.0)
    embeddings[:, 3:, :, 0] += np.linspace(1, 3, 4)[:, None, None]
    names = [f"a{i}" for i in range(6)]
    readership = {"graph": "cliques", "classes": [names[:3], names[3:]]}
    found = lwd.measure(made_run(tmp_path / "r", embeddings, readership=readership), text=False)
    np.testing.assert_allclose(found.steps["polarization"], np.linspace(1, 3, 4), rtol=0.02)
    assert found.steps["clusters"].tolist() == [2, 2, 2, 2]
    assert found.steps["agreement_with_classes"].tolist() == [1, 1, 1, 1]


def test_what_files_lack_is_said_and_the_rest_measured(tmp_path: Path) -> None:
    path = made_run(tmp_path / "r", network(5))
    whole = lwd.measure(path, text=False)
    rounds = path / "rounds.jsonl"
    lines = rounds.read_text().splitlines()
    lines[1] = "[]"
    rounds.write_text("\n".join(lines) + "\n")
    (path / "embeddings" / "00003.npy").unlink()
    found = lwd.measure(path)
    assert np.isnan(found.steps["norm"]).tolist() == [False, True, False, True, False]
    pd.testing.assert_series_equal(
        found.steps["within"][[0, 2, 4]], whole.steps["within"][[0, 2, 4]]
    )
    said = "\n".join(found.said)
    assert "line 2: damaged" in said
    assert "00003.npy" in said
    assert np.isfinite(found.agents["words"].unstack("agent").loc[[0, 2, 3, 4]]).all(axis=None)


def test_a_numeric_world_is_measured_too(tmp_path: Path) -> None:
    run = lwd.run("figure4", steps=20, replicates=3, placebo=True, out=tmp_path / "g")
    found = lwd.measure(run)
    np.testing.assert_allclose(found.steps["norm"], run.norms.mean(axis=0))
    weights = run.arrays["weights"]
    means = np.array([-5.0, 5.0])
    spread = 1 + np.sum(weights * means**2, -1) - np.sum(weights * means, -1) ** 2
    np.testing.assert_allclose(found.steps["within"], spread.mean(axis=(0, 2)), rtol=1e-4)
    assert {"placebo_between", "drift"} <= set(found.steps.columns)
    assert found.agents["effective_components"].between(1, 2).all()


def test_the_texts_of_a_real_run_are_measured(pocket_run: Trajectory) -> None:
    found = lwd.measure(pocket_run)
    assert found.said == ()
    agents = found.agents
    shares = agents[["from_human", "from_others", "from_own", "from_elsewhere", "from_new"]]
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    assert agents["copied"].between(0, 1).all()
    assert agents["unique"].gt(0).all()
    assert list(found.responses["agent"]) == pocket_run.agents


def test_no_run_and_no_such_query_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no run directory"):
        lwd.measure(tmp_path)
    path = made_run(tmp_path / "r", network(2))
    with pytest.raises(BadInput, match="query 1: the run has 1"):
        lwd.measure(path, query=1)


def _row(line: int, **changes: object) -> Callable[[Path], None]:
    """Change fields of one line of responses.jsonl; ``...`` takes a field out."""
    return lambda path: edited(path / "responses.jsonl", line, changes)


def _round(line: int, **changes: object) -> Callable[[Path], None]:
    return lambda path: edited(path / "rounds.jsonl", line, changes)


def edited(file: Path, line: int, changes: Mapping[str, object]) -> None:
    lines = file.read_text().splitlines()
    row = {**json.loads(lines[line - 1]), **changes}
    lines[line - 1] = json.dumps({key: value for key, value in row.items() if value is not ...})
    file.write_text("\n".join(lines) + "\n")


def _array(name: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def do(path: Path) -> None:
        file = path / "embeddings" / name
        np.save(file, change(np.load(file)))

    return do


def _cut(share: float) -> Callable[[Path], None]:
    def do(path: Path) -> None:
        file = path / "responses.jsonl"
        content = file.read_bytes()
        file.write_bytes(content[: int(share * len(content))])

    return do


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "gone": (lambda path: (path / "responses.jsonl").unlink(), "responses.jsonl: 90 answers"),
    "empty": (_cut(0), "responses.jsonl: 90 answers"),
    "half": (_cut(0.5), "responses.jsonl: "),
    "garbage": (
        lambda path: (path / "responses.jsonl").write_bytes(bytes(range(256)) * 9) and None,
        "responses.jsonl, line 1: damaged",
    ),
    "nested": (
        lambda path: (path / "responses.jsonl").write_bytes(b"[" * 100_000 + b"\n") and None,
        "responses.jsonl, line 1: damaged",
    ),
    **{
        f"no {name}": (_row(3, **{name: ...}), "responses.jsonl, line 3: ")
        for name in ("agent", "query", "draw", "text", "post_id", "reading")
    },
    **{
        f"{name} {value!r}": (_row(7, **{name: value}), "responses.jsonl, line 7: ")
        for name, value in [
            ("agent", "nobody"),
            ("agent", ["north"]),
            ("query", "another"),
            ("query", {}),
            ("text", 5),
            ("text", "half \ud800"),
            ("reading", 1_000_000_000),
            ("draw", 1_000_000_000),
            ("draw", -1),
            ("draw", True),
            ("post_id", [1]),
        ]
    },
    **{
        f"round {name} {value!r}": (_round(2, **{name: value}), "rounds.jsonl")
        for name, value in [
            ("reads", ...),
            ("posted", ...),
            ("reads", [1]),
            ("reads", {"north": 5}),
            ("reads", {"north": [["a"]]}),
            ("posted", "ab"),
            ("posted", [{}]),
            ("posted", ["a", "a"]),
            ("more_reads", {"north": [{"query": 0, "reading": 10**9, "reads": []}]}),
            ("entered", [{"text": 3}]),
            ("left", 4),
        ]
    },
    "step wide": (_array("00002.npy", lambda a: np.repeat(a, 2, axis=-1)), "00002.npy"),
    "step complex": (_array("00002.npy", lambda a: a.astype(complex)), "00002.npy"),
    "step whole numbers": (_array("00002.npy", lambda a: a.astype(int)), "00002.npy"),
    "step flat": (_array("00002.npy", np.ravel), "00002.npy"),
    "step of one number": (_array("00002.npy", lambda a: a[0, 0, 0]), "00002.npy"),
    "seed complex": (_array("seed.npy", lambda a: a.astype(complex)), "seed.npy"),
    "seed whole numbers": (_array("seed.npy", lambda a: a.astype(int)), "seed.npy"),
    "seed flat": (_array("seed.npy", np.ravel), "seed.npy"),
}


@pytest.mark.usefixtures("kept")
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_said_and_the_rest_measured(
    name: str, pocket_run: Trajectory, tmp_path: Path
) -> None:
    path = Path(shutil.copytree(pocket_run.path, tmp_path / "run"))
    damage, note = DAMAGES[name]
    damage(path)
    found = lwd.measure(path)
    assert any(note in said for said in found.said), found.said
    assert all("\n" not in said for said in found.said)
    assert found.steps.index.tolist() == [0, 1, 2, 3, 4]
    assert len(found.agents) == 5 * len(pocket_run.agents)
    lost = {2} if name.startswith("step") else {1} if name.startswith("round") else set()
    there = [t for t in range(5) if t not in lost]
    assert np.isfinite(found.steps.loc[there, ["norm", "between"]]).all(axis=None)
    assert np.isfinite(found.agents.loc[there, ["x", "vendi"]]).all(axis=None)
    if name not in ("gone", "empty", "half", "garbage", "nested"):
        assert np.isfinite(found.agents.loc[there, ["words", "from_new"]]).all(axis=None)


def test_half_of_the_texts_are_measured_and_the_rest_is_unknown(
    pocket_run: Trajectory, tmp_path: Path
) -> None:
    path = Path(shutil.copytree(pocket_run.path, tmp_path / "run"))
    _cut(0.5)(path)
    words, whole = (lwd.measure(run).agents["words"].unstack("agent") for run in (path, pocket_run))
    pd.testing.assert_frame_equal(words.loc[:1], whole.loc[:1])
    assert words.loc[3:].isna().all(axis=None)
