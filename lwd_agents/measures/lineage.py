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

from bisect import insort
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lwd_agents.measures.words import ngrams, words

if TYPE_CHECKING:
    from lwd_agents.posts import Answers, Posts

PEOPLE = ("human", "placebo")  # Post.kind of what people wrote

Reading = tuple[int, str, int, int]  # (t, agent, query, reading)
Found = tuple[int, int, tuple[int, ...]]  # (start, stop) in an answer's words, rows to the origin


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
    posts, said = index.posts, words(text)
    return Lineage(
        tuple(
            Phrase(
                " ".join(said[start:stop]), start, stop, tuple(_link(posts, row) for row in rows)
            )
            for start, stop, rows in Tracer(index).trace(frozenset(posts.reads[reading]), said)
        ),
        len(said),
    )


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
    tracer = Tracer(index_phrases(posts, n))
    steps = 1 + max((t for t, *_ in answers.texts), default=-1)
    found = np.full((steps, len(agents), 6), np.nan)
    for t in range(steps):
        for i, agent in enumerate(agents):
            place = (t, agent, query, 0)
            texts = [words(text) for text in answers.texts.get(place, ()) if text is not None]
            read = frozenset(posts.reads.get(place, ()))
            if texts:
                traced = [tracer.trace(read, text) for text in texts]
                found[t, i] = _shares(posts, agent, traced, [len(text) for text in texts])
    return LineageSteps(tuple(agents), n, *np.moveaxis(found, 2, 0))


def _shares(
    posts: Posts, agent: str, traced: Sequence[Sequence[Found]], lengths: Sequence[int]
) -> NDArray[np.float64]:
    """human, others, own, elsewhere, new, and the mean length of chains."""
    shares = np.zeros((len(traced), 5))
    for share, phrases, length in zip(shares, traced, lengths, strict=True):
        for start, stop, chain in phrases:
            share[_source(posts, chain[-1], agent)] += stop - start
        share[4] = max(length, 1) - share.sum()  # an empty answer is new
        share /= max(length, 1)
    chains = [len(chain) for phrases in traced for *_, chain in phrases]
    return np.append(shares.mean(axis=0), np.mean(chains) if chains else 0.0)


def _source(posts: Posts, origin: int, agent: str) -> int:
    if posts.written_as[origin] in PEOPLE:
        return 0
    if posts.kinds[origin] != "agent":
        return 3
    return 2 if posts.authors[origin] == agent else 1


class Tracer:
    """Traces many answers: what a phrase's posts and chains are is found once."""

    def __init__(self, index: PhraseIndex) -> None:
        self._index = index
        self._shortest: dict[tuple[str, ...], _Shared] = {}

    def trace(self, read: Set[int], text: Sequence[str]) -> list[Found]:
        """The phrases of an answer, in order.

        Args:
            read: the rows of the posts that were read.
            text: the answer's words.
        """
        found: list[Found] = []
        start, n = 0, self._index.n
        text = tuple(text)
        while start + n <= len(text):
            shared = self._of(text[start : start + n])
            if shared is None or shared.posts.isdisjoint(read):
                start += 1
                continue
            stop = start + n
            while stop < len(text):
                longer = shared.longer(text, start, stop + 1)
                if longer is None or longer.posts.isdisjoint(read):
                    break
                shared, stop = longer, stop + 1
            found.append((start, stop, next(c for c in shared.chains if c[0] in read)))
            start = stop
        return found

    def _of(self, gram: tuple[str, ...]) -> _Shared | None:
        """The phrase of n words; None where no post has it."""
        if gram not in self._shortest:
            posts = self._index.holders.get(gram)
            if posts is None:
                return None
            self._shortest[gram] = _Shared(self._index, frozenset(posts))
        return self._shortest[gram]


@dataclass
class _Shared:
    """A phrase that stands in posts, and those that begin with it; ``posts``: which have it."""

    index: PhraseIndex
    posts: frozenset[int]
    further: dict[str, _Shared | None] = field(default_factory=dict)

    def longer(self, text: tuple[str, ...], start: int, stop: int) -> _Shared | None:
        """The phrase one word longer, which is ``text[start:stop]``; None where no post has it."""
        word = text[stop - 1]
        if word not in self.further:
            # Both of two overlapping n-grams in a post need not be one run there: look.
            both = self.posts & self.index.holders.get(text[stop - self.index.n : stop], set())
            phrase = _line(text[start:stop]) if both else ""
            there = frozenset(row for row in both if phrase in self.index.lines[row])
            self.further[word] = _Shared(self.index, there) if there else None
        return self.further[word]

    @cached_property
    def chains(self) -> list[tuple[int, ...]]:
        """From each post with the phrase to its origin, the earliest first (``_earliest``)."""
        chains: list[tuple[int, ...]] = []
        for row in sorted(self.posts):  # as they entered: what a post's author read is done before
            read = self.index.read_by[row]
            before = next((chain for chain in chains if chain[0] in read), ())
            insort(chains, (row, *before), key=_earliest)
        return chains


def _earliest(chain: tuple[int, ...]) -> tuple[int, int, int]:
    return chain[-1], len(chain), chain[0]


def _link(posts: Posts, row: int) -> Link:
    return Link(row, posts.ids[row], posts.authors[row], int(posts.written[row]), posts.kinds[row])


def _line(text: Sequence[str]) -> str:
    return f" {' '.join(text)} "
