"""Posts made by hand, for measures that need no run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lwd_agents.posts import NEVER, Key, Posts

KEY: Key = (3, "a", 0, 0)


def made(
    rows: Sequence[tuple[str, int, str | None]],
    reads: Mapping[Key, tuple[int, ...]] | None = None,
    written_as: Mapping[int, str] | None = None,
) -> Posts:
    """Posts (author, step, text) in order; those of ``human`` are A(0), others are agents'."""
    authors, steps, texts = zip(*rows, strict=True)
    kinds = tuple("human" if author == "human" else "agent" for author in authors)
    own = ["human" if kind == "human" else "synthetic" for kind in kinds]
    for row, kind in (written_as or {}).items():
        own[row] = kind
    agents = [kind == "agent" and row not in (written_as or {}) for row, kind in enumerate(kinds)]
    return Posts(
        ids=tuple(f"id{row}" for row in range(len(rows))),
        authors=authors,
        kinds=tuple(
            kind if agent or kind == "human" else "inflow"
            for kind, agent in zip(kinds, agents, strict=True)
        ),
        written_as=tuple(own),
        queries=tuple("" if kind == "human" else "q" for kind in kinds),
        texts=texts,
        written=np.array(steps),
        entered=np.array(steps) + 1,
        left=np.full(len(rows), NEVER),
        vectors=np.random.default_rng(0).normal(size=(len(rows), 2)).astype(np.float32),
        written_from=tuple(
            (step, author, 0, 0) if agent else None
            for author, step, agent in zip(authors, steps, agents, strict=True)
        ),
        reads=dict(reads or {}),
        notes=(),
    )
