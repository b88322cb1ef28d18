"""``lwd watch``: runs followed as they grow, deltas, and the server on loopback, all real."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import made_run, network

import lwd_agents as lwd
from lwd_agents.blocks import Blocks
from lwd_agents.config import read_experiment
from lwd_agents.errors import BadInput
from lwd_agents.measures.table import measure
from lwd_agents.report.live.following import PATIENCE
from lwd_agents.report.live.runs import Live
from lwd_agents.report.live.server import Watch, serve, watch
from lwd_agents.report.live.tail import Lines, Replaced, Tail
from lwd_agents.report.live.versions import Versions
from lwd_agents.report.live.watching import Watcher
from lwd_agents.trajectory import Trajectory

ALIGNED = ("curves", "agent_measures", "pair_measures")


class Growing:
    """A copy of a finished run, of which the steps come one by one as the journal writes them."""

    def __init__(self, whole: Path, path: Path) -> None:
        self.whole, self.path, self.t = whole, path, 0
        (path / "embeddings").mkdir(parents=True)
        for file in whole.glob("embeddings/seed.*"):
            shutil.copy(file, path / "embeddings")
        self.manifest = json.loads((whole / "manifest.json").read_text())
        self.say("running")
        self.lines = (whole / "rounds.jsonl").read_bytes().splitlines(keepends=True)
        responses = whole / "responses.jsonl"
        self.rows = responses.read_bytes().splitlines(keepends=True) if responses.exists() else []
        for name in ("rounds.jsonl", "responses.jsonl"):
            (path / name).touch()

    def say(self, status: str) -> None:
        beside = self.path / "manifest.json.tmp"
        beside.write_text(json.dumps({**self.manifest, "status": status}))
        beside.replace(self.path / "manifest.json")

    def arrays(self) -> None:
        for file in self.whole.glob(f"embeddings/{self.t:05d}*.npy"):
            shutil.copy(file, self.path / "embeddings")

    def responses(self) -> None:
        mine = [row for row in self.rows if json.loads(row)["t"] == self.t]
        self.write("responses.jsonl", b"".join(mine))

    def write(self, name: str, content: bytes) -> None:
        with (self.path / name).open("ab") as handle:
            handle.write(content)

    def grow(self, steps: int = 1) -> None:
        for _ in range(steps):
            self.arrays()
            self.responses()
            self.write("rounds.jsonl", self.lines[self.t])
            self.t += 1

    def finish(self) -> None:
        self.grow(len(self.lines) - self.t)
        self.say("complete")


def merged(data: dict[str, Any], delta: dict[str, Any]) -> dict[str, Any]:
    """What the page has after a delta; by the words of the plan, without the code that made it."""

    def lay(old: Any, new: Any, path: tuple[str, ...]) -> Any:
        if path[-2:] in (("replicates", "norm"), ("replicates", "placebo_norm")):
            return [a + b for a, b in zip(old, new, strict=True)]
        if isinstance(new, list):
            return (old or []) + new
        if isinstance(new, dict):
            keys = [*(old or {}), *(k for k in new if k not in (old or {}))]
            return {
                k: lay((old or {}).get(k), new[k], (*path, k)) if k in new else old[k] for k in keys
            }
        return new

    data, delta = deepcopy(data), deepcopy(delta)
    for shown in data["runs"]:
        more = delta["runs"].pop(shown["key"], {})
        left = more.get("texts", {}).pop("left_at", [])
        for key, value in more.items():
            shown[key] = lay(shown[key], value, (key,))
        for row, t in left:
            shown["texts"]["posts"]["left"][row] = t
    data["runs"] += delta["runs"].values()
    data["notes"] += delta["notes"]
    return data


def bare(data: dict[str, Any], *, placed: bool = True) -> dict[str, Any]:
    """What must agree: not what tells of the moment; without ``placed`` nothing in the frame."""
    data = deepcopy(data)
    data.pop("title")
    for shown in data["runs"]:
        shown.pop("about")
        if not placed:
            shown.pop("path")
            for group in ("posts", "responses"):
                shown["texts"][group] |= {"x": 0, "y": 0}
    if not placed:
        data.pop("plane")
        data.pop("paths")
    return data


def wide_run(path: Path) -> Path:
    """A made run: two readings, a missing draw, a step at which no draw of an agent is there."""
    arrays = network(5, draws=4, key=1)
    arrays[1, 0, 2] = arrays[2, 1] = np.nan
    return made_run(path, arrays, reading={"k": 0, "readings_per_step": 2}, extra=[
        (".r1", network(5, draws=4, key=2)),
    ])  # fmt: skip


def mixture_run(path: Path) -> dict[str, np.ndarray]:
    """The files of a gmm run with arrays of our own, which are returned: R = 3, T = 9."""
    config = read_experiment("figure4", ["replicates=3", "steps=9"]).resolve()
    agents = ["g1", "g2", "g3"]
    generator = np.random.Generator(np.random.Philox(key=4))
    arrays = {
        **{f"{side}norm": generator.random((3, 10)) for side in ("", "placebo_")},
        **{f"{side}predicted_rms": generator.random((3, 10)) for side in ("", "placebo_")},
        **{f"{side}weights": generator.random((3, 10, 3, 2)) for side in ("", "placebo_")},
    }
    lines = [
        {"t": t, "internet_size": 9 * t, "synthetic": 9 * t, "norm": arrays["norm"][0, t],
         "placebo_norm": arrays["placebo_norm"][0, t], "k": dict.fromkeys(agents, t),
         "seconds": {"generate": 0.1}}
        for t in range(10)
    ]  # fmt: skip
    manifest = {
        "schema": 1, "world": "gmm", "experiment": "figure4", "status": "complete", "seed": 0,
        "created": "2026-01-01T00:00:00+00:00", "config": config.model_dump(mode="json"),
        "agents": agents, "versions": {}, "sha256": {},
    }  # fmt: skip
    path.mkdir()
    (path / "manifest.json").write_text(json.dumps(manifest))
    (path / "rounds.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return arrays


@pytest.fixture(params=["pocket", "wide"])
def whole(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "wide":
        return wide_run(tmp_path / "wide")
    found: Trajectory = request.getfixturevalue("pocket_run")
    return found.path


# --- data --------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [1, 2, 5])
def test_deltas_add_up_to_what_a_new_look_shows(whole: Path, tmp_path: Path, first: int) -> None:
    growing = Growing(whole, tmp_path / "run")
    growing.grow(first)
    live = Live([growing.path])
    data = deepcopy(live.data())
    steps = []
    while growing.t < len(growing.lines):
        growing.grow(1 + growing.t % 2 if growing.t + 1 < len(growing.lines) else 1)
        delta = live.poll()
        assert delta is not None
        json.dumps(delta, allow_nan=False)
        assert next(iter(delta["runs"]["run"])) == "t"  # which the page counts steps by
        steps.append(delta["runs"]["run"]["t"])
        data = merged(data, delta)
        assert bare(data) == bare(live.data())
    assert live.poll() is None
    assert [t for found in steps for t in found] == list(range(first, len(growing.lines)))
    fresh = Live([growing.path]).data()
    assert bare(data, placed=False) == bare(fresh, placed=False)
    assert fresh["live"] is True
    assert fresh["verdict"] is None
    assert any("lwd test" in note for note in fresh["notes"])


def test_texts_are_those_of_the_run(pocket_run: Trajectory, tmp_path: Path) -> None:
    """Also a post that leaves: it was on the page before, and gets its last step there."""
    growing = Growing(pocket_run.path, tmp_path / "run")
    line = json.loads(growing.lines[3])
    gone = json.loads(growing.lines[1])["posted"][0]
    growing.lines[3] = (json.dumps({**line, "left": [gone]}) + "\n").encode()
    growing.grow(3)
    live = Live([growing.path])
    data = deepcopy(live.data())
    posts = data["runs"][0]["texts"]["posts"]
    row = posts["id"].index(gone)
    assert posts["left"][row] is None
    growing.grow()
    delta = live.poll()
    assert delta is not None
    (shown,) = merged(data, delta)["runs"]
    assert shown["texts"]["posts"]["left"][row] == 4
    assert [left for left in shown["texts"]["posts"]["left"] if left is not None] == [4]
    assert bare(live.data(), placed=False) == bare(Live([growing.path]).data(), placed=False)
    found = shown["texts"]["responses"]
    texts = [None if i is None else shown["texts"]["strings"][i] for i in found["text"]]
    rows = pocket_run.responses().query("t < 4")
    assert texts == rows["text"].tolist()
    assert found["draw"] == rows["draw"].tolist()


def test_numbers_are_those_of_the_measures(whole: Path) -> None:
    """The curves of the live page are columns of ``lwd.measure``; none has another length."""
    (shown,) = Live([whole]).data()["runs"]
    found = measure(whole, text=False)
    journal = {"norm", "internet_size", "synthetic_share", "seconds", "cost"}
    late = {"energy", "mmd", "vendi_of_all", "effective_rank_of_all"}  # they come with the report
    assert set(found.steps) - set(shown["curves"]) == late
    for name in set(shown["curves"]) - journal:
        ours = np.array(shown["curves"][name], dtype=float)
        np.testing.assert_allclose(ours, found.steps[name], rtol=1e-5, equal_nan=True)
    n, pairs = len(shown["agents"]), [tuple(pair) for pair in shown["pairs"]]
    assert pairs == [(i, j) for i in range(n) for j in range(i + 1, n)]
    for table, columns, width in (
        (found.agents, shown["agent_measures"], n),
        (found.pairs, shown["pair_measures"], len(pairs)),
    ):
        assert columns
        for name, column in columns.items():
            theirs = table[name].to_numpy().reshape(-1, width)
            np.testing.assert_allclose(
                np.array(column, dtype=float), theirs, rtol=1e-5, equal_nan=True
            )
    assert all(
        len(column) == len(shown["t"]) for group in ALIGNED for column in shown[group].values()
    )


def test_later_steps_stand_in_the_plane_of_the_first(tmp_path: Path) -> None:
    """A step that moves along the plane's first axis by 2 is 2 further along x, and on no other."""
    plane = network(1, n=3, draws=20, dimensions=8, key=3, spread=0.02)[0]
    plane[..., 0] += np.linspace(-3, 3, 20)
    plane[..., 1] += np.tile([-1.0, 1.0, 1.0, -1.0], 5)
    moved = plane.copy()
    moved[..., 0] += 2.0
    arrays = np.stack([plane, moved])
    growing = Growing(made_run(tmp_path / "made", arrays, normalize=False), tmp_path / "run")
    growing.grow()
    live = Live([growing.path])
    growing.grow()
    live.poll()
    (shown,) = live.data()["runs"]
    x, y = (np.array(shown["path"][axis]) for axis in "xy")
    assert abs(abs(x[1] - x[0]) - 2).max() < 0.01
    assert abs(y[1] - y[0]).max() < 0.05
    assert "t = 0 .. 0" in live.data()["plane"]["about"]
    answers = shown["texts"]["responses"]
    mine = [i for i, (t, a) in enumerate(zip(answers["t"], answers["agent"], strict=True))
            if (t, a) == (1, 2)]  # fmt: skip
    assert np.mean([answers["x"][i] for i in mine]) == pytest.approx(x[1][2], abs=1e-3)


