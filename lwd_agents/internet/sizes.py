"""How large an Internet grows, and how much of it each agent may read: known before a run."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lwd_agents.config import LlmConfig
from lwd_agents.internet.post import HUMAN
from lwd_agents.internet.readership import stretches

Longs = NDArray[np.int64]


def slots(config: LlmConfig) -> int:
    """How many of its draws an agent can post at a step for a query, at most."""
    how = config.posting.choose.how
    if how == "none":
        return 0
    return config.draws if how in ("all", "own") else 1


def is_plain(config: LlmConfig) -> bool:
    """Whether posts enter and stay as in the paper: one of each agent at each step, for good."""
    return (
        config.readership == "complete"
        and config.posting.choose.how == "first"
        and config.posting.keep.how == "accumulate"
        and not config.inflow
        and not config.placebo
        and not config.queries
        and all(agent.joins == 0 and agent.leaves is None for agent in config.agents)
    )


def visible_posts(config: LlmConfig, humans: int) -> Longs:
    """How many posts each agent may read at t = 0 .. T, (N, T + 1), at most.

    As if every draw were present and every post passed: exact where neither fails. A policy of
    one's own that lets posts go is not foreseen, nor are posts of other runs.

    Args:
        config: the experiment.
        humans: |A(0)|.
    """
    steps, names = config.steps + 1, tuple(agent.name for agent in config.agents)
    writing = np.array(
        [[agent.takes_part(t) for t in range(steps)] for agent in config.agents], dtype=np.int64
    )
    writing *= slots(config) * (1 if config.internet.per_query else max(1, len(config.queries)))
    t = np.arange(steps)
    first = np.maximum(0, t - _width(config))  # the earliest step whose posts are in A(t)
    by_agent = _between(writing, first)
    others = _between(_flowing(config, steps, human=False)[None], first)[0]
    read = np.empty_like(by_agent)
    graphs = stretches(config.readership, names, config.seed)
    for since, until in pairwise([*sorted(graphs), steps]):
        rows = slice(since, max(since, until))
        read[:, rows] = graphs[since].astype(np.int64) @ by_agent[:, rows] + others[rows]
    if config.posting.keep.how == "subsample":
        read = np.minimum(read, config.posting.keep.size or 0)
    aging = config.posting.keep.humans == "age"
    fresh = _flowing(config, steps, human=True)[None]
    stay = _between(fresh, first if aging else np.zeros_like(first))[0]
    stay += np.where((t < _width(config)) | (not aging), humans, 0)
    found: Longs = stay + read
    return found


def _between(written: Longs, first: Longs) -> Longs:
    """Posts of the steps first .. t - 1 at each t, (n, T + 1), of those written at each step."""
    before = np.concatenate([np.zeros((len(written), 1), np.int64), written.cumsum(axis=1)], axis=1)
    between: Longs = before[:, :-1] - before[:, first]
    return between


def reading_sizes(config: LlmConfig, visible: Longs) -> Longs:
    """k_t of one agent that may read so many posts at t = 0 .. T, (T + 1,)."""
    reading = config.reading
    if reading.beta is None:
        return np.full(len(visible), reading.k or 0, dtype=np.int64)
    exact = visible.astype(object)  # beta is an exact decimal: its numerator may be long
    sizes = np.empty(len(visible), dtype=np.int64)
    for since, beta in [(0, reading.beta), *sorted(reading.schedule.items())]:
        numerator, denominator = beta.as_integer_ratio()
        sizes[since:] = (numerator * exact[since:] // denominator).astype(np.int64)
    return sizes


def largest_reading(config: LlmConfig, humans: int) -> int:
    """The most posts that any agent reads at a step; ``humans`` is |A(0)|."""
    return int(max(reading_sizes(config, row).max() for row in visible_posts(config, humans)))


def _width(config: LlmConfig) -> int:
    """How many steps' posts stay; more than there are where all do."""
    keep = config.posting.keep
    if keep.how == "replace":
        return 1
    return keep.size or 1 if keep.how == "window" else config.steps + 2


def _flowing(config: LlmConfig, steps: int, human: bool) -> Longs:
    """Posts that enter beside the agents' at each step, (T + 1,)."""
    plans = [plan for plan in config.inflow if (plan.kind == HUMAN) is human]
    made = [sum(plan.before(t) for plan in plans) for t in range(steps + 1)]
    return np.array([after - before for before, after in pairwise(made)], dtype=np.int64)
