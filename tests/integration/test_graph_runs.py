"""Runs of the world ``graph`` on disk: presets, extensions, kills, what a person sees."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numeric_runs import PNG, assert_same, rounds_of

import lwd_agents as lwd
from lwd_agents.blocks import WHOLE
from lwd_agents.errors import BadInput, RunStopped
from lwd_agents.trajectory import Trajectory


@pytest.fixture(scope="module")
def flip(tmp_path_factory: pytest.TempPathFactory) -> Trajectory:
    return lwd.run("flip", out=tmp_path_factory.mktemp("graph") / "flip")


def test_the_directory_keeps_the_contract(flip: Trajectory) -> None:
    assert {entry.name for entry in flip.path.iterdir()} == {
        ".lock", "manifest.json", "rounds.jsonl", WHOLE, "summary.json", "figures",
    }  # fmt: skip
    manifest = flip.manifest
    assert (manifest["world"], manifest["status"]) == ("graph", "complete")
    assert manifest["agents"] == ["a", "b", "c", "d", "e"]
    assert [graph["from"] for graph in manifest["graphs"]] == [0, 50]
    assert ["d", "b", 0.1] in manifest["graphs"][1]["edges"]
    assert ["real", "a", 0.2] in manifest["graphs"][0]["edges"]
    lines, arrays = rounds_of(flip.path), flip.arrays
    assert [line["t"] for line in lines] == list(range(201))
    assert arrays["parameters"].shape == (200, 201, 5, 10)
    assert arrays["error"].shape == arrays["predicted_error"].shape == (200, 201, 5)
    assert arrays["distances"].shape == (200, 201, 5, 5)
    for t in (0, 7, 200):
        assert lines[t]["norm"] == arrays["norm"][0, t] == flip.norm[t]
        np.testing.assert_array_equal(lines[t]["error"], arrays["error"][0, t])
        np.testing.assert_array_equal(lines[t]["parameters"], arrays["parameters"][0, t])
        np.testing.assert_array_equal(lines[t]["distances"], arrays["distances"][0, t])
    assert lines[3]["k"] == dict.fromkeys("abcde", 100)


def test_flip_turns_a_stable_network_into_a_collapsing_one(flip: Trajectory) -> None:
    said = flip.summary
    before, after = said["verdicts"]
    assert (before["collapses"], before["stable"]) == (["d", "e"], ["a", "b", "c"])
    assert after["collapses"] == ["a", "b", "c", "d", "e"]
    error = flip.arrays["error"].mean(axis=0)
    assert error[50, :3].max() < 1.15 * error[30, :3].max()  # settled
    assert (error[200, :3] > 1.6 * error[50, :3]).all()  # and growing again
    expected = flip.arrays["predicted_error"][0]
    slopes = np.diff(expected[-40:, :3], axis=0)
    assert slopes.min() > 0
    np.testing.assert_allclose(slopes[0], slopes[-1], rtol=0.05)  # linear growth
    for one in said["learners"]:
        assert abs(one["z"]) < 4
    for name in ("graph.png", "errors.png", "norm.png"):
        assert (flip.path / "figures" / name).read_bytes().startswith(PNG)


def test_pi_squared_over_six(tmp_path: Path) -> None:
    run = lwd.run("pi-squared-over-six", out=tmp_path / "run", replicates=60)
    expected = run.arrays["predicted_error"].mean(axis=(0, 2))
    sums = np.cumsum(1 / np.arange(1, 102) ** 2)
    np.testing.assert_allclose(expected / expected[0], sums, rtol=1e-9)
    assert run.summary["growth"] == pytest.approx(np.pi**2 / 6, rel=0.05)
    (verdict,) = run.summary["verdicts"]
    assert (verdict["basis"], verdict["collapses"]) == ("bound", [])
    grown = lwd.run("pi-squared-over-six", out=tmp_path / "replace", replicates=20,
                    regime="replace", steps=40)  # fmt: skip
    expected = grown.arrays["predicted_error"].mean(axis=(0, 2))
    np.testing.assert_allclose(expected / expected[0], np.arange(1, 42), rtol=1e-9)


def test_golden_ratio(tmp_path: Path) -> None:
    run = lwd.run("golden-ratio", out=tmp_path / "run")
    last = {one["name"]: one["error_last"] for one in run.summary["learners"]}
    assert min(last, key=lambda name: last[name]) == "golden"
    expected = {o["name"]: o["predicted_error_last"] for o in run.summary["learners"]}
    assert expected["golden"] == pytest.approx(0.618034 * 0.1, rel=1e-5)
    shares = lwd.run("golden-ratio", out=tmp_path / "shares", mixing="samples", replicates=300)
    pooled = {one["name"]: one["predicted_error_last"] for one in shares.summary["learners"]}
    assert min(pooled, key=lambda name: pooled[name]) == "w100"


KEYS: dict[str, Any] = {"placebo": True, "features": 4, "rows": 40}
ENGINES: list[dict[str, Any]] = [
    {"designs": "redrawn", "regime": "accumulate"},
    {"designs": "fixed"},
    {"estimator": "gaussian", "regime": "accumulate"},
    {"estimator": "mean", "regime": "accumulate-subsample"},
]


@pytest.mark.parametrize("engine", ENGINES)
def test_more_steps_and_more_replicates_extend_a_run(
    engine: dict[str, Any], tmp_path: Path
) -> None:
    path, keys = tmp_path / "run", {**KEYS, **engine}
    lwd.run("ring", out=path, steps=5, replicates=2, **keys)
    lwd.run("ring", out=path, steps=12, replicates=2, **keys)
    lwd.run("ring", out=path, steps=12, replicates=4, **keys)
    grown = lwd.run("ring", out=path, steps=20, replicates=5, **keys)
    assert_same(grown, lwd.run("ring", out=tmp_path / "whole", steps=20, replicates=5, **keys))
    assert len(grown.manifest["resumed"]) == 3
    with pytest.raises(BadInput, match=r"rows \(40 there, 41 here\)"):
        lwd.run("ring", out=path, steps=20, replicates=5, **{**keys, "rows": 41})


def killed_at_random(path: Path, seed: int, keys: dict[str, Any]) -> list[int]:
    """Run it in processes that are killed, until it is done; the blocks at each kill."""
    rng, counts = random.Random(seed), []
    while True:
        pid = os.fork()
        if pid == 0:
            from lwd_agents.worlds import graph

            graph._WORK = 1  # so that every step is committed alone
            lwd.run("ring", out=path, **keys)
            os._exit(0)
        if len(counts) < 8:
            time.sleep(rng.uniform(0.02, 0.3))
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        if not os.WIFSIGNALED(status):
            assert os.waitstatus_to_exitcode(status) == 0
            return counts
        counts.append(sum(1 for _ in path.rglob("*.npz")))


def test_kills_at_random_moments(tmp_path: Path) -> None:
    keys = {**KEYS, "steps": 150, "replicates": 3, "designs": "redrawn", "regime": "accumulate"}
    whole = lwd.run("ring", out=tmp_path / "whole", **keys)
    counts = killed_at_random(tmp_path / "killed", 5, keys)
    assert len(set(counts)) >= 3, counts
    assert_same(lwd.load(tmp_path / "killed"), whole)


def lwd_command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lwd_agents.cli", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=300)


def test_the_command_shows_verdict_simulation_and_expectation(tmp_path: Path) -> None:
    done = lwd_command(
        tmp_path, "run", "ring", "--set", "real.v1=0.1", "--set", "replicates=20", "--out", "run"
    )
    assert done.returncode == 0, done.stderr
    assert "verdict: no learner collapses: unbiased fits with proportional" in done.stdout
    assert "of the data was labelled by learners" in done.stdout
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith("  v")]
    assert len(rows) == 8
    assert {row[1] for row in rows} == {"stable"}
    for file in ("graph", "errors", "norm"):
        assert f"figure: run/figures/{file}.png" in done.stdout
    assert "Traceback" not in done.stderr
    again = lwd_command(tmp_path, "run", "ring", "--set", "real.v1=0.1", "--set", "replicates=20",
                        "--out", "run")  # fmt: skip
    assert "this run is complete" in again.stderr
    asked = json.loads(
        lwd_command(tmp_path, "run", "ring", "--json", "--quiet", "--steps", "3").stdout
    )
    assert asked["verdicts"][0]["collapses"] == [f"v{i}" for i in range(1, 9)]
    wrong = lwd_command(tmp_path, "run", "ring", "--set", "rows=9", "--out", "wrong")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert len(wrong.stderr.splitlines()) == 1
    assert not (tmp_path / "wrong").exists()


@pytest.mark.parametrize("given", [["--with-placebo"], ["--set", "draws=3"]])
def test_what_the_world_does_not_take_is_refused(given: list[str], tmp_path: Path) -> None:
    done = lwd_command(tmp_path, "run", "ring", "--out", "run", *given)
    assert (done.returncode, done.stdout) == (2, "")
    assert "placebo=true" in done.stderr or "did you mean 'draw'" in done.stderr


@pytest.mark.parametrize("work", [1, 10**12])  # a round a block, and all rounds in one
def test_a_fit_that_fails_on_the_way_keeps_every_round_before_it(
    work: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lwd_agents.worlds import graph

    monkeypatch.setattr(graph, "_WORK", work)
    keys: dict[str, Any] = {"estimator": "logistic", "rows": 60, "features": 10, "truth": 1.2,
                            "learners": 3, "steps": 60, "replicates": 3}  # fmt: skip
    with pytest.raises(RunStopped, match=r"round \d+: learner 'v\d' .*separable") as e:
        lwd.run("ring", out=tmp_path / "run", **keys)
    found = re.match(r"round (\d+).*rounds 0 to (\d+) are kept", str(e.value))
    assert found is not None
    failed, kept = map(int, found.groups())
    assert failed == kept + 1
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["status"] == "failed"
    assert "separable" in manifest["error"]
    committed = lwd.load(tmp_path / "run")
    assert len(committed) == failed
    assert np.isfinite(committed.arrays["error"]).all()
    with pytest.raises(RunStopped, match=f"round {failed}: "):  # again: it is the same round
        lwd.run("ring", out=tmp_path / "run", **keys)
    assert len(lwd.load(tmp_path / "run")) == failed
    short = lwd.run("ring", out=tmp_path / "short", **keys | {"steps": kept})
    assert (short.arrays["error"] == committed.arrays["error"]).all()


def test_a_large_network_is_run_and_its_graph_not_drawn(tmp_path: Path) -> None:
    run = lwd.run("ring", out=tmp_path / "run", learners=3000, steps=3, replicates=1, features=2)
    assert "distances" not in run.arrays  # over 256 MB
    assert run.rounds[0]["distances"] is None
    assert {file.name for file in (run.path / "figures").iterdir()} == {"errors.png", "norm.png"}
    assert len(run.summary["learners"]) == 1000
    assert run.summary["verdicts"][0]["applies"]
