"""The texts of a run as columns: against the files they come from, step by step, and damaged."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.runnables import RunnableLambda
from made_runs import made_run, network

import lwd_agents as lwd
from lwd_agents.errors import BadInput
from lwd_agents.internet.post import Post
from lwd_agents.measures.lineage import index_phrases, lineage
from lwd_agents.measures.words import words
from lwd_agents.posts import NEVER, read_posts
from lwd_agents.report.page.phrases import phrase_columns, utf16_words
from lwd_agents.report.page.texts import TextColumns, text_columns
from lwd_agents.run_files import Run, read_run

QUERIES = ["bitcoin", "What about the weather?"]
HOSTILE = "</script><b>\u2028\x00\u202ebidi\u202c\"'&amp; 😀 ﬁne İ"
PLANE = np.random.default_rng(0).normal(size=(8, 2)).astype(np.float32)


def place(vectors: Any) -> Any:
    assert vectors.ndim == 2
    assert np.isfinite(vectors).all()
    return vectors @ PLANE


def echo(given: dict[str, Any]) -> str:
    """Says again what it read, after what a browser must not believe."""
    first, *_, last = given["posts"].splitlines()
    return f"{HOSTILE} {given['query'][:4]} {last}, {first}"


def made(path: Path, *settings: str, **keys: Any) -> Path:
    lwd.run(
        "pocket",
        out=path,
        agents={"a": RunnableLambda(echo), "b": RunnableLambda(echo)},
        embeddings=DeterministicFakeEmbedding(size=8),
        settings=("internet.store=memory", *settings),
        **{"steps": 3, "draws": 2, **keys},
    )
    return path


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two queries, two readings, an adversary, and posts that leave."""
    return made(
        tmp_path_factory.mktemp("texts") / "run",
        f"queries={json.dumps(QUERIES)}",
        "posting.keep={window: 2}",
        "reading.readings_per_step=2",
        "inflow=[{name: foe, kind: adversary, texts: [Sell it all now!]}]",
    )


def rows_of(path: Path, name: str) -> list[dict[str, Any]]:
    # Not splitlines: a text may hold a separator of its own, U+2028.
    return [json.loads(line) for line in (path / name).read_bytes().split(b"\n")[:-1]]


def changed(run: Path, to: Path, name: str, change: Callable[[list[Any]], None]) -> Path:
    """A copy of a run in which a file's lines were changed; a text is written as it is."""
    shutil.copytree(run, to)
    rows: list[Any] = list(rows_of(run, name))
    change(rows)
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (to / name).write_text("".join(f"{line}\n" for line in lines))
    return to


def test_posts_are_those_that_were_in_the_internet(rich: Path) -> None:
    run = read_run(rich)
    texts, posts = text_columns(run, place), read_posts(run)
    found = texts["posts"]
    assert found["id"] == list(posts.ids)
    assert [texts["authors"][i] for i in found["author"]] == list(posts.authors)
    assert texts["authors"][:2] == ["a", "b"]
    assert found["kind"] == list(posts.kinds)
    assert found["people"] == [kind in ("human", "placebo") for kind in posts.written_as]
    assert [texts["strings"][i] for i in found["text"]] == list(posts.texts)
    assert len(set(texts["strings"])) == len(texts["strings"])
    assert found["written"] == posts.written.tolist()
    assert found["entered"] == posts.entered.tolist()
    assert [NEVER if t is None else t for t in found["left"]] == posts.left.tolist()
    assert Counter(found["kind"]) == {"human": 20, "agent": 16, "inflow": 4}
    assert any(t is not None for t in found["left"])
    asked = ["" if q is None else run.manifest["queries"][q] for q in found["query"]]
    assert asked == [
        query if kind == "agent" else ""
        for query, kind in zip(posts.queries, posts.kinds, strict=True)
    ]
    for x, y, vector in zip(found["x"], found["y"], posts.vectors, strict=True):
        np.testing.assert_allclose([x, y], vector @ PLANE, atol=1e-4)
    for row, response in enumerate(found["from"]):
        assert (response is not None) == (found["kind"][row] == "agent")
        if response is not None:
            assert texts["responses"]["post"][response] == row
            assert texts["responses"]["text"][response] == found["text"][row]


