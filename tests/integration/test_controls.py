"""Controls and counterfactuals: what each of them holds fixed, on the pocket models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SMALL, files_of

import lwd_agents as lwd
from lwd_agents.cli import _call
from lwd_agents.errors import BadInput
from lwd_agents.trajectory import Trajectory

DRAWS = {"draws": 3}


def run(out: Path, *settings: str, steps: int = 4, **keys: Any) -> Trajectory:
    return lwd.run("pocket", out=out, settings=settings, steps=steps, **{**DRAWS, **keys})


def authors_read(done: Trajectory) -> dict[str, set[str]]:
    """The authors of the posts that each agent read, "human" for those of A(0)."""
    by_id = {
        row["post_id"]: row["agent"]
        for row in done.responses().to_dict("records")
        if row["post_id"]
    }
    found: dict[str, set[str]] = {}
    for line in done.rounds:
        for agent, ids in line["reads"].items():
            found.setdefault(agent, set()).update(by_id.get(post_id, "human") for post_id in ids)
    return found


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Trajectory:
    return run(tmp_path_factory.mktemp("live") / "run", steps=6)


def places_read(done: Trajectory) -> list[dict[str, list[int]]]:
    """The places in A(t), oldest first, of the posts that each agent read."""
    seeds = sorted({i for line in done.rounds for r in line["reads"].values() for i in r})
    order: list[str] = []
    found = []
    for line in done.rounds:
        known = {post_id: place for place, post_id in enumerate(order)}
        found.append(
            {agent: [known.get(i, -1) for i in ids] for agent, ids in line["reads"].items()}
        )
        order += line["posted"] + [lwd_post_id(entry) for entry in line.get("entered", ())]
    assert seeds
    return found


def lwd_post_id(entry: dict[str, Any]) -> str:
    from lwd_agents.internet.post import Post

    return Post(**entry).id


def test_isolated_agents_read_humans_and_themselves(tmp_path: Path) -> None:
    done = run(tmp_path / "run", "readership=isolated", "reading={beta: 1}")
    assert authors_read(done) == {name: {"human", name} for name in done.agents}
    assert [line["k"] for line in done.rounds] == [
        dict.fromkeys(done.agents, 20 + t) for t in range(5)
    ]


def test_a_ring_reads_the_one_before(tmp_path: Path) -> None:
    done = run(tmp_path / "run", "readership=ring", "reading={beta: 1}")
    before = dict(zip(done.agents, [done.agents[-1], *done.agents], strict=False))
    assert authors_read(done) == {n: {"human", n, before[n]} for n in done.agents}


def test_a_schedule_changes_the_graph(tmp_path: Path) -> None:
    done = run(
        tmp_path / "run", "readership={schedule: {0: complete, 3: isolated}}", "reading={beta: 1}"
    )
    assert [line["k"]["north"] for line in done.rounds] == [20, 23, 26, 20 + 3, 20 + 4]


def test_frozen_readers_read_nothing_and_a_shared_reading_is_one(tmp_path: Path) -> None:
    frozen = run(tmp_path / "frozen", "reading.k=0")
    assert all(ids == [] for line in frozen.rounds for ids in line["reads"].values())
    shared = run(tmp_path / "shared", "reading.shared=true")
    for line in shared.rounds:
        assert len({tuple(ids) for ids in line["reads"].values()}) == 1
    with pytest.raises(BadInput, match=r"reading.shared: agents that may not read the same posts"):
        run(tmp_path / "x", "reading.shared=true", "readership=ring")


def test_further_readings_are_kept_and_change_nothing(live: Trajectory, tmp_path: Path) -> None:
    more = run(tmp_path / "run", "reading.readings_per_step=3", steps=6)
    assert np.array_equal(more.norm, live.norm)
    assert np.array_equal(more.embeddings, live.embeddings)
    rows = more.responses()
    assert sorted(set(rows["reading"])) == [0, 1, 2]
    first = rows[rows["reading"] == 0].drop(columns=["reading"]).reset_index(drop=True)
    assert first.equals(live.responses().drop(columns=["reading"]))
    assert rows[rows["reading"] > 0]["post_id"].isna().all()
    texts = [set(rows[rows["reading"] == r]["text"]) for r in range(3)]
    assert not texts[0] & texts[1]
    for t in range(7):
        for r in (1, 2):
            array = np.load(more.path / "embeddings" / f"{t:05d}.r{r}.npy")
            assert array.shape == (3, 3, 384)
            assert np.isfinite(array).all()


QUERIES = "queries=[bitcoin, 'What about the weather?']"


def test_several_queries(live: Trajectory, tmp_path: Path) -> None:
    done = run(tmp_path / "shared", QUERIES, steps=3)
    rows = done.responses()
    assert list(dict.fromkeys(rows["query"])) == done.manifest["queries"]
    assert [line["internet_size"] for line in done.rounds] == [20, 26, 32, 38]
    first = np.load(done.path / "embeddings" / "00000.npy")
    other = np.load(done.path / "embeddings" / "00000.q1.npy")
    assert np.array_equal(first, live.embeddings[0])
    X = np.stack([first.mean(axis=1), other.mean(axis=1)], axis=1, dtype=np.float64)  # (N, Q, D)
    D = np.sqrt(((X[:, None] - X[None]) ** 2).sum(axis=-1).mean(axis=-1))
    assert done.norm[0] == pytest.approx(np.linalg.norm(D), rel=1e-5)
    own = run(tmp_path / "own", QUERIES, "internet.per_query=true", "reading={beta: 1}", steps=3)
    assert [line["k"]["north"] for line in own.rounds] == [20, 23, 26, 29]
    asked = {row["post_id"]: row["query"] for row in own.responses().to_dict("records")}
    for line in own.rounds:
        for q, ids in [
            (0, line["reads"]["north"]),
            (1, line["more_reads"]["north"][0]["reads"]),
        ]:
            assert {asked[i] for i in ids if i in asked} <= {own.manifest["queries"][q]}
    assert authors_read(own)["north"] == {"human", *own.agents}


def test_beta_may_change_and_a_retriever_may_be_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run(tmp_path / "run", "reading={beta: 0.5, schedule: {2: 0.1, 4: 1}}")
    assert [line["k"]["north"] for line in done.rounds] == [10, 11, 2, 2, 32]
    (tmp_path / "my_retrievers.py").write_text(
        "from langchain_core.retrievers import BaseRetriever\n"
        "class Newest(BaseRetriever):\n"
        "    internet: object\n"
        "    skip: int = 0\n"
        "    def _get_relevant_documents(self, query, *, run_manager, k, visible):\n"
        "        end = len(visible) - self.skip\n"
        "        return self.internet.get(visible[end - k : end])\n"
    )
    monkeypatch.chdir(tmp_path)
    named = run(tmp_path / "named", "reading={retriever: my_retrievers:Newest, k: 2}", steps=2)
    assert named.rounds[1]["reads"]["north"] == named.rounds[0]["posted"][-2:]
    options = "reading={retriever: my_retrievers.Newest, k: 2, options: {skip: 3}}"
    skipped = run(tmp_path / "skipped", options, steps=2)
    assert skipped.rounds[2]["reads"]["north"] == skipped.rounds[0]["posted"][-2:]
    with pytest.raises(BadInput, match="no law and no order"):
        run(tmp_path / "x", "reading={retriever: my_retrievers:Newest, law: own}")


def test_a_law_that_fills_says_what_it_lacked(tmp_path: Path) -> None:
    done = run(tmp_path / "run", "reading={law: own, options: {short: fill}, k: 3}")
    lacked = [line.get("short", {}).get("north", {}) for line in done.rounds]
    assert [sum(short.values()) for short in lacked] == [3, 2, 1, 0, 0]


def test_a_placebo_has_the_same_sizes_and_reads_the_same_places(
    live: Trajectory, tmp_path: Path
) -> None:
    placebo = run(tmp_path / "run", "placebo=true", steps=6)
    for a, b in zip(live.rounds, placebo.rounds, strict=True):
        assert (a["internet_size"], a["k"]) == (b["internet_size"], b["k"])
        assert b["synthetic"] == 0
        assert b["posted"] == []
        assert [(e["author"], e["step"]) for e in b["entered"]] == [
            (name, a["t"]) for name in live.agents
        ]
    assert places_read(placebo) == places_read(live)
    assert placebo.rounds[0]["reads"] == live.rounds[0]["reads"]
    assert np.array_equal(placebo.embeddings[0], live.embeddings[0])
    assert not np.array_equal(placebo.embeddings[-1], live.embeddings[-1])
    told = [e["text"] for line in placebo.rounds for e in line["entered"]]
    assert len(set(told)) == len(told) == 21
    assert placebo.responses()["post_id"].isna().all()


def test_posts_that_leave(tmp_path: Path) -> None:
    window = run(tmp_path / "window", "posting.keep={window: 2}", "reading={beta: 1}")
    assert [line["internet_size"] for line in window.rounds] == [20, 23, 26, 26, 26]
    for line in window.rounds[2:]:
        assert len(line["left"]) == 3
    replace = run(tmp_path / "replace", "posting.keep=replace")
    assert [line["internet_size"] for line in replace.rounds] == [20, 23, 23, 23, 23]
    sample = run(tmp_path / "sample", "posting.keep={subsample: 5}")
    assert [line["internet_size"] for line in sample.rounds] == [20, 23, 25, 25, 25]


def test_what_is_posted(tmp_path: Path) -> None:
    whole = run(tmp_path / "all", "posting.choose=all", steps=2)
    assert [line["internet_size"] for line in whole.rounds] == [20, 29, 38]
    silent = run(tmp_path / "none", "posting.choose=none", steps=2)
    assert [line["internet_size"] for line in silent.rounds] == [20, 20, 20]
    marked = run(tmp_path / "unless", "posting.choose={unless: not_one_sentence}", steps=2)
    assert 20 < marked.rounds[-1]["internet_size"] <= 26


def test_what_flows_in(tmp_path: Path) -> None:
    press = "{name: press, posts: held_out, per_step: 2}"
    foe = "{name: foe, kind: adversary, texts: [Sell!], first: 2}"
    done = run(tmp_path / "run", f"inflow=[{press}, {foe}]")
    assert [line["internet_size"] for line in done.rounds] == [20, 25, 30, 36, 42]
    assert [line["synthetic"] for line in done.rounds] == [0, 3, 6, 9, 12]
    said = [entry["text"] for entry in done.rounds[2]["entered"] if entry["author"] == "foe"]
    assert said == ["Sell!"]


def test_agents_that_join_and_leave(tmp_path: Path) -> None:
    done = run(tmp_path / "run", "agents.east.joins=2", "agents.south.leaves=3")
    assert [list(line["k"]) for line in done.rounds] == [
        ["north", "south"],
        ["north", "south"],
        ["north", "east", "south"],
        ["north", "east"],
        ["north", "east"],
    ]
    assert np.isfinite(done.norm).all()
    there = np.isfinite(done.embeddings).all(axis=(2, 3))
    assert there.tolist() == [
        [True, False, True],
        [True, False, True],
        [True, True, True],
        [True, True, False],
        [True, True, False],
    ]


@pytest.mark.parametrize(
    "settings",
    [
        ["placebo=true", "readership=ring"],
        pytest.param(
            ["posting.keep={window: 2}", "reading.law=popularity", "reading.readings_per_step=2"],
            marks=pytest.mark.slow,
        ),
        [
            "posting={choose: random, keep: {subsample: 6}}",
            "inflow=[{name: n, kind: noise, posts: noise, per_step: 1}]",
            "reading={law: recency, options: {half_life: 3}}",
            "reading.order=time",
            "agents.east.joins=2",
        ],
        pytest.param(["internet.store=memory", "reading.law=similarity"], marks=pytest.mark.slow),
        pytest.param(
            [QUERIES, "internet.per_query=true", "posting.choose=random", "placebo=true"],
            marks=pytest.mark.slow,
        ),
    ],
)
def test_whatever_is_set_a_run_that_goes_on_is_the_run_that_was_never_stopped(
    settings: list[str], tmp_path: Path
) -> None:
    whole = run(tmp_path / "whole", *settings, steps=5)
    for steps in (2, 5):
        done = run(tmp_path / "parts", *settings, steps=steps)
    assert files_of(done.path) == files_of(whole.path)


def test_a_fork_with_nothing_changed_is_its_parent(live: Trajectory, tmp_path: Path) -> None:
    child = lwd.fork(live.path, at=3, out=tmp_path / "fork")
    assert files_of(child.path) == files_of(live.path)
    assert child.manifest["forked"] == {
        "run": str(live.path.resolve()),
        "at": 3,
        "created": live.manifest["created"],
    }
    shared = (live.path / "embeddings" / "00002.npy", child.path / "embeddings" / "00002.npy")
    assert shared[0].stat().st_ino == shared[1].stat().st_ino
    again = lwd.fork(live.path, at=3, out=tmp_path / "fork")
    assert len(again) == 7


def test_a_fork_shares_its_first_steps_and_goes_on_otherwise(
    live: Trajectory, tmp_path: Path
) -> None:
    before = {name: data for name, data in files_of(live.path).items() if name != "rounds.jsonl"}
    child = lwd.fork(live.path, at=3, out=tmp_path / "fork", placebo=True)
    assert np.array_equal(child.embeddings[:4], live.embeddings[:4])  # step 3 reads what was there
    assert child.rounds[2]["posted"] == live.rounds[2]["posted"]
    assert [bool(line["posted"]) for line in child.rounds] == [True] * 3 + [False] * 4
    assert places_read(child) == places_read(live)
    assert not np.array_equal(child.embeddings[4:], live.embeddings[4:])
    after = {name: data for name, data in files_of(live.path).items() if name != "rounds.jsonl"}
    assert after == before
    longer = lwd.fork(live.path, at=3, out=tmp_path / "fork", placebo=True, steps=7)
    assert len(longer) == 8


@pytest.mark.parametrize(
    ("at", "keys", "said"),
    [
        (0, {}, "--at 0: .* has the steps 0 to 6; give 1 to 7"),
        (9, {}, "--at 9"),
        (3, {"draws": 4}, "draws: 4, but the shared steps were made with 3"),
        (3, {"seed": 1}, "seed: 1, but"),
        (3, {"queries": "[one, two]"}, "queries: .*'one', 'two'.*, but the shared steps"),
        (3, {"steps": 2}, "steps: 2, but the fork begins at step 3"),
        (3, {"agents.north.name": "n"}, "agents: a fork has those of its parent"),
    ],
)
def test_a_fork_that_cannot_be(
    at: int, keys: dict[str, Any], said: str, live: Trajectory, tmp_path: Path
) -> None:
    settings = [f"{key}={value}" for key, value in keys.items()]
    with pytest.raises(BadInput, match=said):
        lwd.fork(live.path, at=at, out=tmp_path / "fork", settings=settings)
    assert not (tmp_path / "fork").exists()


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("readership={edges: [[north, nobody]]}", "nobody"),
        ("readership=rnig", "no such readership"),
        ("reading.law=recent", "did you mean"),
        ("reading.options={half_life: 3}", "half_life"),
        ("reading.law=own", "no agent could read at t = 0: .*short: fill"),
        ("reading={law: ratio, options: {synthetic: 0.5}}", "no agent could read at t = 0"),
        ("reading={law: popularity, options: {prior: 0}}", "no agent could read at t = 0"),
        ("reading={law: own, shared: true, options: {short: fill}}", "the law own asks who reads"),
        ("posting={choose: none, keep: {window: 2, humans: age}}", "at t = 2 it may read nothing"),
        ("posting.choose=frist", "first"),
        ("posting.keep={window: 0}", "window"),
        ("internet.store=chromo", "chroma"),
        ("placebo=no_such_store", "no_such_store"),
        ("steps=200", "placebo|held-out"),
    ],
)
def test_what_cannot_be_is_one_line(setting: str, said: str, tmp_path: Path) -> None:
    settings = [setting, *(["placebo=true"] if setting == "steps=200" else [])]
    with pytest.raises(BadInput, match=said) as error:
        lwd.run("pocket", out=tmp_path / "run", settings=settings)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_the_manifest_says_what_was_drawn_from(live: Trajectory) -> None:
    assert live.manifest["config"]["reading"]["law"] == "uniform"
    assert json.loads(json.dumps(live.manifest["config"])) == live.manifest["config"]
    assert SMALL


def test_a_run_with_its_placebo_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    command = [
        "lwd",
        "run",
        "--steps",
        "2",
        "--set",
        "draws=2",
        "--with-placebo",
        "--out",
        str(out),
    ]
    monkeypatch.setattr("sys.argv", [*command, "--json"])
    assert _call() == 0
    both = json.loads(capsys.readouterr().out)
    assert both["live"]["internet_size"] == both["placebo"]["internet_size"] == 26
    assert (both["live"]["synthetic_share"], both["placebo"]["synthetic_share"]) == (6 / 26, 0.0)
    assert lwd.load(f"{out}-placebo").manifest["config"]["placebo"] is True
    monkeypatch.setattr("sys.argv", command)
    assert _call() == 0
    assert "live minus placebo, last less first: " in capsys.readouterr().out
    other = ["--out", str(tmp_path / "other"), "--set", "placebo=true"]
    monkeypatch.setattr("sys.argv", [*command[:-2], *other])
    assert _call() == 2
    assert "the run is a placebo itself" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()
    monkeypatch.setattr("sys.argv", ["lwd", "run", "figure4", "--with-placebo"])
    assert _call() == 2
    assert "gmm draws its placebo in the same run" in capsys.readouterr().err
