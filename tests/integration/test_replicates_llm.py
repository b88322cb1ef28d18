"""Replicates of an LLM network: each is that replicate alone, whatever happens on the way."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import files_of
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.runnables import RunnableLambda
from scipy import stats

import lwd_agents as lwd
from lwd_agents import replicated
from lwd_agents.cli import _call
from lwd_agents.engine import Round
from lwd_agents.errors import BadInput, RunStopped
from lwd_agents.journal import Journal
from lwd_agents.ledger import read_totals
from lwd_agents.progress import Silent
from lwd_agents.replicated import replicate_seed
from lwd_agents.report.closing import closing, closing_pair
from lwd_agents.trajectory import Trajectory

SMALL: dict[str, Any] = {"steps": 2, "draws": 2}
MEMORY = {"seed": "crypto", "store": "memory"}
PHI = DeterministicFakeEmbedding(size=8)


def pocket(path: Path, **keys: Any) -> Trajectory:
    return lwd.run("pocket", out=path, **{**SMALL, "internet": MEMORY, **keys})


def reader(name: str) -> RunnableLambda[Any, str]:
    return RunnableLambda(lambda given: f"{name} read: {given['posts'][:60]}")


def quick(path: Path, **keys: Any) -> Trajectory:
    """Models that answer at once, as a function of what they read."""
    agents = {"a": reader("a"), "b": reader("b")}
    given = {"agents": agents, "embeddings": PHI, "replicates": 3, **keys}
    return lwd.run("pocket", out=path, **{**SMALL, "internet": MEMORY, **given})


def all_files(path: Path) -> list[dict[str, bytes]]:
    return [files_of(run.path) for run in lwd.load(path).runs]


def statuses(path: Path) -> list[str]:
    """Of the whole, and of each replicate that has begun."""
    whole = lwd.load(path)
    return [run.manifest["status"] for run in (whole, *whole.replicates)]


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most of the time of a short run goes into its figures, which most tests don't look at."""
    monkeypatch.setattr("lwd_agents.report.figures.drawing.draw_figures", lambda *_: [])


class Interrupt(BaseCallbackHandler):
    """Raises after some rounds of this process were committed."""

    raise_error = True

    def __init__(self, error: BaseException, after: int) -> None:
        self.error, self.left = error, after

    def on_custom_event(self, name: str, data: Any, **kwargs: Any) -> None:
        if name == "lwd.round" and not data["replayed"]:
            self.left -= 1
            if not self.left:
                raise self.error


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Trajectory:
    return pocket(tmp_path_factory.mktemp("replicates") / "run", replicates=3)


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Trajectory:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lwd_agents.report.figures.drawing.draw_figures", lambda *_: [])
        return quick(tmp_path_factory.mktemp("quick") / "run", steps=4)


@pytest.mark.usefixtures("no_figures")
def test_each_replicate_is_that_replicate_alone(whole: Trajectory, tmp_path: Path) -> None:
    seeds = whole.manifest["seeds"]
    assert seeds[0] == 0
    for r in (2, 0):  # not in the order in which they were run
        alone = pocket(tmp_path / f"alone-{r}", seed=seeds[r])
        assert files_of(alone.path) == files_of(whole.path / f"replicate-{r:03d}")
        assert alone.manifest["config"] == whole.replicates[r].manifest["config"]
    texts = {files["responses.jsonl"] for files in all_files(whole.path)}
    assert len(texts) == 3
    again = lwd.run(whole.replicates[1].manifest["config"], out=tmp_path / "as-it-says")
    assert files_of(again.path) == files_of(whole.replicates[1].path)


def test_seeds_are_whole_numbers_that_every_format_keeps() -> None:
    seeds = [replicate_seed(seed, r) for seed in (0, 1, -5, 10**20) for r in range(1, 200)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 < seed < 2**53 and int(float(seed)) == seed for seed in seeds)
    assert replicate_seed(7, 0) == 7


def test_the_directory_keeps_the_contract(whole: Trajectory) -> None:
    replicates = {f"replicate-{r:03d}" for r in range(3)}
    own = {".lock", "manifest.json", "summary.json", "figures"}
    assert {entry.name for entry in whole.path.iterdir()} == own | replicates
    assert (whole.manifest["status"], whole.manifest["config"]["replicates"]) == ("complete", 3)
    assert whole.manifest["agents"] == ["north", "east", "south"]
    for r, run in enumerate(whole.replicates):
        config = run.manifest["config"]
        assert (config["replicates"], config["seed"]) == (1, whole.manifest["seeds"][r])
        assert run.manifest["status"] == "complete"
        assert {"rounds.jsonl", "summary.json", "figures"} <= {f.name for f in run.path.iterdir()}


