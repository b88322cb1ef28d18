"""Readings by a law and by any retriever: what is offered to it, and what it may return."""

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
from langchain_tests.integration_tests import RetrieversIntegrationTests
from scipy.stats import chisquare

from lwd_agents.errors import RunStopped
from lwd_agents.internet.laws import ORDERS, Recency, Similarity, Stratified, Uniform
from lwd_agents.internet.post import HUMAN, Post
from lwd_agents.internet.retrievers import LawRetriever, Reader, UniformRetriever
from lwd_agents.internet.store import Internet
from lwd_agents.internet.view import View


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

    def view(self, agent: str, t: int, may_author: None, query: Any) -> View:
        nothing = np.zeros(len(self.ids), dtype=np.int64)
        author = np.array([HUMAN] * len(self.ids), dtype=object)
        return View(
            agent, t, self.ids, author, nothing - 1, nothing == 0, nothing, lambda: nothing, query
        )

    def get(self, ids: Sequence[str]) -> list[Document]:
        return [Document(id=post_id, page_content=post_id) for post_id in ids]

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, post_id: object) -> bool:
        return post_id in self.ids


def read(reader: Reader, k: int, seed: int = 0) -> list[str]:
    return [str(d.id) for d in reader.read("q", None, k=k, t=0, agent="a", seed=seed)]


@pytest.mark.parametrize(("k", "order"), [(1, "drawn"), (2, "drawn"), (3, "drawn"), (3, "random")])
def test_every_subset_and_every_order_is_equally_likely(k: int, order: Any) -> None:
    store: Any = Remembered()
    reader = Reader(UniformRetriever(internet=store, order=order), store)
    counts = Counter(tuple(read(reader, k, seed)) for seed in range(2400))
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
    with pytest.raises(
        RunStopped, match=r"reading\.k: 5 posts asked for a at step 0, who may read 4"
    ):
        read(reader, 5)


@pytest.fixture
def shared(internet: Internet) -> Internet:
    """Four human posts, and two each of a and b."""
    for step in (0, 1):
        posts = [Post(f"{who} {step}", who, step, 0, "q", "synthetic") for who in "ab"]
        texts = [post.text for post in posts]
        internet.add(posts, np.array(internet.embeddings.embed_documents(texts)))
    return internet


def view_of(internet: Internet, agent: str, authors: Sequence[str] | None) -> View:
    query = np.array(internet.embeddings.embed_query("b 1"), dtype=np.float32)
    return internet.view(agent, 2, authors, lambda: query)


def test_a_law_draws_from_what_is_visible_alone(shared: Internet) -> None:
    reader = Reader(LawRetriever(internet=shared, law=Recency(0.5)), shared)
    assert reader.reproducible
    for k, authors in ((6, ["a"]), (4, []), (8, None)):
        view = view_of(shared, "a", authors)
        documents = reader.read("q", None, k=k, t=2, agent="a", seed=1, view=view)
        assert sorted(str(d.id) for d in documents) == sorted(view.ids)
        assert {d.metadata["author"] for d in documents} == {
            HUMAN,
            *(authors or ["a", "b"][: k - 6]),
        }
        with pytest.raises(
            RunStopped, match=f"{k + 1} posts asked for a at step 2, who may read {k}"
        ):
            reader.read("q", None, k=k + 1, t=2, agent="a", seed=1, view=view)


def test_the_query_and_its_vectors_reach_the_law(shared: Internet) -> None:
    reader = Reader(LawRetriever(internet=shared, law=Similarity()), shared)
    for authors, best in ((None, "b 1"), (["b"], "b 1")):
        view = view_of(shared, "a", authors)
        assert (
            reader.read("q", None, k=2, t=2, agent="a", seed=1, view=view)[0].page_content == best
        )
    view = view_of(shared, "a", ["a"])
    assert reader.read("q", None, k=2, t=2, agent="a", seed=1, view=view)[0].page_content != "b 1"


def test_an_order_changes_no_post_that_is_read(shared: Internet) -> None:
    def texts(order: Any, seed: int) -> list[str]:
        retriever = LawRetriever(internet=shared, law=Stratified(), order=order)
        view = view_of(shared, "a", None)
        found = Reader(retriever, shared).read("q", None, k=5, t=2, agent="a", seed=seed, view=view)
        return [document.page_content for document in found]

    for seed in range(8):
        readings = {order: texts(order, seed) for order in ORDERS}
        assert len({tuple(sorted(reading)) for reading in readings.values()}) == 1
        assert readings["time"] == readings["reversed"][::-1]
        steps = [int(text[-1]) if text[:4] != "post" else -1 for text in readings["time"]]
        assert steps == sorted(steps)
    assert any(texts("random", seed) != texts("drawn", seed) for seed in range(8))
    assert any(texts("time", seed) != texts("drawn", seed) for seed in range(8))


