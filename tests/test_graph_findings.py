"""What a test of learners finds: collapse of the error, consensus that is one, and the rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import lwd_agents as lwd
from lwd_agents.inference.advance import not_yet_near
from lwd_agents.inference.collapse import collapse, lead


def curves(**effects: float) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Eight pairs that move by ``effects``, counted in the direction of collapse."""
    signs = {"between": -1.0, "within": -1.0, "drift": 1.0, "error": 1.0}
    noise = np.random.default_rng(1).normal(size=(4, 8, 1)) * 0.1
    ramp = np.linspace(0, 1, 11)
    live = {
        name: (noise[i] + sign * effects.get(name, 0.0)) * ramp
        for i, (name, sign) in enumerate(signs.items())
    }
    return live, {name: np.zeros((8, 11)) for name in signs}


@pytest.mark.parametrize(
    ("effects", "finding", "begins"),
    [
        ({"error": 3.0}, "collapse", "Collapse: beyond the placebo, error grows"),
        ({"error": 3.0, "between": 3.0}, "collapse", "Collapse: beyond"),
        ({"between": 3.0}, "consensus", "Consensus, without evidence of collapse"),
        ({"within": 3.0, "drift": 3.0}, "loss of spread", "Signs of collapse, without evidence"),
        ({"within": 3.0}, "loss of spread", "Only one sign of collapse"),
        ({"drift": 3.0}, "drift", "Only one sign of collapse"),
        ({"error": -3.0}, "opposite", "The opposite of collapse: beyond the placebo, error falls"),
        ({"between": -3.0}, "opposite", "Disagreement, without evidence of collapse"),
        ({}, "no evidence", "No evidence of collapse beyond the placebo"),
    ],
)
def test_each_finding(effects: dict[str, float], finding: str, begins: str) -> None:
    found = collapse(*curves(**effects))
    assert found.finding == finding
    assert found.sentence.startswith(begins)
    assert lead(q.name for q in found.quantities) == "error"


def test_learners_that_come_nearer_but_stay_apart_are_no_consensus() -> None:
    live, placebo = curves(between=3.0)
    found = collapse(live, placebo)
    assert not_yet_near(found, live["between"], placebo["between"]) is found  # below: consensus
    above = not_yet_near(found, live["between"] + 10, placebo["between"] + 2)
    assert above.finding == "no evidence"
    assert above.sentence.startswith("No evidence of collapse beyond the placebo: within")
    assert "no consensus: at the end ||D||_F^2 is 7" in above.sentence
    live, placebo = curves(between=3.0, drift=3.0)
    still = not_yet_near(collapse(live, placebo), live["between"] + 10, placebo["between"])
    assert still.finding == "drift"  # what else moved is still said
    other = collapse(*curves(error=3.0, between=3.0))
    assert not_yet_near(other, live["between"] + 10, placebo["between"]) is other


def test_a_run_that_parts_and_meets_again_has_no_consensus(tmp_path: Path) -> None:
    real = [["real", "a", 0.5], ["real", "b", 0.5]]
    plan = {"schedule": {0: {"edges": [["a", "a", 1], ["b", "b", 1]]},
                         10: {"edges": [*real, ["a", "a", 0.5], ["b", "b", 0.5]]}}}  # fmt: skip
    keys = {"world": "graph", "graph": plan, "rows": 20, "features": 2, "placebo": True}
    run = lwd.run(keys, out=tmp_path / "r", steps=30, replicates=20, figures=False)
    found = lwd.test(run.path, early=(5, 9), late=(25, 30), write=False).conditions[0].collapse
    assert found is not None
    (between,) = (q for q in found.quantities if q.name == "between")
    assert between.p_adjusted < 0.01
    assert between.interval.estimate < 0
    assert found.finding != "consensus"
    assert "no consensus: at the end" in found.sentence


def test_without_an_error_the_rules_are_as_they_were() -> None:
    live, placebo = ({n: c for n, c in side.items() if n != "error"} for side in curves(within=3.0))
    assert lead(live) == "between"
    live["drift"] = -live["within"]
    assert collapse(live, placebo).sentence.startswith("Collapse: beyond the placebo, within")
