"""The text measures of a whole run, per step and agent. Axes: T steps, N agents, L draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents import seeding
from lwd_agents.measures import text as measure
from lwd_agents.measures.text import Texts

if TYPE_CHECKING:
    from lwd_agents.posts import Answers, Posts

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TextSteps:
    """Text measures of the first reading's answers; NaN where an agent has none.

    Attributes:
        agents: the N names.
        n: words of an n-gram and of the shortest copied phrase.
        distinct, compression, unique, words, characters, edit: (T + 1, N), as the functions of
            ``lwd_agents.measures.text`` say.
        edit_between: (T + 1,) mean normalised Levenshtein distance over texts of different agents.
        copied: (T + 1, N) share of words in phrases copied from the posts read.
        excess: (T + 1, N) that of m posts read less that of m posts of A(t) that were not, m the
            most of which both sides have as many; NaN where all was read or nothing. Where every
            post may be read and readings are drawn uniformly, it is 0 in the mean unless answers
            depend on what was read: it is what reading did, and ``copied`` also what is common.
            One value is noise; average over steps and runs [ours].
        support: (T + 1, N) share of the human posts of A(0) that some answer is nearest to, in
            ``support_answers`` answers.
        network_support: (T + 1,) the same of all agents' answers together, in
            ``network_answers`` answers.
        lost: of each step, rows of the posts of A(0) that answers of the steps before ``first``
            visited, and no answer of this step does.
    """

    agents: tuple[str, ...]
    n: int
    distinct: Floats
    compression: Floats
    unique: Floats
    words: Floats
    characters: Floats
    edit: Floats
    edit_between: Floats
    copied: Floats
    excess: Floats
    support: Floats
    support_answers: int
    network_support: Floats
    network_answers: int
    first: int
    lost: tuple[tuple[int, ...], ...]


def text_steps(
    posts: Posts,
    answers: Answers,
    agents: Sequence[str],
    *,
    n: int = 3,
    query: int = 0,
    first: int = 1,
    key: int = 0,
) -> TextSteps:
    """All text measures of one run, for one query.

    Args:
        posts, answers: of ``lwd_agents.posts``.
        agents: the N names, in the order of the axis.
        n: words of an n-gram (distinct) and of the shortest copied phrase.
        query: which query, from 0.
        first: how many steps the topics that can be lost are taken from.
        key: draws which posts ``excess`` compares.

    Raises:
        ValueError: ``first`` or n is below 1.
    """
    if first < 1:
        raise ValueError(f"first = {first}; topics are lost against at least 1 step")
    steps = 1 + max((t for t, *_ in answers.texts), default=-1)
    places = [[(t, agent, query, 0) for agent in agents] for t in range(steps)]
    said = [[answers.texts.get(place, ()) for place in row] for row in places]

    def each(function: Callable[[Texts], float]) -> Floats:
        values = [[function(texts) for texts in row] for row in said]
        return np.array(values, dtype=np.float64).reshape(steps, len(agents))

    copied = np.full((steps, len(agents), 2), np.nan)
    for t in range(steps):
        for i, place in enumerate(places[t]):
            copied[t, i] = _copies(posts, place, said[t][i], n, key)
    visits = [[_visits(posts, answers, place) for place in row] for row in places]
    return TextSteps(
        agents=tuple(agents),
        n=n,
        distinct=each(lambda texts: measure.distinct_n(texts, n)),
        compression=each(measure.compression_ratio),
        unique=each(measure.unique_share),
        words=each(measure.mean_words),
        characters=each(measure.mean_characters),
        edit=each(measure.edit_distance),
        edit_between=np.array([_between(row) for row in said], dtype=np.float64),
        copied=copied[..., 0],
        excess=copied[..., 1],
        **_topics(visits, first, len(agents)),
    )


def _topics(
    visits: Sequence[Sequence[NDArray[np.bool_]]], first: int, agents: int
) -> dict[str, Any]:
    """Support by agent and of all, each at the number of answers that all steps have; losses."""
    together = [np.concatenate(row) for row in visits]
    least = min((len(v) for row in visits for v in row if len(v)), default=1)
    network = min((len(v) for v in together if len(v)), default=1)
    return {
        "support": np.array([[_support(v, least) for v in row] for row in visits]).reshape(
            len(visits), agents
        ),
        "support_answers": least,
        "network_support": np.array([_support(v, network) for v in together]),
        "network_answers": network,
        "first": first,
        "lost": tuple(
            measure.lost_topics(np.concatenate(together[:first]), now) for now in together
        ),
    }


def _copies(
    posts: Posts, place: tuple[int, str, int, int], texts: Texts, n: int, key: int
) -> tuple[float, float]:
    """What is copied from a reading, and by how much more than from posts not read."""
    t, agent, query, reading = place
    read = posts.reads.get(place, ())
    copied = measure.copied_share(texts, [posts.texts[row] for row in read], n)
    apart = np.setdiff1d(posts.there(t), read)
    m = min(len(read), len(apart))
    if m == 0:
        return copied, np.nan
    field = f"unread {query} {reading}"
    rng = seeding.generator(seeding.key(key, "text", t=t, agent=agent, query=field))
    mine, others = (rng.choice(rows, m, replace=False) for rows in (np.array(read), apart))
    shares = [
        measure.copied_share(texts, [posts.texts[row] for row in rows], n)
        for rows in (mine, others)
    ]
    return copied, shares[0] - shares[1]


def _visits(posts: Posts, answers: Answers, place: tuple[int, str, int, int]) -> NDArray[np.bool_]:
    """The human posts of A(0) that a reading's answers are nearest to, (L present, K)."""
    human = posts.vectors[[kind == "human" for kind in posts.kinds]]
    vectors = answers.vectors.get(place)
    if vectors is None or not len(human) or np.isnan(human).any():
        return np.zeros((0, len(human)), dtype=np.bool_)
    return measure.nearest_posts(vectors, human)


def _support(visits: NDArray[np.bool_], answers: int) -> float:
    return measure.topic_support(visits, answers) if visits.shape[1] else np.nan


def _between(row: Sequence[Texts]) -> float:
    """The mean distance of texts over pairs of agents that have any."""
    pairs = [measure.edit_distance(a, b) for a, b in combinations(row, 2)]
    there = [value for value in pairs if not np.isnan(value)]
    return float(np.mean(there)) if there else np.nan
