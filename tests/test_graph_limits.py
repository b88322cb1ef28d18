"""Learners at the edge of what numbers hold, and what a run says of its graph before it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lwd_agents as lwd
from lwd_agents.config.experiment import read_experiment
from lwd_agents.errors import BadInput, RunStopped
from lwd_agents.worlds.graph_parts import assemble

AWAY: dict[str, Any] = {"world": "graph", "learners": 3, "readership": "ring", "features": 8,
                        "designs": "redrawn", "rows": 10, "seed": 1}  # fmt: skip


def test_errors_beyond_numbers_end_the_run_at_that_round(tmp_path: Path) -> None:
    with pytest.raises(RunStopped, match=r"round \d+: .*outgrows 1e.140.*rounds 0 to \d+ are kept"):
        lwd.run(AWAY, out=tmp_path / "run", steps=5000, replicates=3)
    kept = lwd.load(tmp_path / "run")
    assert len(kept) > 100
    assert np.isfinite(kept.arrays["parameters"]).all()
    assert kept.arrays["error"].max() > 1e100
    assert kept.manifest["status"] == "failed"


def test_large_errors_are_summed_up_without_z(tmp_path: Path) -> None:
    run = lwd.run(AWAY, out=tmp_path / "run", steps=150, replicates=4)
    said = run.summary
    json.dumps(said, allow_nan=False)
    assert said["growth"] > 1e6
    for one in said["learners"]:
        assert one["moment_radius"] > 1 + 1e-3
        assert one["z"] is None  # rare replicates carry the mean: no standard error says how far


def test_z_is_told_where_errors_grow_by_a_constant_a_round(tmp_path: Path) -> None:
    keys: dict[str, Any] = {"learners": 3, "readership": "ring", "features": 4, "rows": 50}
    run = lwd.run({"world": "graph", **keys}, out=tmp_path / "run", steps=20, replicates=200)
    assert all(abs(one["z"]) < 4 for one in run.summary["learners"])
    assert run.summary["verdicts"][0]["collapses"] == ["v1", "v2", "v3"]


def test_the_manifest_has_the_verdicts_from_the_start(tmp_path: Path) -> None:
    plan = {"schedule": {0: {"edges": [["real", "a", 1]]}, 4: {"edges": [["a", "a", 1]]},
                         90: {"edges": [["real", "a", 1]]}}}  # fmt: skip
    keys: dict[str, Any] = {"world": "graph", "graph": plan, "features": 2, "replicates": 2}
    run = lwd.run(keys, out=tmp_path / "run", steps=3)
    assert [one["from"] for one in run.manifest["verdicts"]] == [0]
    assert run.manifest["verdicts"] == run.summary["verdicts"]
    more = lwd.run(keys, out=tmp_path / "run", steps=6)  # which reaches the second graph
    assert [one["from"] for one in more.manifest["verdicts"]] == [0, 4]
    assert [one["collapses"] for one in more.summary["verdicts"]] == [[], ["a"]]
    with pytest.raises(BadInput) as caught:
        lwd.run({**keys, "graph": {"edges": [["real", "a", 1]]}}, out=tmp_path / "run", steps=6)
    assert "graph (another one)" in str(caught.value)
    assert len(str(caught.value)) < 400


def test_errors_of_the_parts_say_where_the_value_came_from() -> None:
    found = read_experiment({"world": "graph", "learners": 4, "readership": "ring"})
    found.put("real.v9", 0.2, "--set real.v9=0.2")
    with pytest.raises(BadInput, match=r"--set real\.v9=0\.2: real"), found.placed():
        assemble(found.resolve())  # type: ignore[arg-type]


def test_a_run_in_numbers_says_what_it_is_and_has_no_answers(tmp_path: Path) -> None:
    run = lwd.run({**AWAY, "rows": 50}, out=tmp_path / "run", steps=3, figures=False)
    assert repr(run) == f"<Trajectory '{run.path}': graph, 3 agents, 4 steps, complete>"
    for ask in (lambda: run.embeddings, run.responses, lambda: run.step_embeddings(0)):
        with pytest.raises(BadInput, match=r"graph has no .*; its numbers are in arrays \(.*error"):
            ask()


def test_why_nothing_is_expected_names_the_learner(tmp_path: Path) -> None:
    keys = {"designs": "redrawn", "regime": "accumulate", "rows": 30}
    run = lwd.run("ring", out=tmp_path / "run", steps=2, replicates=2, figures=False, **keys)
    assert run.summary["theory"]["refused"].startswith("learner 'v1' has other sources")
    few = lwd.verdict("ring", designs="redrawn", rows={f"v{i}": 11 + i % 8 for i in range(1, 9)})
    assert few.as_json()["why"].startswith("learner 'v8' fits fewer than d + 2 = 12 redrawn rows")


def test_a_file_of_edges_is_no_name_of_a_readership() -> None:
    with pytest.raises(BadInput, match=r"a file is given as \{file: net\.csv\}"):
        read_experiment("ring", ["readership=net.csv"]).resolve()
