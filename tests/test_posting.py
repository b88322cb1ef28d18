"""What is posted, and what leaves: by frequency, by invariants, and every bad input."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare
from test_extensions import distribution

from lwd_agents import seeding
from lwd_agents.errors import BadInput, RunStopped
from lwd_agents.internet.keeping import (
    Keeping,
    check_k,
    keeper,
    leaving,
    make_keeping,
    most_kept,
)
from lwd_agents.internet.post import Post
from lwd_agents.internet.posting import Choice, choose, judge, make_choice

ANSWERS = ["a", None, "ccc", "bb", None, "ddd"]
PRESENT = [0, 2, 3, 5]


def rng(n: int = 0) -> np.random.Generator:
    return seeding.generator(seeding.key(n, "posting"))


def chosen(answers: list[str | None], value: Any, n: int = 0) -> list[int]:
    choice = make_choice(value)
    return choose(answers, choice, rng(n), judge(choice))


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of one's own in the current directory."""
    (tmp_path / "lwd_test_posting.py").write_text(
        "import math\n"
        "import numpy as np\n"
        "def long(text):\n    return np.bool_(len(text) > 1)\n"
        "def never(text):\n    return False\n"
        "def length(text):\n    return np.float32(len(text))\n"
        "def nan(text):\n    return math.nan\n"
        "def word(text):\n    return 'high'\n"
        "def true(text):\n    return True\n"
        "def raises(*given):\n    raise ValueError('no\\nmore')\n"
        "def last(answers, rng):\n"
        "    return np.array([j for j, a in enumerate(answers) if a is not None][-1:])\n"
        "def two(answers, rng):\n    return [0, 0]\n"
        "def gone(answers, rng):\n    return [1]\n"
        "def far(answers, rng):\n    return [-1]\n"
        "def one(answers, rng):\n    return 0\n"
        "def bools(answers, rng):\n    return [True]\n"
        "def half(posts, t, rng):\n    return rng.random(len(posts)) < 0.5\n"
        "def repeats(posts, t, rng):\n"
        "    seen = [p.text for p in posts]\n"
        "    return np.array([p.text in seen[:i] for i, p in enumerate(posts)], dtype=bool)\n"
        "def few(posts, t, rng):\n    return [True]\n"
        "def numbers(posts, t, rng):\n    return np.zeros(len(posts))\n"
        "WORD = 'x'\n"
    )
    monkeypatch.chdir(tmp_path)
    return "lwd_test_posting"


# What is posted


def test_the_papers_choice_is_the_default() -> None:
    assert choose(ANSWERS, Choice(), rng()) == [0]
    assert chosen([None, "b"], "first") == [1]
    assert make_choice("first") == Choice()


@pytest.mark.parametrize("how", ["first", "random", "all", "none", {"probability": 1}])
def test_nobody_posts_what_is_not_there(how: Any) -> None:
    assert chosen([None, None], how) == []
    assert chosen([], how) == []
    assert set(chosen(ANSWERS, how)) <= set(PRESENT)


def test_all_and_none() -> None:
    assert chosen(ANSWERS, "all") == PRESENT
    assert chosen(ANSWERS, "none") == []


def test_a_random_draw_is_uniform_over_the_present_ones() -> None:
    found = Counter(chosen(ANSWERS, "random", n)[0] for n in range(4_000))
    assert sorted(found) == PRESENT
    assert chisquare([found[j] for j in PRESENT]).pvalue > 1e-3


def test_a_probability_is_one_and_posts_nest() -> None:
    posted = {
        p: {n for n in range(4_000) if chosen(ANSWERS, {"probability": p}, n)}
        for p in (0, 0.25, "0.7", 1)
    }
    assert posted[0] == set()
    assert posted[1] == set(range(4_000))
    assert posted[0.25] < posted["0.7"]
    for p in (0.25, "0.7"):
        yes, chance = len(posted[p]), float(p)
        expected = [4_000 * chance, 4_000 * (1 - chance)]
        assert chisquare([yes, 4_000 - yes], expected).pvalue > 1e-3
    assert chosen(ANSWERS, {"probability": 1}) == [0]


def test_a_rule_decides(module: str) -> None:
    assert chosen(ANSWERS, {"filter": f"{module}:long"}) == [2]
    assert chosen(ANSWERS, {"unless": f"{module}:long"}) == [0]
    assert chosen(ANSWERS, {"filter": f"{module}:never"}) == []
    refused = ["I'm sorry, but I can't.", None, "Bitcoin rises.", "Bitcoin falls."]
    assert chosen(refused, {"unless": "refusal"}) == [2]
    assert chosen(refused, {"filter": "refusal"}) == [0]


