"""LangChain's standard suites on the vector stores that our stores expose, and on our retrievers.

No test of these suites is left out: one that would be skipped fails.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from chroma_servers import chroma_server
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests import (
    RetrieversIntegrationTests,
    VectorStoreIntegrationTests,
)

from lwd_agents.internet.backends import MemoryBackend, open_backend
from lwd_agents.internet.laws import Uniform
from lwd_agents.internet.post import HUMAN, Post
from lwd_agents.internet.retrievers import LawRetriever, UniformRetriever
from lwd_agents.internet.store import Internet

_numbers = itertools.count()

# The suites leave it to a global setting whether their coroutines are run.
for _suite in (VectorStoreIntegrationTests, RetrieversIntegrationTests):
    for _test in vars(_suite).values():
        if inspect.iscoroutinefunction(_test):
            pytest.mark.asyncio(_test)


def _unexplained(reason: str = "", **_: Any) -> NoReturn:
    pytest.fail(f"the suite skips this: {reason}")


@pytest.fixture(autouse=True)
def nothing_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pytest, "skip", _unexplained)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with chroma_server(tmp_path_factory.mktemp("server")) as running:
        yield running.address


class Stores(VectorStoreIntegrationTests):
    """The suite on what a backend gives as its vector store."""

    spec: str

    @pytest.fixture
    def vectorstore(self, tmp_path: Path) -> Iterator[VectorStore]:  # type: ignore[override]
        """Empty, and its backend is closed afterwards."""
        backend = open_backend(self.spec, tmp_path, self.get_embeddings())
        yield backend.vectorstore()
        backend.close()


class TestChroma(Stores):
    """Chroma on disk."""

    spec = "chroma"


class TestFaiss(Stores):
    """FAISS."""

    spec = "faiss"


class TestMemory(Stores):
    """Memory."""

    spec = "memory"


class TestChromaServer(VectorStoreIntegrationTests):
    """Chroma over HTTP."""

    @pytest.fixture
    def vectorstore(self, server: str, tmp_path: Path) -> Iterator[VectorStore]:  # type: ignore[override]
        """A collection of its own for each test."""
        spec = f"chroma+http://{server}/net{next(_numbers)}"
        backend = open_backend(spec, tmp_path, self.get_embeddings())
        yield backend.vectorstore()
        backend.close()


class Readers(RetrieversIntegrationTests):
    """The suite on a retriever over six posts."""

    @property
    def retriever_query_example(self) -> str:
        """Any text."""
        return "What is next?"

    @property
    def internet(self) -> Internet:
        """Six posts in memory."""
        embeddings = DeterministicFakeEmbedding(size=6)
        internet = Internet(Path("unused"), embeddings, MemoryBackend(embeddings))
        posts = [Post(f"post {i}", HUMAN, -1, i, "", HUMAN) for i in range(6)]
        internet.restore(posts, np.eye(6, dtype=np.float32))
        return internet


class TestUniformRetriever(Readers):
    """The paper's."""

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        """The class."""
        return UniformRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        """What it is made of."""
        return {"internet": self.internet, "k": 2}


class TestLawRetriever(Readers):
    """Any law's."""

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        """The class."""
        return LawRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        """What it is made of."""
        return {"internet": self.internet, "law": Uniform(), "k": 2}
