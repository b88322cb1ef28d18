"""Runs against a provider that fails: nothing is lost, doubled or invented, and no key leaks."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from providers import PASSING, FaultyProvider, always, random_plan, seeded_text

import lwd_agents as lwd
from lwd_agents import cli
from lwd_agents.errors import BadInput, RunStopped
from lwd_agents.trajectory import Trajectory

STEPS, DRAWS = 4, 8
TIMEOUT = 1.0  # seconds; what isn't stalled takes a few milliseconds
NAMES = ("first", "second")


def experiment(provider: FaultyProvider, attempts: int = 9, **keys: Any) -> dict[str, Any]:
    """Two agents behind the provider, one of ours beside them.

    A call that fails three times of ten fails nine times in a row once in 50,000.
    """
    called = {"model": "openai:some-model", "base_url": provider.url, "timeout": TIMEOUT}
    called["attempts"] = attempts
    agents = [{"name": name, **called} for name in NAMES]
    agents.append({"name": "north", "model": "pocket:north"})
    network = {"world": "llm", "query": "bitcoin", "agents": agents, "reading": {"k": 3}}
    return {**network, "steps": STEPS, "draws": DRAWS, **keys}


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Trajectory:
    """The run against a provider that honours seeds and never fails."""
    with FaultyProvider(seeds="honoured") as provider:
        return lwd.run(experiment(provider), out=tmp_path_factory.mktemp("clean") / "run")


def called_rows(path: Path) -> list[dict[str, Any]]:
    lines = (path / "responses.jsonl").read_text().splitlines()
    return [row for row in map(json.loads, lines) if row["agent"] in NAMES]


def texts(path: Path) -> list[str | None]:
    return [row["text"] for row in called_rows(path)]


def calls_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (path / "calls.jsonl").read_text().splitlines()]


def steps_of(path: Path) -> int:
    file = path / "rounds.jsonl"
    return file.read_bytes().count(b"\n") if file.is_file() else 0


def check_rows(path: Path) -> None:
    """Each of L draws of each agent and step is there once: a text, or why there is none."""
    rows = called_rows(path)
    places = [(row["t"], row["agent"], row["draw"]) for row in rows]
    expected = [(t, a, j) for t in range(STEPS + 1) for a in NAMES for j in range(DRAWS)]
    assert sorted(places) == sorted(expected)
    for row in rows:
        assert (row["text"] is None) != (row["missing"] is None)
        assert row["text"] is None or row["text"].strip()
        assert row["missing"] is None or (row["missing"] and "\n" not in row["missing"])


def check_served(path: Path, provider: FaultyProvider) -> None:
    """No text is there twice, and each was served, by one choice of one call."""
    recorded = Counter(text for text in texts(path) if text is not None)
    assert set(recorded.values()) == {1}
    assert not recorded - Counter(provider.served)


def check_account(path: Path, provider: FaultyProvider) -> None:
    """Every request is on the account, with the tokens that the provider reported."""
    account = calls_of(path)
    assert len(account) == len(provider.calls) + STEPS + 1  # north is asked once a step
    ours = [call for call in account if call["agent"] in NAMES]
    stalled = [c for c in provider.calls if c.fault in ("stall", "stall_midway")]
    whole = [c for c in provider.calls if c.usage and c.served and c not in stalled]
    assert sum(call["got"] > 0 for call in ours) == len(whole)
    for name, theirs in (("input_tokens", "prompt_tokens"), ("output_tokens", "completion_tokens")):
        assert sum(call[name] or 0 for call in ours) == sum(c.usage[theirs] for c in whole)


WAYS: dict[str, dict[str, Any]] = {"native n": {"most": 2}, "n is ignored": {"one_choice": True}}


@pytest.mark.parametrize("way", [pytest.param("native n", marks=pytest.mark.slow), "n is ignored"])
def test_faults_in_30_percent_of_the_calls(way: str, tmp_path: Path) -> None:
    with FaultyProvider(random_plan(3, 0.3), **WAYS[way]) as provider:
        done = lwd.run(experiment(provider), out=tmp_path / "run")
    assert done.manifest["status"] == "complete"
    faults = Counter(call.fault for call in provider.calls)
    assert 0.2 < 1 - faults["ok"] / faults.total() < 0.45
    assert len(faults) > 6
    check_rows(done.path)
    check_served(done.path, provider)
    check_account(done.path, provider)
    there = np.isfinite(done.embeddings).all(axis=-1)  # (T + 1, N, L)
    missing = [row["text"] is None for row in called_rows(done.path)]
    assert np.sum(~there) == sum(missing)


def test_faults_that_pass_change_no_draw(tmp_path: Path, clean: Trajectory) -> None:
    """Where seeds are honoured, a run through faults has the draws of one without any."""
    with FaultyProvider(random_plan(5, 0.3, PASSING), seeds="honoured", most=2) as provider:
        rough = lwd.run(experiment(provider), out=tmp_path / "run")
    assert sum(call.fault in PASSING for call in provider.calls) >= 5
    check_rows(rough.path)
    check_account(rough.path, provider)
    check_same(rough.path, clean)
    check_seeds(rough.path, provider)


def check_same(path: Path, clean: Trajectory) -> None:
    """The run is complete and has the draws of the one without faults, none missing."""
    done = lwd.load(path)
    assert done.manifest["status"] == "complete"
    assert None not in texts(path)
    assert texts(path) == texts(clean.path)
    assert np.array_equal(done.embeddings, clean.embeddings)


def check_seeds(path: Path, provider: FaultyProvider) -> None:
    """Each draw is what its recorded seed gives."""
    prompts = {json.dumps(call.body["messages"]) for call in provider.calls}
    for row in called_rows(path):
        assert row["text"] in {seeded_text(prompt, row["seed"]) for prompt in prompts}
    assert len({row["seed"] for row in called_rows(path)}) == len(called_rows(path))


def test_a_provider_that_is_down_stops_the_run_and_mended_it_goes_on(
    tmp_path: Path,
    clean: Trajectory,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "run"
    with FaultyProvider(always("500", first=9), seeds="honoured") as provider:
        described = experiment(provider, attempts=2)
        assert call(monkeypatch, *command(path, described)) == 3
        said = capfd.readouterr().err.splitlines()[-1]
        assert said.startswith("lwd: agent ")
        assert "The server had an error" in said
        assert "run the same command again" in said
        committed = [json.loads(line)["t"] for line in (path / "rounds.jsonl").open()]
        assert 0 < len(committed) < STEPS + 1
        assert committed == list(range(len(committed)))
        assert {row["t"] for row in called_rows(path)} <= set(committed)
        assert json.loads((path / "manifest.json").read_text())["status"] == "failed"
        provider.plan = always("ok")
        assert call(monkeypatch, *command(path, described)) == 0
    check_rows(path)
    check_seeds(path, provider)
    check_same(path, clean)


@pytest.mark.parametrize("kind", ["401", "404"])
def test_what_no_further_call_can_mend_stops_the_run_at_once(kind: str, tmp_path: Path) -> None:
    with FaultyProvider(always(kind, first=8)) as provider:
        with pytest.raises(RunStopped, match=r"agent (first|second): "):
            lwd.run(experiment(provider), out=tmp_path / "run")
        refused = sum(call.fault == kind for call in provider.calls)
    assert 1 <= refused <= 2 * len(NAMES)  # what was under way
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["status"] == "failed"


def test_too_many_missing_draws_stop_the_run(tmp_path: Path) -> None:
    """Every second answer is empty: half of the draws, give or take."""
    half = {"plan": lambda number: "empty" if number % 2 else "ok", "one_choice": True}
    with FaultyProvider(**half) as provider:
        done = lwd.run(experiment(provider, max_missing=0.9), out=tmp_path / "allowed")
        check_rows(done.path)
        check_served(done.path, provider)
        check_account(done.path, provider)
        assert {row["missing"] for row in called_rows(done.path)} == {None, "empty answer"}
    with FaultyProvider(**half) as provider:
        with pytest.raises(RunStopped, match=r"draws are missing \(empty answer\); max_missing"):
            lwd.run(experiment(provider, max_missing=0.1), out=tmp_path / "refused")
        assert steps_of(tmp_path / "refused") == 0
        assert not list((tmp_path / "refused").glob("embeddings/0*.npy"))


def test_an_agent_without_any_answer_is_silent(tmp_path: Path) -> None:
    with FaultyProvider("empty", one_choice=True) as provider:
        done = lwd.run(experiment(provider, max_missing=1.0), out=tmp_path / "run")
    assert all(row["text"] is None for row in called_rows(done.path))
    lines = [json.loads(line) for line in (done.path / "rounds.jsonl").open()]
    assert [line["norm"] for line in lines] == [None] * (STEPS + 1)
    assert [len(line["posted"]) for line in lines] == [1] * (STEPS + 1)  # north's
    assert math.isnan(done.norm[0])


KEY = "marker-4f9c2a7be1d05583-key"


def command(path: Path, described: dict[str, Any]) -> list[str]:
    """The arguments of ``lwd`` for a run whose key is in the environment."""
    for agent in described["agents"][: len(NAMES)]:
        agent["api_key_env"] = "LWD_TEST_KEY"
    file = path.with_suffix(".yaml")
    file.write_text(yaml.safe_dump(described))
    return ["run", str(file), "--out", str(path)]


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The command in this process; its exit code."""
    monkeypatch.setenv("LWD_TEST_KEY", KEY)
    monkeypatch.setattr(sys, "argv", ["lwd", *arguments])
    return cli._call()


