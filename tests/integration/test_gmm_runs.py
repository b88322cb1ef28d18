"""Runs of the world ``gmm`` on disk: presets, figures, extensions, kills, what a person sees."""

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

import numpy as np
import pytest
from conftest import heed_interrupts
from numeric_runs import PNG, assert_same, rounds_of

import lwd_agents as lwd
from lwd_agents.blocks import WHOLE
from lwd_agents.errors import BadInput
from lwd_agents.trajectory import Trajectory


@pytest.fixture(scope="module")
def figure4(tmp_path_factory: pytest.TempPathFactory) -> Trajectory:
    return lwd.run("figure4", out=tmp_path_factory.mktemp("gmm") / "figure4")


def test_the_directory_keeps_the_contract(figure4: Trajectory) -> None:
    assert {entry.name for entry in figure4.path.iterdir()} == {
        ".lock",
        "manifest.json",
        "rounds.jsonl",
        WHOLE,
        "summary.json",
        "figures",
    }
    manifest = figure4.manifest
    assert (manifest["world"], manifest["status"], manifest["agents"]) == (
        "gmm",
        "complete",
        ["g1", "g2", "g3"],
    )
    assert {"numba", "numpy", "python"} <= manifest["versions"].keys()
    lines = rounds_of(figure4.path)
    assert [line["t"] for line in lines] == list(range(201))
    assert lines[10]["internet_size"] == lines[10]["synthetic"] == 90
    assert lines[10]["k"] == {"g1": 45, "g2": 45, "g3": 45}
    arrays = figure4.arrays
    assert arrays["norm"].shape == arrays["predicted_rms"].shape == (5, 201)
    assert arrays["weights"].shape == (5, 201, 3, 2)
    assert arrays["distances"].shape == (5, 201, 3, 3)
    for t in (0, 7, 200):
        assert lines[t]["norm"] == arrays["norm"][0, t] == figure4.norm[t]
        np.testing.assert_array_equal(lines[t]["weights"], arrays["weights"][0, t])
        np.testing.assert_array_equal(lines[t]["distances"], arrays["distances"][0, t])


def test_figure4_is_the_papers(figure4: Trajectory) -> None:
    summary = figure4.summary
    assert summary["norm_rms_last"] < 0.1 < summary["norm_rms_first"]
    assert summary["theory"]["applies"] is True
    assert summary["theory"]["predicted_rms_last"] == pytest.approx(0.038, abs=0.002)
    names = {file.name for file in (figure4.path / "figures").iterdir()}
    assert names == {"figure4-norm.png", "figure5-histograms.png"}
    for file in (figure4.path / "figures").iterdir():
        assert file.read_bytes().startswith(PNG)


def test_prediction_and_placebo_are_drawn(tmp_path: Path) -> None:
    from lwd_agents.report.figures.gmm import histograms_figure, norm_figure

    run = lwd.run("figure4", out=tmp_path / "run", placebo=True, steps=30)
    labels = norm_figure(run).axes[0].get_legend_handles_labels()[1]
    assert any("root mean square, models' posts" in label for label in labels)
    assert any("root mean square, placebo" in label for label in labels)
    assert sum("predicted" in label for label in labels) == 2
    assert any("mean field" in label for label in labels)
    titles = [axes.get_title() for axes in histograms_figure(run).axes]
    assert titles[0] == "g1, t = 1"
    assert titles[-1] == "g3, t = 30"
    assert {"placebo_norm", "placebo_weights", "placebo_predicted_rms"} <= run.arrays.keys()
    assert rounds_of(run.path)[3]["placebo_norm"] == run.arrays["placebo_norm"][0, 3]


@pytest.mark.parametrize("preset", ["figure5", "figure6"])
def test_the_other_presets(preset: str, tmp_path: Path) -> None:
    run = lwd.run(preset, out=tmp_path / "run", steps=40)
    assert len(run.norms) == 1
    components = {"figure5": 2, "figure6": 11}[preset]
    assert run.arrays["weights"].shape == (1, 41, 3, components)
    assert run.norm[-1] < run.norm[0]
    if preset == "figure6":
        assert "5 standard deviations apart" in run.summary["theory"]["refused"]
        assert "predicted_rms" not in run.arrays


def test_more_steps_and_more_replicates_extend_a_run(tmp_path: Path) -> None:
    path = tmp_path / "run"
    lwd.run("figure4", out=path, steps=20, replicates=2, placebo=True)
    lwd.run("figure4", out=path, steps=50, replicates=2, placebo=True)
    lwd.run("figure4", out=path, steps=50, replicates=4, placebo=True)
    grown = lwd.run("figure4", out=path, steps=70, replicates=9, placebo=True)
    whole = lwd.run("figure4", out=tmp_path / "whole", steps=70, replicates=9, placebo=True)
    assert_same(grown, whole)
    assert len(grown.manifest["resumed"]) == 3
    with pytest.raises(BadInput, match=r"replicates \(9 there, 5 here\)"):
        lwd.run("figure4", out=path, steps=70, replicates=5, placebo=True)
    with pytest.raises(BadInput, match="epsilon"):
        lwd.run("figure4", out=path, steps=70, replicates=9, placebo=True, epsilon=0.01)


def killed_at_random(path: Path, seed: int, keys: dict[str, object]) -> list[int]:
    """Run it in processes that are killed, until it is done; the blocks at each kill."""
    rng, counts = random.Random(seed), []
    while True:
        pid = os.fork()
        if pid == 0:
            from lwd_agents.worlds import gmm

            gmm._UPDATES = 5_000  # so that nearly every step is committed alone
            lwd.run("figure4", out=path, **keys)
            os._exit(0)
        if len(counts) < 12:
            time.sleep(rng.uniform(0.01, 0.15))
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        if not os.WIFSIGNALED(status):
            assert os.waitstatus_to_exitcode(status) == 0
            return counts
        counts.append(sum(1 for _ in path.rglob("*.npz")))