def test_the_best_is_posted_and_the_first_of_equals(module: str) -> None:
    assert chosen(ANSWERS, {"best": f"{module}:length"}) == [2]
    assert chosen([None, "b", "a"], {"best": f"{module}.length"}) == [1]


def test_a_choice_of_ones_own(module: str) -> None:
    assert chosen(ANSWERS, f"{module}:last") == [5]
    assert chosen([None], f"{module}:last") == []


def test_names_that_a_distribution_registers(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distribution(tmp_path, "lwd-newest", {"newest": f"{module}:last"}, "lwd_agents.choices")
    distribution(tmp_path, "lwd-halves", {"halves": f"{module}:half"}, "lwd_agents.keeping")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert chosen(ANSWERS, "newest") == [5]
    halves = make_keeping("halves")
    assert leaving(STANDING, halves, 3, 0, keeper(halves)).shape == (len(STANDING),)
    with pytest.raises(ValueError, match="newest"):
        make_choice("newestt")


@pytest.mark.parametrize("value", ["first", "none", {"probability": 0.3}, {"unless": "refusal"}])
def test_choices_are_told_as_they_were_written(value: Any) -> None:
    assert make_choice(value).told == value
    assert make_choice(make_choice(value)) == make_choice(value)
    assert make_choice(make_choice("a.b").told) == make_choice("a.b")


def test_what_can_be_posted_at_the_most() -> None:
    assert [make_choice(v).most(40) for v in ("first", "all", "none", "my.own")] == [1, 40, 0, 40]
    assert make_choice({"best": "a.b"}).most(40) == 1


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("frist", "there is no 'frist'; did you mean 'first'.*choices: first, random, all, none"),
        (None, "there is no None"),
        (3, "there is no 3"),
        ("probability", r"'probability' needs a value, as in \{probability: ...\}"),
        ({"first": 1}, "there is no 'first'"),
        ({}, "one key is wanted, not none"),
        ({"filter": "refusal", "best": "a.b"}, "one key is wanted, not filter, best"),
        ({"probability": 1.5}, "probability: 1.5 is no number from 0 to 1"),
        ({"probability": -0.1}, "is no number from 0 to 1"),
        ({"probability": float("nan")}, "is no number from 0 to 1"),
        ({"probability": True}, "True is no number"),
        ({"probability": "half"}, "'half' is no number"),
        ({"filter": None}, "filter: None names no function; give the name or path of a rule"),
        ({"best": ""}, "best: '' names no function; give the name or path of a scorer"),
    ],
)
def test_values_that_are_no_choice(value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        make_choice(value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"filter": "refusals"}, "filter: no 'refusals' .choices: refusal, not_one_sentence, or a"),
        ({"best": "refusal"}, "posting.choose.best: no 'refusal' .choices: a function's dotted"),
        ({"best": "no_such_module:score"}, "there is no module 'no_such_module'"),
        ({"best": "lwd_test_posting:lenght"}, "did you mean 'length'"),
        ({"unless": "lwd_test_posting:WORD"}, "is a str, not a function from a text to a bool"),
        ("lwd_test_posting:WORD", "is a str, not a function from answers and rng to indices"),
    ],
)
def test_functions_that_are_not_there(module: str, value: Any, words: str) -> None:
    with pytest.raises(BadInput, match=words) as caught:
        judge(make_choice(value))
    assert str(caught.value).startswith("posting.choose")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"best": "raises"}, "'lwd_test_posting:raises' raised ValueError: no on 'a'"),
        ({"best": "nan"}, "scorer 'lwd_test_posting:nan' gave 'nan' on 'a', not a finite number"),
        ({"best": "word"}, "gave 'high' on 'a', not a finite number"),
        ({"best": "true"}, "gave 'True' on 'a', not a finite number"),
        ({"filter": "word"}, "rule .* gave 'high' on 'a', not True or False"),
        ({"unless": "raises"}, "raised ValueError: no on 'a'"),
        ("raises", "raised ValueError: no$"),
        ("two", "chose draw 0 twice"),
        ("gone", r"chose draw 1, which is not there \(6 draws, 2 of them missing\)"),
        ("far", "chose draw -1, which is not there"),
        ("one", "gave '0', not a list of indices"),
        ("bools", "not a list of indices"),
    ],
)
def test_functions_that_fail_stop_the_run(module: str, value: Any, words: str) -> None:
    named = (
        f"{module}:{value}"
        if isinstance(value, str)
        else {key: f"{module}:{name}" for key, name in value.items()}
    )
    with pytest.raises(RunStopped, match=words) as caught:
        chosen(ANSWERS, named)
    assert str(caught.value).startswith("posting.choose")
    assert "\n" not in str(caught.value)