def test_responses_are_the_lines_of_the_file_in_order(rich: Path) -> None:
    run = read_run(rich)
    texts = text_columns(run, place)
    found, lines = texts["responses"], rows_of(rich, "responses.jsonl")
    names = ("t", "agent", "query", "reading", "draw")
    keys = list(zip(*(found[name] for name in names), strict=True))
    assert keys == sorted(set(keys))
    by_key = {
        (
            row["t"],
            run.agents.index(row["agent"]),
            run.manifest["queries"].index(row["query"]),
            row["reading"],
            row["draw"],
        ): row
        for row in lines
    }
    assert by_key.keys() == set(keys)
    for i, (t, agent, query, reading, draw) in enumerate(keys):
        row = by_key[keys[i]]
        assert texts["strings"][found["text"][i]] == row["text"]
        assert row["text"].startswith(HOSTILE)
        assert found["missing"][i] is None
        ids = texts["posts"]["id"]
        assert (None if found["post"][i] is None else ids[found["post"][i]]) == row["post_id"]
        spot = run.array(t, query, reading)[agent, draw] @ PLANE
        np.testing.assert_allclose([found["x"][i], found["y"][i]], spot, atol=1e-4)
    json.dumps(texts, allow_nan=False)


def test_reads_are_the_ids_of_the_journal_in_order(rich: Path) -> None:
    texts = text_columns(read_run(rich))
    ids, found = texts["posts"]["id"], texts["reads"]
    said = {
        (t, agent, q, r): [ids[row] for row in posts]
        for t, agent, q, r, posts in zip(*found.values(), strict=True)
    }
    expected = {}
    for line in rows_of(rich, "rounds.jsonl"):
        for i, agent in enumerate("ab"):
            expected[line["t"], i, 0, 0] = line["reads"][agent]
            for more in line["more_reads"][agent]:
                expected[line["t"], i, more["query"], more["reading"]] = more["reads"]
    assert said == expected
    assert len(said) == 4 * 2 * 2 * 2
    assert texts["posts"]["x"] == [None] * len(ids)  # without a plane
    assert set(texts["responses"]["y"]) == {None}


def merged(whole: dict[str, Any], delta: dict[str, Any]) -> None:
    """As the page does it: arrays are appended, ``left_at`` is set."""
    for name, value in delta.items():
        if name == "left_at":
            for row, t in value:
                whole["posts"]["left"][row] = t
        elif isinstance(value, dict):
            for column, more in value.items():
                whole[name][column] += more
        elif isinstance(value, list):
            whole[name] += value


@pytest.mark.parametrize("keep", [None, {0, 2}])
@pytest.mark.parametrize("handed", [False, True])
def test_step_by_step_is_the_same_as_at_once(
    rich: Path, tmp_path: Path, keep: set[int] | None, handed: bool
) -> None:
    """A step needs its lines and arrays alone: no other file of steps is there."""
    run = read_run(rich)
    at_once = text_columns(run, place, keep=keep)
    path = Path(shutil.copytree(rich, tmp_path / "run"))
    lines, answers = rows_of(path, "rounds.jsonl"), rows_of(path, "responses.jsonl")
    for name in ("rounds.jsonl", "responses.jsonl"):
        (path / name).unlink()
    arrays: dict[int, dict[str, Any]] = {t: {} for t in range(4)}
    for file in (path / "embeddings").glob("0*.npy"):
        if handed:
            arrays[int(file.name[:5])][file.name[5:-4]] = np.load(file)
            file.unlink()
    for cuts in ((), (0,), (1, 2), (0, 1, 2, 3)):
        columns = TextColumns(path, run.manifest, place, keep=keep)
        columns.seeds()
        whole = columns.columns()
        assert columns.since()["posts"] == whole["posts"]
        for t, line in enumerate(lines):
            mine = [row for row in answers if row["t"] == t]
            columns.step(t, line, mine[::-1], arrays[t])
            if t in cuts:
                merged(whole, columns.since())
        merged(whole, columns.since())
        assert whole == columns.columns() == at_once
        assert not any(map(len, (columns.since()["strings"], columns.since()["left_at"])))
        assert columns.notes == ()
        with pytest.raises(ValueError, match="step 1 after step 3"):
            columns.step(1, lines[1], [])


def test_posts_that_leave_later_are_told_by_their_rows(rich: Path) -> None:
    run = read_run(rich)
    columns = TextColumns(rich, run.manifest)
    columns.seeds()
    told = []
    for t, line in run.lines.items():
        columns.step(t, line, [])
        delta = columns.since()
        told += [columns.columns()["posts"]["id"][row] for row, at in delta["left_at"]]
        assert all(at == t + 1 for _, at in delta["left_at"])
    assert told == [i for line in run.lines.values() for i in line.get("left", ())]
    assert told


