"""The world ``gmm`` on every readership, also one that changes."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gmm_literal import KernelDraws, readable, simulate

import lwd_agents as lwd
from lwd_agents.config import GmmConfig, read_experiment
from lwd_agents.errors import BadInput
from lwd_agents.internet.readership import authors
from lwd_agents.worlds import gmm
from lwd_agents.worlds.gmm_parts import GmmParts, assemble
from lwd_agents.worlds.gmm_theory import theory

CLIQUES = {"graph": "cliques", "classes": [["g1", "g4"], ["g2", "g3", "g5"]]}
ERDOS_RENYI = {"graph": "erdos-renyi", "p": 0.4}
SCHEDULE = {"schedule": {0: "complete", 7: CLIQUES, 12: ERDOS_RENYI}}


def parts(**keys: Any) -> GmmParts:
    fixed = {"world": "gmm", "means": [-1.5, 1.5], "steps": 18, "models": 5, "fresh_points": 1}
    config = read_experiment({**fixed, "initial_points": 6, **keys}).resolve()
    assert isinstance(config, GmmConfig)
    return assemble(config)


def played(made: GmmParts, replicates: range = range(1)) -> dict[str, np.ndarray]:
    """All steps of some replicates, without a directory."""
    world, blocks, t = made.world(replicates), [], 0
    while t <= made.config.steps:
        round = world.step(t)
        blocks.append(round.block)
        t = round.t + 1
    return {name: np.concatenate([b[name] for b in blocks], axis=1) for name in blocks[0]}


class ScheduledDraws(KernelDraws):
    """The draws of a run whose readership changes; each reading is checked to be of what it may."""

    def __init__(self, made: GmmParts, replicate: int) -> None:
        super().__init__(made.plan, replicate)
        plans = {
            t: plan for plan, a, b in made.stretches(0, made.config.steps) for t in range(a, b)
        }
        self.by_step = {t: KernelDraws(plan, replicate) for t, plan in plans.items()}

    def reading(self, t: int, model: int) -> np.ndarray:
        draws = self.by_step[t]
        places, allowed = draws.reading(t, model), readable(draws.plan, t, model)
        assert len(places) == len(allowed) // 2  # beta is a half
        assert set(places) <= set(allowed)
        return places


@pytest.mark.parametrize("keep", ["accumulate", "replace"])
@pytest.mark.parametrize("value", [CLIQUES, ERDOS_RENYI, SCHEDULE])
def test_gmm_is_the_literal_algorithm_on_every_graph(value: Any, keep: str) -> None:
    made = parts(readership=value, seed=3, posting={"keep": keep})
    replicates = range(2, 4)
    found, starts = played(made, replicates), made.starts(replicates)
    plan = made.plan._replace(k=made.plan.k[:-1])  # its last row is read by nobody
    for arm, replicate in enumerate(replicates):
        draws = ScheduledDraws(made, replicate)
        literal = simulate(starts[arm], draws.stored(), plan, np.eye(1), draws)
        np.testing.assert_allclose(found["weights"][arm], literal.weights, rtol=0, atol=1e-12)
    expected = authors(made.config.readership, made.agents, seed=3, t=17)
    assert [plan.authors.tolist() for plan, _, _ in made.stretches(17, 18)] == [expected.tolist()]


def test_what_is_not_read_has_no_effect() -> None:
    """Other weights of one class leave the other class bit for bit, until the graph joins them."""
    joined = {"schedule": {0: CLIQUES, 10: "complete"}}
    found = []
    for second in (0.2, 0.9):
        w = [[0.4, 0.6], [second, 1 - second], [0.5, 0.5], [0.7, 0.3], [0.1, 0.9]]
        found.append(played(parts(readership=joined, weights=w))["weights"][0])
    same = (found[0] == found[1]).all(axis=2)
    assert same[:11, [0, 3]].all()
    assert not same[3:11, [1, 2, 4]].any()
    assert not same[12:, [0, 3]].any()


@pytest.mark.parametrize("moving", [{}, {"means": True}])
def test_a_schedule_follows_its_first_graph_until_it_changes(
    moving: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = parts(readership=SCHEDULE, moving=moving, placebo=True)
    changed = played(made, range(2))
    steady = played(parts(moving=moving, placebo=True), range(2))
    for name in ("weights", "placebo_weights", "norm"):
        np.testing.assert_array_equal(changed[name][:, :8], steady[name][:, :8])
        assert (changed[name][:, 8] != steady[name][:, 8]).any()
    monkeypatch.setattr(gmm, "_UPDATES", 1)  # a block a step
    for name, values in played(made, range(2)).items():
        np.testing.assert_array_equal(values, changed[name])


def test_a_scheduled_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    keys = {"readership": {"schedule": {0: "complete", 3: "isolated", 6: ERDOS_RENYI}}, "models": 6}
    lwd.run("figure4", out=tmp_path / "run", steps=4, replicates=2, **keys)
    again = lwd.run("figure4", out=tmp_path / "run", steps=9, replicates=2, **keys)
    config = read_experiment({**again.manifest["config"]}).resolve()
    assert isinstance(config, GmmConfig)
    whole = assemble(config)
    np.testing.assert_array_equal(played(whole, range(2))["norm"], again.norms)
    assert again.summary["theory"]["refused"] == "the readership is not complete"


@pytest.mark.parametrize(("steps", "refused"), [(7, None), (8, "the readership is not complete")])
def test_theory_is_for_runs_that_end_before_the_readership_is_restricted(
    steps: int, refused: str | None
) -> None:
    made = parts(readership=SCHEDULE, steps=steps, means=[-9, 9])
    assert theory(made, made.starts(range(2))).refused == refused


def test_a_runs_file_is_recorded_and_may_not_change(tmp_path: Path) -> None:
    path = tmp_path / "net.csv"
    path.write_text("reader,author\ng1,g2\n")
    keys = {"readership": {"file": str(path)}, "steps": 3}
    run = lwd.run("figure4", out=tmp_path / "run", **keys)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert run.manifest["sha256"]["readership/net.csv"] == digest
    path.write_text("reader,author\ng2,g1\n")
    with pytest.raises(BadInput, match=r"readership/net\.csv is not the file that this run began"):
        lwd.run("figure4", out=tmp_path / "run", **{**keys, "steps": 6})
    path.write_text("reader,author\ng1,g99\n")
    with pytest.raises(BadInput, match=r"net\.csv: no agent 'g99'"):
        lwd.run("figure4", out=tmp_path / "other", **keys)