def holding(folder: Path, marker: str) -> list[str]:
    """The files with the marker in them."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert files
    return [file.name for file in files if marker.encode() in file.read_bytes()]


def test_killed_in_a_call_and_given_again_without_a_word_of_the_key(
    tmp_path: Path,
    clean: Trajectory,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The provider quotes the key that it was sent in each of its errors."""
    path, plan = tmp_path / "run", random_plan(7, 0.3, PASSING)
    with FaultyProvider(plan, key=KEY, echo=True, seeds="honoured", delay=0.1, most=4) as provider:
        arguments = command(path, experiment(provider))
        process = subprocess.Popen(
            [sys.executable, "-m", "lwd_agents.cli", *arguments],
            env={**os.environ, "LWD_TEST_KEY": KEY},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        until = time.monotonic() + 100
        while process.poll() is None and steps_of(path) < 2 and time.monotonic() < until:
            time.sleep(0.005)
        asked = len(provider.calls)
        while process.poll() is None and len(provider.calls) == asked and time.monotonic() < until:
            time.sleep(0.002)
        process.kill()  # while a call is under way
        said, _ = process.communicate()
        assert process.returncode == -signal.SIGKILL, said
        assert 2 <= steps_of(path) < STEPS + 1
        assert holding(tmp_path, KEY) == []
        assert call(monkeypatch, *arguments) == 0
    said += "".join(capfd.readouterr())
    assert KEY not in said
    assert holding(tmp_path, KEY) == []
    assert "you sent" in (path / "calls.jsonl").read_text()  # the errors are kept
    check_rows(path)
    check_seeds(path, provider)
    check_same(path, clean)


def test_a_key_that_is_refused_is_not_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run"
    with FaultyProvider(key="another", echo=True) as provider:
        assert call(monkeypatch, *command(path, experiment(provider))) == 2
    said = capfd.readouterr()
    assert "Incorrect API key" in said.err
    assert "you sent" in said.err
    assert KEY not in said.out + said.err
    assert not path.exists()


def test_no_key_and_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultyProvider() as provider:
        described = experiment(provider)
        described["agents"][0]["api_key_env"] = "LWD_TEST_KEY"
        monkeypatch.delenv("LWD_TEST_KEY", raising=False)
        with pytest.raises(BadInput, match="LWD_TEST_KEY is not set"):
            lwd.run(described, out=tmp_path / "run")
        gone = experiment(provider, attempts=1)
    with pytest.raises(RunStopped, match=r"^agent first: .*[Cc]onnection"):
        lwd.run(gone, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
