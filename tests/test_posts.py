"""Posts read back from run directories: whole ones, older ones, damaged ones."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.runnables import RunnableLambda

import lwd_agents as lwd
from lwd_agents import resources
from lwd_agents.errors import BadInput
from lwd_agents.internet.post import Post
from lwd_agents.internet.seeds import read_seed
from lwd_agents.posts import NEVER, read_answers, read_posts
from lwd_agents.trajectory import Trajectory, load

PHI = DeterministicFakeEmbedding(size=8)
QUERIES = "queries=[bitcoin, 'What about the weather?']"
FLOW = "inflow=[{name: foe, kind: adversary, texts: [Sell!]}]"


def told(given: dict[str, Any]) -> str:
    """A digest of what was read, as the answer: so the run itself says what its readings were."""
    return f"{hashlib.sha256(given['posts'].encode()).hexdigest()} {given['query']}"


def run(path: Path, *settings: str, **keys: Any) -> Trajectory:
    return lwd.run(
        "pocket",
        out=path,
        agents={"a": RunnableLambda(told), "b": RunnableLambda(told)},
        embeddings=PHI,
        settings=("internet.store=memory", *settings),
        **{"steps": 3, "draws": 2, **keys},
    )


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Trajectory:
    """Two queries, two readings, an adversary, and posts that leave."""
    keep = "posting.keep={window: 2}"
    readings = "reading.readings_per_step=2"
    return run(tmp_path_factory.mktemp("rich") / "run", QUERIES, keep, readings, FLOW)


def test_what_was_read_is_what_the_models_were_given(rich: Trajectory) -> None:
    posts, answers = read_posts(rich), read_answers(rich)
    assert posts.notes == answers.notes == ()
    assert answers.texts.keys() == posts.reads.keys() == answers.vectors.keys()
    assert len(answers.texts) == 4 * 2 * 2 * 2
    for key, texts in answers.texts.items():
        read = "\n".join(posts.texts[row] or "" for row in posts.reads[key])
        query = rich.manifest["queries"][key[2]]
        assert texts == (told({"posts": read, "query": query}),) * 2
        np.testing.assert_allclose(
            answers.vectors[key], PHI.embed_documents(list(texts)), rtol=1e-5
        )


def test_every_post_with_its_author_step_kind_and_vector(rich: Trajectory) -> None:
    posts = read_posts(rich)
    assert Counter(posts.kinds) == {"human": 20, "agent": 4 * 2 * 2, "inflow": 4}
    assert Counter(posts.written_as) == {"human": 20, "synthetic": 16, "adversary": 4}
    assert posts.rows[posts.ids[7]] == 7
    np.testing.assert_allclose(posts.vectors, PHI.embed_documents(list(posts.texts)), rtol=1e-5)
    assert (np.diff(posts.entered) >= 0).all()
    for row, key in enumerate(posts.written_from):
        assert (key is not None) == (posts.kinds[row] == "agent")
        if key:
            t, agent, query, reading = key
            assert (t, agent, reading) == (posts.written[row], posts.authors[row], 0)
            assert rich.manifest["queries"][query] == posts.queries[row]
            assert posts.entered[row] == t + 1
    for t, line in enumerate(rich.rounds):
        there = posts.there(t)
        assert len(there) == line["internet_size"]
        assert all(set(posts.reads[key]) <= set(there) for key in posts.reads if key[0] == t)
    assert (posts.left != NEVER).any()


def test_the_texts_of_a0_are_in_the_run(rich: Trajectory) -> None:
    file = rich.path / "embeddings" / "seed.jsonl"
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    seeds = read_seed(resources.folder("stores") / "crypto")
    fields = ("text", "author", "step", "slot", "query", "kind", "labels")
    assert [Post(**{name: row[name] for name in fields}) for row in rows] == seeds
    assert [row["id"] for row in rows] == [post.id for post in seeds]


def test_a_placebo_enters_in_the_agents_places(tmp_path: Path) -> None:
    placebo = run(tmp_path / "placebo", placebo=True)
    posts = read_posts(placebo)
    assert Counter(posts.kinds) == {"human": 20, "placebo": 8}
    assert set(posts.authors[20:]) == {"a", "b"}
    assert not any(posts.written_from)


def copy(run: Trajectory, to: Path) -> Path:
    return Path(shutil.copytree(run.path, to))


def test_an_older_run_has_its_texts_from_the_store(rich: Trajectory, tmp_path: Path) -> None:
    path = copy(rich, tmp_path / "run")
    (path / "embeddings" / "seed.jsonl").unlink()
    again, posts = read_posts(load(path)), read_posts(rich)
    assert (again.ids, again.texts, again.notes) == (posts.ids, posts.texts, ())
    np.testing.assert_array_equal(again.vectors, posts.vectors)
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["sha256"]["stores/crypto"] = "0" * 64
    (path / "manifest.json").write_text(json.dumps(manifest))
    lost = read_posts(load(path))
    assert "sha256 differs" in lost.notes[0]
    assert "texts of A(0) are not known" in lost.notes[0]
    read = {posts.ids[row] for rows in posts.reads.values() for row in rows if row < 20}
    humans = [row for row, kind in enumerate(lost.kinds) if kind == "human"]
    assert {lost.ids[row] for row in humans} == read
    assert all(lost.texts[row] is None for row in humans)
    assert np.isnan(lost.vectors[humans]).all()
    assert lost.texts[len(humans) :] == posts.texts[20:]
    for key, rows in posts.reads.items():
        assert [lost.ids[row] for row in lost.reads[key]] == [posts.ids[row] for row in rows]


def test_an_older_run_that_goes_on_gets_the_file(tmp_path: Path) -> None:
    older = run(tmp_path / "run", steps=1)
    file = older.path / "embeddings" / "seed.jsonl"
    whole = file.read_bytes()
    file.unlink()
    run(tmp_path / "run", steps=2)
    assert file.read_bytes() == whole


def test_what_is_damaged_is_said_and_the_rest_is_read(rich: Trajectory, tmp_path: Path) -> None:
    path = copy(rich, tmp_path / "run")
    whole = read_posts(rich)
    file = path / "responses.jsonl"
    lines = file.read_text().splitlines()
    changed = next(i for i, line in enumerate(lines) if json.loads(line)["post_id"])
    gone = next(i for i, line in enumerate(lines) if json.loads(line)["post_id"] and i > changed)
    changed_id, gone_id = (json.loads(lines[i])["post_id"] for i in (changed, gone))
    lines[changed] = json.dumps({**json.loads(lines[changed]), "text": "another"})
    lines[gone] = "{torn"
    file.write_text("\n".join(lines) + "\n")
    (path / "embeddings" / "00001.npy").write_bytes(b"no array")
    array = np.load(path / "embeddings" / "00002.npy")
    array[0, 0, 3] = np.inf
    np.save(path / "embeddings" / "00002.npy", array)
    posts = read_posts(load(path))
    for said in (
        "changed afterwards",
        f"the post {gone_id} of step 0 is gone",
        "00001.npy",
        f"line {gone + 1}",
    ):
        assert any(said in note for note in posts.notes), said
    assert posts.ids == whole.ids
    unknown = {posts.rows[changed_id], posts.rows[gone_id]}
    assert {row for row, text in enumerate(posts.texts) if text is None} == unknown
    blank = {row for row, vector in enumerate(posts.vectors) if np.isnan(vector).any()}
    first_query = [
        row
        for row, key in enumerate(whole.written_from)
        if key and (key[:1] == (1,) or key[:2] == (2, "a")) and key[2] == 0
    ]
    assert blank == {posts.rows[gone_id], *first_query}
    answers = read_answers(load(path))
    assert len(answers.notes) == 2
    assert (1, "a", 0, 0) not in answers.vectors
    assert (1, "a", 0, 0) in answers.texts


def test_other_worlds_have_no_posts(rich: Trajectory) -> None:
    other = replace(rich, manifest={**rich.manifest, "world": "gmm"})
    for read in (read_posts, read_answers):
        with pytest.raises(BadInput, match="runs of llm have posts"):
            read(other)


def test_a_run_without_a_step_and_one_of_replicates(rich: Trajectory) -> None:
    """None of its steps committed, only A(0) is known; of replicates the first is read."""
    assert read_posts(replace(rich, rounds=())).kinds == ("human",) * 20
    outer = replace(rich, path=rich.path.parent, replicates=(rich, rich))
    assert read_posts(outer).ids == read_posts(rich).ids


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["seed.npy", "00001.in.npy", "00001.npy", "00001.q1.r1.npy"])
@pytest.mark.parametrize(
    "change",
    [
        lambda array: np.repeat(array, 3, axis=-1),
        lambda array: array[..., :1],
        lambda array: array.astype(complex),
        lambda array: array.astype(int),
        np.ravel,
        lambda array: array[:0],
        lambda array: np.float32(1),
    ],
    ids=["wide", "narrow", "complex", "whole", "flat", "empty", "one"],
)
def test_vectors_of_another_width_or_kind_are_unknown(
    rich: Trajectory, tmp_path: Path, name: str, change: Any
) -> None:
    path = copy(rich, tmp_path / "run")
    file = path / "embeddings" / name
    np.save(file, change(np.load(file)))
    whole, posts, answers = read_posts(rich), read_posts(load(path)), read_answers(load(path))
    assert any(name in note for note in (*posts.notes, *answers.notes))
    assert (posts.ids, posts.texts) == (whole.ids, whole.texts)
    unknown = np.isnan(posts.vectors).all(axis=1)
    np.testing.assert_array_equal(posts.vectors[~unknown], whole.vectors[~unknown])
    assert unknown.sum() == {"seed.npy": 20, "00001.in.npy": 1, "00001.npy": 2}.get(name, 0)
    assert all(array.shape == (2, 8) for array in answers.vectors.values())
