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