def test_of_steps_that_are_not_kept_there_are_posts_only(rich: Path) -> None:
    run = read_run(rich)
    whole, thin = text_columns(run, place), text_columns(run, place, keep={1, 3})
    assert whole["kept"] is None
    assert thin["kept"] == [1, 3]
    assert {name: thin["posts"][name] for name in ("id", "x", "left")} == {
        name: whole["posts"][name] for name in ("id", "x", "left")
    }
    assert set(thin["responses"]["t"]) == set(thin["reads"]["t"]) == {1, 3}
    assert len(thin["responses"]["t"]) == len(whole["responses"]["t"]) // 2
    for row, response in enumerate(thin["posts"]["from"]):
        kept = thin["posts"]["kind"][row] == "agent" and thin["posts"]["written"][row] in (1, 3)
        assert (response is not None) == kept
    used = [*thin["posts"]["text"], *thin["responses"]["text"]]
    assert set(used) == set(range(len(thin["strings"])))


def test_a_placebo_and_posts_of_other_runs(tmp_path: Path) -> None:
    path = made(tmp_path / "placebo", placebo=True)
    texts = text_columns(read_run(path), place)
    assert Counter(texts["posts"]["kind"]) == {"human": 20, "placebo": 8}
    assert set(texts["posts"]["from"]) == set(texts["responses"]["post"]) == {None}
    other = Post("Heard elsewhere", "x@other", 0, 0, "q", "synthetic")
    row = {
        name: getattr(other, name) for name in ("text", "author", "step", "slot", "query", "kind")
    }

    def take_in(lines: list[Any]) -> None:
        lines[2] |= {"foreign": [row]}
        lines[2]["reads"]["b"] = [other.id]

    path = changed(path, tmp_path / "shared", "rounds.jsonl", take_in)
    np.save(path / "embeddings" / "00002.from.npy", np.ones((1, 8), dtype=np.float32))
    texts = text_columns(read_run(path), place)
    posts, at = texts["posts"], texts["posts"]["id"].index(other.id)
    assert (posts["kind"][at], posts["written"][at], posts["entered"][at]) == ("foreign", 0, 2)
    assert texts["authors"][posts["author"][at]] == "x@other"
    np.testing.assert_allclose([posts["x"][at], posts["y"][at]], PLANE.sum(axis=0), atol=1e-4)
    assert [at] in texts["reads"]["posts"]


def test_posts_that_no_file_holds(rich: Path, tmp_path: Path) -> None:
    """Without A(0) all that is not known is of A(0); without a line of the journal who can say."""
    path = Path(shutil.copytree(rich, tmp_path / "seeds"))
    (path / "embeddings" / "seed.jsonl").write_text("{damaged\n{}\n")
    lost = text_columns(read_run(path), place)
    posts = lost["posts"]
    gone = [row for row, text in enumerate(posts["text"]) if text is None]
    assert gone
    assert {posts["kind"][row] for row in gone} == {"human"}
    assert {posts["entered"][row] for row in gone} == {0}
    assert {posts["id"][row] for row in gone} <= {
        r["id"] for r in rows_of(rich, "embeddings/seed.jsonl")
    }
    read = {row for rows in lost["reads"]["posts"] for row in rows}
    assert set(gone) <= read

    path = changed(
        rich, tmp_path / "line", "rounds.jsonl", lambda rows: rows.__setitem__(1, "{torn")
    )
    torn = text_columns(read_run(path), place)
    posts = torn["posts"]
    gone = [row for row, text in enumerate(posts["text"]) if text is None]
    assert gone
    assert {posts["kind"][row] for row in gone} == {"unknown"}
    assert {torn["authors"][posts["author"][row]] for row in gone} == {"unknown"}
    assert (
        {posts["written"][row] for row in gone} == {posts["entered"][row] for row in gone} == {None}
    )
    assert set(torn["responses"]["t"]) == {0, 2, 3}