def test_nothing_is_written_and_a_quiet_poll_opens_no_file(
    pocket_run: Trajectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    growing = Growing(pocket_run.path, tmp_path / "run")
    growing.grow(2)

    def state() -> dict[str, tuple[bytes, int]]:
        files = [file for file in growing.path.rglob("*") if file.is_file()]
        return {str(file): (file.read_bytes(), file.stat().st_mtime_ns) for file in files}

    before = state()
    live = Live([growing.path])
    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", lambda *_, **__: pytest.fail("a file was opened"))
        for _ in range(20):
            assert live.poll() is None
    live.data()
    assert state() == before


def test_a_numeric_world_is_followed_in_blocks(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    arrays = mixture_run(whole)
    growing = Growing(whole, tmp_path / "run")

    def block(steps: int) -> None:
        part = slice(growing.t, growing.t + steps)
        Blocks(growing.path).write(growing.t, {n: a[:, part] for n, a in arrays.items()})
        growing.grow(steps)

    block(4)
    live = Live([growing.path])
    data = deepcopy(live.data())
    for steps in (1, 5):
        block(steps)
        delta = live.poll()
        assert delta is not None
        data = merged(data, delta)
    assert bare(data) == bare(live.data()) == bare(Live([growing.path]).data())
    (shown,) = data["runs"]
    np.testing.assert_allclose(shown["replicates"]["norm"], arrays["norm"], rtol=1e-5)
    np.testing.assert_allclose(shown["weights"], arrays["weights"][0], rtol=1e-5)
    rms = np.sqrt((arrays["norm"] ** 2).mean(axis=0))
    np.testing.assert_allclose(shown["replicates"]["rms"], rms, rtol=1e-5)
    for side in ("", "placebo_"):
        predicted = np.sqrt((arrays[f"{side}predicted_rms"] ** 2).mean(axis=0))
        np.testing.assert_allclose(shown["theory"][f"{side}predicted"], predicted, rtol=1e-5)


def test_learners_are_followed_in_blocks_and_expected_at_the_end(tmp_path: Path) -> None:
    keys = {"learners": 3, "readership": "ring", "real": 0.2, "rows": 20, "features": 2}
    whole = lwd.run({"world": "graph", **keys, "steps": 9, "replicates": 3}, out=tmp_path / "whole")
    arrays = {n: a for n, a in whole.arrays.items() if not n.startswith("predicted")}
    growing = Growing(whole.path, tmp_path / "run")

    def block(steps: int) -> None:
        part = slice(growing.t, growing.t + steps)
        Blocks(growing.path).write(growing.t, {n: a[:, part] for n, a in arrays.items()})
        growing.grow(steps)

    block(4)
    watcher = Watcher([growing.path])
    live = watcher._live
    data = deepcopy(live.data())
    page = watcher.page().decode()
    assert "no learner collapses" in page.lower()
    assert "a run tells them when it ends" in page
    assert 'alt="Graph of 3 learners.' in page
    drawn = watcher._graphs
    for steps in (1, 3):
        block(steps)
        delta = live.poll()
        assert delta is not None
        assert delta["runs"]["run"].get("expected") is None
        data = merged(data, delta)
    assert watcher.page()
    assert watcher._graphs is drawn  # once
    shutil.rmtree(growing.path / "arrays")
    shutil.copy(whole.path / "trajectories.npz", growing.path)
    growing.grow(2)  # the last steps, and what is expected of all of them, in one look
    delta = live.poll()
    assert delta is not None
    assert len(delta["runs"]["run"]["theory"]["predicted"]) == 2
    data, now = merged(data, delta), deepcopy(live.data())
    theory = now["runs"][0].pop("theory")["predicted"]
    assert theory[:8] == [None] * 8  # a curve that comes late
    data["runs"][0].pop("theory")
    assert bare(data) == bare(now)
    (shown,) = data["runs"]
    for name, key in (("errors", "error"), ("expected", "predicted_error")):
        np.testing.assert_allclose(shown[name], whole.arrays[key].mean(axis=0), rtol=1e-5)
    assert len(shown["errors_se"]) == len(shown["k"]) == 10
    assert shown["weights"] is shown["spreads"] is None
    assert not any("texts" in note for note in data["notes"])


# --- runs that begin, are resumed, replaced, damaged ------------------------------------------


def test_a_run_without_a_step_is_waited_for(pocket_run: Trajectory, tmp_path: Path) -> None:
    growing = Growing(pocket_run.path, tmp_path / "run")
    live = Live([growing.path])
    assert [shown["t"] for shown in live.data()["runs"]] == [[]]
    assert any("waiting for the first step" in note for note in live.data()["notes"])
    growing.grow()
    assert {"reload": True} in [live.poll() for _ in range(5)]
    assert [shown["t"] for shown in live.data()["runs"]] == [[0]]
    assert not any("waiting for" in note for note in live.data()["notes"])
    with pytest.raises(BadInput, match="no run"):
        Live([tmp_path / "nowhere"])
    assert Live([tmp_path / "nowhere"], wait=True).data()["runs"] == []


def test_replicates_and_a_placebo_join(tmp_path: Path) -> None:
    parent = tmp_path / "six"
    wholes = [
        made_run(tmp_path / f"whole{r}", network(3, key=r), seed=r, placebo=r == 2)
        for r in range(3)
    ]
    first = Growing(wholes[0], parent / "replicate-000")
    first.grow(2)
    manifest = {**first.manifest, "config": {**first.manifest["config"], "replicates": 2}}
    (parent / "manifest.json").write_text(json.dumps({**manifest, "status": "running"}))
    live = Live([parent])
    data = deepcopy(live.data())
    assert [shown["key"] for shown in data["runs"]] == ["six/replicate-000"]
    first.finish()
    second = Growing(wholes[1], parent / "replicate-001")
    placebo = Growing(wholes[2], tmp_path / "six-placebo" / "replicate-000")
    for growing in (second, placebo):
        growing.grow(2)
    for _ in range(5):
        if delta := live.poll():
            assert "reload" not in delta
            data = merged(data, delta)
    assert [shown["key"] for shown in data["runs"]] == [
        "six/replicate-000",
        "six/replicate-001",
        "six-placebo/replicate-000",
    ]
    assert [shown["t"] for shown in data["runs"]] == [[0, 1, 2], [0, 1], [0, 1]]
    assert [shown["placebo"] for shown in data["runs"]] == [False, False, True]
    second.grow()
    delta = live.poll()
    assert delta is not None
    assert list(delta["runs"]) == ["six/replicate-001"]
    assert bare(merged(data, delta)) == bare(live.data())
    second.finish()
    placebo.finish()
    live.poll()
    assert not live.over  # the whole is said to go on: a third may come
    (parent / "manifest.json").write_text(json.dumps({**manifest, "status": "complete"}))
    live.poll()
    assert live.over


def test_a_resumed_run_goes_on_behind_its_torn_tail(pocket_run: Trajectory, tmp_path: Path) -> None:
    growing = Growing(pocket_run.path, tmp_path / "run")
    growing.grow(2)
    live = Live([growing.path])
    growing.arrays()
    growing.responses()
    growing.write("rounds.jsonl", growing.lines[2][:100])
    assert live.poll() is None  # a line that is not whole is no step
    for name, steps in (("rounds.jsonl", 2), ("responses.jsonl", 2)):
        content = (growing.path / name).read_bytes().splitlines(keepends=True)
        kept = [line for line in content if line[:1] == b"{" and line.endswith(b"\n")]
        kept = [line for line in kept if json.loads(line)["t"] < steps]
        os.truncate(growing.path / name, sum(map(len, kept)))
    growing.grow()
    delta = live.poll()
    assert delta is not None
    assert delta["runs"]["run"]["t"] == [2]
    assert bare(live.data(), placed=False) == bare(Live([growing.path]).data(), placed=False)


@pytest.mark.parametrize("how", ["shrinks", "other lines", "another run", "gone"])
def test_files_that_are_not_what_they_were_are_a_fresh_start(
    pocket_run: Trajectory, tmp_path: Path, how: str
) -> None:
    growing = Growing(pocket_run.path, tmp_path / "run")
    growing.grow(3)
    live = Live([growing.path])
    rounds = growing.path / "rounds.jsonl"
    if how == "shrinks":
        os.truncate(rounds, len(growing.lines[0]))
    elif how == "other lines":  # longer than before, and other
        rounds.write_bytes(
            b"".join(line.replace(b'"synthetic"', b'"other"') for line in growing.lines)
        )
    elif how == "another run":
        growing.manifest["created"] = "2030-01-01T00:00:00+00:00"
        growing.say("running")
    else:
        shutil.rmtree(growing.path)
    assert live.poll() == {"reload": True}
    steps = {"shrinks": [[0]], "another run": [[0, 1, 2]], "gone": []}
    if how in steps:
        assert [shown["t"] for shown in live.data()["runs"]] == steps[how]
    live.poll()


def test_a_step_whose_files_are_half_gone_is_tried_again(
    pocket_run: Trajectory, tmp_path: Path
) -> None:
    growing = Growing(pocket_run.path, tmp_path / "run")
    growing.grow(2)
    live = Live([growing.path])
    file = growing.path / "embeddings" / "00002.npy"
    growing.grow(2)
    content = file.read_bytes()
    file.write_bytes(content[:100])
    delta = live.poll()
    assert delta is not None
    assert not delta["runs"]
    assert any("00002.npy" in note and "tried again" in note for note in delta["notes"])
    assert live.poll() is None  # said once
    file.write_bytes(content)
    delta = live.poll()
    assert delta is not None
    assert delta["runs"]["run"]["t"] == [2, 3]
    assert (
        bare(live.data(), placed=False)["runs"]
        == bare(Live([growing.path]).data(), placed=False)["runs"]
    )
    growing.grow()
    file.with_name("00004.npy").unlink()
    found = [live.poll() for _ in range(PATIENCE)]
    assert found[-1] is not None
    assert found[-1]["runs"]["run"]["t"] == [4]
    assert found[-1]["runs"]["run"]["curves"]["between"] == [None]
    assert all(delta is None for delta in found[1:-1])


def test_lines_are_read_once_and_damage_is_said(tmp_path: Path) -> None:
    file = tmp_path / "rounds.jsonl"
    lines = Lines(file)
    assert lines.take() == ([], [])
    file.write_bytes(b'{"t": 0}\n[1]\n{"t": true}\n{"t": 1}\n{"t": 2')
    rows, damage = lines.take()
    assert rows == [{"t": 0}, {"t": 1}]
    assert [note.split(": ")[0] for note in damage] == [f"{file}, line 2", f"{file}, line 3"]
    with file.open("ab") as handle:
        handle.write(b'}\n{"t": 3}\n{"t": 4}\n')
    assert lines.take(lambda row: row["t"] < 4) == ([{"t": 2}, {"t": 3}], [])
    assert lines.take() == ([{"t": 4}], [])
    file.write_bytes(b'{"t": 0}\n')
    with pytest.raises(Replaced):
        lines.take()


def test_a_look_where_nothing_changed_is_two_stats(
    pocket_run: Trajectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    growing = Growing(pocket_run.path, tmp_path / "run")
    growing.grow(2)
    tail = Tail(growing.path)
    news = tail.look()
    assert news is not None
    assert [line["t"] for line in news.lines] == [0, 1]
    asked: list[str] = []
    plain = os.stat
    monkeypatch.setattr(
        os, "stat", lambda path, **how: asked.append(str(path)) or plain(path, **how)
    )
    assert tail.look() is None
    assert len(asked) == 2


# --- versions ----------------------------------------------------------------------------------


def test_each_client_gets_what_it_lacks_and_memory_is_bounded() -> None:
    versions = Versions(most=3, size=10_000)
    start = versions.last
    for n in range(5):
        versions.add({"runs": {}, "n": n})
    asked = {v: json.loads(versions.after(start + v, 0.0)) for v in (-9, 0, 1, 2, 4, 5, 6)}
    assert {v: found["reload"] for v, found in asked.items()} == {
        -9: True, 0: True, 1: True, 2: False, 4: False, 5: False, 6: True,
    }  # fmt: skip
    assert [asked[v]["version"] - start for v in (2, 4, 5)] == [3, 5, 5]
    assert [asked[v].get("n") for v in (2, 4, 5)] == [2, 4, None]
    versions.add({"n": "x" * 20_000})  # too large to be kept: pages load themselves anew
    assert json.loads(versions.after(start + 5, 0.0))["reload"] is True
    versions.add({"reload": True})
    assert json.loads(versions.after(start + 6, 0.0)) == {"version": start + 7, "reload": True}
    assert json.loads(versions.after(start + 7, 0.0)) == {"version": start + 7, "reload": False}
    began = time.monotonic()
    threading.Timer(0.1, versions.close).start()
    versions.after(start + 7, 20.0)
    assert time.monotonic() - began < 5


# --- the server --------------------------------------------------------------------------------


def get(url: str, path: str = "", **headers: str) -> tuple[int, bytes, dict[str, str]]:
    request = urllib.request.Request(url + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read(), dict(error.headers)


def data_of(page: bytes) -> dict[str, Any]:
    """The data in a page, as its script reads it."""
    start = page.index(b'id="data">') + len(b'id="data">')
    found: dict[str, Any] = json.loads(page[start : page.index(b"</script>", start)])
    return found


def since(url: str, version: int) -> dict[str, Any]:
    status, body, _ = get(url, f"since?v={version}")
    assert status == 200
    found: dict[str, Any] = json.loads(body)
    return found


@pytest.fixture
def growing(pocket_run: Trajectory, tmp_path: Path) -> Growing:
    found = Growing(pocket_run.path, tmp_path / "run")
    found.grow(2)
    return found


@pytest.fixture
def served(growing: Growing) -> Iterator[Watch]:
    with watch(growing.path) as found:
        yield found


def test_a_committed_step_reaches_everyone_within_a_second(growing: Growing, served: Watch) -> None:
    status, page, headers = get(served.url)
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    data = data_of(page)
    assert data["live"] is True
    assert data["runs"][0]["t"] == [0, 1]
    got: list[tuple[float, dict[str, Any]]] = []

    def ask() -> None:
        found = since(served.url, data["since"])
        got.append((time.monotonic(), found))

    clients = [threading.Thread(target=ask) for _ in range(20)]
    for client in clients:
        client.start()
    time.sleep(0.3)  # all of them wait
    assert not got
    growing.grow()
    committed = time.monotonic()
    for client in clients:
        client.join(20)
    assert len(got) == 20
    assert {found["version"] for _, found in got} == {data["since"] + 1}
    assert {tuple(found["runs"]["run"]["t"]) for _, found in got} == {(2,)}
    assert max(when for when, _ in got) - committed < 1.0
    new = data_of(get(served.url)[1])
    assert new["since"] == data["since"] + 1
    theirs, ours = bare(new), bare(merged(data, got[0][1]))
    assert theirs["runs"] == ours["runs"]


def test_when_the_run_is_over_the_whole_page_is_served(growing: Growing, served: Watch) -> None:
    version = data_of(get(served.url)[1])["since"]
    growing.finish()
    deadline = time.monotonic() + 60
    while not (found := since(served.url, version))["reload"]:
        version = found["version"]
        assert time.monotonic() < deadline
    page = get(served.url)[1]
    data = data_of(page)
    assert data["since"] == found["version"]
    assert "distinct" in data["runs"][0]["agent_measures"]  # a text measure: of the whole alone
    assert b'<img src="data:image/svg+xml' in page
    # it goes on: more steps than before
    growing.manifest["config"]["steps"] += 1
    growing.say("running")
    assert since(served.url, data["since"])["reload"] is True
    assert "distinct" not in data_of(get(served.url)[1])["runs"][0]["agent_measures"]


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1", 200), ("localhost", 200), ("[::1]", 200), ("evil.example", 403),
     ("127.0.0.1.evil.example", 403), ("127.0.0.1:1", 403), ("", 403)],
)  # fmt: skip
def test_hosts_of_others_are_refused(served: Watch, host: str, status: int) -> None:
    port = served.url.rsplit(":", 1)[1].strip("/")
    host = host if host.endswith(":1") else f"{host}:{port}"
    for path in ("", "since?v=1"):
        found, body, headers = get(served.url, path, Host=host)
        assert found == status
        assert (status == 200) == (b"{" in body)
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Content-Security-Policy"] == "frame-ancestors 'none'"
        assert "Access-Control-Allow-Origin" not in headers


def test_what_is_no_question_is_refused(served: Watch, capfd: pytest.CaptureFixture[str]) -> None:
    host, port = served.url.removeprefix("http://").strip("/").split(":")

    def said(head: str) -> str:
        with socket.create_connection((host, int(port)), timeout=10) as client:
            client.sendall(f"{head}\r\nHost: {host}:{port}\r\n\r\n".encode())
            return client.makefile("rb").readline().decode()

    for path in ("nothing", "since/x?v=1", "../manifest.json", "run/manifest.json"):
        assert get(served.url, path)[0] == 404
    for path in (
        "since",
        "since?v=",
        "since?v=x",
        "since?v=-1",
        "since?v=1e3",
        f"since?v={'9' * 99}",
    ):
        assert get(served.url, path)[0] == 400
    assert " 404 " in said("GET http://evil.example/since?v=1 HTTP/1.1")
    for method in ("POST", "PUT", "DELETE", "HEAD", "OPTIONS", "BREW"):
        assert " 405 " in said(f"{method} / HTTP/1.1")
    whole = f"GET / HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()
    for sent in (b"", b"GET", whole):  # clients that go away
        client = socket.create_connection((host, int(port)), timeout=10)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
        client.sendall(sent)
        client.close()
    assert get(served.url)[0] == 200
    assert capfd.readouterr() == ("", "")


def test_ports_and_runs_that_cannot_be_served(growing: Growing, tmp_path: Path) -> None:
    with watch(growing.path) as served:
        port = int(served.url.rsplit(":", 1)[1].strip("/"))
        with pytest.raises(BadInput, match=rf"--port {port}: in use; give another, or 0 for any"):
            watch(growing.path, port=port)
    with watch(growing.path, port=port):  # free again at once
        pass
    served.close()  # a second time
    with pytest.raises(BadInput, match="65536"):
        watch(growing.path, port=65536)
    with pytest.raises(BadInput, match="nowhere"):
        watch(tmp_path / "nowhere")


def test_serve_tells_its_address_and_ends(growing: Growing) -> None:
    stop = threading.Event()
    told: list[str] = []

    def ready(url: str) -> None:
        told.append(url)
        assert get(url)[0] == 200
        stop.set()

    serve([growing.path], on_ready=ready, stop=stop)
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(told[0], timeout=5)


@pytest.mark.slow
def test_a_run_of_its_own_process_is_watched_from_before_its_start(tmp_path: Path) -> None:
    path = tmp_path / "run"
    command = [
        sys.executable,
        "-m",
        "lwd_agents.cli",
        "run",
        "pocket",
        "--quiet",
        "--out",
        str(path),
    ]
    command += ["--steps", "4", "--set", "draws=2"]
    with watch(path, wait=True) as served:
        assert data_of(get(served.url)[1])["runs"] == []
        process = subprocess.Popen(command)
        try:
            seen: set[int] = set()
            deadline = time.monotonic() + 240
            data = data_of(get(served.url)[1])
            while process.poll() is None or len(seen) < 5:
                assert time.monotonic() < deadline
                delta = since(served.url, data["since"])
                if delta["reload"]:
                    data = data_of(get(served.url)[1])
                elif "runs" in delta:
                    data = {**merged(data, delta), "since": delta["version"]}
                seen |= {t for shown in data["runs"] for t in shown["t"]}
                assert [shown["t"] for shown in data["runs"]] in ([], [sorted(seen)])
        finally:
            process.kill()
            process.wait()
        assert process.returncode == 0
        (shown,) = data["runs"]
        found = [json.loads(line)["norm"] for line in (path / "rounds.jsonl").open()]
        np.testing.assert_allclose(shown["curves"]["norm"], found, rtol=1e-5)
        assert len(shown["texts"]["responses"]["t"]) == 5 * 3 * 2
