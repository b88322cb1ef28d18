"""The page of learners: what is claimed of them, what was simulated and expected, and no more."""

from __future__ import annotations

import base64
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import made_run, network
from test_page_html import Read

import lwd_agents as lwd
from lwd_agents.blocks import Blocks, load_arrays
from lwd_agents.measures.learners import perspectives
from lwd_agents.measures.perspective import fit_frame, place
from lwd_agents.report.page import curves, learners
from lwd_agents.report.page.data import page_data
from lwd_agents.report.page.html import render
from lwd_agents.report.page.stills import graph_stills, stills

EDGES = [["real", "a", 0.2], ["b", "a", 0.8], ["a", "b", 1], ["c", "c", 1]]
JOINED = [["real", "a", 0.2], ["b", "a", 0.8], ["a", "b", 0.9], ["c", "b", 0.1], ["c", "c", 1]]
NAMES = ("<script>alert(1)</script>", 'x" onload="alert(2)' + "y" * 40)
SIZES = {"rows": 20, "features": 2, "steps": 6, "replicates": 4}


def learned(path: Path, **keys: Any) -> Path:
    """A small run of learners; by default of three, of whom b learns from c from t = 3 on."""
    graph = {"schedule": {0: {"edges": EDGES}, 3: {"edges": JOINED}}}
    how = {"graph": graph} if not {"graph", "readership"} & set(keys) else {}
    return lwd.run({"world": "graph", **SIZES, **how, **keys}, out=path).path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return learned(tmp_path_factory.mktemp("learners") / "joined", placebo=True)


@pytest.fixture
def copied(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "joined"))


def one(data: dict[str, Any]) -> dict[str, Any]:
    """The only run of a page, whose columns are as long as its steps."""
    (run,) = json.loads(json.dumps(data, allow_nan=False))["runs"]
    for name in ("errors", "errors_se", "expected", "spreads", "expected_spreads", "k"):
        assert run[name] is None or len(run[name]) == len(run["t"])
    return dict(run)


def shown(data: dict[str, Any]) -> Read:
    """The page, whose elements must close."""
    return Read(render(data, stills(data)))


def section(data: dict[str, Any]) -> str:
    """The HTML of the section of learners."""
    html = render(data, graph_stills(data["runs"]))
    found = re.search(r'<section id="learners".*?</section>', html, re.S)
    assert found is not None
    return found[0]


def words(html: str) -> str:
    return " ".join(re.sub("<[^>]*>", " ", html).split())


def said(data: dict[str, Any], *wanted: str) -> bool:
    return any(all(word in note for word in wanted) for note in data["notes"])


# --- data -------------------------------------------------------------------------------------


def test_errors_and_what_is_expected_are_means_over_replicates(whole: Path) -> None:
    data = page_data([whole])
    run, arrays = one(data), lwd.load(whole).arrays
    assert data["notes"] == []
    np.testing.assert_allclose(run["errors"], arrays["error"].mean(axis=0), rtol=1e-5)
    se = arrays["error"].std(axis=0, ddof=1) / 2
    np.testing.assert_allclose(run["errors_se"], se, rtol=1e-5)
    np.testing.assert_allclose(run["expected"], arrays["predicted_error"].mean(axis=0), rtol=1e-5)
    assert run["spreads"] is run["weights"] is None
    np.testing.assert_allclose(
        run["theory"]["placebo_predicted"], arrays["placebo_predicted_rms"][0], rtol=1e-5
    )
    for name in ("error", "drift", "between", "placebo_error", "placebo_drift"):
        assert len(run["curves"][name]) == 7
    share = lwd.load(whole).synthetic_share
    np.testing.assert_allclose(run["curves"]["synthetic_share"], share, rtol=1e-5)


def test_verdicts_and_rows_are_the_summarys(whole: Path) -> None:
    known, summary = one(page_data([whole]))["learners"], lwd.load(whole).summary
    assert [one["from"] for one in known["verdicts"]] == [0, 3]
    assert (
        [one["collapses"] for one in known["verdicts"]]
        == [[name in one["collapses"] for name in "abc"] for one in summary["verdicts"]]
        == [[False, False, True], [True, True, True]]
    )
    assert known["graphs"][0]["real"] == [0.2, 0, 0]
    assert sorted(known["graphs"][0]["edges"]) == [[0, 1, 1], [1, 0, 0.8], [2, 2, 1]]
    for row, told in zip(known["table"], summary["learners"], strict=True):
        assert row["last"] == pytest.approx(told["error_last"], rel=1e-5)
        assert row["z"] == pytest.approx(told["z"], rel=1e-5)
    assert known["said"] is None
    assert (known["estimator"], known["regime"], known["rows"]) == (
        "least-squares", "replace", "20",
    )  # fmt: skip


