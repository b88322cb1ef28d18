"""Lineage on posts made by hand, where the answer is known, and against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from posts_by_hand import made

from lwd_agents.measures.lineage import Tracer, index_phrases, lineage, lineage_steps
from lwd_agents.measures.words import words
from lwd_agents.posts import Answers, Posts

HUMAN = [("human", -1, "Slow rain falls on the old town"), ("human", -1, "Gold holds its price")]


def test_a_phrase_is_traced_through_posts_to_a_human() -> None:
    posts = made(
        [*HUMAN, ("b", 0, "They say slow rain falls here"), ("c", 1, "slow rain falls again")],
        {(0, "b", 0, 0): (0,), (1, "c", 0, 0): (2, 1), (2, "a", 0, 0): (3, 1)},
    )
    found = lineage(index_phrases(posts, 3), (2, "a", 0, 0), "Today SLOW rain falls, my dear")
    (phrase,) = found.phrases
    assert (phrase.words, phrase.start, phrase.stop) == ("slow rain falls", 1, 4)
    assert [(link.id, link.author, link.step) for link in phrase.chain] == [
        ("id3", "c", 1),
        ("id2", "b", 0),
        ("id0", "human", -1),
    ]
    assert phrase.origin.kind == "human"
    assert found.length == 6


def test_a_chain_goes_only_through_what_was_read() -> None:
    """``b`` says what a human said, but had not read it: then it comes from ``b``."""
    posts = made(
        [*HUMAN, ("b", 0, "slow rain falls")], {(0, "b", 0, 0): (1,), (1, "a", 0, 0): (2,)}
    )
    (phrase,) = lineage(index_phrases(posts), (1, "a", 0, 0), "slow rain falls").phrases
    assert [link.author for link in phrase.chain] == ["b"]


def test_the_earliest_origin_by_the_shortest_chain() -> None:
    posts = made(
        [
            *HUMAN,
            ("b", 0, "slow rain falls"),
            ("c", 0, "slow rain falls"),
            ("b", 1, "slow rain falls"),
        ],
        {
            (0, "b", 0, 0): (1,),
            (0, "c", 0, 0): (0,),
            (1, "b", 0, 0): (3, 2),
            (2, "a", 0, 0): (2, 4, 3),
        },
    )
    (phrase,) = lineage(index_phrases(posts), (2, "a", 0, 0), "slow rain falls").phrases
    assert [link.row for link in phrase.chain] == [3, 0]


def test_the_longest_run_must_stand_in_one_post() -> None:
    """Overlapping pieces of two places are no run: "a b c" and "b c d", but not "a b c d"."""
    posts = made([("human", -1, "a b c x b c d")], {(0, "a", 0, 0): (0,)})
    found = lineage(index_phrases(posts, 3), (0, "a", 0, 0), "a b c d").phrases
    assert [p.words for p in found] == ["a b c"]
    assert [
        p.words for p in lineage(index_phrases(posts, 2), (0, "a", 0, 0), "a b c d").phrases
    ] == ["a b c"]
    for text in ("", "a b", "x y z"):
        assert lineage(index_phrases(posts, 3), (0, "a", 0, 0), text).phrases == ()


def test_bad_arguments() -> None:
    index = index_phrases(made(HUMAN))
    with pytest.raises(ValueError, match="none like it"):
        lineage(index, (0, "nobody", 0, 0), "x")
    with pytest.raises(ValueError, match="n = 0"):
        index_phrases(made(HUMAN), 0)


def test_shares_of_words_by_source() -> None:
    posts = made(
        [
            *HUMAN,
            ("a", 0, "one two three"),
            ("b", 0, "four five six"),
            ("spam", 0, "buy it now"),
            ("b", 0, None),
        ],
        {(0, "a", 0, 0): (0,), (0, "b", 0, 0): (0,), (1, "a", 0, 0): (1, 2, 3, 4, 5)},
        written_as={4: "noise"},
    )
    text = "gold holds its one two three four five six buy it now and more words here."
    said = {(0, "a", 0, 0): ("", None), (1, "a", 0, 0): (text, "wholly new words")}
    found = lineage_steps(posts, Answers(said, {}), ["a", "b"])
    sixteen = np.array([3, 3, 3, 3, 4]) / 16
    expected = (sixteen + np.array([0, 0, 0, 0, 1])) / 2
    shares = [found.human, found.own, found.others, found.elsewhere, found.new]
    np.testing.assert_allclose([s[1, 0] for s in shares], expected)
    np.testing.assert_allclose([s[0, 0] for s in shares], [0, 0, 0, 0, 1])
    assert found.chain[1, 0] == 1.0
    assert found.chain[0, 0] == 0.0
    assert np.isnan([s[:, 1] for s in shares]).all()


def test_a_placebo_post_in_an_agents_place_is_human() -> None:
    posts = made([("a", 0, "one two three")], {(1, "a", 0, 0): (0,)}, written_as={0: "placebo"})
    said = Answers({(1, "a", 0, 0): ("one two three",)}, {})
    assert lineage_steps(posts, said, ["a"]).human[1, 0] == 1.0


@st.composite
def small_runs(draw: st.DrawFn) -> Posts:
    """Two human posts, then two agents that post for three steps; readings at random."""
    text = st.lists(st.sampled_from("abc"), max_size=5).map(" ".join)
    rows = [("human", -1, draw(text)), ("human", -1, draw(text))]
    reads = {}
    for t in range(3):
        for agent in "xy":
            reads[t, agent, 0, 0] = tuple(
                draw(st.sets(st.integers(0, len(rows) - 1 - (agent == "y"))))
            )
            rows.append((agent, t, draw(text)))
    return made(rows, reads)


@settings(max_examples=60, deadline=None)
@given(small_runs(), st.lists(st.sampled_from("abc"), min_size=2, max_size=6).map(" ".join))
def test_chains_are_those_of_brute_force(posts: Posts, text: str) -> None:
    place = (2, "x", 0, 0)
    start = 0
    for phrase in lineage(index_phrases(posts, 2), place, text).phrases:
        parts = words(text)
        assert words(phrase.words) == parts[phrase.start : phrase.stop]
        assert not any(
            holders(posts, posts.reads[place], parts[i : i + 2]) for i in range(start, phrase.start)
        )
        assert phrase.stop == len(parts) or not holders(
            posts, posts.reads[place], parts[phrase.start : phrase.stop + 1]
        )
        paths = all_paths(posts, posts.reads[place], words(phrase.words))
        best = min(paths, key=lambda path: (path[-1], len(path), path[0]))
        assert (phrase.chain[-1].row, len(phrase.chain)) == (best[-1], len(best))
        assert tuple(link.row for link in phrase.chain) in paths
        start = phrase.stop
    parts = words(text)
    assert not any(
        holders(posts, posts.reads[place], parts[i : i + 2]) for i in range(start, len(parts) - 1)
    )


@settings(max_examples=60, deadline=None)
@given(small_runs(), st.lists(st.lists(st.sampled_from("abc"), max_size=6), max_size=5))
def test_what_was_traced_before_changes_nothing(posts: Posts, texts: list[list[str]]) -> None:
    index = index_phrases(posts, 2)
    tracer = Tracer(index)
    for text in texts:
        for read in map(frozenset, posts.reads.values()):
            assert tracer.trace(read, text) == Tracer(index).trace(read, text)


def holders(posts: Posts, rows: tuple[int, ...], phrase: tuple[str, ...]) -> list[int]:
    line = f" {' '.join(phrase)} "
    return [row for row in rows if line in f" {posts.texts[row]} "]


def all_paths(posts: Posts, rows: tuple[int, ...], phrase: tuple[str, ...]) -> set[tuple[int, ...]]:
    """Every chain that cannot be carried on."""
    found = set()
    for row in holders(posts, rows, phrase):
        before = posts.reads.get(posts.written_from[row], ()) if posts.written_from[row] else ()
        further = all_paths(posts, before, phrase)
        found |= {(row, *path) for path in further} or {(row,)}
    return found
