"""Text measures against brute force and other libraries; empty, equal and missing texts."""

from __future__ import annotations

import math
import subprocess
import sys
import time
import unicodedata
from itertools import combinations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from posts_by_hand import made
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.neighbors import NearestNeighbors

from lwd_agents.measures.text import (
    compression_ratio,
    copied_share,
    distinct_n,
    edit_distance,
    keyword_topics,
    lost_topics,
    mean_characters,
    mean_words,
    nearest_posts,
    topic_support,
    unique_share,
)
from lwd_agents.measures.text_steps import text_steps
from lwd_agents.measures.words import _nfc, ngrams, spanned_words, words
from lwd_agents.posts import Answers

TEXTS = ["the cat sat on the mat", "the dog sat on the cat", "a bird flew"]
some_texts = st.lists(st.text(alphabet="ab c'é", max_size=12), min_size=1, max_size=6)


def test_words_of_several_languages() -> None:
    assert words("Bitcoin doesn't RISE: it\u2019s 3.5% über_volatile!") == (
        "bitcoin",
        "doesn't",
        "rise",
        "it\u2019s",
        "3",
        "5",
        "über",
        "volatile",
    )
    assert words("e\u0301te\u0301 ÉTÉ") == ("été", "été")  # composed or not
    assert words("बिटकॉइन का भविष्य") == ("बिटकॉइन", "का", "भविष्य")
    assert words("比特币 is 涨") == ("比", "特", "币", "is", "涨")
    assert words("비트코인 전망") == ("비트코인", "전망")
    assert words("'quoted' 😀 --") == ("quoted",)
    assert words("") == ()


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_words_of_plain_text_are_by_the_same_rule(text: str) -> None:
    assert (*words(text), "é") == words(f"{text} é")


EVERY = [chr(c) for c in range(sys.maxunicode + 1) if not 0xD800 <= c < 0xE000]
AWKWARD = [
    *(c for c in EVERY if len(c.casefold()) > 1),  # sharp s, dotted I, ligatures
    *(c for c in EVERY if unicodedata.combining(c)),
    *(c for c in EVERY if unicodedata.normalize("NFD", c) != c and not "\uac00" <= c < "\ud7a4"),
    *map(chr, [*range(0x1100, 0x1113), *range(0x1161, 0x1176), *range(0x11A7, 0x11C3), 0xAC00]),
    *"aZ1_ .'\u2019\u4e00\u3042\U0001f600\u0e31\u0345\u200d",
]
HARD = st.text(st.one_of(st.characters(), st.sampled_from(AWKWARD)), max_size=8)


@settings(max_examples=1500, deadline=None)
@given(HARD)
@example("Stra\u00dfe \u0130stanbul \ufb03x e\u0301te\u0301")
@example("\u1112\u1161\u11ab\u1100 \u4e00\u0301a\u0345\u0301")
@example("\u00df e\u0301")  # as long as what it becomes
@example("a\u0301\u0327\u0316b")  # marks that change places
def test_spans_hold_what_words_are_made_from(text: str) -> None:
    """And nothing else: without its first or last character a span is another word."""
    found, spans = spanned_words(text)
    assert found == words(text)
    end = 0
    for word, (start, stop) in zip(found, spans, strict=True):
        assert end <= start < stop <= len(text)
        assert words(text[start:stop]) == (word,)
        assert words(text[start + 1 : stop]) != (word,) != words(text[start : stop - 1])
        end = stop


def test_every_awkward_character_has_its_span() -> None:
    for c in AWKWARD:
        found, spans = spanned_words(f"x {c} y")
        assert (found[0], spans[0], found[-1], spans[-1]) == ("x", (0, 1), "y", (4, 5))
        assert all(span == (2, 3) for span in spans[1:-1])


@settings(max_examples=100, deadline=None)
@given(HARD, st.sampled_from(["\u0301\u0327", "\u0345\u0316", "\u0327\u0301\u0301"]))
@example("a\u0305\u0301", "\u0301\u0327")  # the first keeps the second from the letter
def test_many_marks_are_composed_as_nfc_has_it(text: str, marks: str) -> None:
    many = f"{text}e{marks * 1001}{text}".casefold()
    assert _nfc(many) == unicodedata.normalize("NFC", many)


def test_a_text_of_marks_takes_no_square_of_time() -> None:
    start = time.process_time()
    assert len(words("e" + "\u0301\u0327" * 50_000)) == 1
    assert time.process_time() - start < 3  # in the square: 9 seconds


def test_ngrams() -> None:
    assert ngrams("abcd", 3) == [("a", "b", "c"), ("b", "c", "d")]
    assert ngrams("ab", 3) == []
    with pytest.raises(ValueError, match="n = 0"):
        ngrams("ab", 0)


