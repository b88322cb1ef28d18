"""The Internet in a real Chroma collection on disk."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding

from lwd_agents.errors import RunStopped
from lwd_agents.internet import store
from lwd_agents.internet.post import HUMAN, SYNTHETIC, Post
from lwd_agents.internet.store import Internet

WIDTH = 8
EMBEDDINGS = DeterministicFakeEmbedding(size=WIDTH)


def posts(n: int, text: str = "post {}") -> list[Post]:
    humans = [Post(text.format(i), HUMAN, -1, i, "", HUMAN, {"tone": "x"}) for i in range(n // 2)]
    return humans + [Post(text.format(i), "north", i, 0, "q", SYNTHETIC) for i in range(n - n // 2)]


def vectors(n: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, WIDTH)).astype(np.float32)


def filled(path: Path, n: int) -> Internet:
    internet = Internet(path, EMBEDDINGS)
    internet.restore(posts(n), vectors(n))
    return internet


def test_posts_come_back_whole_and_in_the_order_asked(tmp_path: Path) -> None:
    internet = filled(tmp_path / "a", 40)
    asked = [internet.ids[i] for i in (17, 3, 39, 0)]
    found = internet.get(asked)
    assert [d.id for d in found] == asked
    assert found[0].page_content == posts(40)[17].text
    assert found[0].metadata == {
        "author": "human",
        "step": -1,
        "slot": 17,
        "kind": "human",
        "query": "",
        "tone": "x",
    }
    assert found[2].metadata == {
        "author": "north",
        "step": 19,
        "slot": 0,
        "kind": "synthetic",
        "query": "q",
    }
    assert internet.get([]) == []


def test_equal_texts_are_different_posts(tmp_path: Path) -> None:
    internet = Internet(tmp_path / "a", EMBEDDINGS)
    internet.restore(posts(6, "the same"), vectors(6))
    assert len(internet) == len(set(internet.ids)) == 6
    assert {d.page_content for d in internet.get(internet.ids)} == {"the same"}


def test_a_missing_post_is_an_error(tmp_path: Path) -> None:
    internet = filled(tmp_path / "a", 4)
    with pytest.raises(RunStopped, match=r"1 of 2 posts are not in the store.*no-such-id"):
        internet.get([internet.ids[0], "no-such-id"])


def test_another_process_finds_what_was_kept_and_mends_what_was_not(tmp_path: Path) -> None:
    filled(tmp_path / "a", 10)
    again = Internet(tmp_path / "a", EMBEDDINGS)  # the same files, opened again
    again.restore(posts(10), vectors(10))
    assert [d.page_content for d in again.get(again.ids)] == [p.text for p in posts(10)]
    # The journal knows of 12 posts, the store of other ones: the journal is right.
    other = posts(12, "other {}")
    again.restore(other, vectors(12))
    assert [d.page_content for d in again.get(again.ids)] == [p.text for p in other]


def test_a_torn_database_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.mkdir()
    (path / "chroma.sqlite3").write_bytes(b"SQLite format 3\x00 torn" * 50)
    internet = filled(path, 5)
    assert len(internet.get(internet.ids)) == 5
    assert (
        sqlite3.connect(path / "chroma.sqlite3").execute("PRAGMA quick_check").fetchone()[0] == "ok"
    )


def test_more_posts_than_one_batch_or_one_get_can_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = 6_000  # Chroma takes 5,461 a batch
    monkeypatch.setattr(store, "_FETCH", 2_500)
    internet = Internet(tmp_path / "a", EMBEDDINGS)
    internet.restore(posts(many), np.ones((many, WIDTH), dtype=np.float32))
    order = np.random.default_rng(1).permutation(many)
    found = internet.get([internet.ids[i] for i in order])
    assert [d.id for d in found] == [internet.ids[i] for i in order]
    again = Internet(tmp_path / "a", EMBEDDINGS)
    again.restore(posts(many), np.ones((many, WIDTH), dtype=np.float32))
    assert again.ids == internet.ids


def test_a_directory_that_was_removed_can_be_used_again(tmp_path: Path) -> None:
    for _ in range(2):
        internet = filled(tmp_path / "a", 4)
        assert len(internet.get(internet.ids)) == 4
        internet.close()
        shutil.rmtree(tmp_path / "a")


def test_what_the_store_raises_is_one_line(tmp_path: Path) -> None:
    internet = filled(tmp_path / "a", 4)
    internet.close()
    with pytest.raises(RunStopped, match="the store failed"):
        internet.get(internet.ids)


def test_it_is_a_langchain_vector_store_too(tmp_path: Path) -> None:
    internet = Internet(tmp_path / "a", EMBEDDINGS)
    kept = posts(6)
    known = np.array(EMBEDDINGS.embed_documents([p.text for p in kept]), dtype=np.float32)
    internet.restore(kept, known)
    (nearest,) = internet.vectorstore.as_retriever(search_kwargs={"k": 1}).invoke("post 2")
    assert nearest.page_content == "post 2"
    assert nearest.id in internet.ids
