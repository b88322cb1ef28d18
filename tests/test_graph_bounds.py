"""The least real share of a setting: its rounds' own noise, and what rows of that size come to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from graph_parts import verdict_command, verdict_words

import lwd_agents as lwd
from lwd_agents.theory.graph_verdict import Verdict
from lwd_agents.theory.real_shares import under_bound

HEADER = "source,target,weight\n"
SETTLED = "real,a,0.2\na,a,0.8\na,b,0.7\nreal,b,0.3\nc,c,1\n"


def test_a_bound_of_a_setting_is_of_its_own_rounds_noise(tmp_path: Path) -> None:
    path = tmp_path / "three.csv"
    path.write_text(HEADER + SETTLED)
    size = ("--set", "rows=50", "--set", "features=4", "--set", "noise=0.5")
    one = 4 * 0.25 / 50  # E|e|^2 of a fit of 50 orthogonal rows
    found = json.loads(verdict_words(str(path), *size, "--bound", "0.05", "--json"))["bounded"]
    assert found["noise"] == pytest.approx(dict.fromkeys("abc", one))
    assert found["variance"]["a"] == pytest.approx(one / (1 - 0.8**2))
    assert found["variance"]["c"] is None
    assert found["over"] == ["a", "c"]
    least = 1 - (1 - one / 0.05) ** 0.5  # (1 - share)^2 V + one = V at V = 0.05
    assert found["least_real_share"]["a"]["share"] == pytest.approx(least, rel=1e-8)
    told = verdict_words(str(path), *size, "--bound", "0.05")
    assert "squared distance from the truth over 0.05" in told
    assert "of one round's fit: 0.02" in told
    alone = json.loads(verdict_words(str(path), "--bound", "5", "--json"))["bounded"]
    assert alone["noise"] == dict.fromkeys("abc", 1.0)


def test_the_bound_of_a_setting_is_what_its_rows_make(tmp_path: Path) -> None:
    """The least share, put into the graph, settles at the bound by simulation."""
    keys = {"rows": {"a": 30, "b": 60}, "features": 3, "replicates": 400, "steps": 60}
    edges = [["real", "a", 0.4], ["b", "a", 0.6], ["real", "b", 0.4], ["a", "b", 0.6]]
    how = {"world": "graph", "graph": {"edges": edges}, **keys}
    judged = lwd.verdict(how)
    assert not isinstance(judged, Verdict)
    assert judged.noise == pytest.approx([0.1, 0.05])
    found = under_bound(judged.graph.graph, 0.14, noise=judged.noise)
    share = found["common_real_share"]["share"]
    edges = [["real", "a", share], ["b", "a", 1 - share],
             ["real", "b", share], ["a", "b", 1 - share]]  # fmt: skip
    run = lwd.run({**how, "graph": {"edges": edges}}, out=tmp_path / "run", figures=False)
    late = run.arrays["error"][:, 30:, 0]
    assert late.mean() == pytest.approx(0.14, rel=0.05)
    assert run.arrays["predicted_error"][0, -1, 0] == pytest.approx(0.14, rel=0.02)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (("--set", "mixing=weight", "--bound", "1"), "noise depends on the shares"),
        (("--set", "designs=redrawn", "--bound", "1"), "it rests on the graph alone"),
        (("--bound", "0"), "--bound 0: should be a positive number"),
        (("--bound", "inf"), "--bound inf: should be a positive number"),
    ],
)
def test_a_bound_that_cannot_be_had_is_refused(
    more: tuple[str, ...], why: str, tmp_path: Path
) -> None:
    path = tmp_path / "three.csv"
    path.write_text(HEADER + SETTLED)
    assert why in str(verdict_command(str(path), *more).exception)