# What leaves

_HUMANS = [Post(f"h{i}", "human", -1, i, "", "human") for i in range(3)]
_KINDS = ("synthetic", "synthetic", "placebo", "noise", "adversary", "human")
STANDING = _HUMANS + [
    Post(f"{kind} {t}", f"{kind}{slot}", t, slot, "", kind)
    for t in range(4)
    for slot, kind in enumerate(_KINDS)
]
HUMAN = np.array([post.kind == "human" for post in STANDING])
STEP = np.array([post.step for post in STANDING])


def gone(value: Any, t: int = 3, seed: int = 0) -> np.ndarray:
    keeping = make_keeping(value)
    return leaving(STANDING, keeping, t, seed, keeper(keeping))


def test_nothing_is_forgotten_unless_told() -> None:
    assert make_keeping("accumulate") == Keeping()
    assert not gone("accumulate").any()


def test_replacing_keeps_the_step_and_what_humans_wrote() -> None:
    np.testing.assert_array_equal(gone("replace"), ~HUMAN & (STEP < 3))
    np.testing.assert_array_equal(gone("replace"), gone({"window": 1}))


def test_a_window_is_that_many_steps_wide() -> None:
    left = ~gone({"window": 2})
    assert set(STEP[left & ~HUMAN]) == {2, 3}
    assert left[HUMAN].all()
    assert not gone({"window": 4}).any()


def test_humans_may_age() -> None:
    np.testing.assert_array_equal(gone({"window": 2, "humans": "age"}), STEP < 2)
    np.testing.assert_array_equal(gone({"window": 4, "humans": "age"}), STEP == -1)
    assert not gone({"window": 5, "humans": "age"}).any()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-1, 9), st.booleans()), max_size=40),
    st.integers(0, 12),
    st.integers(0, 9),
    st.integers(0, 5),
)
def test_a_subsample_has_its_size_and_never_a_human_less(
    rows: list[tuple[int, bool]], size: int, t: int, seed: int
) -> None:
    posts = [
        Post("x", "human" if human else "a", step, i, "", "human" if human else "synthetic")
        for i, (step, human) in enumerate(rows)
    ]
    mask = leaving(posts, make_keeping({"subsample": size}), t, seed)
    human = np.array([h for _, h in rows], dtype=bool)
    assert mask.shape == (len(rows),)
    assert mask.dtype == np.bool_
    assert not mask[human].any()
    assert (~mask & ~human).sum() == min(size, (~human).sum())
    window = leaving(posts, make_keeping({"window": size + 1}), t, seed)
    steps = np.array([step for step, _ in rows], dtype=int)
    np.testing.assert_array_equal(window, ~human & (steps <= t - size - 1))


def _history(size: int, seed: int, steps: int, text: str = "") -> list[Post]:
    """What stands after some steps of two posts each, under a subsample."""
    there = list(_HUMANS)
    for t in range(steps):
        there += [Post(f"{text}{t}", name, t, 0, "q", "synthetic") for name in ("a", "b")]
        mask = leaving(there, make_keeping({"subsample": size}), t, seed)
        there = [post for post, out in zip(there, mask, strict=True) if not out]
    return there


def test_a_subsample_is_uniform_over_all_that_were_ever_posted() -> None:
    """Step by step or all at once, what stands is the same; old posts are as likely as new."""
    counts = np.zeros((5, 2))
    for seed in range(2_000):
        for post in _history(3, seed, 5):
            if post.step >= 0:
                counts[post.step, "ab".index(post.author)] += 1
    assert counts.sum() == 6_000
    # three different posts a seed: counts vary less than a multinomial's, by (10 - 3) / (10 - 1)
    statistic = chisquare(counts.ravel()).statistic / (7 / 9)
    assert 1.7 < statistic < 27.9  # 0.5 % and 99.9 % of chi-square with 9 degrees


def test_a_subsample_goes_by_places_not_by_texts_nor_by_the_way() -> None:
    one, other = _history(3, 7, 5), _history(3, 7, 5, "other words ")
    assert [(p.author, p.step) for p in one] == [(p.author, p.step) for p in other]
    every = [*_HUMANS, *(Post(f"{t}", n, t, 0, "q", "synthetic") for t in range(5) for n in "ab")]
    mask = leaving(every, make_keeping({"subsample": 3}), 4, 7)
    assert [p for p, out in zip(every, mask, strict=True) if not out] == one
    assert _history(3, 8, 5) != one


