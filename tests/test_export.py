"""Tidy tables of runs: what is in them, their types, round trips, damage, documentation."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.runnables import RunnableLambda
from made_runs import made_run, network

import lwd_agents as lwd
from lwd_agents.errors import BadInput
from lwd_agents.report.page.sources import open_all
from lwd_agents.report.tables import export as exporting
from lwd_agents.report.tables import numeric as numeric_tables
from lwd_agents.report.tables.columns import COLUMNS, TABLES
from lwd_agents.report.tables.export import Exported, export, read_table
from lwd_agents.report.tables.frames import frames

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "export.md").read_text("utf-8")
PHI = DeterministicFakeEmbedding(size=8)
HOSTILE = [
    '<script>alert("1")</script>, and more',
    "=cmd()|' /C calc'!A0",
    "one\ntwo\r\nthree\rfour\n",
    "null",
    "NA",
    "a\x00zero",
    "line\u2028paragraph\u2029\u202eright to left\u202c",
    '"',
    '""",,,"',
    "  spaces  ",
    "1.0",
    "\ufeffmark \\N \\x",
]
LONG = "é" * 600_000  # 1.2 MB, more than a reader's block
PLAIN = {"keep_default_na": False, "na_values": [""]}  # the page's line for pandas


def hostile(given: dict[str, Any]) -> str:
    """One of the texts, by what was read."""
    digest = hashlib.sha256(given["posts"].encode()).digest()
    return HOSTILE[digest[0] % len(HOSTILE)]


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two queries, two readings, an adversary with hostile texts, and posts that leave."""
    settings = (
        "internet.store=memory",
        "queries=[bitcoin, 'What about the weather?']",
        "posting.keep={window: 2}",
        "reading.readings_per_step=2",
        f"inflow=[{{name: foe, kind: adversary, per_step: 4, texts: {json.dumps(HOSTILE[:6])}}}]",
    )
    path = tmp_path_factory.mktemp("rich") / "run"
    agents = {name: RunnableLambda(hostile) for name in "ab"}
    lwd.run("pocket", out=path, agents=agents, embeddings=PHI, settings=settings, steps=3, draws=2)
    return path


@pytest.fixture(scope="module")
def mixtures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gmm") / "figure4"
    lwd.run("figure4", out=path, steps=4, replicates=5, settings=("placebo=true",))
    return path


def read(done: Exported) -> dict[str, pd.DataFrame]:
    return {file.stem: pd.read_parquet(file) for file in done.files}


def whole(path: Path) -> dict[str, pd.DataFrame]:
    """The frames themselves, before any file."""
    found: dict[str, list[pd.DataFrame]] = {}
    for source in open_all([path]):
        for table, frame in frames(source, list(COLUMNS), True, lambda _: None):
            found.setdefault(table, []).append(frame)
    return {table: pd.concat(parts, ignore_index=True) for table, parts in found.items()}


@pytest.fixture(scope="module")
def tables(rich: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    return read(export(rich, out=tmp_path_factory.mktemp("out")))


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").split("\n")[:-1]]


def test_responses_are_the_lines_of_the_file(rich: Path, tables: dict[str, pd.DataFrame]) -> None:
    rows = lines(rich / "responses.jsonl")
    found = tables["responses"].set_index(["t", "agent", "query_text", "reading", "draw"])
    assert len(found) == len(rows) == 4 * 2 * 2 * 2 * 2
    assert found.index.is_unique
    for row in rows:
        got = found.loc[tuple(row[key] for key in ("t", "agent", "query", "reading", "draw"))]
        for key in ("text", "missing", "post_id", "seed", "input_tokens", "finish_reason"):
            assert (None if pd.isna(got[key]) else got[key]) == row[key]
    queries = json.loads((rich / "manifest.json").read_text())["queries"]
    assert [queries[q] for q in tables["responses"]["query"]] == list(
        tables["responses"]["query_text"]
    )


def test_reads_are_what_the_journal_says(rich: Path, tables: dict[str, pd.DataFrame]) -> None:
    reads = tables["reads"]
    assert list(reads.columns) == list(COLUMNS["reads"])
    got = {
        key: group["post_id"].tolist()
        for key, group in reads.groupby(["t", "agent", "query", "reading"])
    }
    want = {}
    for line in lines(rich / "rounds.jsonl"):
        for agent, ids in line["reads"].items():
            want[line["t"], agent, 0, 0] = ids
        for agent, more in line["more_reads"].items():
            for one in more:
                want[line["t"], agent, one["query"], one["reading"]] = one["reads"]
    assert got == want
    places = reads.groupby(["t", "agent", "query", "reading"])["place"]
    assert all(list(place) == list(range(len(place))) for _, place in places)
    first = reads[(reads["query"] == 0) & (reads["reading"] == 0)].groupby(["t", "agent"]).size()
    k = tables["agents"].set_index(["t", "agent"])["k"]
    assert (k == first).all()


def test_rows_are_in_order(tables: dict[str, pd.DataFrame]) -> None:
    reading = ["t", "agent", "query", "reading"]
    for table, keys in (
        ("responses", [*reading, "draw"]),
        ("reads", [*reading, "place"]),
        ("posts", ["entered"]),
        ("steps", ["t"]),
        ("agents", ["t", "agent"]),
    ):
        frame = tables[table]
        assert frame.index.equals(frame.sort_values(keys, kind="stable").index), table


def test_posts_make_up_the_internet_of_each_step(tables: dict[str, pd.DataFrame]) -> None:
    posts, steps = tables["posts"], tables["steps"]
    assert posts["post_id"].is_unique
    assert set(tables["reads"]["post_id"]) <= set(posts["post_id"])
    for t, size in zip(steps["t"], steps["internet_size"], strict=True):
        there = (posts["entered"] <= t) & (posts["left"].isna() | (posts["left"] > t))
        assert there.sum() == size
    drawn = tables["responses"].merge(posts, on=["run", "post_id"])
    assert len(drawn) == posts["kind"].eq("agent").sum() > 0
    for key in ("text", "query", "query_text"):
        assert (drawn[f"{key}_x"] == drawn[f"{key}_y"]).all()
    assert (drawn["author"] == drawn["agent"]).all()
    assert (drawn["written"] == drawn["t"]).all()
    assert posts["left"].isna().any()
    assert posts["left"].max() <= 4
    human = posts[posts["kind"] == "human"]
    assert human["query"].isna().all()
    assert human["query_text"].isna().all()
    assert (human["written"] == -1).all()


def test_steps_and_pairs_are_the_runs_own(rich: Path, tables: dict[str, pd.DataFrame]) -> None:
    run, steps = lwd.load(rich), tables["steps"]
    assert np.array_equal(steps["norm"], run.norm)
    rounds = lines(rich / "rounds.jsonl")
    assert steps["seconds_commit"].tolist() == [line["seconds"]["commit"] for line in rounds]
    assert steps["calls"].tolist() == [line["calls"] for line in rounds]
    pairs = tables["pairs"]
    assert np.array_equal(pairs["distance"], run.distances[:, 0, 1])
    assert set(zip(pairs["first"], pairs["second"], strict=True)) == {("a", "b")}


def test_what_only_some_lines_have(tmp_path: Path) -> None:
    """Marks, a budget, a stop rule, tokens, a draw that is missing."""
    E = network(2, n=2, draws=3)
    E[1, 0, 2] = np.nan
    run = made_run(tmp_path / "run", E)
    rounds, answers = lines(run / "rounds.jsonl"), lines(run / "responses.jsonl")
    rounds[1] |= {
        "marked": {"a0": {"bot": 2}, "a1": {"bot": 0}},
        "k_asked": {"a0": 7, "a1": 8},
        "tokens": {"input": 10, "output": None},
        "converged": {
            "estimate": 0.5,
            "se": 0.25,
            "p": 1,
            "level": 0.1,
            "rejected": True,
            "row": 2,
        },
    }
    for row in answers[6:]:
        row["marks"] = ["bot"] if row["text"] else []
    for name, rows in (("rounds", rounds), ("responses", answers)):
        (run / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = read(export(run, measures=False))
    last = found["steps"].iloc[1]
    for name in ("estimate", "se", "p", "level", "rejected", "row"):
        assert last[f"converged_{name}"] == rounds[1]["converged"][name]
    assert last["missing"] == 1
    assert found["steps"]["input_tokens"].tolist() == [1, 10]
    assert found["steps"]["output_tokens"].isna().tolist() == [False, True]
    agents = found["agents"].query("t == 1")
    assert [json.loads(text) for text in agents["marked"]] == [{"bot": 2}, {"bot": 0}]
    assert agents["k_asked"].tolist() == [7, 8]
    assert agents["missing"].tolist() == [1, 0]
    responses = found["responses"]
    assert responses["marks"].isna().tolist() == [True] * 6 + [False] * 6
    assert responses["marks"].tolist()[6:] == ['["bot"]'] * 2 + ["[]"] + ['["bot"]'] * 3
    assert responses["missing"].eq("empty").sum() == responses["text"].isna().sum() == 1
    row = found["runs"].iloc[0]
    assert row["created"] == pd.Timestamp("2026-01-01T00:00:00", tz="UTC")
    assert pd.isna(row["finished"])
    assert (row["run"], row["agents"], row["draws"], row["committed"]) == ("run", 2, 3, 2)
    assert json.loads(row["config"])["draws"] == 3
    assert json.loads(row["agent_names"]) == ["a0", "a1"]


def test_measures_are_those_of_measure(rich: Path, tables: dict[str, pd.DataFrame]) -> None:
    measured = lwd.measure(rich)
    for table in ("steps", "agents", "pairs"):
        frame = getattr(measured, table)
        for name in frame:
            ours = {"norm": "measured_norm", "distance": "measured_distance"}.get(name, name)
            assert ours in COLUMNS[table]
            assert np.array_equal(tables[table][ours], frame[name], equal_nan=True)
    assert tables["steps"]["between"].notna().all()


def test_without_measures_nothing_is_measured(
    rich: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lwd_agents.measures.table.measure", lambda *_: pytest.fail("measured"))
    found = read(export(rich, out=tmp_path, measures=False))
    assert found["steps"]["between"].isna().all()
    assert found["steps"]["norm"].notna().all()
    assert list(found["steps"].columns) == list(COLUMNS["steps"])


@pytest.mark.parametrize("to", ["parquet", "csv"])
def test_files_come_back_as_the_frames(rich: Path, to: str, tmp_path: Path) -> None:
    done, frames_of = export(rich, to=to, out=tmp_path), whole(rich)
    assert [file.stem for file in done.files] == list(frames_of) == list(TABLES["llm"])
    assert set(HOSTILE[:5]) <= set(frames_of["posts"]["text"])
    for file in done.files:
        want = frames_of[file.stem]
        assert done.rows[file.stem] == len(want) > 0
        assert {n: str(kind) for n, kind in want.dtypes.items()} == {
            name: column.dtype for name, column in COLUMNS[file.stem].items()
        }
        pd.testing.assert_frame_equal(read_table(file), want)
        if to == "parquet":
            pd.testing.assert_frame_equal(pd.read_parquet(file), want)
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(
        f"{t}.{to}" for t in frames_of
    )


def test_every_hostile_text_survives_csv_as_the_page_says(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", network(1, n=1, draws=len(HOSTILE) + 2))
    rows = lines(run / "responses.jsonl")
    texts = [*HOSTILE, LONG, ""]
    for row, text in zip(rows, texts, strict=True):
        row["text"] = text
    rows[0] |= {"text": None, "missing": "empty"}
    (run / "responses.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    export(run, to="csv", measures=False, tables=["responses"])
    file = run / "export" / "responses.csv"
    plain, exact = pd.read_csv(file, **PLAIN), read_table(file)
    assert plain["text"].tolist()[1:-1] == exact["text"].tolist()[1:-1] == texts[1:-1]
    assert plain["text"].isna().tolist() == [True, *[False] * (len(texts) - 2), True]
    assert exact["text"].isna().tolist() == [True, *[False] * (len(texts) - 1)]  # "" is no null
    assert exact["text"].iloc[-1] == ""
    assert plain["seed"].tolist() == exact["seed"].tolist() == [row["seed"] for row in rows]


def test_all_replicates_of_a_numeric_run(mixtures: Path, tmp_path: Path) -> None:
    found, run = read(export(mixtures, out=tmp_path)), lwd.load(mixtures)
    assert list(found) == list(TABLES["gmm"])
    steps = found["steps"].pivot(index="replicate", columns="t", values="norm")
    assert np.array_equal(steps, run.norms)
    placebo = found["steps"].pivot(index="replicate", columns="t", values="placebo_norm")
    assert np.array_equal(placebo, run.arrays["placebo_norm"])
    for side in ("", "placebo_"):
        held = found["weights"][f"{side}weight"].to_numpy().reshape(5, 5, 3, 2)
        assert np.array_equal(held, run.arrays[f"{side}weights"])
    assert found["weights"]["agent"].tolist()[:6] == ["g1", "g1", "g2", "g2", "g3", "g3"]
    assert found["weights"]["component"].tolist()[:4] == [0, 1, 0, 1]
    keys = ["replicate", "t"]
    squares = (2 * found["pairs"]["distance"] ** 2).groupby([found["pairs"][k] for k in keys]).sum()
    between = found["steps"].set_index(keys)["between"]
    np.testing.assert_allclose(between, squares, rtol=1e-9)
    np.testing.assert_allclose(between, found["steps"].set_index(keys)["norm"] ** 2, rtol=1e-12)
    table = found["steps"]
    np.testing.assert_allclose(table["placebo_between"], table["placebo_norm"] ** 2, rtol=1e-12)
    spent = found["steps"].groupby("replicate")["seconds_generate"].count()
    assert spent.tolist() == [5, 0, 0, 0, 0]
    assert found["agents"]["k"].tolist() == [
        line["k"][name]
        for _ in range(5)
        for line in lines(mixtures / "rounds.jsonl")
        for name in line["k"]
    ]


def test_pieces_make_the_same_table(mixtures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    want = whole(mixtures)
    monkeypatch.setattr(numeric_tables, "_PIECE", 12)
    for table, frame in whole(mixtures).items():
        pd.testing.assert_frame_equal(frame, want[table])


def test_too_large_a_table_holds_the_first_replicate(
    mixtures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numeric_tables, "MOST", 100)  # weights have 150 rows, agents 75
    done = export(mixtures, out=tmp_path)
    assert done.rows["weights"] == 150 / 5
    assert done.rows["agents"] == 75
    assert [s for s in done.said if "weights of 5 replicates" in s and "150 rows" in s]


def test_a_lost_line_of_a_numeric_run_shifts_no_step(mixtures: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(mixtures, tmp_path / "run"))
    rounds = (run / "rounds.jsonl").read_text().splitlines(keepends=True)
    (run / "rounds.jsonl").write_text("".join([*rounds[:2], *rounds[3:]]))
    steps = read(export(run, tables=["steps"], measures=False))["steps"]
    found = steps.pivot(index="replicate", columns="t", values="norm")
    assert found.columns.tolist() == [0, 1, 3, 4]
    assert np.array_equal(found, lwd.load(mixtures).norms[:, [0, 1, 3, 4]])


def test_a_killed_numeric_run_is_exported_from_what_is_there(
    mixtures: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(mixtures, run)
    (run / "trajectories.npz").unlink()
    done = export(run)
    found = read(done)
    norms = [line["norm"] for line in lines(run / "rounds.jsonl")]
    assert found["steps"]["norm"].tolist() == norms
    assert len(found["weights"]) == 5 * 3 * 2
    assert any("first replicate" in sentence for sentence in done.said)


def test_several_worlds_in_one_file(rich: Path, mixtures: Path, tmp_path: Path) -> None:
    live = made_run(tmp_path / "x" / "run", network(4, n=2, draws=2))
    made_run(tmp_path / "x" / "run-placebo", network(4, n=2, draws=2), placebo=True)
    found = read(export([rich, live, live, mixtures], out=tmp_path / "out"))
    runs = found["runs"]
    assert runs["run"].is_unique
    assert runs["world"].tolist().count("gmm") == 1
    assert len(runs) == 4
    for table, frame in found.items():
        assert set(frame["run"]) <= set(runs["run"]), table
    matched = runs[runs["placebo"]].iloc[0]
    assert matched["placebo_of"] == runs[runs["path"] == str(live)].iloc[0]["run"] == "x/run"
    assert runs["placebo_of"].notna().sum() == 1
    numeric = found["steps"][found["steps"]["run"] == "figure4"]
    assert numeric["calls"].isna().all()
    assert numeric["norm"].notna().all()
    assert len(joined(found)) == 4  # the placebo's steps beside the live run's


def test_types_do_not_depend_on_what_is_there(rich: Path, mixtures: Path, tmp_path: Path) -> None:
    """An empty table, one of numbers, one of texts: files of all runs fit together."""
    schemas = []
    for number, run in enumerate((rich, mixtures)):
        done = export(run, out=tmp_path / str(number), tables=list(COLUMNS))
        schemas.append({file.stem: pq.read_schema(file) for file in done.files})
        assert set(schemas[-1]) == set(COLUMNS)
    for table in COLUMNS:
        assert schemas[0][table].equals(schemas[1][table], check_metadata=True)
    one, two = (pd.read_parquet(tmp_path / n / "responses.parquet") for n in "01")
    assert len(two) == 0
    assert (pd.concat([one, two]).dtypes == one.dtypes).all()


def test_a_files_own_metadata(rich: Path, tmp_path: Path) -> None:
    export(rich, out=tmp_path, tables=["steps"], measures=False)
    schema = pq.read_schema(tmp_path / "steps.parquet")
    assert schema.metadata[b"lwd_version"].decode() == lwd.__version__
    assert schema.metadata[b"lwd_table"] == b"steps"
    for name, column in COLUMNS["steps"].items():
        held = schema.field(name).metadata
        assert held[b"description"].decode() == column.about
        assert held.get(b"unit", b"").decode() == column.unit
    row = pq.ParquetFile(tmp_path / "steps.parquet").metadata.row_group(0).column(0)
    assert row.compression == "ZSTD"


def test_replicates_go_beside_them(tmp_path: Path) -> None:
    parent = tmp_path / "both"
    for r in range(2):
        made_run(parent / f"replicate-{r:03d}", network(2, key=r), seed=r)
    (parent / "manifest.json").write_text((parent / "replicate-000/manifest.json").read_text())
    done = export(parent, measures=False)
    assert done.files[0] == parent / "export" / "runs.parquet"
    assert read(done)["runs"]["run"].tolist() == ["both/replicate-000", "both/replicate-001"]
    again = export(parent, measures=False)  # its own folder is no run
    assert again.rows == done.rows


def damaged(tmp_path: Path) -> Path:
    return made_run(tmp_path / "run", network(4, n=2, draws=3))


def test_damaged_lines_are_left_out_and_said(tmp_path: Path) -> None:
    run = damaged(tmp_path)
    rounds = (run / "rounds.jsonl").read_text().split("\n")
    rounds[1] = rounds[1][:50]
    (run / "rounds.jsonl").write_text("\n".join(rounds) + '{"t": 4, "norm')
    answers = (run / "responses.jsonl").read_text().split("\n")
    answers[0] = answers[0].replace('"a0 says', '"\\ud800 says')
    answers[1] = "{"
    answers[2] = answers[2].replace('"seed": 2', f'"seed": {10**30}')
    (run / "responses.jsonl").write_text("\n".join(answers))
    (run / "embeddings" / "00002.npy").unlink()
    done = export(run)
    found = read(done)
    assert found["steps"]["t"].tolist() == [0, 2, 3]
    assert found["steps"]["between"].isna().tolist() == [False, True, False]
    assert found["agents"].groupby("t")["spread"].count().tolist() == [2, 0, 2]
    assert found["pairs"].groupby("t")["energy_distance"].count().tolist() == [1, 0, 1]
    assert found["steps"]["norm"].notna().all()
    assert len(found["responses"]) == 3 * 2 * 3 - 2
    assert found["responses"]["seed"].isna().tolist() == [True, *[False] * 15]
    said = "\n".join(done.said)
    for part in ("rounds.jsonl, line 2", "responses.jsonl, line 1: text is no text", "line 2",
                 "00002.npy", "responses.seed: 1 values"):  # fmt: skip
        assert part in said


def test_a_run_that_goes_on_meanwhile(tmp_path: Path) -> None:
    """Steps that are committed between reading and measuring are not in any table."""
    run = damaged(tmp_path)
    rounds = (run / "rounds.jsonl").read_text()
    (run / "rounds.jsonl").write_text("".join(rounds.splitlines(keepends=True)[:2]))
    source, said = open_all([run])[0], list[str]()
    (run / "rounds.jsonl").write_text(rounds)
    found = dict(frames(source, list(COLUMNS), True, said.append))
    assert not [sentence for sentence in said if "no rows" in sentence or "measures" in sentence]
    for table in ("steps", "agents", "pairs", "responses"):
        assert found[table]["t"].unique().tolist() == [0, 1]
    measured = lwd.measure(run)
    assert np.array_equal(found["agents"]["spread"], measured.agents["spread"].loc[:1])
    assert np.array_equal(found["steps"]["between"], measured.steps["between"].loc[:1])


def test_one_step_and_no_embeddings(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", network(1, n=2, draws=3))
    shutil.rmtree(run / "embeddings")
    done = export(run)
    found = read(done)
    assert found["steps"]["norm"].notna().tolist() == [True]
    assert len(found["responses"]) == 6
    assert len(found["pairs"]) == 1
    assert done.said


def test_a_run_of_a_newer_version_gives_its_journal(tmp_path: Path) -> None:
    run = damaged(tmp_path)
    manifest = json.loads((run / "manifest.json").read_text())
    norms = [line["norm"] for line in lines(run / "rounds.jsonl")]
    (run / "manifest.json").write_text(json.dumps(manifest | {"schema": 99, "seed": "new"}))
    done = export(run)
    found = read(done)
    assert found["steps"]["norm"].tolist() == norms
    assert found["runs"]["schema"].tolist() == [99]
    assert found["runs"]["seed"].isna().all()
    assert any("newer" in sentence for sentence in done.said)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_a_failure_leaves_what_was_there(
    error: BaseException, rich: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {file.name: file.read_bytes() for file in export(rich, out=tmp_path / "out").files}

    def broken(*given: Any) -> Iterator[tuple[str, pd.DataFrame]]:
        yield from list(frames(*given))[:2]
        raise error

    monkeypatch.setattr(exporting, "frames", broken)
    expected = BadInput if isinstance(error, OSError) else KeyboardInterrupt
    for out in (tmp_path / "out", tmp_path / "new" / "deep"):
        with pytest.raises(expected) as told:
            export(rich, out=out)
        if expected is BadInput:
            assert str(told.value) == f"{out}: cannot be written: No space left on device"
    assert {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()} == made
    assert not (tmp_path / "new").exists()


def test_a_new_export_replaces_the_files(rich: Path, tmp_path: Path) -> None:
    (tmp_path / "steps.parquet").write_text("older")
    (tmp_path / "other.txt").write_text("mine")
    export(rich, out=tmp_path, measures=False)
    assert len(pd.read_parquet(tmp_path / "steps.parquet")) == 4
    assert (tmp_path / "other.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("keys", "part"),
    [
        ({"to": "xlsx"}, "--to xlsx: choose one of parquet, csv"),
        ({"tables": ["step"]}, "no table 'step'; there are runs"),
        ({"out": "{tmp}/file"}, "cannot be written: File exists"),
        ({"out": "{tmp}/file/below"}, "cannot be written: Not a directory"),
        ({"out": "{tmp}/\0"}, "cannot be written: "),
        ({"out": "{tmp}/way"}, "a directory is in the way"),
    ],
)
def test_bad_input_is_one_line(keys: dict[str, Any], part: str, rich: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "way" / "posts.parquet").mkdir(parents=True)
    if "out" in keys:
        keys = {"out": keys["out"].format(tmp=tmp_path)}
    with pytest.raises(BadInput) as told:
        export(rich, measures=False, **keys)
    assert part in str(told.value)
    assert "\n" not in str(told.value)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["file", "posts.parquet", "way"]


def test_where_the_tables_go_has_to_be_told(rich: Path, mixtures: Path) -> None:
    with pytest.raises(BadInput, match="2 runs are given: say with --out"):
        export([rich, mixtures])
    with pytest.raises(BadInput, match="is a pattern: say with --out"):
        export(f"{rich.parent}/*")
    with pytest.raises(BadInput, match="no run is given"):
        export([])
    with pytest.raises(BadInput, match="no run directory"):
        export(rich / "nowhere")


@pytest.mark.parametrize("name", ["responses.txt", "nothing.csv", "steps.csv", "runs.parquet"])
def test_a_file_that_is_no_table_is_refused(name: str, tmp_path: Path) -> None:
    if name == "runs.parquet":
        (tmp_path / name).write_text("no")
    with pytest.raises(BadInput, match=re.escape(name)):
        read_table(tmp_path / name)


def joined(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """What the joins of the page give, as they stand there: the last of them."""
    code = re.findall(r"Further joins:\n\n```python\n(.*?)```", PAGE, re.DOTALL)[0]
    *before, last = code.splitlines()
    space: dict[str, Any] = dict(tables)
    exec("\n".join(before), space)
    found = eval(last, space)
    assert isinstance(found, pd.DataFrame)
    assert (found["run_y"] == found["placebo_of"]).all()
    return found


def test_the_joins_of_the_page(tables: dict[str, pd.DataFrame]) -> None:
    keys = ["run", "t", "agent", "query", "reading"]
    assert joined(tables).empty  # no placebo
    given = tables["responses"].merge(tables["reads"], on=keys)
    assert len(given) == 2 * len(tables["reads"])  # two draws of every reading
    assert 'responses.merge(reads, on=["run", "t", "agent", "query", "reading"])' in PAGE


def documented() -> dict[str, dict[str, tuple[str, str, str]]]:
    """table -> column -> (type, unit, what it is), of docs/export.md."""
    found: dict[str, dict[str, tuple[str, str, str]]] = {}
    for part in PAGE.split("\n### `")[1:]:
        rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", part, re.MULTILINE)
        cells = {name: re.split(r" ?(?<!\\)\| ?", rest) for name, rest in rows}
        found[part.split("`")[0]] = {
            name: (dtype, unit.replace("\\|", "|"), about.replace("\\|", "|"))
            for name, (dtype, unit, about) in cells.items()
        }
    return found


def test_the_page_has_every_column_and_no_other() -> None:
    assert documented() == {
        table: {name: (c.dtype, c.unit, c.about) for name, c in columns.items()}
        for table, columns in COLUMNS.items()
    }
    assert [list(columns) for columns in documented().values()] == [
        list(c) for c in COLUMNS.values()
    ]


def test_every_measure_of_its_page_is_exported() -> None:
    text = (DOCS / "measures.md").read_text("utf-8")
    by_step, by_agent = (
        set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| ([^|]*) \|", part, re.MULTILINE))))
        for part in re.split(r"\n## ", text)[1:3]
    )
    by_step = {"agreement_with_classes" if name == "_classes" else name for name in by_step}
    assert len(by_step) > 15
    assert len(by_agent) > 20
    assert by_step <= set(COLUMNS["steps"])
    assert by_agent <= set(COLUMNS["agents"])