def test_what_is_read_back(whole: Trajectory) -> None:
    assert whole.norms.shape == (3, 3)
    for r, run in enumerate(whole.runs):
        np.testing.assert_array_equal(whole.norms[r], run.norm)
        assert (run.runs, run.replicates, run.norms.shape) == ((run,), (), (1, 3))
    first = whole.runs[0]
    np.testing.assert_array_equal(whole.norm, first.norm)
    np.testing.assert_array_equal(whole.embeddings, first.embeddings)
    assert whole.responses().equals(first.responses())
    assert len(whole) == 3


def test_the_summary_is_of_all(whole: Trajectory) -> None:
    said = whole.summary
    assert said["replicates"] == 3
    for name, t in (("norm_first", 0), ("norm_last", 2)):
        values = [run.norm[t] for run in whole.runs]
        assert said[f"{name}_mean"] == pytest.approx(np.mean(values))
        assert said[f"{name}_se"] == pytest.approx(stats.sem(values))
        assert said[name] == values[0]
        assert [row[name] for row in said["by_replicate"]] == values
    assert [row["seed"] for row in said["by_replicate"]] == whole.manifest["seeds"]
    each = [read_totals(run.path) for run in whole.runs]
    assert said["spent"]["calls"] == sum(spent.calls for spent in each) == 3 * 3 * 3
    assert said["spent"]["output_tokens"] == sum(spent.output_tokens for spent in each)
    assert said["tokens"]["output"] == sum(run.summary["tokens"]["output"] for run in whole.runs)
    texts = [text for run in whole.runs for text in run.responses()["text"]]
    assert (said["responses"], said["different_texts"]) == (len(texts), len(set(texts)))


@pytest.mark.usefixtures("no_figures")
def test_more_steps_and_more_replicates_extend_a_run(straight: Trajectory, tmp_path: Path) -> None:
    path = tmp_path / "run"
    quick(path, replicates=2)
    stamp = (path / "replicate-001" / "manifest.json").read_bytes()
    quick(path, replicates=3)
    assert (path / "replicate-001" / "manifest.json").read_bytes() == stamp
    grown = quick(path, steps=4)
    assert all_files(path) == all_files(straight.path)
    assert grown.manifest["seeds"] == straight.manifest["seeds"]
    assert [list(entry["config"]) for entry in grown.manifest["resumed"]] == [
        ["replicates"],
        ["steps"],
    ]
    before = (path / "manifest.json").read_bytes()
    quick(path, steps=4)
    assert (path / "manifest.json").read_bytes() == before
    for keys, words in (
        ({"replicates": 2, "steps": 4}, r"replicates \(3 there, 2 here\)"),
        ({"replicates": 1, "steps": 4}, r"replicates \(3 there, 1 here\)"),
        ({"steps": 3}, r"steps \(4 there, 3 here\)"),
        ({"steps": 4, "draws": 5}, r"draws \(2 there, 5 here\)"),
        ({"steps": 4, "seed": 1}, r"seed \(0 there, 1 here\)"),
    ):
        with pytest.raises(BadInput, match=words):
            quick(path, **keys)
    assert statuses(path) == ["complete"] * 4


