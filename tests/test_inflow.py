"""What enters beside the agents' posts, and what stands for them in a placebo: no state, exact."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from lwd_agents import resources
from lwd_agents.errors import BadInput
from lwd_agents.internet.inflow import Inflow, Placebo, check_names, make_inflow
from lwd_agents.internet.post import Post
from lwd_agents.internet.seeds import read_seed

TEN = [f"text {i}" for i in range(10)]


def inflow(steps: int = 4, seed: int = 0, texts: list[str] = TEN, **keys: Any) -> Inflow:
    plan = make_inflow({"name": "fresh", "posts": "held_out", **keys})
    return Inflow(plan, texts, seed, steps)


def said(source: Inflow, steps: range) -> list[str]:
    return [post.text for t in steps for post in source.posts(t)]


def test_fresh_posts_enter_without_replacement() -> None:
    source = inflow(per_step=2)
    assert sorted(said(source, range(5))) == TEN
    (first, second) = source.posts(3)
    assert (first.author, first.step, first.slot, first.query) == ("fresh", 3, 0, "")
    assert (second.slot, second.kind) == (1, "human")
    assert len({post.id for t in range(5) for post in source.posts(t)}) == 10


def test_a_step_is_a_function_of_seed_name_and_texts() -> None:
    """Any order of asking, a longer run and another length of it: the same posts at step 3."""
    at_three = inflow(per_step=2).posts(3)
    source = inflow(per_step=2, steps=3)
    assert source.posts(3) == at_three
    assert source.posts(0) == inflow(per_step=2).posts(0)
    assert source.posts(3) == at_three
    assert inflow(per_step=2, seed=1).posts(3) != at_three
    other = [p.text for p in inflow(per_step=2, name="other").posts(3)]
    assert other != [p.text for p in at_three]


def test_the_order_is_uniform_over_seeds() -> None:
    found = Counter(inflow(steps=0, seed=seed).posts(0)[0].text for seed in range(3_000))
    assert chisquare([found[text] for text in TEN]).pvalue > 1e-3


def test_in_the_order_of_the_file() -> None:
    assert said(inflow(per_step=3, order="file", steps=2), range(3)) == TEN[:9]


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["0.1", "0.3", "0.5", "1", "1.7", "2"]), st.integers(0, 5), st.integers(0, 20)
)
def test_a_rate_is_exact(rate: str, first: int, steps: int) -> None:
    """floor(rate * steps so far), from the first step on, by the fraction that was written."""
    source = inflow(steps=30, per_step=rate, first=first, when_out="repeat")
    made = len(said(source, range(first + steps)))
    tenths = round(10 * float(rate))
    assert made == tenths * steps // 10
    counts = [len(source.posts(t)) for t in range(30)]
    assert max(counts) == source.plan.most()
    assert not any(counts[:first])


def test_it_begins_and_ends_when_told() -> None:
    source = inflow(steps=100, first=2, last=4)
    assert [len(source.posts(t)) for t in range(7)] == [0, 0, 1, 1, 1, 0, 0]


def test_too_few_posts_are_refused_with_the_count() -> None:
    inflow(steps=9)
    with pytest.raises(BadInput, match="inflow fresh: 11 posts are needed up to step 10") as caught:
        inflow(steps=10)
    assert "10 are there (they run out at step 10)" in str(caught.value)
    with pytest.raises(BadInput, match=r"30 posts .* 10 are there \(they run out at step 3\)"):
        inflow(steps=9, per_step=3)
    with pytest.raises(BadInput, match="it has no posts"):
        inflow(texts=[])


def test_an_inflow_that_stops_posts_what_is_left() -> None:
    source = inflow(steps=9, per_step=3, when_out="stop")
    assert [len(source.posts(t)) for t in range(6)] == [3, 3, 3, 1, 0, 0]
    assert sorted(said(source, range(6))) == TEN
    assert source.runs_out(9) == 3
    assert source.runs_out(2) is None


def test_an_inflow_that_repeats_has_new_orders() -> None:
    source = inflow(steps=9, per_step=5, when_out="repeat")
    passes = [said(source, range(t, t + 2)) for t in (0, 2, 4)]
    assert all(sorted(one) == TEN for one in passes)
    assert passes[0] != passes[1] != passes[2] != passes[0]
    assert len({post.id for t in range(6) for post in source.posts(t)}) == 30


def test_an_adversary_says_the_same_again_and_again() -> None:
    plan = make_inflow({"name": "troll", "kind": "adversary", "texts": ["Sell!"], "per_step": 2})
    posts = Inflow(plan, plan.texts, 0, 60).posts(60)
    assert [(p.text, p.author, p.kind, p.slot) for p in posts] == [
        ("Sell!", "troll", "adversary", 0),
        ("Sell!", "troll", "adversary", 1),
    ]
    assert posts[0].id != posts[1].id
    assert (plan.order, plan.when_out) == ("file", "repeat")


@pytest.mark.parametrize(
    "value",
    [
        {"name": "a", "posts": "held_out", "per_step": 0.1},
        {"name": "a", "kind": "noise", "posts": "noise", "first": 3, "last": 3},
        {"name": "a", "kind": "adversary", "texts": ["x", "y"], "order": "random"},
    ],
)
def test_an_inflow_is_told_as_it_is_read(value: dict[str, Any]) -> None:
    plan = make_inflow(value)
    assert value.items() <= plan.told.items()
    assert make_inflow(plan.told) == plan == make_inflow(plan)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"nme": "a"}, "no key 'nme' in an inflow .choices: name, kind, posts, texts"),
        ({"name": ""}, "name: '' is no name"),
        ({"name": None}, "name: None is no name"),
        ({"name": "human"}, r"name: 'human' is the author of A\(0\)"),
        ({"kind": "spam"}, "kind: there is no 'spam' .choices: human, noise, adversary"),
        ({"kind": ["noise"]}, "kind: there is no"),
        ({"order": "sorted"}, "order: there is no 'sorted' .choices: random, file"),
        ({"when_out": "wait"}, "when_out: there is no 'wait' .choices: refuse, stop, repeat"),
        ({"per_step": 0}, "per_step: 0 is no number above 0"),
        ({"per_step": "many"}, "per_step: 'many' is no number"),
        ({"per_step": float("inf")}, "per_step: inf is no number"),
        ({"per_step": True}, "per_step: True is no number"),
        ({"first": -1}, "first: -1 is no step from 0 on"),
        ({"first": 1.0}, "first: 1.0 is no step"),
        ({"first": 5, "last": 4}, "last: 4 is no step from 5 on"),
        ({"texts": ["a"]}, "and not both"),
        ({"posts": None}, "give posts .* or texts"),
        ({"posts": 3}, "posts: 3 is no store's name or path"),
        ({"posts": None, "texts": []}, "is no list of posts"),
        ({"posts": None, "texts": "Sell"}, "texts: 'Sell' is no list of posts"),
        ({"posts": None, "texts": ["a", " "]}, 'texts: post 2 is " ", not text'),
        ({"posts": None, "texts": [3]}, "texts: post 1 is 3, not text"),
    ],
)
def test_inflows_that_cannot_be(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        make_inflow({"name": "a", "posts": "held_out", **keys})
    assert "\n" not in str(caught.value)


def test_an_inflow_is_a_mapping() -> None:
    with pytest.raises(ValueError, match="'noise' is no inflow; give a mapping with name, kind"):
        make_inflow("noise")


def test_names_differ() -> None:
    plans = [make_inflow({"name": name, "posts": "noise"}) for name in ("a", "b")]
    check_names(plans, ["north"])
    with pytest.raises(ValueError, match="'b' is the name of an agent too"):
        check_names(plans, ["north", "b"])
    with pytest.raises(ValueError, match="'a' is the name of another inflow too"):
        check_names([*plans, plans[0]], ["north"])


# The placebo

AGENTS = ["north", "east", "south"]


@cache
def held_out() -> list[str]:
    return [post.text for post in read_seed(resources.folder("stores") / "held_out")]


def placebo(steps: int = 60, seed: int = 0, slots: int = 1) -> Placebo:
    return Placebo(held_out(), seed, AGENTS, slots, steps, [])


def answers(steps: int) -> list[Post]:
    return [
        Post(f"{name} {t}", name, t, 0, "q", "synthetic") for t in range(steps) for name in AGENTS
    ]


def test_every_post_of_the_pocket_preset_has_another_in_its_place() -> None:
    posts = answers(61)
    stands_in = placebo()
    instead = [stands_in.post(post) for post in posts]
    assert len({post.text for post in instead}) == 183
    assert {post.text for post in instead} <= set(held_out())
    assert {post.kind for post in instead} == {"placebo"}
    places = [(p.author, p.step, p.slot, p.query) for p in posts]
    assert [(p.author, p.step, p.slot, p.query) for p in instead] == places


def test_what_stands_in_is_a_function_of_time_agent_and_slot() -> None:
    posts = answers(4)
    whole = {post.id: placebo().post(post).text for post in posts}
    short = placebo(steps=3)
    assert {post.id: short.post(post).text for post in reversed(posts[5:])} == {
        post.id: whole[post.id] for post in posts[5:]
    }
    again = Post("other words", "east", 2, 0, "q", "synthetic")
    assert placebo().post(again).text == whole[posts[7].id]
    assert placebo(seed=1).post(again).text != whole[posts[7].id]


def test_slots_are_places_of_their_own() -> None:
    both = placebo(steps=9, slots=4)
    texts = [
        both.post(Post("x", name, t, slot, "", "synthetic")).text
        for t in range(10)
        for name in AGENTS
        for slot in range(4)
    ]
    assert len(set(texts)) == 120


def test_the_order_is_keyed_and_mixes_the_file() -> None:
    """No part of the file comes early: the mean place of the first post of each seed is central."""
    place = {text: i for i, text in enumerate(held_out())}
    first = answers(1)[0]
    places = [place[placebo(steps=0, seed=seed).post(first).text] for seed in range(500)]
    standard_error = len(place) / np.sqrt(12 * 500)
    assert abs(np.mean(places) - (len(place) - 1) / 2) < 4 * standard_error


def test_too_few_held_out_posts_are_refused() -> None:
    placebo(steps=79)
    with pytest.raises(BadInput, match=r"243 held-out .* .81 steps, 3 agents.* 240 are there"):
        placebo(steps=80)
    with pytest.raises(BadInput, match="7320 held-out posts are needed"):
        placebo(slots=40)


def test_a_post_that_was_not_held_out_is_refused() -> None:
    texts = held_out()
    with pytest.raises(BadInput, match=r"post 7 .* is in A\(0\) or .* not held out"):
        Placebo(texts, 0, AGENTS, 1, 60, [texts[6]])
