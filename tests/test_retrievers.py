"""The uniform law by frequency, and the checks on what any retriever returns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.retrievers import BaseRetriever
from scipy.stats import chisquare

from lwd_agents.errors import RunStopped
from lwd_agents.internet.post import HUMAN, Post
from lwd_agents.internet.retrievers import Reader, UniformRetriever
from lwd_agents.internet.store import Internet


@pytest.fixture
def internet(tmp_path: Path) -> Internet:
    embeddings = DeterministicFakeEmbedding(size=4)
    made = Internet(tmp_path / "internet", embeddings)
    posts = [Post(f"post {i}", HUMAN, -1, i, "", HUMAN) for i in range(4)]
    made.restore(posts, np.array(embeddings.embed_documents([p.text for p in posts])))
    return made


class Remembered:
    """Stands where only ids matter, so that thousands of readings need no database."""

    ids = tuple("abcd")

    def get(self, ids: Sequence[str]) -> list[Document]:
        return [Document(id=post_id, page_content=post_id) for post_id in ids]

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, post_id: object) -> bool:
        return post_id in self.ids


def read(reader: Reader, k: int, seed: int = 0) -> list[str]:
    return [str(d.id) for d in reader.read("q", None, k=k, t=0, agent="a", seed=seed)]


@pytest.mark.parametrize("k", [1, 2, 3])
def test_every_subset_and_every_order_is_equally_likely(k: int) -> None:
    store: Any = Remembered()
    reader = Reader(UniformRetriever(internet=store), store)
    counts = Counter(tuple(read(reader, k, seed)) for seed in range(6000))
    every = list(permutations(store.ids, k))
    assert set(counts) == set(every)
    assert chisquare([counts[x] for x in every]).pvalue > 0.001


def test_a_reading_is_a_function_of_its_seed(internet: Internet) -> None:
    reader = Reader(UniformRetriever(internet=internet), internet)
    assert read(reader, 3, 7) == read(reader, 3, 7)
    assert len({tuple(read(reader, 3, seed)) for seed in range(20)}) > 10
    assert sorted(read(reader, 4)) == sorted(internet.ids)
    assert read(reader, 0) == []
    assert reader.reproducible


def test_a_vector_store_retriever_is_given_k(internet: Internet) -> None:
    reader = Reader(internet.vectorstore.as_retriever(), internet)
    assert len(read(reader, 2)) == 2
    assert len(read(reader, 4)) == 4
    assert not reader.reproducible


class Fixed(BaseRetriever):
    documents: list[Document] = []  # noqa: RUF012 - a pydantic field

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        if not self.documents:
            raise ConnectionError("the index is away")
        return self.documents


@pytest.mark.parametrize(
    ("pick", "words"),
    [
        ([0], "returned 1 posts where k = 2"),
        ([0, 1, 2], "returned 3 posts where k = 2"),
        ([0, 0], "twice"),
        ([0, None], "is not in the Internet"),
        ([], "ConnectionError: the index is away"),
    ],
)
def test_what_a_retriever_may_not_return(
    internet: Internet, pick: list[int | None], words: str
) -> None:
    stranger = Document(id="stranger", page_content="x")
    known = internet.get(internet.ids)
    reader = Reader(Fixed(documents=[stranger if i is None else known[i] for i in pick]), internet)
    with pytest.raises(RunStopped, match=words) as caught:
        read(reader, 2)
    assert "Fixed" in str(caught.value)
    assert "at step 0 for a" in str(caught.value)


def test_a_document_needs_its_id_and_k_has_a_limit(internet: Internet) -> None:
    reader = Reader(Fixed(documents=[Document(page_content="x")]), internet)
    with pytest.raises(RunStopped, match="without an id"):
        read(reader, 1)
    with pytest.raises(RunStopped, match="5 posts asked of an Internet of 4"):
        read(reader, 5)
