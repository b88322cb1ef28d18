"""Runs that stop themselves: real models, killed and resumed, extended, forked, and a fake norm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import files_of
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.runnables import RunnableLambda

import lwd_agents as lwd
from lwd_agents import forking
from lwd_agents.config import read_experiment
from lwd_agents.errors import BadInput
from lwd_agents.inference.convergence import Row, follow
from lwd_agents.progress import Lines
from lwd_agents.trajectory import Trajectory
from lwd_agents.worlds.llm import LlmWorld
from lwd_agents.worlds.llm_stop import Stopping

RULE = {"rule": "converged", "margin": 2.5, "window": 2}
# At T = 9 and L = 12 this network of pocket models has converged at t = 1.
KEYS: dict[str, Any] = {"steps": 9, "draws": 12, "settings": ["internet.store=memory"]}


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Trajectory:
    """A pocket run that stopped itself; read it, don't change it."""
    return lwd.run("pocket", out=tmp_path_factory.mktemp("stop") / "run", stop=RULE, **KEYS)


def test_it_stops_when_it_has_converged_and_its_fresh_steps_are_run(stopped: Trajectory) -> None:
    told = stopped.manifest["stopped"]
    assert (told["rule"], told["at"], told["fresh"]) == ("converged", 1, [2, 3])
    assert (told["margin"], told["window"], told["alpha"]) == (2.5, 2, 0.05)
    assert stopped.manifest["status"] == "complete"
    assert len(stopped) == 4
    assert stopped.summary["stopped"] == told
    found = follow((E[None] for E in stopped.embeddings), 2.5, window=2, radius=1.0)
    assert (found.at, found.fresh) == (1, (2, 3))
    for line, test in zip(stopped.rounds, found.tests, strict=True):
        said = line["converged"]
        assert said["estimate"] == pytest.approx(test.estimate)
        assert said["se"] == pytest.approx(test.error)
        assert said["p"] == pytest.approx(test.p)
        assert (said["level"], said["rejected"]) == (test.level, test.rejected)
    assert [line["converged"]["row"] for line in stopped.rounds] == [1, 2, 3, 4]
    assert [line["converged"].get("ends") for line in stopped.rounds] == [None, 3, 3, 3]


def test_up_to_there_it_is_the_run_that_does_not_stop(stopped: Trajectory, tmp_path: Path) -> None:
    whole = lwd.run("pocket", out=tmp_path / "run", **{**KEYS, "steps": 3})
    assert files_of(whole.path)["responses.jsonl"] == files_of(stopped.path)["responses.jsonl"]
    assert "converged" not in whole.rounds[0]
    assert "stopped" not in whole.manifest


