"""The collapse metrics as a LangChain handler on the event ``lwd.round``."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np
from langchain_core.callbacks import BaseCallbackHandler
from numpy.typing import NDArray

from lwd_agents.measures.geometry import collapse_norm, distances, perspectives, within_spread
from lwd_agents.worlds.llm import ROUND_EVENT


class CollapseMetrics(BaseCallbackHandler):
    """Measures every committed step from its embeddings, live or replayed.

    Put it, or a subclass of it, among the ``callbacks`` of ``lwd.run``. What a handler does can
    change no result: it is given copies. An error in it stops the run, resumable.

    Attributes:
        t: the steps seen.
        norm: ||D(t)||_F of each; NaN where an agent was silent.
        distances: D(t) of each, (N, N).
        within: tr S_i(t) of each, (N,): the spread of each agent's draws.
    """

    raise_error = True

    def __init__(self) -> None:
        self.t: list[int] = []
        self.norm: list[float] = []
        self.distances: list[NDArray[np.float64]] = []
        self.within: list[NDArray[np.float64]] = []

    def on_custom_event(
        self,
        name: str,
        data: Any,
        *,
        run_id: UUID,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Take in one step; other events pass by."""
        if name != ROUND_EVENT:
            return
        embeddings = data["embeddings"]
        D = distances(perspectives(embeddings))
        self.t.append(data["t"])
        self.norm.append(collapse_norm(D))
        self.distances.append(D)
        self.within.append(within_spread(embeddings))
