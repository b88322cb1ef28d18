"""phi: each text once, the same bits after a resume, and faults in one line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings

from lwd_agents.config import EmbeddingConfig
from lwd_agents.embedding import EmbeddingCache, SentenceEmbeddings
from lwd_agents.errors import RunStopped


class Counting(Embeddings):
    """Remembers the batches that it was given."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.batches.append(texts)
        return [[float(len(text)), 1.0] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def test_each_text_is_embedded_once_and_new_ones_in_one_batch() -> None:
    phi = Counting()
    cache = EmbeddingCache(phi)
    first = cache.embed(["a", "bb", "a"])
    assert first.shape == (3, 2)
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first[0], first[2])
    cache.embed(["bb", "ccc", "a", "ccc", "dddd"])
    assert phi.batches == [["a", "bb"], ["ccc", "dddd"]]
    resumed = EmbeddingCache(phi)
    resumed.remember(["a", "bb"], first[:2])
    resumed.embed(["bb", "ccc", "a", "ccc", "dddd"])
    assert phi.batches[-1] == ["ccc", "dddd"]  # the very batch of the run that was not stopped


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([[1.0, 2.0]], r"shape \(1, 2\) instead of \(2, 2\)"),
        ([[1.0], [2.0]], r"shape \(2, 1\) instead of \(2, 2\)"),
        ([[1.0, float("nan")], [1.0, 1.0]], "not finite for 'x'"),
        (None, "TypeError|ValueError|shape"),
        (TimeoutError("too slow"), "raised TimeoutError: too slow"),
    ],
)
def test_what_embeddings_may_not_return(answer: Any, words: str) -> None:
    class Faulty(Counting):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            if texts == ["ok"]:
                return [[0.0, 1.0]]
            if isinstance(answer, Exception):
                raise answer
            return answer  # type: ignore[no-any-return]

    cache = EmbeddingCache(Faulty())
    cache.embed(["ok"])
    with pytest.raises(RunStopped, match=words):
        cache.embed(["x", "y"])


def test_minilm_is_its_publishers_with_and_without_scaling() -> None:
    texts = ["Bitcoin rises.", "It rains."]
    unit = SentenceEmbeddings(EmbeddingConfig()).encode(texts)
    raw = SentenceEmbeddings(EmbeddingConfig(normalize=False)).encode(texts)
    assert unit.shape == raw.shape == (2, 384)
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(raw / np.linalg.norm(raw, axis=1, keepdims=True), unit, atol=1e-6)
    assert np.linalg.norm(raw, axis=1).min() > 2
    prefixed = SentenceEmbeddings(EmbeddingConfig(prefix="It rains. ")).encode(texts[:1])
    assert np.abs(prefixed - unit[:1]).max() > 0.01
    assert len(SentenceEmbeddings(EmbeddingConfig()).embed_query("x")) == 384


def test_any_langchain_embeddings_will_do() -> None:
    vectors = EmbeddingCache(DeterministicFakeEmbedding(size=5)).embed(["a", "b"])
    assert vectors.shape == (2, 5)