def test_uniform_draws_what_it_has_always_drawn(shared: Internet) -> None:
    view = view_of(shared, "a", None)
    for seed in (0, 7, 2**127 + 1):
        old = np.random.Generator(np.random.Philox(key=seed)).choice(8, size=5, replace=False)
        for retriever in (
            UniformRetriever(internet=shared),
            LawRetriever(internet=shared, law=Uniform()),
        ):
            reader = Reader(retriever, shared)
            given = reader.read("q", None, k=5, t=2, agent="a", seed=seed, view=view)
            assert [d.id for d in given] == [shared.ids[i] for i in old]
            assert read(reader, 5, seed) == [shared.ids[i] for i in old]


def test_a_post_that_is_not_visible_is_refused(shared: Internet) -> None:
    view = view_of(shared, "a", ["a"])
    hidden = shared.get([post_id for post_id in shared.ids if post_id not in view.ids])
    reader = Reader(Fixed(documents=[*shared.get(view.ids[:1]), hidden[0]]), shared)
    with pytest.raises(RunStopped, match=f"{hidden[0].id}, a post that is not visible to it"):
        reader.read("q", None, k=2, t=2, agent="a", seed=0, view=view)
    assert reader.read("q", None, k=2, t=2, agent="b", seed=0, view=view_of(shared, "b", ["b"]))
    search = Reader(shared.vectorstore.as_retriever(), shared)
    with pytest.raises(RunStopped, match="not visible to it"):
        search.read("b 1", None, k=6, t=2, agent="a", seed=0, view=view)


class Noting(BaseRetriever):
    """What a retriever is offered, as far as it names it."""

    internet: Any
    seen: dict[str, Any] = {}  # noqa: RUF012 - a pydantic field

    def _get_relevant_documents(
        self, query: str, *, run_manager: Any, k: int, t: int, agent: str, visible: Any, view: Any
    ) -> list[Document]:
        self.seen.update(k=k, t=t, agent=agent, visible=visible, view=view)
        found: list[Document] = self.internet.get(visible[-k:])
        return found


def test_a_retriever_gets_the_view_that_it_names(shared: Internet) -> None:
    retriever, view = Noting(internet=shared), view_of(shared, "b", ["b"])
    Reader(retriever, shared).read("q", None, k=3, t=2, agent="b", seed=0, view=view)
    assert retriever.seen["view"] is view
    assert retriever.seen == {"k": 3, "t": 2, "agent": "b", "visible": view.ids, "view": view}


class Odd:
    """A law that returns what it is told to."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def draw(self, view: View, k: int, rng: np.random.Generator) -> Any:
        return self.answer


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([0], "returned 1 posts where k = 2"),
        ([0, 1, 2], "returned 3 posts where k = 2"),
        ([0, 0], "returned a post twice"),
        ([0, 8], "returned the index 8 of 8 posts"),
        ([0, -1], "returned the index -1 of 8 posts"),
        ([0.0, 1.0], "returned no list of whole numbers"),
        ([[0, 1]], "returned no list of whole numbers"),
        ("ab", "returned no list of whole numbers"),
    ],
)
def test_what_a_law_may_not_return(shared: Internet, answer: Any, words: str) -> None:
    reader = Reader(LawRetriever(internet=shared, law=Odd(answer)), shared)
    view = view_of(shared, "a", None)
    with pytest.raises(RunStopped, match=f"the law Odd at step 2 for a: it {words}"):
        reader.read("q", None, k=2, t=2, agent="a", seed=0, view=view)


class TestLangChainsSuite(RetrieversIntegrationTests):
    """LangChain's standard suite on a law's retriever; none of it is skipped."""

    @pytest.fixture(autouse=True)
    def _hold(self, shared: Internet) -> None:
        self.internet = shared

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return LawRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"internet": self.internet, "law": Similarity(), "k": 4}

    @property
    def retriever_query_example(self) -> str:
        return "b 1"

    def test_the_best_post_is_found_alone(self, retriever: BaseRetriever) -> None:
        assert retriever.invoke("a 0")[0].page_content == "a 0"
        with pytest.raises(RunStopped, match="9 posts asked of 8"):
            retriever.invoke("a 0", k=9)


pytest.mark.asyncio(RetrieversIntegrationTests.test_ainvoke_returns_documents)