@pytest.mark.parametrize("kills", [(0, 1, 2), (3,)])
def test_stopped_from_outside_at_any_step_it_ends_the_same(
    kills: tuple[int, ...], stopped: Trajectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = LlmWorld.step
    for kill in kills:

        def step(self: LlmWorld, t: int, kill: int = kill) -> Any:
            if t == kill:
                raise KeyboardInterrupt
            return real(self, t)

        monkeypatch.setattr(LlmWorld, "step", step)
        with pytest.raises(KeyboardInterrupt):
            lwd.run("pocket", out=tmp_path / "run", stop=RULE, **KEYS)
    monkeypatch.setattr(LlmWorld, "step", real)
    again = lwd.run("pocket", out=tmp_path / "run", stop=RULE, **KEYS)
    assert files_of(again.path) == files_of(stopped.path)
    assert again.manifest["stopped"] == stopped.manifest["stopped"]


def fast(path: Path, **keys: Any) -> Trajectory:
    """A run of two quick models, to be judged by a made-up sequence of p-values."""
    models = {name: RunnableLambda(lambda given, n=name: f"{n} {given['query']}") for name in "ab"}
    phi = DeterministicFakeEmbedding(size=8)
    rule = {"rule": "converged", "margin": 1.0, "window": 2}
    how = {"agents": models, "embeddings": phi, "steps": 9, "draws": 3, "stop": rule, **keys}
    return lwd.run("pocket", out=path, settings=["internet.store=memory"], **how)


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Verdicts of steps 0, 1, ..., in place of the test's."""
    verdicts: list[bool] = []

    def judge(self: Stopping, t: int, arrays: Any, row: Row) -> dict[str, Any]:
        after = row.after(t, verdicts[t], self.window)
        ends = {} if after.at is None else {"at": after.at, "ends": after.at + self.window}
        return {"rejected": verdicts[t], "row": after.length, **ends}

    monkeypatch.setattr(Stopping, "judge", judge)
    return verdicts


def test_a_row_that_breaks_and_a_last_step_that_comes_first(
    judged: list[bool], tmp_path: Path
) -> None:
    judged += [True, False, True, True, False, False, True, True, True, True]
    run = fast(tmp_path / "run")
    assert len(run) == 6  # converged at 3; 4 and 5 are fresh, whatever they show
    assert run.manifest["stopped"]["fresh"] == [4, 5]
    short = fast(tmp_path / "short", steps=4)
    assert len(short) == 5
    assert short.manifest["stopped"]["fresh"] == [4, 5]
    longer = fast(tmp_path / "short", steps=8)
    assert files_of(longer.path) == files_of(run.path)
    never = fast(tmp_path / "never", steps=2)
    assert len(never) == 3
    assert "stopped" not in never.manifest
    assert "stopped" not in never.summary


def test_the_same_command_says_that_it_is_complete(
    stopped: Trajectory, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    stamp = (stopped.path / "manifest.json").read_bytes()
    for steps in (9, 30):
        lwd.run(
            "pocket",
            out=stopped.path,
            stop=RULE,
            progress=Lines(sys.stderr),
            **{**KEYS, "steps": steps},
        )
        assert "converged at t = 1 and stopped itself" in capsys.readouterr().err
    assert (stopped.path / "manifest.json").read_bytes() == stamp
    with pytest.raises(BadInput, match=r"stop\.margin \(2\.5 there, 2\.0 here\)"):
        lwd.run("pocket", out=stopped.path, stop={**RULE, "margin": 2.0}, **KEYS)
    with pytest.raises(BadInput, match="stop"):
        lwd.run("pocket", out=stopped.path, **KEYS)


def test_progress_shows_the_new_end(
    judged: list[bool], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    judged += [True] * 10
    fast(tmp_path / "run", progress=Lines(sys.stderr))
    said = capsys.readouterr().err
    assert "step 0/9 " in said
    assert "step 1/3 " in said
    assert "converged at t = 1: fresh steps to t = 3" in said


@pytest.mark.slow
def test_a_fork_is_judged_by_its_own_rule(stopped: Trajectory, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="stop=null"):
        forking.fork(stopped.path, at=4, out=tmp_path / "none", steps=6)
    on = forking.fork(stopped.path, at=4, out=tmp_path / "on", steps=5, settings=["stop=null"])
    assert len(on) == 6
    assert not any("converged" in line for line in on.rounds)
    same = forking.fork(stopped.path, at=2, out=tmp_path / "same")
    assert files_of(same.path) == files_of(stopped.path)
    other = forking.fork(stopped.path, at=2, out=tmp_path / "other", settings=["stop.window=3"])
    assert other.manifest["stopped"]["at"] == 2
    assert len(other) == 6
    assert "converged" not in other.rounds[1]


def test_how_it_is_written() -> None:
    def stop(*settings: str, **keys: Any) -> Any:
        described = read_experiment("pocket", settings)
        for key, value in keys.items():
            described.put(key, value, key)
        rule = described.resolve().stop  # type: ignore[union-attr]
        return rule and rule.model_dump()

    whole = {"rule": "converged", "margin": 0.3, "window": 5, "alpha": 0.05}
    assert stop() is None
    assert stop("stop=null") is None
    assert stop("stop=converged") == {**whole, "margin": None}
    assert stop("stop=converged", "stop.margin=0.3") == whole
    assert stop("stop.margin=0.3", "stop=converged") == whole
    assert stop("stop.margin=0.3") == whole
    assert stop("stop={rule: converged, margin: 0.3}") == whole
    assert stop("stop=converged", "stop=null") is None
    assert stop(stop="converged") == {**whole, "margin": None}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["stop.margin=0"], r"stop\.margin: 0: input should be greater than 0"),
        (["stop.margin=.inf"], r"stop\.margin: inf"),
        (["stop.window=0"], r"stop\.window: 0: input should be greater than or equal to 1"),
        (["stop.alpha=1"], r"stop\.alpha: 1"),
        (["stop=later"], "'later': input should be 'converged'"),
        (["stop.margn=1"], r"did you mean 'margin'"),
        (["stop=converged", "embedding.normalize=false"], r"stop\.margin: .* not normalised"),
        (["stop=converged", "draws=2"], r"draws: 2, but stop tests"),
    ],
)
def test_what_cannot_be_a_rule(settings: list[str], said: str) -> None:
    with pytest.raises(BadInput, match=said) as error:
        read_experiment("pocket", settings).resolve()
    assert "\n" not in str(error.value)


def test_a_margin_for_embeddings_of_ones_own(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"stop\.margin: whether embeddings of your own"):
        fast(tmp_path / "run", stop="converged")
    assert not (tmp_path / "run").exists()


def test_two_agents_that_always_say_the_same_cannot_be_told_without_a_radius(
    tmp_path: Path,
) -> None:
    models = {name: RunnableLambda(lambda given: "the same") for name in "ab"}
    phi = DeterministicFakeEmbedding(size=8)
    rule = {"margin": 1.0, "window": 1}
    keys = {"agents": models, "embeddings": phi, "steps": 2, "draws": 3, "stop": rule}
    run = lwd.run("pocket", out=tmp_path / "run", settings=["internet.store=memory"], **keys)
    assert len(run) == 3
    for line in run.rounds:
        said = line["converged"]
        assert (said["estimate"], said["se"], said["p"]) == (0.0, 0.0, 1.0)
    assert np.all(run.norm == 0.0)
    json.dumps(run.summary, allow_nan=False)