def test_distinct_n_is_that_of_counted_ngrams() -> None:
    for n in (1, 2, 3):
        counted = CountVectorizer(ngram_range=(n, n), token_pattern=r"\w+").fit_transform(TEXTS)
        assert distinct_n(TEXTS, n) == pytest.approx(counted.shape[1] / counted.sum())
    assert distinct_n(["x y z"] * 5, 2) == pytest.approx(1 / 5)


def test_compression_sees_repetition_and_no_order() -> None:
    rng = np.random.default_rng(0)
    different = ["".join(rng.choice(list("abcdefghijklmnop"), 60)) for _ in range(30)]
    assert compression_ratio(different) < 2.2 < 15 < compression_ratio(different[:1] * 30)
    assert compression_ratio(different[::-1]) == compression_ratio(different)


@given(some_texts)
def test_edit_distance_is_the_mean_over_pairs(texts: list[str]) -> None:
    expected = [_edits(a, b) / max(len(a), len(b), 1) for a, b in combinations(texts, 2)]
    assert edit_distance(texts) == pytest.approx(np.mean(expected) if expected else 0.0)
    across = [_edits(a, b) / max(len(a), len(b), 1) for a in texts for b in TEXTS]
    assert edit_distance(texts, TEXTS) == pytest.approx(np.mean(across))


