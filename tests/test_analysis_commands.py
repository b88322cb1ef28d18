"""``lwd test``, ``lwd plan`` and ``lwd measure`` on the command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_runs import made_run, network

import lwd_agents as lwd
from lwd_agents import cli


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["lwd", *map(str, arguments)])
    return cli._call()


@pytest.fixture(scope="module")
def eight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight pairs, laid out as ``--set replicates=8 --with-placebo`` does."""
    folder = tmp_path_factory.mktemp("eight")
    for r in range(8):
        live = network(8, draws=8, key=300 + r, fall=0.7)
        placebo = network(8, draws=8, key=400 + r)
        live[0] = placebo[0]
        made_run(folder / "p" / f"replicate-{r:03d}", live, seed=r)
        made_run(folder / "p-placebo" / f"replicate-{r:03d}", placebo, seed=r, placebo=True)
    return folder / "p"


def test_a_folder_of_replicates_is_tested_with_the_placebos_beside_it(
    eight: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "test", eight) == 0
    said = capsys.readouterr()
    assert "8 runs, 8 placebos (8 matched pairs)" in said.out
    assert "VERDICT: Consensus" in said.out
    assert said.err == ""
    assert call(monkeypatch, "test", eight, "--json", "--at", "none") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["conditions"][0]["collapse"]["finding"] == "consensus"
    assert found["steps"] == []


def test_a_plan_is_printed_and_given_as_json(
    eight: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "plan", eight, "--effect", "0.3", "--draws", "8,32") == 0
    said = capsys.readouterr().out
    assert "8 matched pairs, L = 8, M = 1" in said
    assert call(monkeypatch, "plan", eight, "--effect", "0.3", "--draws", "8,32", "--json") == 0
    plan = json.loads(capsys.readouterr().out)["plan"]
    few, many = plan["options"]
    assert (few["draws"], many["draws"]) == (8, 32)
    assert 6 <= many["pairs"] <= few["pairs"]
    assert few["responses"] == 2 * few["pairs"] * 8 * 3 * 8


def test_a_plan_rests_on_the_deltas_of_the_verdict(eight: Path) -> None:
    plan = lwd.plan(eight, 0.3, draws=[8])
    verdict = lwd.test(eight, at="none", write=False).conditions[0].collapse
    assert verdict is not None
    deltas = verdict.quantities[0].deltas
    assert plan.components.total == pytest.approx(np.var(deltas, ddof=1))
    # the draws are all the noise there is, but for what chance adds
    assert plan.components.draw(8) == pytest.approx(plan.components.total, rel=0.9)
    assert (plan.dollars, plan.seconds) == (0.0, 0.0)


def test_measures_are_printed_and_written(
    eight: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = eight / "replicate-000"
    assert call(monkeypatch, "measure", run, "--out", tmp_path / "tables") == 0
    assert "within" in capsys.readouterr().out
    steps = pd.read_csv(tmp_path / "tables" / "steps.csv", index_col="t")
    assert len(steps) == 8
    assert np.isfinite(steps["between"]).all()
    agents = pd.read_csv(tmp_path / "tables" / "agents.csv")
    assert list(agents.columns[:2]) == ["t", "agent"]
    assert call(monkeypatch, "measure", run, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found[str(run)]["agents"]) == 8 * 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["test", "{tmp}/nothing"], "nothing: no run directory, nor a folder that holds some"),
        (["test", "{run}", "--at", "1,x"], "--at 1,x: give steps such as 0,30,60"),
        (["test", "{run}", "--early", "3:1"], "--early 3:1: give two steps"),
        (["test", "{run}", "--early", "0:5", "--late", "4:7"], "it must end before"),
        (["test", "{run}", "--alpha", "1.5"], "--alpha 1.5: a level is between 0 and 1"),
        (["test", "{run}", "--permutations", "50"], "at least 119 are needed"),
        (["test", "{run}", "--margin", "-1"], "--margin -1.0: give a length above 0"),
        (["test"], "Missing argument 'RUN...'"),
        (["plan", "{run}/replicate-000", "--effect", "0"], "effect 0.0"),
        (["plan", "{tmp}/alone", "--effect", "1"], "no matched placebo"),
        (["plan", "{run}", "--effect", "1", "--draws", "4,x"], "--draws 4,x: give numbers"),
        (["measure", "{run}", "--out", "{tmp}/x"], "8 runs are given; give one, or no --out"),
        (["measure", "{tmp}/alone", "--query", "3"], "query 3: the run has 1"),
        (["measure", "{tmp}/alone", "--out", "/proc/nowhere"], "/proc/nowhere: cannot be written"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    eight: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    made_run(tmp_path / "alone", network(4))
    given = [part.format(tmp=tmp_path, run=eight) for part in arguments]
    if "--permutations" in given or given[:1] == ["plan"]:
        given[1] = given[1].replace(str(eight / "replicate-000"), str(eight))
    if "--permutations" in given:
        given[1] = str(tmp_path / "alone")
    assert call(monkeypatch, *given) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert words in said.err
    assert not (tmp_path / "alone" / "summary.json").exists()
