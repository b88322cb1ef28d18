"""The texts of one agent at one step: how varied they are, and how much of them was read.

A missing draw is None and is left out. Where no text is present, there is nothing to measure and
every function gives NaN; texts that are empty are texts, and give the finite values stated. Most of
these measures depend on how many texts there are and how long: compare steps and agents with
the same number of draws, or use the rarefied values.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lwd_agents.measures.words import ngrams, words

Texts = Sequence[str | None]


def distinct_n(texts: Texts, n: int = 2) -> float:
    """Different word n-grams / all word n-grams, over the texts together (arXiv 1510.03055).

    It falls with the amount of text, whatever the text. L identical texts whose n-grams are all
    different give 1/L; texts without any n-gram (empty or too short) give 0.

    Raises:
        ValueError: n is below 1.
    """
    present = _present(texts)
    found = [gram for text in present for gram in ngrams(words(text), n)]
    if not present:
        return math.nan
    return len(set(found)) / len(found) if found else 0.0


def compression_ratio(texts: Texts) -> float:
    """Bytes of the texts (UTF-8, a line each, sorted) / bytes when zlib packs them at level 9.

    Larger is more repetitive (arXiv 2403.00553). Biased: it grows with the amount of text, since a
    longer text has more to refer back to, and few short texts may give less than 1. Texts are
    sorted, so their order does not matter. Nothing to pack (one empty text) gives 1.
    """
    present = _present(texts)
    raw = "\n".join(sorted(present)).encode(errors="replace")
    if not present:
        return math.nan
    return len(raw) / len(zlib.compress(raw, 9)) if raw else 1.0


def unique_share(texts: Texts) -> float:
    """Different texts / texts, compared character by character; identical texts give 1/L."""
    present = _present(texts)
    return len(set(present)) / len(present) if present else math.nan


def mean_words(texts: Texts) -> float:
    """The mean number of words of a text."""
    present = _present(texts)
    return sum(len(words(text)) for text in present) / len(present) if present else math.nan


def mean_characters(texts: Texts) -> float:
    """The mean number of characters (code points) of a text."""
    present = _present(texts)
    return sum(map(len, present)) / len(present) if present else math.nan


def edit_distance(texts: Texts, others: Texts | None = None) -> float:
    """The mean normalised Levenshtein distance over pairs of texts, by rapidfuzz.

    Of a pair: edits / the longer one's length in characters, in [0, 1]; two empty texts are at 0.
    The mean is unbiased for two independent draws, whatever L.

    Args:
        texts: of one agent.
        others: of another agent; then pairs are across. Else they are all pairs within ``texts``,
            and a single text, which has no pair, gives 0.
    """
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cdist

    present = _present(texts)
    across = present if others is None else _present(others)
    if not present or not across:
        return math.nan
    pairs = cdist(present, across, scorer=Levenshtein.normalized_distance, dtype=np.float64)
    if others is not None:
        return float(pairs.mean())
    count = len(present) * (len(present) - 1)
    return float(pairs.sum() / count) if count else 0.0


def copied_share(texts: Texts, posts: Texts, n: int = 3) -> float:
    """The share of the answers' words that lie in a run of >= n words of a post, verbatim.

    The mean over texts of (words covered / words): the coverage of arXiv 1804.11283 without runs
    shorter than n, words by the rule of ``lwd_agents.measures.words``. A copy by chance counts
    too (openers, common phrases): set it beside the same share of posts that were not read.

    Args:
        texts: the answers. Those with fewer than n words give 0.
        posts: what was read. None of them (k = 0) gives 0; a text that is not known gives NaN.
        n: the shortest run that counts.

    Raises:
        ValueError: n is below 1.
    """
    if any(post is None for post in posts):
        return math.nan
    read = {gram for post in _present(posts) for gram in ngrams(words(post), n)}
    shares = [_covered(words(text), read, n) for text in _present(texts)]
    return sum(shares) / len(shares) if shares else math.nan


def _covered(text: tuple[str, ...], read: set[tuple[str, ...]], n: int) -> float:
    starts = [i for i, gram in enumerate(ngrams(text, n)) if gram in read]
    return len({i + j for i in starts for j in range(n)}) / len(text) if text else 0.0


def nearest_posts(vectors: NDArray[np.floating], posts: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which human post each answer is nearest to, as topics: the visits of ``topic_support``.

    Args:
        vectors: (L, D) answers; a missing draw is NaN and is left out.
        posts: (K, D) embeddings of the posts of A(0), no NaN.

    Returns:
        (L present, K), one True a row: the smallest Euclidean distance, ties to the first.
    """
    posts = np.asarray(posts, dtype=np.float64)
    vectors = np.asarray(vectors, dtype=np.float64)
    if (
        posts.ndim != 2
        or vectors.ndim != 2
        or posts.shape[1:] != vectors.shape[1:]
        or not len(posts)
    ):
        raise ValueError(f"shapes {vectors.shape} and {posts.shape}; (L, D) and (K, D) are needed")
    vectors = vectors[~np.isnan(vectors).any(axis=1)]
    from scipy.spatial.distance import cdist

    scale = max(np.abs(vectors).max(initial=0.0), np.abs(posts).max()) or 1.0
    squared = cdist(vectors / scale, posts / scale, "sqeuclidean")
    visits = np.zeros(squared.shape, dtype=np.bool_)
    visits[np.arange(len(vectors)), squared.argmin(axis=1)] = True
    return visits


