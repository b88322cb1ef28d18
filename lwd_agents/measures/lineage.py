"""Lineage: which post a phrase of an answer came from, and through which posts.

A phrase is a run of words (``lwd_agents.measures.words``) of an answer that stands verbatim in a
post its author read. An answer is cut greedily from the left into the longest such runs of at
least n words, as in arXiv 1804.11283 (extractive fragments). From a post with the phrase the trace
goes on to the posts that its own author had read when it wrote it, and so on, always to the
earliest post that some chain of readings reaches: the origin. If a model wrote that, the model came
up with the phrase itself, as far as its reading tells. [ours]

A trace is what could have been copied, not what was: models share phrases that nobody copied
(openers, set phrases, priors of their own). The same shares of a placebo, and the ``excess`` of
``lwd_agents.measures.text_steps``, say how much of it is chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lwd_agents.measures.words import ngrams, words

if TYPE_CHECKING:
    from lwd_agents.posts import Answers, Posts

_HUMAN = ("human", "placebo")  # Post.kind of what people wrote

Reading = tuple[int, str, int, int]  # (t, agent, query, reading)
Chains = dict[str, dict[int, tuple[int, ...]]]  # phrase -> post with it -> rows to its origin


@dataclass(frozen=True)
class Link:
    """One post of a chain: its row in ``Posts``, id, author, step it was written in, and kind."""

    row: int
    id: str
    author: str
    step: int
    kind: str


@dataclass(frozen=True)
class Phrase:
    """A phrase that an answer shares with a post its author read.

    Attributes:
        words: joined by spaces, as ``words`` has them.
        start, stop: its place among the answer's words.
        chain: from the post that was read to the origin; never empty.
    """

    words: str
    start: int
    stop: int
    chain: tuple[Link, ...]

    @property
    def origin(self) -> Link:
        """The post in which the phrase stood first, as far as readings tell."""
        return self.chain[-1]


@dataclass(frozen=True)
class Lineage:
    """The phrases of one answer, in order; words in none are new. ``length``: its words."""

    phrases: tuple[Phrase, ...]
    length: int


@dataclass(frozen=True)
class PhraseIndex:
    """The words of all posts, once; posts go by their rows.

    Attributes:
        posts: the run's.
        n: words of the shortest phrase.
        lines: each post's words between spaces; empty where its text is not known.
        holders: n-gram -> the posts that have it.
        read_by: of each post, the posts that its author had read when writing it.
    """

    posts: Posts
    n: int
    lines: tuple[str, ...]
    holders: Mapping[tuple[str, ...], Set[int]]
    read_by: tuple[Set[int], ...]


@dataclass(frozen=True)
class LineageSteps:
    """Where the words of each step's answers came from, (T + 1, N) each; NaN without an answer.

    The first five add up to 1 and are shares of words, the mean over answers.

    Attributes:
        agents: the N names.
        n: words of the shortest phrase.
        human: in phrases whose origin people wrote.
        others: whose origin another agent of this run wrote.
        own: whose origin the agent itself had posted before.
        elsewhere: whose origin is noise, an adversary's post, or a model's of another run.
        new: in no phrase that was read.
        chain: mean number of posts on a phrase's chain, over phrases; 0 where there is none. 1: the
            phrase stood in a post read, and in none that its author had read.
    """

    agents: tuple[str, ...]
    n: int
    human: NDArray[np.float64]
    others: NDArray[np.float64]
    own: NDArray[np.float64]
    elsewhere: NDArray[np.float64]
    new: NDArray[np.float64]
    chain: NDArray[np.float64]


def index_phrases(posts: Posts, n: int = 3) -> PhraseIndex:
    """The n-grams of every post, to trace many answers by.

    Args:
        posts: of ``lwd_agents.posts.read_posts``. A post whose text is not known holds no phrase.
        n: words of the shortest phrase.

    Raises:
        ValueError: n is below 1.
    """
    texts = [words(text or "") for text in posts.texts]
    holders: dict[tuple[str, ...], set[int]] = {}
    for row, text in enumerate(texts):
        for gram in ngrams(text, n):
            holders.setdefault(gram, set()).add(row)
    nothing: tuple[int, ...] = ()
    read_by = tuple(
        frozenset(posts.reads.get(place, nothing) if place is not None else nothing)
        for place in posts.written_from
    )
    return PhraseIndex(posts, n, tuple(map(_line, texts)), holders, read_by)


def lineage(index: PhraseIndex, reading: Reading, text: str) -> Lineage:
    """Trace an answer, or any phrase, back from the posts of one reading.

    Args:
        index: of ``index_phrases``.
        reading: (t, agent, query, reading): what was read before writing.
        text: the answer. One with fewer than n words has no phrase.

    Raises:
        ValueError: the run has no such reading.
    """
    if reading not in index.posts.reads:
        raise ValueError(f"reading {reading}: the run has none like it; (t, agent, query, reading)")
    return _trace(index, frozenset(index.posts.reads[reading]), words(text), {})


def lineage_steps(
    posts: Posts, answers: Answers, agents: Sequence[str], *, n: int = 3, query: int = 0
) -> LineageSteps:
    """Where the words of all first readings' answers of a run came from.

    Args:
        posts, answers: of ``lwd_agents.posts``.
        agents: the N names, in the order of the axis.
        n: words of the shortest phrase.
        query: which query, from 0.
    """
    index = index_phrases(posts, n)
    chains: Chains = {}
    steps = 1 + max((t for t, *_ in answers.texts), default=-1)
    found = np.full((steps, len(agents), 6), np.nan)
    for t in range(steps):
        for i, agent in enumerate(agents):
            place = (t, agent, query, 0)
            texts = [text for text in answers.texts.get(place, ()) if text is not None]
            read = frozenset(posts.reads.get(place, ()))
            traced = [_trace(index, read, words(text), chains) for text in texts]
            if traced:
                found[t, i] = _shares(posts, agent, traced)
    return LineageSteps(tuple(agents), n, *np.moveaxis(found, 2, 0))


def _shares(posts: Posts, agent: str, traced: Sequence[Lineage]) -> NDArray[np.float64]:
    """human, others, own, elsewhere, new, and the mean length of chains."""
    shares = np.zeros((len(traced), 5))
    for share, one in zip(shares, traced, strict=True):
        for phrase in one.phrases:
            share[_source(posts, phrase.origin, agent)] += phrase.stop - phrase.start
        share[4] = max(one.length, 1) - share.sum()  # an empty answer is new
        share /= max(one.length, 1)
    lengths = [len(phrase.chain) for one in traced for phrase in one.phrases]
    return np.append(shares.mean(axis=0), np.mean(lengths) if lengths else 0.0)


def _source(posts: Posts, origin: Link, agent: str) -> int:
    if posts.written_as[origin.row] in _HUMAN:
        return 0
    if origin.kind != "agent":
        return 3
    return 2 if origin.author == agent else 1


def _trace(index: PhraseIndex, read: Set[int], text: tuple[str, ...], chains: Chains) -> Lineage:
    """``chains`` keeps those of phrases that were traced before."""
    phrases, start = [], 0
    while start + index.n <= len(text):
        stop, holders = _longest(index, read, text, start)
        if not holders:
            start += 1
            continue
        phrase = " ".join(text[start:stop])
        if phrase not in chains:
            chains[phrase] = _chains(index, phrase)
        # The earliest origin, over the shortest chain, from the earliest post.
        chain = min((chains[phrase][row] for row in holders), key=_earliest)
        links = tuple(_link(index.posts, row) for row in chain)
        phrases.append(Phrase(phrase, start, stop, links))
        start = stop
    return Lineage(tuple(phrases), len(text))


def _longest(
    index: PhraseIndex, read: Set[int], text: tuple[str, ...], start: int
) -> tuple[int, Set[int]]:
    """Where the longest shared run from ``start`` stops, and the posts read that hold it."""
    none: Set[int] = frozenset()
    stop = start + index.n
    holders = index.holders.get(text[start:stop], none) & read
    while holders and stop < len(text):
        # Both of two overlapping n-grams in a post need not be one run there: look.
        both = holders & index.holders.get(text[stop + 1 - index.n : stop + 1], none)
        phrase = _line(text[start : stop + 1])
        longer = {row for row in both if phrase in index.lines[row]}
        if not longer:
            break
        holders, stop = longer, stop + 1
    return stop, holders


def _chains(index: PhraseIndex, phrase: str) -> dict[int, tuple[int, ...]]:
    """Of each post that holds a phrase, the rows from it to its origin."""
    line, grams = f" {phrase} ", ngrams(phrase.split(" "), index.n)
    holders = set.intersection(*(set(index.holders[gram]) for gram in grams))
    found: dict[int, tuple[int, ...]] = {}
    for row in sorted(holders):  # the order of entering: what a post's author read is done before
        if line in index.lines[row]:
            before = [found[earlier] for earlier in index.read_by[row] & found.keys()]
            found[row] = (row, *min(before, key=_earliest)) if before else (row,)
    return found


def _earliest(chain: tuple[int, ...]) -> tuple[int, int, int]:
    return chain[-1], len(chain), chain[0]


def _link(posts: Posts, row: int) -> Link:
    return Link(row, posts.ids[row], posts.authors[row], int(posts.written[row]), posts.kinds[row])


def _line(text: Sequence[str]) -> str:
    return f" {' '.join(text)} "