@pytest.mark.parametrize("moving", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_kills_at_random_moments(tmp_path: Path, moving: bool) -> None:
    keys: dict[str, object] = {"steps": 150, "replicates": 6, "placebo": True}
    if moving:
        keys |= {"moving": {"means": True}, "steps": 60, "replicates": 3}
    for steps in (2, 4):  # compiles what a run and a resumed one need, before the forks
        lwd.run("figure4", out=tmp_path / "warm", **{**keys, "steps": steps})
    whole = lwd.run("figure4", out=tmp_path / "whole", **keys)
    counts = killed_at_random(tmp_path / "killed", 3, keys)
    assert len(set(counts)) >= 3, counts
    assert_same(lwd.load(tmp_path / "killed"), whole)


def test_lines_torn_by_a_kill(tmp_path: Path) -> None:
    whole = lwd.run("figure4", out=tmp_path / "whole", steps=30)
    torn = lwd.run("figure4", out=tmp_path / "torn", steps=30)
    arrays = {n: torn.arrays[n] for n in ("norm", "clips", "weights")}
    (torn.path / WHOLE).unlink()
    (torn.path / "arrays").mkdir()
    np.savez(torn.path / "arrays" / "00000-00030.npz", **arrays)
    lines = (torn.path / "rounds.jsonl").read_bytes()
    (torn.path / "rounds.jsonl").write_bytes(lines[: len(lines) // 2])
    manifest = json.loads((torn.path / "manifest.json").read_text())
    (torn.path / "manifest.json").write_text(json.dumps({**manifest, "status": "running"}))
    assert_same(lwd.run("figure4", out=torn.path, steps=30), whole)


def test_the_command_shows_what_it_does_and_goes_on_after_an_interrupt(tmp_path: Path) -> None:
    settings = ["models=300", "replicates=1", "steps=100"]
    command = [sys.executable, "-m", "lwd_agents.cli", "run", "figure4", "--out", "run"]
    command += [word for setting in settings for word in ("--set", setting)]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, cwd=tmp_path, preexec_fn=heed_interrupts
    )
    rounds = tmp_path / "run" / "rounds.jsonl"
    while process.poll() is None and not (rounds.is_file() and rounds.stat().st_size):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    again = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert again.returncode == 0, again.stderr
    assert "steps were there already" in again.stderr
    assert re.search(r"step 100/100  \|\|D\|\|_F 0\.\d{4}  \|A\| 90000  \d:\d\d left", again.stderr)
    assert "theory: 0." in again.stdout
    assert "--set placebo=true" in again.stdout
    whole = lwd.run("figure4", out=tmp_path / "whole", settings=settings)
    assert_same(lwd.load(tmp_path / "run"), whole)


def test_json_and_set(tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "lwd_agents.cli", "run", "figure4", "--json", "--quiet",
         "--set", "replicates=1000", "--set", "steps=20", "--out", str(tmp_path / "run")],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    summary = json.loads(found.stdout)
    assert summary["replicates"] == 1000
    assert summary["norm_rms_last"] == pytest.approx(
        summary["theory"]["predicted_rms_last"], rel=0.06
    )
    assert found.stderr == ""


@pytest.mark.parametrize("name", ["agents", "retriever", "embeddings", "callbacks"])
def test_arguments_of_the_other_world_are_refused(name: str, tmp_path: Path) -> None:
    value = {"agents": {"a": object()}, "callbacks": [object()]}.get(name, object())
    with pytest.raises(BadInput, match=r"agents|takes none"):
        lwd.run("figure4", out=tmp_path / "run", **{name: value})
    assert not (tmp_path / "run").exists()


def test_arrays_that_are_gone_or_were_never_there(tmp_path: Path) -> None:
    run = lwd.run("figure4", out=tmp_path / "run", steps=5)
    with pytest.raises(BadInput, match="no array 'means' in this run \\(there: norm"):
        run.replicated("means")
    (run.path / WHOLE).unlink()
    with pytest.raises(BadInput, match=r"arrays of steps 0 \.\. 5 are gone"):
        _ = lwd.load(run.path).norms
    with pytest.raises(BadInput, match="are gone"):
        lwd.run("figure4", out=run.path, steps=9)


def test_the_closing_words_say_what_was_clipped_and_where_one_point_was_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from lwd_agents.report.closing import closing

    keys = {"steps": 30, "posts_per_step": 1, "reading": {"beta": 0.3}, "readership": "ring"}
    run = lwd.run("figure4", out=tmp_path / "run", **keys)
    closing(run)
    said = " ".join(capsys.readouterr().out.split())
    clips = run.arrays["clips"].sum()
    assert clips > 0
    assert run.summary["clips"] == clips
    assert f"over all replicates: {clips:,}." in said
    assert "k_t = 1 at t = 2" in said
    assert "theory: no prediction is drawn: the readership is not complete." in said


def test_figures_of_points_in_a_plane_and_of_many_models(tmp_path: Path) -> None:
    from lwd_agents.report.figures.gmm import histograms_figure

    plane = {"means": [[0, 0], [9, 1]], "covariance": [[2, 0.5], [0.5, 1]], "models": 8}
    figure = histograms_figure(lwd.run("figure4", out=tmp_path / "run", steps=4, **plane))
    assert len(figure.axes) == 2 * 6
    assert figure.axes[-1].get_xlabel() == "$x_1$"
    assert "the first 6" in figure.get_suptitle()