def keyword_topics(texts: Texts, topics: Mapping[str, Sequence[str]]) -> NDArray[np.bool_]:
    """Which topics each text names: (texts present, K), a column a topic, in the mapping's order.

    A text names a topic if one of its keywords (a word or several) stands there as whole words.
    """
    keys = [[f" {' '.join(words(key))} " for key in keywords] for keywords in topics.values()]
    for topic, found in zip(topics, keys, strict=True):
        if not found or "  " in found:
            raise ValueError(
                f"topic {topic!r}: {topics[topic]!r}; give keywords with words in them"
            )
    lines = [f" {' '.join(words(text))} " for text in _present(texts)]
    table = [[any(key in line for key in found) for found in keys] for line in lines]
    return np.array(table, dtype=np.bool_).reshape(len(lines), len(keys))


def topic_support(visits: NDArray[np.bool_], answers: int | None = None) -> float:
    """The share of the K topics that are visited by at least one answer, in [0, 1].

    More answers visit more topics. With ``answers`` = m, the expected share of a random m of the L
    answers: mean over topics of 1 - C(L - L_c, m) / C(L, m), L_c the answers that visit c (Hurlbert
    1971, Ecology 52, 577; unbiased for m answers of the same law), so that steps and agents with
    different counts compare.

    Args:
        visits: (L, K).
        answers: m, 1 .. L; None takes all L.

    Returns:
        NaN where there is no answer, or fewer than m. All answers alike give 1/K for nearest posts.
    """
    visits = np.asarray(visits, dtype=np.bool_)
    if visits.ndim != 2 or visits.shape[1] == 0:
        raise ValueError(f"visits have shape {visits.shape}; (answers, topics) is needed")
    m = len(visits) if answers is None else answers
    if m < 1 and answers is not None:
        raise ValueError(f"answers = {answers}; at least 1 is needed")
    if len(visits) < max(m, 1):
        return math.nan
    L, counts = len(visits), visits.sum(axis=0)
    # prod_{j<m} (L - L_c - j) / (L - j), each factor in [0, 1]: no large binomials.
    j = np.arange(m)
    missed = np.prod(np.maximum(L - counts[:, None] - j, 0) / (L - j), axis=1)
    return float(1.0 - missed.mean())


def lost_topics(before: NDArray[np.bool_], now: NDArray[np.bool_]) -> tuple[int, ...]:
    """The topics that were visited before and are not now, as column numbers.

    A topic that was rare before is lost by chance: a list says what is gone, ``topic_support`` at
    one number of answers says whether there is less.

    Args:
        before, now: (L, K) and (L', K) visits; the same topics.
    """
    if before.shape[1:] != now.shape[1:]:
        raise ValueError(f"visits of {before.shape[1:]} and {now.shape[1:]} topics; give the same")
    return tuple(np.flatnonzero(before.any(axis=0) & ~now.any(axis=0)).tolist())


def _present(texts: Texts) -> list[str]:
    return [text for text in texts if text is not None]
