"""Limits that stop a run resumably, budgets, marks, and what may change on a run that goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SMALL, files_of

import lwd_agents as lwd
from lwd_agents.cli import _call
from lwd_agents.errors import BadInput, RunStopped
from lwd_agents.ledger import read_totals
from lwd_agents.trajectory import Trajectory

PRICES = {f"pocket:{name}": {"input": 1, "output": 10} for name in ("north", "east", "south")}


def test_a_limit_stops_the_run_between_steps_and_a_higher_one_ends_it_the_same(
    pocket_run: Trajectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    out = tmp_path / "run"
    small = [f"--set={key}={value}" for key, value in SMALL.items() if key != "steps"]
    command = ["lwd", "run", "pocket", "--out", str(out), "--steps", "4", *small]
    monkeypatch.setattr("sys.argv", [*command, "--set", "limits.tokens=2500"])
    assert _call() == 3
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert "limits.tokens: " in said
    assert "of 2,500 tokens are used" in said
    spent = read_totals(out)
    assert 1_250 < spent.tokens <= 2_500
    done = len((out / "rounds.jsonl").read_text().splitlines())
    assert 1 <= done < 5
    assert spent.calls == 3 * done  # no call of a step that was not committed
    assert json.loads((out / "manifest.json").read_text())["status"] == "failed"
    monkeypatch.setattr("sys.argv", command)
    assert _call() == 0
    assert files_of(out) == files_of(pocket_run.path)


def test_a_cost_is_counted_and_bounded(tmp_path: Path) -> None:
    keys: dict[str, Any] = {**SMALL, "prices": PRICES}
    whole = lwd.run("pocket", out=tmp_path / "whole", **keys)
    spent = whole.summary["spent"]
    assert spent["cost"] == pytest.approx(
        (spent["input_tokens"] + 10 * spent["output_tokens"]) / 1e6, rel=1e-6
    )
    by_step = [line["cost"] for line in whole.rounds]
    assert sum(by_step) == pytest.approx(spent["cost"], rel=1e-4)
    limit = sum(by_step[:3])
    with pytest.raises(RunStopped, match=r"limits\.cost: "):
        lwd.run("pocket", out=tmp_path / "run", limits={"cost": limit}, **keys)
    assert read_totals(tmp_path / "run").cost <= limit
    dearer = {**keys, "limits": {"cost": 1}, "max_missing": 0.2}
    again = lwd.run("pocket", out=tmp_path / "run", **dearer)
    assert np.array_equal(again.norm, whole.norm)
    assert again.manifest["config"]["limits"]["cost"] == 1


def test_minutes_stop_a_run(tmp_path: Path) -> None:
    with pytest.raises(RunStopped, match=r"limits\.minutes: 1e-06 minutes of this command"):
        lwd.run("pocket", out=tmp_path / "run", limits={"minutes": 1e-6}, **SMALL)
    done = lwd.run("pocket", out=tmp_path / "run", **SMALL)
    assert len(done) == SMALL["steps"] + 1


def test_what_bounds_calls_may_change_and_nothing_else(
    pocket_run: Trajectory, tmp_path: Path
) -> None:
    same = {"agents.north.timeout": 9, "agents.east.attempts": 2, "limits.tokens": 10**9}
    settings = [f"{key}={value}" for key, value in same.items()]
    kept = pocket_run.manifest
    assert len(lwd.run("pocket", out=pocket_run.path, settings=settings, **SMALL)) == 5
    assert lwd.load(pocket_run.path).manifest == kept  # it was complete
    for setting in ("agents.north.temperature=0.5", "reading.budget=900"):
        with pytest.raises(BadInput, match="a run of another config"):
            lwd.run("pocket", out=pocket_run.path, settings=[setting], **SMALL)


def test_a_run_of_before_a_key_was_there_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "run"
    lwd.run("pocket", out=out, steps=1, draws=2)
    manifest = json.loads((out / "manifest.json").read_text())
    for key in ("marks", "prices", "limits"):
        del manifest["config"][key]
    for agent in manifest["config"]["agents"]:
        for key in ("base_url", "api_key_env", "concurrency", "attempts"):
            del agent[key]
    (out / "manifest.json").write_text(json.dumps(manifest))
    assert len(lwd.run("pocket", out=out, steps=2, draws=2)) == 3


def test_a_budget_reads_fewer_posts_and_says_so(tmp_path: Path) -> None:
    free = lwd.run("pocket", out=tmp_path / "free", steps=3, draws=2)
    most = max(row["input_tokens"] for row in free.responses().to_dict("records"))
    reading = {"beta": 0.5, "budget": most - 1}
    held = lwd.run("pocket", out=tmp_path / "held", steps=3, draws=2, reading=reading)
    assert max(held.responses()["input_tokens"]) < most
    for line, without in zip(held.rounds, free.rounds, strict=True):
        assert line["k_asked"] == without["k"]
        for agent, read in line["reads"].items():
            assert len(read) == line["k"][agent] <= line["k_asked"][agent]
    assert any(line["k"] != line["k_asked"] for line in held.rounds)
    assert (
        held.rounds[0]["reads"]["north"]
        == free.rounds[0]["reads"]["north"][: held.rounds[0]["k"]["north"]]
    )


def test_a_budget_that_cannot_be_kept_is_refused(tmp_path: Path) -> None:
    from langchain_core.language_models import FakeListChatModel

    with pytest.raises(BadInput, match=r"reading\.budget: 20 tokens, but the prompt of agent"):
        lwd.run("pocket", out=tmp_path / "a", settings=["reading.budget=20"])
    fake = FakeListChatModel(responses=["yes"])
    with pytest.raises(BadInput, match="agent mine cannot count a prompt's tokens"):
        lwd.run("pocket", out=tmp_path / "b", agents={"mine": fake}, settings=["reading.budget=99"])
    assert not (tmp_path / "a").exists()


def test_marks_are_beside_the_answers(pocket_run: Trajectory, tmp_path: Path) -> None:
    from langchain_core.language_models import FakeListChatModel

    said = ["I'm sorry, but I cannot say.", "It rises. It falls.", "Bitcoin rises.", " "]
    fake = FakeListChatModel(responses=said)
    run = lwd.run(
        "pocket",
        agents=[{"name": "mine", "model": fake, "concurrency": 1}],
        out=tmp_path / "run",
        steps=1,
        draws=4,
        settings=["marks=[refusal, not_one_sentence]"],
    )
    rows = run.responses()
    by_text = {
        row["text"]: row["marks"] for row in rows.to_dict("records") if row["text"] in said[:3]
    }
    assert by_text == {said[0]: ["refusal"], said[1]: ["not_one_sentence"], said[2]: []}
    assert [list(marks) for marks in rows[rows["text"].isna()]["marks"]] == [[], []]
    assert run.rounds[0]["marked"] == {"mine": {"refusal": 1, "not_one_sentence": 1}}
    assert run.summary["marked"] == {"refusal": 2, "not_one_sentence": 2}
    assert "marks" not in pocket_run.responses()
    with pytest.raises(BadInput, match="no rule 'refusals'; did you mean 'refusal'"):
        lwd.run("pocket", out=tmp_path / "b", settings=["marks=[refusals]"])
