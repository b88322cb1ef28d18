"""One part of each kind: laws, retrievers, readerships, posting, keeping, and stores."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from numpy.typing import NDArray

from lwd_agents.internet.backends import MemoryBackend
from lwd_agents.internet.laws import WeightLaw
from lwd_agents.internet.post import Post
from lwd_agents.internet.view import View


class Echoes(WeightLaw):
    """What the reader itself wrote weighs ``louder`` times as much as any other post."""

    def __init__(self, louder: float = 2.0) -> None:
        self._louder = louder

    def log_weights(self, view: View) -> NDArray[np.float64]:
        """(V,)."""
        own = np.array([author == view.agent for author in view.author], dtype=np.bool_)
        return np.where(own, np.log(self._louder), 0.0)


class Keyhole(BaseRetriever):
    """The same ``k`` oldest posts at every step: a retriever, in place of a law."""

    internet: Any

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, k: int, visible: list[str]
    ) -> list[Document]:
        found: list[Document] = self.internet.get(list(visible)[:k])
        return found


def perches(names: Sequence[str]) -> list[tuple[str, str]]:
    """Each agent reads the one that is named after it; the last reads nobody else."""
    return list(pairwise(names))


def loudest(answers: Sequence[str | None], rng: np.random.Generator) -> list[int]:
    """The draw with the most capital letters is posted, the first of equals."""
    loud = [-1 if text is None else sum(map(str.isupper, text)) for text in answers]
    return [int(np.argmax(loud))] if max(loud, default=-1) >= 0 else []


def forgetful(posts: Sequence[Post], t: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """The answers of the first agent by name leave at once; all else stays."""
    first = min((post.author for post in posts if post.kind != "human"), default="")
    return np.array([post.author == first for post in posts], dtype=np.bool_)


class Cage(MemoryBackend):
    """Posts in memory, under another name."""

    where = "cage"

    def __init__(self, embeddings: Embeddings, **_: Any) -> None:
        super().__init__(embeddings)