def test_paths_are_of_the_parameters_and_of_gaussians_of_the_perspectives(tmp_path: Path) -> None:
    gaussian = learned(tmp_path / "g", estimator="gaussian", graph={"edges": EDGES})
    run = one(page_data([gaussian]))
    arrays = lwd.load(gaussian).arrays
    X = perspectives(arrays["parameters"][0], "gaussian", 2)
    placed = place(fit_frame(X), X)
    np.testing.assert_allclose(run["path"]["x"], placed.coordinates[..., 0], atol=1e-4)
    np.testing.assert_allclose(run["errors"], arrays["mean_error"].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(run["spreads"], arrays["spread"].mean(axis=0), rtol=1e-5)
    expected = arrays["predicted_spread"].mean(axis=0)
    np.testing.assert_allclose(run["expected_spreads"], expected, rtol=1e-5)
    assert run["learners"]["of"] == "mean_error"
    assert run["learners"]["verdicts"][0]["collapses"] is None
    told = words(section(page_data([gaussian])))
    assert "No verdict is claimed. The covariance MLE is biased" in told
    assert "squares collapse" not in told
    assert "error of the mean at t = 0" in told


def test_what_is_too_much_for_a_page_is_left_out_and_said(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curves, "MOST_NUMBERS", 10)
    monkeypatch.setattr("lwd_agents.report.page.planes.MOST_NUMBERS", 10)
    data = page_data([whole])
    run = one(data)
    assert run["errors"] is run["path"] is run["k"] is None
    assert run["agent_measures"] == {}
    assert said(data, "errors are too many for a page")
    assert said(data, "too many agents for paths")
    assert said(data, "measures of single agents are too many")
    assert "3 of 3 learners collapse" in words(section(data))


# --- the section ------------------------------------------------------------------------------


def test_graph_verdicts_and_learners_stand_there_without_scripts(whole: Path) -> None:
    data = page_data([whole])
    read, html = shown(data), section(data)
    ids = [attrs["id"] for attrs in read.all("section")]
    assert ids == ["learners", "verdict", "norm", "explore", "paths", "measures", "about"]
    told = words(html)
    assert "From t = 0: 1 of 3 learners collapses ( c )." in told
    assert "From t = 3: 3 of 3 learners collapse." in told
    assert "The graph alone decides: unbiased fits" in told
    assert "It begins where no real data comes in: c ." in told
    assert "slope is no verdict" in told
    assert "the exact recursion" in told
    (graph,) = re.findall(r'<img src="data:image/svg\+xml;base64,[^"]*" alt="([^"]*)">', html)
    assert "Graph from t = 3 of 3 learners. Collapse: a, b, c. Real data: a 0.2." in graph
    assert "c to b 0.1" in graph
    assert len(re.findall(r'<th scope="row">', html)) == 3
    assert html.count("\u25a0</span> collapses") == 3
    assert "Error: squared distance from the truth, mean over 4 replicates" in told
    assert "labels" in read.words
    assert "the learners\u2019 mean from the truth" in read.words


def test_a_trend_of_learners_is_told_in_their_own_words(tmp_path: Path) -> None:
    data = page_data([learned(tmp_path / "r")])
    told = shown(data).words
    assert "slow transients look like growth" in told
    assert "readings grow and average out" not in told
    assert "human" not in told


def renamed(path: Path) -> Path:
    """A run whose learners have names that no experiment may have, but a directory can."""
    for file in ("manifest.json", "summary.json", "rounds.jsonl"):
        content = (path / file).read_text()
        for old, new in zip(('"a"', '"b"'), NAMES, strict=True):
            content = content.replace(old, json.dumps(new))
        (path / file).write_text(content)
    return path


def test_hostile_names_stay_texts(copied: Path) -> None:
    data = page_data([renamed(copied)])
    assert data["notes"] == []
    read = shown(data)
    assert len(read.scripts) == len(shown(page_data([copied.parent / "joined"])).scripts)
    assert not [attrs for _, attrs in read.elements if "onload" in attrs]
    for name in NAMES:
        assert name in read.words
    (drawn,) = re.findall(r'base64,([^"]*)', section(data))
    svg = base64.b64decode(drawn).decode()
    assert "<script" not in svg  # names are drawn, not written


def killed(path: Path) -> Path:
    """As a kill leaves a run: blocks of steps, no expectation, no summary."""
    (path / "summary.json").unlink()
    arrays = {
        n: a for n, a in load_arrays(path / "trajectories.npz").items() if "predicted" not in n
    }
    (path / "trajectories.npz").unlink()
    Blocks(path).write(0, {n: a[:, :4] for n, a in arrays.items()})
    lines = (path / "rounds.jsonl").read_bytes().splitlines(keepends=True)
    (path / "rounds.jsonl").write_bytes(b"".join(lines[:4]))
    return status(path, "running")


def status(path: Path, word: str) -> Path:
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps({**manifest, "status": word}))
    return path