def _edits(a: str, b: str) -> int:
    """Levenshtein's recurrence."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


def test_copied_share_by_hand() -> None:
    posts = ["THE cat sat, on a chair", "and nothing else"]
    # "the cat sat on"; "sat on" and "the cat"; nothing
    assert copied_share(TEXTS, posts, 2) == pytest.approx((4 / 6 + 4 / 6 + 0) / 3)
    assert copied_share(TEXTS, posts, 4) == pytest.approx((4 / 6 + 0 + 0) / 3)
    assert copied_share(TEXTS, posts, 5) == 0.0
    assert copied_share(TEXTS, TEXTS, 3) == 1.0
    # a run must stand in one post
    assert copied_share(["cat and"], posts, 2) == 0.0
    assert copied_share(TEXTS, [], 3) == 0.0
    assert copied_share(["cat"], posts, 3) == 0.0
    assert math.isnan(copied_share(TEXTS, [*posts, None], 3))


@given(some_texts, some_texts, st.integers(1, 3))
def test_copied_share_is_the_share_of_covered_words(
    texts: list[str], posts: list[str], n: int
) -> None:
    lines = [f" {' '.join(words(post))} " for post in posts]
    shares = []
    for text in map(words, texts):
        covered = [
            any(
                f" {' '.join(text[i:j])} " in line
                for i in range(k + 1)
                for j in range(max(k + 1, i + n), len(text) + 1)
                for line in lines
            )
            for k in range(len(text))
        ]
        shares.append(np.mean(covered) if covered else 0.0)
    assert copied_share(texts, posts, n) == pytest.approx(np.mean(shares))


def test_every_measure_is_finite_wherever_there_is_a_text_and_nan_where_there_is_none() -> None:
    measures = [
        *(distinct_n, compression_ratio, unique_share, mean_words, mean_characters, edit_distance),
        lambda texts: copied_share(texts, ["a b c d"]),
    ]
    for measure in measures:
        for texts in ([""], ["", ""], ["same words here"] * 4, ["one"], ["a b", None]):
            assert math.isfinite(measure(texts))
        assert math.isnan(measure([]))
        assert math.isnan(measure([None, None]))
    assert edit_distance(["same"] * 4) == edit_distance(["", ""]) == edit_distance(["one"]) == 0.0
    assert unique_share(["same"] * 4) == 0.25
    assert compression_ratio([""]) == 1.0
    assert distinct_n([""]) == 0.0
    assert mean_words(["a b", "", None]) == 1.0
    assert mean_characters(["a b", "", None]) == 1.5


def test_nearest_posts_are_those_of_sklearn() -> None:
    rng = np.random.default_rng(1)
    answers, posts = rng.normal(size=(50, 6)), rng.normal(size=(8, 6))
    expected = NearestNeighbors(n_neighbors=1).fit(posts).kneighbors(answers)[1][:, 0]
    for scale in (1.0, 1e-200, 1e200):
        visits = nearest_posts(answers * scale, posts * scale)
        np.testing.assert_array_equal(visits.argmax(axis=1), expected)
        assert (visits.sum(axis=1) == 1).all()
    answers[3] = np.nan
    assert nearest_posts(answers.astype(np.float32), posts).shape == (49, 8)
    assert nearest_posts(np.full((2, 6), np.nan), posts).shape == (0, 8)
    np.testing.assert_array_equal(nearest_posts(np.zeros((1, 2)), np.ones((3, 2))), [[1, 0, 0]])
    with pytest.raises(ValueError, match="are needed"):
        nearest_posts(answers, posts[:, :2])


def test_rarefied_support_is_the_mean_over_all_subsets() -> None:
    rng = np.random.default_rng(2)
    visits = rng.random((7, 5)) < 0.3
    for m in range(1, 8):
        subsets = [visits[list(c)].any(axis=0).mean() for c in combinations(range(7), m)]
        assert topic_support(visits, m) == pytest.approx(np.mean(subsets))
    assert topic_support(visits) == visits.any(axis=0).mean()
    assert math.isnan(topic_support(visits, 8))
    assert math.isnan(topic_support(visits[:0]))
    assert topic_support(np.eye(5, dtype=bool)[[2, 2, 2]]) == pytest.approx(1 / 5)
    big = np.zeros((20_000, 2), dtype=bool)
    big[0, 0] = True
    assert topic_support(big, 10_000) == pytest.approx(0.25)
    for bad in (lambda: topic_support(visits, 0), lambda: topic_support(visits[0])):
        with pytest.raises(ValueError, match="needed"):
            bad()


def test_topics_by_keywords_and_those_that_are_lost() -> None:
    topics = {"animals": ["cat", "dog"], "flight": ["bird flew"], "rest": ["sat"]}
    named = keyword_topics([*TEXTS, None, "category"], topics)
    np.testing.assert_array_equal(named, [[1, 0, 1], [1, 0, 1], [0, 1, 0], [0, 0, 0]])
    assert lost_topics(named[:3], named[2:]) == (0, 2)
    assert lost_topics(named, named) == ()
    assert keyword_topics([], topics).shape == (0, 3)
    for bad in ({"x": []}, {"x": ["!"]}):
        with pytest.raises(ValueError, match="keywords"):
            keyword_topics(TEXTS, bad)
    with pytest.raises(ValueError, match="the same"):
        lost_topics(named, named[:, :2])


def test_a_run_of_two_agents_where_one_copies() -> None:
    """``a`` repeats a post that it read, ``b`` says its own; excess tells what reading did."""
    posts = made([("human", -1, f"w{i} x{i} y{i} z{i}") for i in range(6)])
    reads = {(t, agent, 0, 0): (t, t + 1, t + 2) for t in range(3) for agent in "ab"}
    posts = made([("human", -1, f"w{i} x{i} y{i} z{i}") for i in range(6)], reads)
    texts = dict.fromkeys(reads, ("p q r s", None, "p q r s t"))
    texts |= {key: (posts.texts[key[0] + 1],) * 3 for key in reads if key[1] == "a"}
    rng = np.random.default_rng(3)
    vectors = {key: rng.normal(size=(3, 2)) for key in reads}
    found = text_steps(posts, Answers(texts, vectors), ["a", "b", "c"])
    np.testing.assert_array_equal(found.copied, [[1, 0, np.nan]] * 3)
    np.testing.assert_array_equal(found.excess, [[1, 0, np.nan]] * 3)
    np.testing.assert_allclose(found.unique, [[1 / 3, 1, np.nan]] * 3)
    assert found.support_answers == 3
    assert found.network_answers == 6
    for t in range(3):
        human, both = posts.vectors, np.concatenate([vectors[t, a, 0, 0] for a in "ab"])
        cells = np.linalg.norm(both[:, None] - human[None], axis=2).argmin(axis=1)
        assert found.network_support[t] == pytest.approx(len(set(cells)) / 6)
        assert found.support[t, 0] == pytest.approx(len(set(cells[:3])) / 6)
    assert found.lost[0] == ()
    assert found.edit_between[0] == pytest.approx(
        edit_distance(texts[0, "a", 0, 0], texts[0, "b", 0, 0])
    )


def test_excess_is_zero_in_the_mean_where_answers_do_not_depend_on_what_was_read() -> None:
    """Posts and answers share set phrases; copied is high, and excess is what is left of it."""
    rng = np.random.default_rng(4)
    phrases = [" ".join(f"w{rng.integers(40)}" for _ in range(3)) for _ in range(30)]

    def written() -> str:
        return " ".join(rng.choice(phrases, 3))

    rows = [("human", -1, written()) for _ in range(25)]
    reads, texts = {}, {}
    for t in range(250):
        reads[t, "a", 0, 0] = tuple(rng.choice(25, 12, replace=False))
        texts[t, "a", 0, 0] = (written(), written())
    found = text_steps(made(rows, reads), Answers(texts, {}), ["a"])
    error = found.excess.std() / np.sqrt(250)
    assert found.copied.mean() > 0.5
    assert error < 0.02
    assert abs(found.excess.mean()) < 3 * error
    assert np.isnan(found.support).all()  # no embeddings: the rest is computed


def test_the_measures_load_no_langchain() -> None:
    code = (
        "import sys, lwd_agents.posts, lwd_agents.measures.text_steps\n"
        "import lwd_agents.measures.lineage, lwd_agents.measures.response_steps\n"
        "heavy = {'langchain_core', 'langchain', 'chromadb', 'torch', 'pandas', 'scipy'}\n"
        "print(sorted(heavy & {name.split('.')[0] for name in sys.modules}))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
