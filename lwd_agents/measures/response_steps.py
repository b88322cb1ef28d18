"""What the agents of a run read and answered, and their response curves.

Axes: T steps, M readings, D dimensions. ``lwd_agents.measures.response`` says what they mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lwd_agents.measures.response import Curve, Gain, first_axis, gain, response_curve
from lwd_agents.measures.text import keyword_topics

if TYPE_CHECKING:
    from lwd_agents.posts import Answers, Posts

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Response:
    """How one agent answers what it reads: the gain in all dimensions, the curve along one."""

    agent: str
    gain: Gain
    curve: Curve


def read_and_said(
    posts: Posts, answers: Answers, agent: str, query: int = 0
) -> tuple[Floats, Floats]:
    """x and y of one agent of a run, (T + 1, M, D) each."""
    steps = 1 + max((t for t, *_ in answers.texts), default=-1)
    readings = 1 + max((r for _, _, _, r in answers.texts), default=-1)
    x = np.full((steps, readings, posts.vectors.shape[1]), np.nan)
    y = x.copy()
    for t, who, q, r in answers.vectors:
        read = list(posts.reads.get((t, who, q, r), ()))
        draws = np.asarray(answers.vectors[t, who, q, r], dtype=np.float64)
        draws = draws[~np.isnan(draws).any(axis=1)]
        if (who, q) == (agent, query) and read and len(draws):
            x[t, r] = posts.vectors[read].astype(np.float64).mean(axis=0)
            y[t, r] = draws.mean(axis=0)
    return x, y


def topic_shares(
    posts: Posts, answers: Answers, agent: str, keywords: Sequence[str], query: int = 0
) -> tuple[Floats, Floats]:
    """The share of posts read, and of answers, that name a topic: (T + 1, M) each.

    For ``response_curve``, and with a last axis added for ``gain``.

    Args:
        keywords: the topic's, as in ``lwd_agents.measures.text.keyword_topics``.
    """
    steps = 1 + max((t for t, *_ in answers.texts), default=-1)
    readings = 1 + max((r for _, _, _, r in answers.texts), default=-1)
    named = [
        math.nan if text is None else float(keyword_topics([text], {"": keywords})[0, 0])
        for text in posts.texts
    ]
    x = np.full((steps, readings), np.nan)
    y = x.copy()
    for (t, who, q, r), texts in answers.texts.items():
        read = posts.reads.get((t, who, q, r), ())
        said = keyword_topics(texts, {"": keywords})
        if (who, q) == (agent, query) and read and len(said):
            x[t, r] = np.mean([named[row] for row in read])
            y[t, r] = said.mean()
    return x, y


def responses(
    posts: Posts,
    answers: Answers,
    agents: Sequence[str],
    *,
    query: int = 0,
    axis: Floats | None = None,
    bins: int = 5,
    level: float = 0.95,
) -> tuple[Response, ...]:
    """The gain and the curve of every agent of a run.

    Args:
        posts, answers: of ``lwd_agents.posts``.
        agents: their names.
        query: which query, from 0.
        axis: (D,) of the curves; the first axis of what all agents read where none is given, one
            for all, so that their curves compare.
        bins, level: as in ``response_curve`` and ``gain``.
    """
    pairs = [read_and_said(posts, answers, agent, query) for agent in agents]
    if axis is None:
        axis = first_axis(np.concatenate([x for x, _ in pairs]))
    return tuple(
        Response(agent, gain(x, y, level), response_curve(x @ axis, y @ axis, bins))
        for agent, (x, y) in zip(agents, pairs, strict=True)
    )