def test_a_run_that_was_killed_has_its_graph_and_its_verdict(copied: Path) -> None:
    data = page_data([killed(copied)])
    run, html = one(data), section(data)
    assert run["t"] == [0, 1, 2, 3]
    assert len(run["errors"]) == 4
    assert run["expected"] is None
    assert [one["from"] for one in run["learners"]["verdicts"]] == [0, 3]
    told = words(html)
    assert "From t = 0: 1 of 3 learners collapses ( c )." in told
    assert "The learners one by one: a run tells them when it ends." in told
    assert "Collapse: a, b, c." in html  # of the picture
    assert "<table" not in html
    status(copied, "failed")
    assert "this one could not go on" in words(section(page_data([copied])))


@pytest.mark.parametrize("verdicts", [None, 3, [], [{"from": 0}]])
def test_a_manifest_without_verdicts_claims_none(verdicts: Any, copied: Path) -> None:
    killed(copied)
    manifest = json.loads((copied / "manifest.json").read_text())
    (copied / "manifest.json").write_text(json.dumps({**manifest, "verdicts": verdicts}))
    html = section(page_data([copied]))
    assert "No verdict is claimed: the manifest has none that can be read." in words(html)
    assert "Collapse:" not in html
    assert "<img" in html


def test_a_summary_of_an_earlier_end_is_not_used(copied: Path) -> None:
    file = copied / "summary.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "steps": 5}))
    told = words(section(page_data([copied])))
    assert "is gone or is of an earlier end" in told
    file.write_text(json.dumps({"inference": {}}))  # what lwd test leaves beside a killed run
    assert "is gone or is of an earlier end" in words(section(page_data([copied])))


@pytest.mark.parametrize(
    "changes",
    [None, {"verdicts": 3}, {"verdicts": []}, {"learners": [{}]}, {"theory": None}],
)
def test_a_damaged_summary_is_said(changes: dict[str, Any] | None, copied: Path) -> None:
    file = copied / "summary.json"
    found = {**json.loads(file.read_text()), **(changes or {})}
    file.write_text("{" if changes is None else json.dumps(found))
    data = page_data([copied])
    assert said(data, "the summary could not be made")
    assert one(data)["errors"] is not None
    assert "<img" in section(data)


def test_rows_of_nobody_are_left_out(copied: Path) -> None:
    file = copied / "summary.json"
    found = json.loads(file.read_text())
    file.write_text(json.dumps({**found, "learners": found["learners"] * 2}))
    assert len(re.findall(r'<th scope="row">', section(page_data([copied])))) == 3


def test_a_damaged_graph_is_said(copied: Path) -> None:
    file = copied / "manifest.json"
    manifest = json.loads(file.read_text())
    for graphs in ([{"from": 0, "edges": [["nobody", "a", 1]]}], [3], 7, [{"from": 0}]):
        file.write_text(json.dumps({**manifest, "graphs": graphs}))
        told = words(section(page_data([copied])))
        assert "The graph is not drawn: what the manifest has of it is damaged." in told
        assert "3 of 3 learners collapse" in told


def test_damaged_arrays_take_nothing_else_away(copied: Path) -> None:
    arrays = load_arrays(copied / "trajectories.npz")
    for name in [name for name in arrays if name.endswith("error")]:
        arrays[name] = arrays[name][..., :2]
    np.savez(copied / "trajectories.npz", **arrays)
    data = page_data([copied])
    assert said(data, "damaged: no error of 3 learners")
    run = one(data)
    assert run["errors"] is None
    assert run["path"] is not None
    assert "3 of 3 learners collapse" in words(section(data))
    (copied / "trajectories.npz").write_bytes(b"no archive")
    data = page_data([copied])
    assert said(data, "trajectories.npz")
    assert one(data)["curves"]["norm"][0] is not None
    assert "3 of 3 learners collapse" in words(section(data))


def test_parameters_that_are_no_numbers_have_no_path(copied: Path) -> None:
    arrays = load_arrays(copied / "trajectories.npz")
    arrays["parameters"][0, 4:, 1] = np.inf
    np.savez(copied / "trajectories.npz", **arrays)
    path = one(page_data([copied]))["path"]
    assert path["x"][4][1] is None
    assert path["x"][4][0] is not None