@pytest.mark.usefixtures("no_figures")
def test_one_run_becomes_the_first_of_several(
    straight: Trajectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run"
    quick(path, replicates=1, internet={"seed": "crypto", "store": "chroma"})
    with pytest.raises(BadInput, match=r"internet\.store"):
        quick(path)
    chroma = {"internet": {"seed": "crypto", "store": "chroma"}}
    move_in = replicated._move_in

    def torn(path: Path) -> None:
        (path / "embeddings").replace(path / "replicate-000" / "embeddings")
        raise KeyboardInterrupt

    monkeypatch.setattr(replicated, "_move_in", torn)
    with pytest.raises(KeyboardInterrupt):
        quick(path, **chroma)
    assert lwd.load(path).manifest["status"] == "stopped"
    monkeypatch.setattr(replicated, "_move_in", move_in)
    quick(path, **chroma)
    assert not (path / "rounds.jsonl").exists()
    longer = quick(path, steps=4, **chroma)
    assert all_files(path) == all_files(straight.path)
    assert longer.manifest["created"] == longer.runs[0].manifest["created"]


@pytest.mark.usefixtures("no_figures")
def test_an_interrupt_and_a_failure_are_said_and_the_run_goes_on(
    straight: Trajectory, tmp_path: Path
) -> None:
    path = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        quick(path, steps=4, callbacks=[Interrupt(KeyboardInterrupt(), 7)])
    assert statuses(path) == ["stopped", "complete", "stopped"]
    half = lwd.load(path)
    assert [len(run) for run in half.runs] == [5, 2]
    assert half.norms.shape == (2, 5)
    assert np.isnan(half.norms).tolist() == [[False] * 5, [False] * 2 + [True] * 3]
    assert half.summary == {}
    with pytest.raises(ValueError, match="my own"):
        quick(path, steps=4, callbacks=[Interrupt(ValueError("my own"), 5)])
    assert statuses(path) == ["failed", "complete", "complete", "failed"]
    assert "my own" in lwd.load(path).manifest["error"]
    quick(path, steps=4)
    assert statuses(path) == ["complete"] * 4
    assert lwd.load(path).manifest["error"] is None
    assert all_files(path) == all_files(straight.path)


def killed_after(path: Path, steps: int, delay: float) -> bool:
    """One process that is killed once it has committed so many steps; False if it ended before."""
    before, pid = lines_of(path), os.fork()
    if pid == 0:
        quick(path, steps=4)
        os._exit(0)
    while lines_of(path) < before + steps and not has_ended(pid):
        time.sleep(0.001)
    time.sleep(delay)
    os.kill(pid, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


def has_ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def lines_of(path: Path) -> int:
    return sum(file.read_bytes().count(b"\n") for file in path.glob("*/rounds.jsonl"))


@pytest.mark.usefixtures("no_figures")
def test_kills_at_random_moments(straight: Trajectory, tmp_path: Path) -> None:
    path, rng, left = tmp_path / "run", random.Random(1), []
    while killed_after(path, rng.randint(0, 3), rng.uniform(0.0, 0.02)):
        left.append(lines_of(path))
    assert len(set(left)) >= 4, left
    assert all_files(path) == all_files(straight.path)
    assert statuses(path) == ["complete"] * 4


@pytest.mark.usefixtures("no_figures")
def test_limits_are_of_all_replicates_together(straight: Trajectory, tmp_path: Path) -> None:
    spent = [read_totals(run.path).tokens for run in straight.runs]
    limit = spent[0] + spent[1] // 2
    path = tmp_path / "run"
    with pytest.raises(RunStopped, match=rf"limits\.tokens: .* of {limit:,} tokens are used"):
        quick(path, steps=4, limits={"tokens": limit})
    assert spent[0] < read_totals(path).tokens <= limit
    assert statuses(path) == ["failed", "complete", "failed"]
    with pytest.raises(RunStopped, match=r"limits\.tokens"):
        quick(path, steps=4, limits={"tokens": limit + 1})
    quick(path, steps=4)
    assert all_files(path) == all_files(straight.path)


@pytest.mark.usefixtures("no_figures")
def test_a_placebo_of_a_replicate_is_that_of_its_seed(tmp_path: Path) -> None:
    inflow = [{"name": "bots", "per_step": 1, "kind": "noise", "posts": "noise"}]
    for keys in ({"placebo": True}, {"inflow": inflow}):
        path = tmp_path / next(iter(keys))
        both = quick(path / "both", replicates=2, **keys)
        alone = quick(path / "alone", replicates=1, seed=both.manifest["seeds"][1], **keys)
        assert all_files(both.path)[1] == files_of(alone.path)


@pytest.mark.usefixtures("no_figures")
def test_progress_is_a_share_of_the_whole(tmp_path: Path) -> None:
    class Told(Silent):
        def __init__(self) -> None:
            self.done: list[float | None] = []
            self.phases: list[str] = []

        def phase(self, text: str) -> None:
            self.phases.append(text)

        def round(self, round: Round, steps: int) -> None:
            self.done.append(round.done)

    first, more = Told(), Told()
    quick(tmp_path / "run", replicates=2, progress=first)
    np.testing.assert_allclose(first.done, np.arange(1, 7) / 6)
    assert any(phase.startswith("replicate 2 of 2: ") for phase in first.phases)
    quick(tmp_path / "run", replicates=3, progress=more)  # one is left to be run, and is the whole
    np.testing.assert_allclose(more.done, np.arange(1, 4) / 3)


def test_a_lock_keeps_a_second_process_off(whole: Trajectory) -> None:
    journal = Journal(whole.path)
    with pytest.raises(BadInput, match="another process is running in it"):
        pocket(whole.path, replicates=4)
    journal.close()


@pytest.mark.usefixtures("no_figures")
def test_a_fork_is_of_one_replicate(straight: Trajectory, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"fork one of them, as .*replicate-000$"):
        lwd.fork(straight.path, at=1, out=tmp_path / "fork")
    agents = {"a": reader("a"), "b": reader("b")}
    parent = quick(tmp_path / "one", replicates=1, embeddings=None)
    fork = lwd.fork(parent.path, at=1, out=tmp_path / "fork", agents=agents)
    with pytest.raises(BadInput, match="a fork, whose replicates would not have its parent's"):
        quick(fork.path, embeddings=None)
    assert not (fork.path / "replicate-000").exists()


@pytest.mark.usefixtures("no_figures")
def test_the_command_line_with_its_placebo(
    whole: Trajectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    out = tmp_path / "run"
    command = ["lwd", "run", "--steps", "2", "--set", "draws=2", "--set", "replicates=2"]
    command += ["--with-placebo", "--out", str(out)]
    monkeypatch.setattr("sys.argv", [*command, "--json"])
    assert _call() == 0
    shown = capsys.readouterr()
    both = json.loads(shown.out)
    assert both["live"]["replicates"] == both["placebo"]["replicates"] == 2
    assert (both["live"]["synthetic_share"], both["placebo"]["synthetic_share"]) == (6 / 26, 0.0)
    assert "replicate 2 of 2: pocket: 3 agents" in shown.err
    live, placebo = lwd.load(out), lwd.load(f"{out}-placebo")
    np.testing.assert_array_equal(live.norms, whole.norms[:2])  # Chroma or memory: the same run
    assert placebo.manifest["seeds"] == live.manifest["seeds"]
    closing_pair(live, placebo)
    said = capsys.readouterr().out
    fell = [run.norm[2] - run.norm[0] for run in (*live.runs, *placebo.runs)]
    assert f"{np.mean(fell[:2]) - np.mean(fell[2:]):+.4f} (mean of 2 pairs, no inference)" in said
    monkeypatch.setattr("sys.argv", ["lwd", "fork", str(out), "--at", "1", "--out", "x"])
    assert _call() == 2
    assert "several replicates; fork one of them" in capsys.readouterr().err


def test_the_closing_words_say_mean_and_spread(whole: Trajectory, capsys: Any) -> None:
    closing(whole)
    said = " ".join(capsys.readouterr().out.split())
    first, last = whole.norms[:, 0], whole.norms[:, -1]
    assert f"||D||_F: {first.mean():.4f} at t = 0, {last.mean():.4f} at t = 2" in said
    errors = f"{stats.sem(first):.4f} and {stats.sem(last):.4f}"
    assert f"means over 3 replicates, standard errors {errors}" in said


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["replicates=0"], "--set replicates=0: replicates: 0: input should be greater than"),
        (["replicates=many"], "--set replicates=many: replicates: 'many'"),
        (["replicates=2.5"], "--set replicates=2.5: replicates: 2.5"),
        (
            ["replicates=2", "internet.store=chroma+http://127.0.0.1:1"],
            "--set replicates=2: replicates: 2 of them would hear each other",
        ),
    ],
)
def test_bad_numbers_of_replicates_are_one_line(
    settings: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    laid = [part for setting in settings for part in ("--set", setting)]
    monkeypatch.setattr("sys.argv", ["lwd", "run", "--out", str(tmp_path / "run"), *laid])
    assert _call() == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
    assert not (tmp_path / "run").exists()


def test_an_estimate_is_of_all_replicates(whole: Trajectory) -> None:
    one, three = (lwd.estimate("pocket", replicates=r, **SMALL) for r in (1, 3))
    assert three.expected.prompt_tokens == 3 * one.expected.prompt_tokens
    assert three.expected.requests == whole.summary["spent"]["calls"]
    assert three.most.completion_tokens == 3 * one.most.completion_tokens
    limit = one.expected.prompt_tokens + one.expected.completion_tokens + 1
    (stop,) = lwd.estimate("pocket", replicates=3, limits={"tokens": limit}, **SMALL).stops
    assert (stop.replicate, stop.t, stop.certain) == (1, 0, True)
