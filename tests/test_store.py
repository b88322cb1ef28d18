"""The Internet in a real Chroma collection on disk; test_backends.py holds for every store."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding

from lwd_agents.errors import RunStopped
from lwd_agents.internet import chroma
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
    many = 5_600  # Chroma takes 5,461 a batch
    monkeypatch.setattr(chroma, "FETCH", 2_500)
    internet = Internet(tmp_path / "a", EMBEDDINGS)
    internet.restore(posts(many), np.ones((many, WIDTH), dtype=np.float32))
    order = np.random.default_rng(1).permutation(many)
    found = internet.get([internet.ids[i] for i in order])
    assert [d.id for d in found] == [internet.ids[i] for i in order]
    again = Internet(tmp_path / "a", EMBEDDINGS)
    again.restore(posts(many), np.ones((many, WIDTH), dtype=np.float32))
    assert again.ids == internet.ids
    again.remove(again.ids[:2_600])
    assert [d.id for d in again.get(again.ids)] == internet.ids[2_600:]


def test_a_directory_that_was_removed_can_be_used_again(tmp_path: Path) -> None:
    for _ in range(2):
        internet = filled(tmp_path / "a", 4)
        assert len(internet.get(internet.ids)) == 4
        internet.close()
        shutil.rmtree(tmp_path / "a")


def test_what_the_store_raises_is_one_line(tmp_path: Path) -> None:
    internet = filled(tmp_path / "a", 4)
    internet.close()
    for use in (internet.get, internet.remove):
        with pytest.raises(RunStopped, match="the store failed") as stopped:
            use(internet.ids)
        assert "\n" not in str(stopped.value)
    with pytest.raises(RunStopped, match="the store failed"):
        internet.add([Post("new", "north", 99, 0, "q", SYNTHETIC)], vectors(1))
    assert len(internet) == 4


def test_two_posts_of_one_id_are_refused(tmp_path: Path) -> None:
    doubled = [*posts(4), posts(4)[0]]
    with pytest.raises(RunStopped, match="two posts have one id; the seed file is damaged"):
        Internet(tmp_path / "a", EMBEDDINGS).restore(doubled, vectors(5))