def test_many_learners_are_counted_and_not_drawn(
    tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    big = learned(tmp_path / "big", learners=450, readership="ring", real=0.0, steps=2)
    data = page_data([big])
    html = section(data)
    told = words(html)
    assert "450 learners are too many to tell apart" in told
    assert "<img" not in html
    assert "450 of 450 learners collapse" in told
    assert "And 390 more learners; 390 of them collapse" in told
    assert len(re.findall(r'<th scope="row">', html)) == 60
    about = shown(data).words
    assert "and 250 more" in about  # of the learners' names
    assert "all 450" in about  # have one backend
    monkeypatch.setattr(learners, "_MOST_EDGES", 5)
    assert "7 edges are too many to tell apart" in words(section(page_data([whole])))


def test_the_first_of_many_graphs_are_drawn(tmp_path: Path) -> None:
    schedule = {t: {"edges": JOINED if t % 2 else EDGES} for t in range(6)}
    told = words(section(page_data([learned(tmp_path / "r", graph={"schedule": schedule})])))
    assert "The first 4 of 6 graphs are drawn." in told
    assert told.count("From t =") == 6


def test_radii_of_moments_and_of_what_is_nearly_one(tmp_path: Path) -> None:
    near = [["real", "a", 0.0001], ["a", "a", 0.9999]]
    keys: dict[str, Any] = {"designs": "redrawn", "estimator": "least-squares"}
    path = learned(tmp_path / "r", graph={"edges": near}, rows=10_000, **keys)
    told = words(section(page_data([path])))
    assert "The second moments decide" in told
    assert "radius of E[M \u2297 M]" in told
    assert "1 \u2212 0.00010" in told


# --- beside other runs ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def worlds(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The data of a page with one run of each world, learners first."""
    folder = tmp_path_factory.mktemp("worlds")
    gmm = lwd.run("figure4", out=folder / "gmm", steps=4, replicates=3).path
    llm = made_run(folder / "llm", network(5, 2, 5, 6, key=1), seed=0)
    return page_data([whole, gmm, llm])


def test_worlds_together(worlds: dict[str, Any]) -> None:
    graph, gmm, llm = worlds["runs"]
    assert graph["path"] is not None
    assert gmm["path"] is llm["path"] is None
    assert said(worlds, "another kind of perspectives than joined's")
    assert gmm["learners"] is llm["learners"] is None
    assert gmm["weights"] is not None
    assert [card["world"] for card in worlds["verdict"]["cards"]] == ["graph", "gmm", "llm"]
    read = shown(worlds)
    ids = [attrs["id"] for attrs in read.all("section")]
    assert ids[:3] == ["verdict", "learners", "norm"]
    assert "Of agents that write, each mark is an answer" in read.words
    assert "of mixtures, the weights" in read.words
    assert "of learners, how far they are from the truth" in read.words
    assert "no measure of collapse here" not in read.words  # it is one for the others
    pictures = stills(worlds)
    assert {"graph-0", "errors", "weights", "plane"} <= set(pictures)
    assert "graph-1" not in pictures


def test_several_runs_of_learners_have_a_fold_each(whole: Path, tmp_path: Path) -> None:
    other = learned(tmp_path / "other", graph={"edges": [*EDGES[:-1], ["real", "c", 1]]})
    data = page_data([whole, other])
    html = section(data)
    assert html.count('<details class="run" open>') == 2
    assert "3 of 3 learners collapse" in html
    assert "0 of 3 learners collapse" in html
    assert html.count("<img") == 2
    assert all(run["path"] for run in data["runs"])
    compared = re.search(r'<section id="compare".*', render(data, {}), re.S)
    assert compared is not None
    assert "real \u2192 a 0.2, b \u2192 a 0.8" in words(compared[0])
    gaussian = learned(tmp_path / "g", estimator="gaussian")
    assert said(page_data([whole, gaussian]), "g: another kind of perspectives than joined's")


def test_still_pictures_have_their_words(whole: Path, tmp_path: Path) -> None:
    found = stills(page_data([whole]))
    assert set(found) == {"norm", "paths", "measures", "errors", "graph-0"}
    assert "a: " in found["errors"].alt
    assert "at t = 6" in found["errors"].alt
    assert "drift of the mean from the truth" in found["measures"].svg
    many = stills(page_data([learned(tmp_path / "r", learners=12, readership="ring", real=0.5)]))
    assert "stable (12)" in many["errors"].svg
