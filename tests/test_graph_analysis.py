"""``lwd test``, ``measure``, ``plan``, ``export`` and figures on runs of the world ``graph``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import lwd_agents as lwd
from lwd_agents.errors import BadInput
from lwd_agents.inference.assess import ConditionFindings
from lwd_agents.inference.collapse import Verdict
from lwd_agents.report.figures.contrast import contrast_figure
from lwd_agents.report.figures.drawing import draw
from lwd_agents.report.figures.registry import FIGURES, names_of
from lwd_agents.report.figures.subject import subject_of
from lwd_agents.report.tables.columns import TABLES
from lwd_agents.report.tables.export import export
from lwd_agents.report.verdict_words import lines
from lwd_agents.trajectory import Trajectory

STEPS, R, N = 20, 8, 3
SMALL = {"learners": N, "steps": STEPS, "replicates": R, "features": 2, "rows": 30}
GAUSSIAN = {"estimator": "gaussian", "rows": 8}


def learners(path: Path, **keys: Any) -> Trajectory:
    """A small ring with its placebo."""
    return lwd.run("ring", out=path, **{**SMALL, "placebo": True, **keys})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("graph")


@pytest.fixture(scope="module")
def ring(home: Path) -> Trajectory:
    return learners(home / "ring")


@pytest.fixture(scope="module")
def gaussians(home: Path) -> Trajectory:
    return learners(home / "gaussians", **GAUSSIAN)


@pytest.fixture(scope="module")
def alone(home: Path) -> Trajectory:
    """Without a placebo."""
    return learners(home / "alone", placebo=False)


def judged(run: Trajectory | Path, **keys: Any) -> ConditionFindings:
    path = run.path if isinstance(run, Trajectory) else run
    (found,) = lwd.test(path, write=False, **keys).conditions
    return found


def verdict(run: Trajectory | Path, **keys: Any) -> Verdict:
    found = judged(run, **keys).collapse
    assert found is not None
    return found


def words(path: Path, **keys: Any) -> str:
    return "\n".join(lines(lwd.test(path, write=False, **keys).as_json()))


# --- measures -----------------------------------------------------------------------------------


def test_measures_are_means_over_replicates(ring: Trajectory) -> None:
    found, arrays = lwd.measure(ring), ring.arrays
    sides = ("", "placebo_")
    columns = [f"{side}{name}" for side in sides for name in ("norm", "between", "drift", "error")]
    assert list(found.steps) == columns  # a regression has no spread of its own: no within
    for side in sides:
        error = arrays[f"{side}error"]
        np.testing.assert_allclose(found.steps[f"{side}error"], error.mean(axis=(0, 2)))
        np.testing.assert_allclose(found.steps[f"{side}drift"], arrays[f"{side}drift"].mean(axis=0))
        squares = (arrays[f"{side}norm"] ** 2).mean(axis=0)
        np.testing.assert_allclose(found.steps[f"{side}between"], squares)
        by_agent = found.agents[f"{side}error"].unstack("agent")
        np.testing.assert_allclose(by_agent, error.mean(axis=0))
        expected = arrays[f"{side}predicted_error"].mean(axis=0)
        got = found.agents[f"{side}predicted_error"].unstack("agent")
        np.testing.assert_allclose(got, expected)
    assert list(by_agent.columns) == ring.agents
    assert len(found.steps) == STEPS + 1
    assert found.said == ()


@pytest.mark.parametrize("name", ["ring", "gaussians"])
def test_an_error_is_drift_and_what_the_learners_are_apart(
    name: str, request: pytest.FixtureRequest
) -> None:
    """mean_i |X_i - m|^2 = |mean X - m|^2 + sum_ij |X_i - X_j|^2 / (2 N^2)."""
    steps = lwd.measure(request.getfixturevalue(name)).steps
    np.testing.assert_allclose(steps["error"], steps["drift"] + steps["between"] / (2 * N**2))


def test_gaussians_have_a_spread_of_their_own(gaussians: Trajectory) -> None:
    found, arrays = lwd.measure(gaussians), gaussians.arrays
    assert "within" in found.steps
    np.testing.assert_allclose(found.steps["within"], arrays["spread"].mean(axis=(0, 2)))
    traces = arrays["parameters"][..., 2] + arrays["parameters"][..., 5]
    np.testing.assert_allclose(found.agents["spread"].unstack("agent"), traces.mean(axis=0))
    both = ("error", "mean_error", "spread", "predicted_mean_error", "predicted_spread")
    assert set(found.agents) == {f"{side}{name}" for side in ("", "placebo_") for name in both}


# --- the verdict --------------------------------------------------------------------------------


def test_a_ring_without_real_data_collapses(ring: Trajectory) -> None:
    found = judged(ring, early="0:0")
    assert found.collapse is not None
    assert (found.collapse.finding, found.pairs) == ("collapse", R)
    assert [q.name for q in found.collapse.quantities] == ["between", "drift", "error"]
    assert [one.what for one in found.untested] == []
    deltas = found.collapse.quantities[2].deltas
    gap = (ring.arrays["error"] - ring.arrays["placebo_error"]).mean(axis=2)
    np.testing.assert_allclose(deltas, gap[:, -4:].mean(axis=1) - gap[:, 0])
    assert (gap[:, 0] == 0).all()
    p = found.collapse.quantities[2].p_adjusted
    assert p == pytest.approx(3 / 2**R)  # the largest of 256 sign patterns, Holm over three
    assert found.evidence is not None
    assert (found.evidence.alternative, found.evidence.successes) == ("greater", R)
    assert found.limit is not None
    late = ring.arrays["error"].mean(axis=2)[:, -4:].mean()
    assert found.limit.late.estimate == pytest.approx(late)
    assert found.limit.fits == ()
    assert found.band is not None
    np.testing.assert_allclose(found.band.centre, ring.arrays["error"].mean(axis=(0, 2)))


def test_the_words_are_of_learners(ring: Trajectory, alone: Trajectory) -> None:
    said = words(ring.path, early="0:0")
    assert "VERDICT: Collapse: beyond the placebo, error grows by" in said
    assert "3 learners" in said
    assert "||X_i - truth||^2, mean over learners" in said
    assert f"e-value of error: 56.8 after 8 pairs ({R} of {R} grew further" in said
    for one in (said, words(alone.path)):
        assert "lwd verdict says it from the graph" in one
        for word in ("reading", "post", "human", "draw", "agent", "extrapolated", "unbiased"):
            assert word not in one


def test_without_a_placebo_there_is_a_trend(alone: Trajectory) -> None:
    found = judged(alone)
    assert found.collapse is None
    assert list(found.trends) == ["between", "drift", "error"]
    assert "no verdict on the long run" in found.trends["error"].sentence
    (untested,) = found.untested
    assert "--set placebo=true" in untested.why
    assert "there is no matched placebo (--set placebo=true)" in words(alone.path)


def test_a_network_that_is_its_placebo_gives_no_evidence(home: Path) -> None:
    run = learners(home / "same", readership="isolated", real=1.0)
    assert np.array_equal(run.arrays["error"], run.arrays["placebo_error"])
    found = verdict(run)
    assert found.finding == "no evidence"
    assert found.sentence.startswith("No difference at all")
    assert all(q.test.p == 1.0 for q in found.quantities)


def test_what_rounding_leaves_is_not_tested(home: Path) -> None:
    """Learners of a complete graph shift alike: they are as far apart as in the placebo."""
    run = learners(home / "complete", readership="complete")
    assert not np.array_equal(run.arrays["norm"], run.arrays["placebo_norm"])
    between = verdict(run).quantities[0]
    assert (between.deltas == 0).all()
    assert between.opposite_p_adjusted == 1.0


def test_by_default_only_what_still_grows_is_found(home: Path) -> None:
    keys = {"steps": 60, "replicates": 12, "features": 10, "rows": 60}
    stable = learners(home / "stable", real=0.5, **keys)
    falling = learners(home / "falling", **keys)
    windows = verdict(stable).windows
    assert (windows.early, windows.late) == ((24, 35), (49, 60))
    assert verdict(stable).finding == "no evidence"
    assert verdict(falling).finding == "collapse"
    slow = verdict(stable, early="0:0")  # a higher plateau than the placebo's
    assert slow.finding == "growth"
    assert slow.sentence.startswith("Growth within these steps: beyond the placebo, ")
    assert slow.sentence.endswith("; by the graph nobody collapses.")
    assert verdict(falling).sentence.endswith("; so do, by the graph, 3 of 3 learners.")
    (stable.path / "summary.json").unlink()  # as of a run that could not go on
    assert verdict(stable, early="0:0").finding == "growth"
    file = stable.path / "manifest.json"
    manifest = json.loads(file.read_text())
    later = {**manifest["verdicts"][0], "from": 61, "collapses": ["v1"]}  # not come to
    for verdicts, finding in (([*manifest["verdicts"], later], "growth"), ([], "collapse")):
        file.write_text(json.dumps({**manifest, "verdicts": verdicts}))
        assert verdict(stable, early="0:0").finding == finding  # without one it speaks alone


def test_the_spread_of_gaussians_falls(gaussians: Trajectory) -> None:
    found = verdict(gaussians, early="0:0")
    assert [q.name for q in found.quantities] == ["between", "within", "drift", "error"]
    assert found.finding == "collapse"
    within = found.quantities[1]
    assert within.interval.high < 0
    assert "tr Sigma, mean over learners" in words(gaussians.path)
    six = learners(gaussians.path.parent / "six", replicates=6, **GAUSSIAN)
    assert "7 pairs are needed" in verdict(six).sentence  # 2^-6 is above 0.05 / 4


def test_one_learner_has_an_error_and_no_distance(home: Path) -> None:
    run = learners(home / "one", learners=1, readership="isolated")
    found = judged(run)
    assert found.collapse is not None
    assert [q.name for q in found.collapse.quantities] == ["drift", "error"]
    (untested,) = found.untested
    assert untested.why == "one learner: there is no distance between learners"
    assert found.limit is not None


def test_few_replicates_are_not_tested(home: Path) -> None:
    run = learners(home / "few", replicates=3)
    assert "3 matched pairs" in verdict(run).sentence
    assert "6 pairs are needed" in words(run.path)
    one = learners(home / "one-replicate", replicates=1, placebo=False)
    assert "one run: no between-run inference" in words(one.path)


# --- contrasts, calibration, plans --------------------------------------------------------------


def test_two_graphs_are_compared_by_their_error(home: Path, ring: Trajectory) -> None:
    other = learners(home / "other", readership="complete", replicates=9)
    found = lwd.test(ring.path, against=[other.path], write=False)
    (contrast,) = found.contrasts
    assert (contrast.first, contrast.second) == ("readership=ring", "readership=complete")
    assert contrast.paired
    assert contrast.left_out == 1
    changes = [
        run.arrays["error"].mean(axis=2)[:R, -4:].mean(axis=1)
        - run.arrays["error"].mean(axis=2)[:R, 0]
        for run in (ring, other)
    ]
    assert contrast.difference is not None
    difference = (changes[0] - changes[1]).mean()
    assert contrast.difference.estimate == pytest.approx(difference, rel=1e-6)
    assert "[t = 17 .. 20] - [t = 0] of the error" in "\n".join(lines(found.as_json()))


def test_what_estimates_the_same_is_compared_and_else_not(home: Path, ring: Trajectory) -> None:
    ridge = learners(home / "ridge", estimator="ridge", learners=2)
    assert len(lwd.test(ring.path, against=[ridge.path], write=False).contrasts) == 1
    wide = learners(home / "wide", features=3)
    found = lwd.test(ring.path, against=[wide.path], write=False)
    assert found.contrasts == ()
    assert "different parameters (least-squares, 2 features and" in found.untested[0].why


def test_placebos_among_themselves_are_claimed_as_often_as_nominal(home: Path) -> None:
    run = learners(home / "many", replicates=24)
    (found,) = lwd.test(run.path, calibrate=True, write=False).calibrations
    assert found.replicates == 12
    assert found.low is not None
    assert found.low <= 0.05


def test_a_plan_is_of_the_error(ring: Trajectory, alone: Trajectory) -> None:
    from lwd_agents.report.plan_words import lines as plan_lines

    plan = lwd.plan(ring.path, 0.05)
    deltas = verdict(ring).quantities[2].deltas
    assert plan.components.total == pytest.approx(np.var(deltas, ddof=1))
    assert plan.plan.level == pytest.approx(0.05 / 3)
    assert plan.plan.options[0].pairs is not None
    said = "\n".join(plan_lines(plan.as_json()))
    assert "delta of the error" in said
    for word in ("draw", "reading", "D||"):
        assert word not in said
    with pytest.raises(BadInput, match=r"a pilot needs pairs \(--set placebo=true\)"):
        lwd.plan(alone.path, 1.0)


# --- tables -------------------------------------------------------------------------------------


def read(path: Path, out: Path, **keys: Any) -> tuple[dict[str, pd.DataFrame], tuple[str, ...]]:
    done = export(path, out=out, **keys)
    return {file.stem: pd.read_parquet(file) for file in done.files}, done.said


def test_tables_hold_the_arrays(ring: Trajectory, tmp_path: Path) -> None:
    found, said = read(ring.path, tmp_path)
    assert list(found) == list(TABLES["graph"])
    assert said == ()
    steps, agents, arrays = found["steps"], found["agents"], ring.arrays
    for name in ("norm", "drift", "predicted_rms", "placebo_norm", "placebo_drift"):
        assert np.array_equal(
            steps.pivot(index="replicate", columns="t", values=name), arrays[name]
        )
    np.testing.assert_allclose(
        steps["error"].to_numpy().reshape(R, STEPS + 1), arrays["error"].mean(axis=2)
    )
    assert steps["within"].isna().all()
    for name in ("error", "predicted_error", "placebo_error", "placebo_predicted_error"):
        assert np.array_equal(agents[name].to_numpy().reshape(R, STEPS + 1, N), arrays[name])
    assert (agents["k"] == 30).all()
    assert agents["spread"].isna().all()
    assert agents["agent"].tolist()[:N] == ring.agents
    assert steps["internet_size"].tolist() == [90] * R * (STEPS + 1)
    assert steps["synthetic"].tolist()[:2] == [0, 90]
    pairs = (
        2
        * (found["pairs"]["distance"] ** 2)
        .groupby([found["pairs"]["replicate"], found["pairs"]["t"]])
        .sum()
    )
    np.testing.assert_allclose(pairs, steps.set_index(["replicate", "t"])["between"], rtol=1e-9)
    edges = found["edges"]
    assert edges.groupby("target")["weight"].sum().tolist() == [1.0] * N
    assert set(edges["source"]) == set(ring.agents)  # no real data in this ring
    assert (edges["from"] == 0).all()


def test_tables_of_gaussians_and_without_measures(gaussians: Trajectory, tmp_path: Path) -> None:
    agents = read(gaussians.path, tmp_path / "a")[0]["agents"]
    for name in ("spread", "mean_error", "predicted_spread", "placebo_predicted_mean_error"):
        held = agents[name].to_numpy().reshape(R, STEPS + 1, N)
        assert np.array_equal(held, gaussians.arrays[name])
    plain, _ = read(gaussians.path, tmp_path / "b", measures=False)
    assert plain["agents"]["error"].isna().all()
    assert plain["steps"]["norm"].notna().all()


def test_the_edges_of_a_schedule_and_of_a_graph_that_is_not_kept(tmp_path: Path) -> None:
    run = lwd.run("flip", out=tmp_path / "flip", steps=60, replicates=2)
    edges = read(run.path, tmp_path / "a", tables=["edges"])[0]["edges"]
    assert edges.groupby("from").size().to_dict() == {0: 6, 50: 7}
    added = edges[(edges["source"] == "d") & (edges["target"] == "b")]
    assert added[["from", "weight"]].to_numpy().tolist() == [[50, 0.1]]
    assert "real" in set(edges["source"])
    manifest = json.loads((run.path / "manifest.json").read_text())
    del manifest["graphs"]
    (run.path / "manifest.json").write_text(json.dumps(manifest))
    none, said = read(run.path, tmp_path / "b", tables=["edges"])
    assert none["edges"].empty
    assert any("too many edges" in line for line in said)


# --- damage -------------------------------------------------------------------------------------


def damaged(run: Trajectory, tmp_path: Path, **changes: Any) -> Path:
    path = Path(shutil.copytree(run.path, tmp_path / "run"))
    with np.load(path / "trajectories.npz") as loaded:
        arrays = {**loaded, **changes}
    kept = {name: array for name, array in arrays.items() if array is not None}
    np.savez(path / "trajectories.npz", **kept)
    return path


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"error": None}, "no array error"),
        ({"error": np.ones((R, STEPS + 1, N + 1))}, r"error has shape \(8, 21, 4\)"),
        ({"drift": np.ones((R, STEPS + 1, 1))}, "drift has shape"),
    ],
)
def test_arrays_that_are_gone_or_do_not_fit(
    alone: Trajectory, tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    path = damaged(alone, tmp_path, **changes)
    with pytest.raises(BadInput, match=says):
        lwd.measure(path)
    with pytest.raises(BadInput, match="no live run of it can be measured"):
        lwd.test(path, write=False)
    found, said = read(path, tmp_path / "out")
    assert any(line.startswith(f"{path}: no measures") for line in said)
    assert np.array_equal(found["steps"]["norm"].to_numpy().reshape(R, -1), alone.norms)


def test_a_placebo_that_is_damaged_leaves_a_trend(ring: Trajectory, tmp_path: Path) -> None:
    path = damaged(ring, tmp_path, placebo_error=None)
    found = judged(path)
    assert found.collapse is None
    assert list(found.trends) == ["between", "drift", "error"]
    assert any("no array placebo_error" in line for line in found.said)
    assert read(path, tmp_path / "out")[0]["agents"]["error"].notna().all()


@pytest.mark.parametrize("key", ["estimator", "features"])
def test_a_manifest_that_is_not_whole_is_refused(
    ring: Trajectory, tmp_path: Path, key: str
) -> None:
    path = Path(shutil.copytree(ring.path, tmp_path / "run"))
    file = path / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["config"][key] = None
    file.write_text(json.dumps(manifest))
    with pytest.raises(BadInput, match=rf"config\.{key} is missing or damaged"):
        lwd.test(path, write=False)


def test_a_step_that_is_no_number_is_left_out(ring: Trajectory, tmp_path: Path) -> None:
    error = ring.arrays["error"].copy()
    error[2, -1, 0] = np.inf
    path = damaged(ring, tmp_path, error=error)
    assert np.isnan(lwd.measure(path).steps["error"].iloc[-1])
    late = verdict(path, early="0:0").quantities[2].live[2]
    mean = error[2].mean(axis=1)
    assert late == pytest.approx(mean[-4:-1].mean() - mean[0])


def test_without_arrays_the_lines_are_exported(ring: Trajectory, tmp_path: Path) -> None:
    path = Path(shutil.copytree(ring.path, tmp_path / "run"))
    (path / "trajectories.npz").unlink()
    found, said = read(path, tmp_path / "out")
    assert any("first replicate alone" in line for line in said)
    held = found["agents"]["error"].to_numpy().reshape(STEPS + 1, N)
    assert np.array_equal(held, ring.arrays["error"][0])
    assert np.array_equal(found["steps"]["drift"], ring.arrays["drift"][0])


# --- figures ------------------------------------------------------------------------------------


def test_a_run_has_its_figures(ring: Trajectory, alone: Trajectory, tmp_path: Path) -> None:
    assert set(names_of("graph")) == {"contrast", "graph", "errors", "norm"}
    drawn = draw(ring, tmp_path / "a", formats=("svg",))
    assert [file.stem for file in drawn.files] == names_of("graph")
    assert drawn.said == ()
    lonely = draw(alone, tmp_path / "b", formats=("svg",))
    assert {file.stem for file in lonely.files} == {"graph", "errors", "norm"}
    assert "placebo=true" in lonely.said[0]
    with pytest.raises(BadInput, match="a run of world graph has: contrast, graph, errors, norm"):
        draw(ring, tmp_path / "c", only=("figure4",))


def test_titles_can_be_left_to_the_caption(ring: Trajectory) -> None:
    subject = subject_of(ring)
    for name in names_of("graph"):
        titled = FIGURES[name].draw(subject, True)
        assert titled.get_suptitle(), name
        assert FIGURES[name].draw(subject, False).get_suptitle() == "", name
        assert titled.get_size_inches()[0] <= 6.9, name


def values(figure: Figure, panel: int) -> list[np.ndarray]:
    return [np.asarray(line.get_data()) for line in figure.axes[panel].get_lines()]


def test_contrast_shows_errors_and_what_the_test_found(gaussians: Trajectory) -> None:
    figure = contrast_figure(subject_of(gaussians))
    assert len(figure.axes) == 1 + 4
    drawn = values(figure, 0)
    for side, place in (("", 0), ("placebo_", R + 1)):
        error = gaussians.arrays[f"{side}error"].mean(axis=2)
        np.testing.assert_allclose([y for _, y in drawn[place : place + R]], error)
        np.testing.assert_allclose(drawn[place + R][1], error.mean(axis=0))
    for row, quantity in enumerate(verdict(gaussians).quantities):
        zero, deltas, ends, mean = values(figure, 1 + row)
        np.testing.assert_array_equal(deltas[0], quantity.deltas)
        assert tuple(ends[0]) == (quantity.interval.low, quantity.interval.high)
        assert (zero[0] == 0).all()
        assert mean[0] == quantity.interval.estimate
        assert figure.axes[1 + row].get_title(loc="left").startswith(f"{quantity.name}: ")