def test_a_subsample_takes_each_slot_for_itself() -> None:
    """Of four answers that one agent posted at one step, each is as likely to stay."""
    posts = [Post("x", "a", 0, slot, "q", "synthetic") for slot in range(4)]
    one = make_keeping({"subsample": 1})
    stayed = Counter(int(np.argmin(leaving(posts, one, 0, seed))) for seed in range(2_000))
    assert chisquare([stayed[slot] for slot in range(4)]).pvalue > 1e-3


def test_a_policy_of_ones_own(module: str) -> None:
    first, again = gone(f"{module}:half", 3, 1), gone(f"{module}:half", 3, 1)
    np.testing.assert_array_equal(first, again)
    assert any((first != gone(f"{module}:half", t, 1)).any() for t in range(4, 8))
    policy = make_keeping(f"{module}:repeats")
    posts = [Post(text, "a", 0, i, "", "synthetic") for i, text in enumerate("xyxzx")]
    mask = leaving(posts, policy, 3, 0, keeper(policy))
    assert mask.tolist() == [False, False, True, False, True]


@pytest.mark.parametrize(
    "value", ["accumulate", "replace", {"window": 3}, {"window": 3, "humans": "age"}, "my.own:way"]
)
def test_policies_are_told_as_they_were_written(value: Any) -> None:
    assert make_keeping(value).told == value
    assert make_keeping(make_keeping(value)) == make_keeping(value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("replac", "there is no 'replac'; did you mean 'replace'.*accumulate, replace, {window"),
        ("window", "'window' needs a value"),
        ({"window": 0}, "window: 0 is no number of steps; give an integer from 1"),
        ({"window": 2.0}, "window: 2.0 is no number of steps"),
        ({"window": True}, "window: True is no number of steps"),
        ({"window": 2, "humans": "go"}, "humans: 'go' is neither 'stay' nor 'age'"),
        ({"subsample": -1}, "subsample: -1 is no number of posts; give an integer from 0"),
        ({"subsample": 5, "humans": "age"}, "one key is wanted, not subsample, humans"),
        ({"humans": "age"}, "there is no 'humans'"),
        ([1], r"there is no \[1\]"),
    ],
)
def test_values_that_are_no_policy(value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        make_keeping(value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("raises", "posting.keep: 'lwd_test_posting:raises' raised ValueError: no"),
        ("few", r"gave bool of shape \(1,\) at step 3, not bool of shape \(27,\)"),
        ("numbers", "gave float64 of shape"),
    ],
)
def test_policies_that_fail_stop_the_run(module: str, name: str, words: str) -> None:
    with pytest.raises(RunStopped, match=words):
        gone(f"{module}:{name}")
    with pytest.raises(BadInput, match=r"posting.keep.*is a str, not a function from posts"):
        keeper(make_keeping(f"{module}:WORD"))


def test_a_window_smaller_than_k_is_refused() -> None:
    """The bound is what the Internet comes to hold: neither more nor less is refused."""
    two, ages = make_keeping({"window": 2}), make_keeping({"window": 2, "humans": "age"})
    check_k(two, 26, 20, 0, 3)
    with pytest.raises(
        BadInput, match=r"\{'window': 2\} leaves at most 26 posts .* reading.k = 27"
    ):
        check_k(two, 27, 20, 0, 3)
    check_k(two, 1_000, 20, 1, 3)  # fresh human posts stay, so the Internet grows without a bound
    check_k(ages, 8, 20, 1, 3)
    with pytest.raises(BadInput, match="at most 8 posts"):
        check_k(ages, 9, 20, 1, 3)
    with pytest.raises(BadInput, match="at most 30 posts"):
        check_k(make_keeping({"subsample": 10}), 31, 20, 0, 3)
    with pytest.raises(BadInput, match="'replace' leaves at most 23"):
        check_k(make_keeping("replace"), 24, 20, 0, 3)
    check_k(make_keeping("accumulate"), 10**6, 20, 0, 3)


@pytest.mark.parametrize(
    "value", ["replace", {"window": 3}, {"window": 3, "humans": "age"}, {"subsample": 7}]
)
def test_the_bound_is_reached(value: Any) -> None:
    keeping, there = make_keeping(value), list(_HUMANS)
    sizes = []
    for t in range(12):
        there += [Post(str(t), name, t, 0, "q", "synthetic") for name in "abc"]
        mask = leaving(there, keeping, t, 0)
        there = [post for post, out in zip(there, mask, strict=True) if not out]
        sizes.append(len(there))
    assert sizes[-1] == max(sizes[3:]) == most_kept(keeping, 3, 0, 3)


def test_a_chance_is_kept_exactly() -> None:
    assert make_choice({"probability": 0.1}).probability == Decimal("0.1")