def test_damaged_and_missing_answers(rich: Path, tmp_path: Path) -> None:
    rows = rows_of(rich, "responses.jsonl")
    free = [i for i, row in enumerate(rows) if row["post_id"] is None][:4]
    posted = next(i for i, row in enumerate(rows) if row["post_id"])

    def damage(lines: list[Any]) -> None:
        lines[free[0]] |= {"text": None, "missing": "timed out \ud800"}
        lines[free[1]] |= {"text": "half \ud800"}
        lines[free[2]] |= {"draw": True}
        lines[free[3]] = "{torn"
        lines[posted] |= {"text": "changed"}

    path = changed(rich, tmp_path / "run", "responses.jsonl", damage)
    run = read_run(path)
    texts = text_columns(run, place)
    found, whole = texts["responses"], text_columns(read_run(rich), place)["responses"]
    assert len(found["t"]) == len(whole["t"]) - 3
    (lost,) = (i for i, text in enumerate(found["text"]) if text is None)
    assert found["missing"][lost] == "timed out ?"
    row = texts["posts"]["id"].index(rows[posted]["post_id"])
    assert texts["posts"]["text"][row] is None
    columns = TextColumns(path, run.manifest, place)
    columns.seeds()
    columns.step(0, run.lines[0], [json.loads(json.dumps({**rows[free[1]], "text": "\ud800"}))])
    assert any("text is no text; it is left out" in note for note in columns.notes)
    columns.step(1, {**run.lines[1], "posted": 3}, [])
    assert any("texts of step 1 are left out" in note for note in columns.notes)
    json.dumps(columns.columns()).encode()


def test_draws_without_embeddings_have_no_place(tmp_path: Path) -> None:
    E = network(3, 2, 4, 8)
    E[1, 0, 2] = np.nan
    path = made_run(tmp_path / "run", E, missing="refused")
    (path / "embeddings" / "00002.npy").write_bytes(b"damaged")
    found = text_columns(read_run(path), place)["responses"]
    nowhere = [i for i, x in enumerate(found["x"]) if x is None]
    assert nowhere == [8 + 2, *range(16, 24)]
    assert found["missing"] == [None] * 10 + ["refused"] + [None] * 13


def test_only_runs_with_texts(tmp_path: Path) -> None:
    path = made_run(tmp_path / "run", network(2))
    manifest = read_run(path).manifest
    with pytest.raises(BadInput, match="runs of llm have posts"):
        TextColumns(path, {**manifest, "world": "gmm"})
    with pytest.raises(BadInput, match="query is missing"):
        TextColumns(path, {**manifest, "queries": []})


def in_utf16(text: str, start: int, stop: int) -> str:
    return text.encode("utf-16-le")[2 * start : 2 * stop].decode("utf-16-le")


@pytest.mark.parametrize("keep", [None, {2}])
def test_phrases_are_those_of_lineage_in_the_texts_as_they_are(
    rich: Path, keep: set[int] | None
) -> None:
    run: Run = read_run(rich)
    texts = text_columns(run, keep=keep)
    found = phrase_columns(run, texts)
    posts = read_posts(run)
    index = index_phrases(posts)
    said = texts["responses"]
    by_response: dict[int, list[Any]] = {}
    for response, *rest in zip(*found["phrases"].values(), strict=True):
        by_response.setdefault(response, []).append(rest)
    assert list(by_response) == sorted(by_response)
    for i, text_at in enumerate(said["text"]):
        text = texts["strings"][text_at]
        key = (said["t"][i], run.agents[said["agent"][i]], said["query"][i], said["reading"][i])
        expected = lineage(index, key, text).phrases
        assert len(by_response[i]) == len(expected) > 0
        for (start, stop, chain), phrase in zip(by_response[i], expected, strict=True):
            marked = in_utf16(text, start, stop)
            assert " ".join(words(marked)) == phrase.words
            assert words(marked[0])  # and no sign or space beside the words
            assert words(marked[-1])
            ids = [texts["posts"]["id"][row] for row in found["chains"][chain]]
            assert ids == [link.id for link in phrase.chain]
    assert len({tuple(chain) for chain in found["chains"]}) == len(found["chains"])
    assert set(found["phrases"]["chain"]) == set(range(len(found["chains"])))
    assert max(map(len, found["chains"])) > 1


@settings(deadline=None)
@given(
    st.text(
        st.one_of(
            st.characters(exclude_categories=["Cs"]), st.sampled_from("a1é😀\U0001d518 \u2019ß")
        )
    )
)
@example("😀 one \U0001d518wo😀three")
def test_words_in_utf16(text: str) -> None:
    found, spans = utf16_words(text)
    assert found == words(text)
    for word, (start, stop) in zip(found, spans, strict=True):
        assert words(in_utf16(text, start, stop)) == (word,)
