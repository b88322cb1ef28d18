"""Every law by frequency against its exact probabilities, its limits, and how a law is named."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import chisquare

from lwd_agents import seeding
from lwd_agents.errors import BadInput, RunStopped
from lwd_agents.internet.laws import LAWS, ORDERS, WeightLaw, arranged, make_law, shortfall
from lwd_agents.internet.view import View
from lwd_agents.internet.weighted import even_counts, successive

Reading = tuple[int, ...]
Law = dict[Reading, float]

#              0        1        2    3    4    5      6
AUTHORS = ["human", "human", "human", "a", "b", "a", "b"]
STEPS = [-1, -1, -1, 0, 0, 1, 1]
READS = [4, 0, 1, 2, 0, 9, 0]
OPTIONS: dict[str, dict[str, Any]] = {"recency": {"half_life": 2}, "ratio": {"synthetic": 0.5}}


def view(
    authors: list[str] = AUTHORS,
    *,
    steps: list[int] | None = None,
    reads: list[int] | None = None,
    vectors: Any = None,
    query: Any = (1.0, 0.0),
    agent: str = "a",
    t: int = 2,
) -> View:
    size = len(authors)
    author = np.array(authors, dtype=object)
    rows = np.zeros((size, 2)) if vectors is None else vectors
    return View(
        agent,
        t,
        [f"id{i}" for i in range(size)],
        author,
        np.array((STEPS if size == len(STEPS) else [-1] * size) if steps is None else steps),
        np.array(author == "human", dtype=np.bool_),
        np.array((READS if size == len(READS) else [0] * size) if reads is None else reads),
        lambda: np.array(rows, dtype=np.float32),
        lambda: np.array(query, dtype=np.float32),
    )


def one_by_one(weights: list[float], k: int) -> Law:
    """P of each reading: k posts, each in proportion to the weights that are left."""
    law = {}
    for reading in permutations([i for i, w in enumerate(weights) if w > 0], k):
        left, p = sum(weights), 1.0
        for i in reading:
            p, left = p * weights[i] / left, left - weights[i]
        law[reading] = p
    return law


def by_counts(groups: list[list[int]], counts: list[tuple[int, ...]]) -> Law:
    """P of each reading: one of the counts, subsets of each group, an order, all equally likely."""
    law: Law = {}
    for count in counts:
        ways = math.prod(math.comb(len(g), c) for g, c in zip(groups, count, strict=True))
        for chosen in subsets(groups, count):
            for reading in permutations(chosen):
                law[reading] = 1 / (len(counts) * ways * math.factorial(len(chosen)))
    return law


def subsets(groups: list[list[int]], count: tuple[int, ...]) -> Iterator[Reading]:
    if not groups:
        yield ()
        return
    for first in combinations(groups[0], count[0]):
        for rest in subsets(groups[1:], count[1:]):
            yield first + rest


HUMANS, SYNTHETIC, OWN = [0, 1, 2], [3, 4, 5, 6], [3, 5]

EXACT: list[tuple[str, dict[str, Any], int, Law]] = [
    ("uniform", {}, 2, one_by_one([1.0] * 7, 2)),
    ("recency", {"half_life": 2}, 2, one_by_one([2 ** (-(2 - s) / 2) for s in STEPS], 2)),
    ("recency", {"half_life": 5}, 3, one_by_one([2 ** (-(2 - s) / 5) for s in STEPS], 3)),
    ("popularity", {}, 2, one_by_one([1.0 + r for r in READS], 2)),
    ("popularity", {"exponent": 0.5, "prior": 0}, 3, one_by_one([r**0.5 for r in READS], 3)),
    ("popularity", {"exponent": -1}, 2, one_by_one([1 / (1 + r) for r in READS], 2)),
    ("popularity", {"exponent": 0, "prior": 0}, 2, one_by_one([1.0] * 7, 2)),
    ("human", {}, 2, by_counts([HUMANS], [(2,)])),
    ("human", {"short": "fill"}, 4, by_counts([HUMANS, SYNTHETIC], [(3, 1)])),
    ("own", {}, 2, by_counts([OWN], [(2,)])),
    ("own", {"short": "fill"}, 3, by_counts([OWN, [0, 1, 2, 4, 6]], [(2, 1)])),
    ("ratio", {"synthetic": 0.4}, 3, by_counts([SYNTHETIC, HUMANS], [(1, 2)])),
    ("ratio", {"synthetic": 0.2, "short": "fill"}, 4, by_counts([SYNTHETIC, HUMANS], [(1, 3)])),
    ("stratified", {}, 3, by_counts([HUMANS, [3, 5], [4, 6]], [(1, 1, 1)])),
    (
        "stratified",
        {},
        2,
        by_counts([HUMANS, [3, 5], [4, 6]], [(1, 1, 0), (1, 0, 1), (0, 1, 1)]),
    ),
]


def p_value(law: Law, draw: Callable[[np.random.Generator], Any], draws: int = 4000) -> float:
    """Of a chi-square test that readings follow the law; 0 for one that it rules out."""
    counts = Counter(
        tuple(int(i) for i in draw(seeding.generator(seeding.key(seed, "reading"))))
        for seed in range(draws)
    )
    assert sum(law.values()) == pytest.approx(1)
    if set(counts) - set(law):
        return 0.0
    cells = sorted(law, key=lambda reading: law[reading])
    expected, seen, e, s = [], [], 0.0, 0
    for cell in cells:  # rare readings together, so that every cell expects 5 or more
        e, s = e + draws * law[cell], s + counts[cell]
        if e >= 5:
            expected, seen, e, s = [*expected, e], [*seen, s], 0.0, 0
    expected[-1], seen[-1] = expected[-1] + e, seen[-1] + s
    return float(chisquare(seen, expected).pvalue)


@pytest.mark.parametrize(
    ("name", "options", "k", "law"), EXACT, ids=[f"{n}-{o}-{k}" for n, o, k, _ in EXACT]
)
def test_readings_follow_the_law(name: str, options: dict[str, Any], k: int, law: Law) -> None:
    made, seen = make_law(name, options, "reading.law"), view()
    assert p_value(law, lambda rng: made.draw(seen, k, rng)) > 0.001


def test_the_frequency_test_tells_wrong_laws_apart() -> None:
    """Each of these has the right support, and differs in probability alone."""
    weights = [1.0 + r for r in READS]
    law = one_by_one(weights, 2)

    def product_keys(rng: np.random.Generator) -> Any:
        return np.argsort(-rng.random(7) * weights)[:2]

    def other_weights(rng: np.random.Generator) -> Any:
        return successive(np.log(weights) * 0.6, 2, rng)

    def sorted_reading(rng: np.random.Generator) -> Any:
        return np.sort(successive(np.log(weights), 2, rng))

    for wrong in (product_keys, other_weights, sorted_reading):
        assert p_value(law, wrong) < 1e-9
    shares = next(law for name, _, _, law in EXACT if name == "ratio")
    assert p_value(shares, lambda rng: rng.choice(7, 3, replace=False)) < 1e-9


@pytest.mark.parametrize(("size", "k"), [(4, 2), (200, 100), (5000, 1), (3, 3)])
def test_the_uniform_law_is_the_draw_that_runs_have_always_made(size: int, k: int) -> None:
    seen, seed = view(["human"] * size), seeding.key(3, "reading", t=2, agent="a", query="q")
    old = np.random.Generator(np.random.Philox(key=seed)).choice(size, size=k, replace=False)
    drawn = make_law("uniform", {}, "reading.law").draw(seen, k, seeding.generator(seed))
    assert drawn.tolist() == old.tolist()


def made(name: str, **options: Any) -> Any:
    filled = {"short": "fill"} if name in ("human", "own", "ratio") else {}
    return make_law(name, {**OPTIONS.get(name, {}), **filled, **options}, "reading.law")


@st.composite
def views(draw: Any) -> View:
    size = draw(st.integers(1, 30))

    def column(values: Any) -> Any:
        return draw(st.lists(values, min_size=size, max_size=size))

    return view(
        column(st.sampled_from(["human", "a", "b", "c"])),
        steps=sorted(column(st.integers(-1, 9))),
        reads=column(st.integers(0, 10**6)),
        vectors=column(st.tuples(*[st.sampled_from([-1.0, 0.0, 0.5, 1.0])] * 2)),
        query=draw(st.sampled_from([(1.0, 0.0), (0.0, 0.0), (-1.0, 2.0)])),
        t=10,
    )


@settings(max_examples=60, deadline=None)
@given(views(), st.sampled_from(sorted(LAWS)), st.integers(0, 30), st.integers(0, 2**64))
def test_a_reading_is_k_different_posts_and_a_function_of_its_seed(
    seen: View, name: str, k: int, seed: int
) -> None:
    k, law = min(k, len(seen.ids)), made(name)
    drawn = law.draw(seen, k, seeding.generator(seed))
    assert drawn.shape == (k,)
    assert drawn.dtype == np.int64
    assert len(set(drawn.tolist())) == k
    assert all(0 <= i < len(seen.ids) for i in drawn)
    assert law.draw(seen, k, seeding.generator(seed)).tolist() == drawn.tolist()
    for order in ORDERS:
        rearranged = arranged(drawn, seen, order, seeding.generator(seed))
        assert sorted(rearranged.tolist()) == sorted(drawn.tolist())


def test_no_ratio_of_weights_is_too_large() -> None:
    weights = np.array([-1e6, 0.0, -np.inf, -1e6, 2e6, -1e300, -1e300])
    drawn = Counter(
        tuple(successive(weights, 6, seeding.generator(s)).tolist()) for s in range(400)
    )
    assert {reading[:2] for reading in drawn} == {(4, 1)}
    assert {2} & {i for reading in drawn for i in reading} == set()
    # the two at -1e6 and the two at -1e300 are equals, however small their weight is
    assert len(drawn) == 4
    assert chisquare(list(drawn.values())).pvalue > 0.001
    fifth = [int(successive(weights, 5, seeding.generator(s))[4]) for s in range(400)]
    assert chisquare([fifth.count(5), fifth.count(6)]).pvalue > 0.001
    assert fifth.count(5) + fifth.count(6) == 400


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_weight_is_a_number(bad: float) -> None:
    with pytest.raises(ValueError, match="not a number, or infinite"):
        successive(np.array([0.0, bad]), 1, seeding.generator(0))


def test_weights_have_one_entry_for_each_post() -> None:
    class Short(WeightLaw):
        def log_weights(self, seen: View) -> NDArray[np.float64]:
            return np.zeros(len(seen.ids) - 1)

    with pytest.raises(ValueError, match=r"shape \(6,\) for 7 posts"):
        Short().draw(view(), 1, seeding.generator(0))


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.data())
def test_authors_are_as_equal_as_can_be(sizes: list[int], data: Any) -> None:
    k = data.draw(st.integers(0, sum(sizes)))
    counts = even_counts(np.array(sizes), k, seeding.generator(k))
    assert counts.sum() == k
    assert (counts <= sizes).all()
    # no author gives two more than one who has more to give
    for count in counts[counts < sizes]:
        assert counts.max() <= count + 1


@pytest.mark.parametrize(
    ("name", "options", "k", "enough", "words"),
    [
        ("human", {}, 4, 3, "human: k = 4 posts asked for a at step 2, but 1 too few are human"),
        ("own", {}, 4, 2, "own: k = 4 posts asked for a at step 2, but 2 too few are its own"),
        ("ratio", {"synthetic": 1}, 5, 4, "ratio: k = 5 .* 1 too few are synthetic"),
        ("ratio", {"synthetic": 0.3}, 5, 4, "ratio: k = 5 .* 1 too few are human"),
        (
            "popularity",
            {"prior": 0},
            5,
            4,
            "popularity: k = 5 .* only 4 of 7 have a weight above 0",
        ),
    ],
)
def test_too_few_posts_are_refused(
    name: str, options: dict[str, Any], k: int, enough: int, words: str
) -> None:
    law = make_law(name, options, "reading.law")
    with pytest.raises(RunStopped, match=f"reading.law {words}") as caught:
        law.draw(view(), k, seeding.generator(0))
    assert "\n" not in str(caught.value)
    assert law.draw(view(), enough, seeding.generator(0)).size == enough


def test_what_is_lacking_is_told() -> None:
    assert shortfall(made("human"), view(), 5) == {"human": 2}
    assert shortfall(made("own"), view(), 5) == {"its own": 3}
    assert shortfall(made("ratio", synthetic=1), view(), 6) == {"synthetic": 2}
    assert shortfall(made("ratio", synthetic=0.1), view(), 6) == {"human": 3}
    assert shortfall(made("ratio"), view(), 6) == {}
    assert shortfall(made("uniform"), view(), 6) == {}


def test_a_share_is_the_decimal_that_was_written() -> None:
    authors = ["human"] * 90 + ["a"] * 90
    drawn = made("ratio", synthetic=0.7).draw(view(authors), 90, seeding.generator(0))
    assert int(0.7 * 90) == 62
    assert (drawn >= 90).sum() == 63
    assert made("ratio", synthetic="0.7") == made("ratio", synthetic=Decimal("0.7"))


def test_an_agent_that_is_called_human_reads_no_human_posts_as_its_own() -> None:
    with pytest.raises(RunStopped, match="1 too few are its own"):
        make_law("own", {}, "reading.law").draw(view(agent="human"), 1, seeding.generator(0))


def plain_cosine(x: NDArray[Any], y: NDArray[Any]) -> float:
    lengths = math.sqrt(sum(float(a) ** 2 for a in x)) * math.sqrt(sum(float(b) ** 2 for b in y))
    return sum(float(a) * float(b) for a, b in zip(x, y, strict=True)) / lengths if lengths else 0


def plain_mmr(vectors: NDArray[Any], query: NDArray[Any], k: int, trade_off: float) -> list[int]:
    chosen: list[int] = []
    while len(chosen) < k:
        best, most = -1, -math.inf
        for i in set(range(len(vectors))) - set(chosen):
            near = max((plain_cosine(vectors[i], vectors[j]) for j in chosen), default=0.0)
            score = trade_off * plain_cosine(vectors[i], query) - (1 - trade_off) * near
            if score > most:
                best, most = i, score
        chosen.append(best)
    return chosen


@pytest.mark.parametrize("trade_off", [0.2, 0.5, 0.9, 1.0])
def test_search_against_a_plain_loop(trade_off: float) -> None:
    rng = np.random.default_rng(5)
    for _ in range(5):
        vectors, query = rng.normal(size=(40, 6)), rng.normal(size=6)
        seen = view(["human"] * 40, vectors=vectors, query=query)
        drawn = made("mmr", trade_off=trade_off).draw(seen, 12, rng)
        assert drawn.tolist() == plain_mmr(vectors, query, 12, trade_off)
        nearest = sorted(range(40), key=lambda i: -plain_cosine(vectors[i], query))
        assert made("similarity").draw(seen, 12, rng).tolist() == nearest[:12]


def test_equals_are_drawn_uniformly() -> None:
    # 0 and 3 are the query's direction in two lengths; 1, 2 and 4 are one text posted three times
    vectors = [[2.0, 0.0], [0.3, 0.7], [0.3, 0.7], [1.0, 0.0], [0.3, 0.7], [-1.0, 0.1]]
    seen = view(["human"] * 6, vectors=vectors)
    law = by_counts([[0, 3], [1, 2, 4]], [(2, 1)])
    best_first = {r: 1 / 6 for r in law if set(r[:2]) == {0, 3}}
    assert p_value(best_first, lambda rng: made("similarity").draw(seen, 3, rng), 1200) > 0.001
    # with no weight on the query the first is any post, the second one that is least like it
    variety = made("mmr", trade_off=0)
    first = {(i,): 1 / 6 for i in range(6)}
    assert p_value(first, lambda rng: variety.draw(seen, 1, rng), 1200) > 0.001
    after = {(0, 5): 1 / 6, (3, 5): 1 / 6, (5, 0): 1 / 12, (5, 3): 1 / 12}
    after |= {(i, 5): 1 / 6 for i in (1, 2, 4)}
    assert p_value(after, lambda rng: variety.draw(seen, 2, rng), 1200) > 0.001


def test_equal_vectors_are_equals_wherever_they_stand() -> None:
    """A matrix product may round equal rows differently; only the seeded key may tell them."""
    rng = np.random.default_rng(1)
    row, query = rng.normal(size=384), rng.normal(size=384)
    seen = view(["human"] * 11, vectors=np.tile(row, (11, 1)), query=query)
    firsts = {(i,): 1 / 11 for i in range(11)}
    for law in (made("similarity"), made("mmr")):
        assert p_value(firsts, partial(law.draw, seen, 1), 1500) > 0.001


@pytest.mark.parametrize("name", ["similarity", "mmr"])
def test_vectors_that_are_not_finite_are_refused(name: str) -> None:
    vectors = np.ones((7, 2))
    with pytest.raises(RunStopped, match="vector of the query is not finite"):
        made(name).draw(view(vectors=vectors, query=(np.nan, 1)), 2, seeding.generator(0))
    vectors[4, 1] = np.nan
    with pytest.raises(RunStopped, match="vector of the post id4 is not finite"):
        made(name).draw(view(vectors=vectors), 2, seeding.generator(0))


def test_the_order_of_a_reading() -> None:
    drawn = np.array([5, 0, 6, 3])
    rng = seeding.generator(0)
    assert arranged(drawn, view(), "drawn", rng).tolist() == [5, 0, 6, 3]
    assert arranged(drawn, view(), "time", rng).tolist() == [0, 3, 5, 6]
    assert arranged(drawn, view(), "reversed", rng).tolist() == [6, 5, 3, 0]
    any_order = dict.fromkeys(permutations(drawn.tolist()), 1 / 24)
    assert p_value(any_order, lambda r: arranged(drawn, view(), "random", r)) > 0.001
    with pytest.raises(ValueError, match=r"'newest' \(choices: drawn, random, time, reversed\)"):
        arranged(drawn, view(), "newest", rng)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("unifrom", {}, "reading.law: no law 'unifrom'; did you mean 'uniform'? (choices: uniform"),
        ("x", {}, "mmr, or a dotted path such as my_module:MyLaw)"),
        ("recency", {}, "reading.law recency: its option half_life is missing"),
        ("recency", {"halflife": 2}, "no option 'halflife'; did you mean 'half_life'? (choices:"),
        ("uniform", {"k": 2}, "reading.law uniform: no option 'k' (choices: none)"),
        ("recency", {"half_life": 0}, "half_life: 0 should be a number of at least 0.001"),
        ("recency", {"half_life": "ten"}, "half_life: 'ten' should be a number"),
        ("recency", {"half_life": float("inf")}, "half_life: inf should be a number"),
        ("recency", {"half_life": True}, "half_life: True should be a number"),
        ("popularity", {"exponent": 101}, "exponent: 101 should be a number from -100 to 100"),
        ("popularity", {"exponent": -1, "prior": 0}, "prior: 0 should be above 0 where exponent"),
        ("popularity", {"prior": [1]}, "prior: [1] should be a number of at least 0"),
        ("ratio", {"synthetic": 1.01}, "synthetic: 1.01 should be a number from 0 to 1"),
        ("ratio", {"synthetic": 0.5, "short": "x"}, "short: 'x' (choices: refuse, fill)"),
        ("mmr", {"trade_off": float("nan")}, "trade_off: nan should be a number from 0 to 1"),
        ("no_such:Law", {}, "there is no module 'no_such'"),
    ],
)
def test_a_wrong_law_answers_with_what_would_be_right(
    name: str, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(BadInput) as caught:
        make_law(name, options, "reading.law")
    assert words in str(caught.value)
    assert str(caught.value).startswith("reading.law")


def test_a_law_at_a_dotted_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "laws_of_mine.py").write_text(
        "import numpy as np\n"
        "from lwd_agents.internet.laws import WeightLaw\n"
        "class Favourite(WeightLaw):\n"
        "    def __init__(self, author, times=2.0):\n"
        "        self.author, self.times = author, times\n"
        "    def log_weights(self, view):\n"
        "        return np.where(view.author == self.author, np.log(self.times), 0.0)\n"
        "def nothing():\n"
        "    return 3\n"
    )
    monkeypatch.chdir(tmp_path)
    law = make_law("laws_of_mine:Favourite", {"author": "b", "times": 4}, "reading.law")
    weights = [4.0 if author == "b" else 1.0 for author in AUTHORS]
    assert p_value(one_by_one(weights, 2), lambda rng: law.draw(view(), 2, rng)) > 0.001
    with pytest.raises(BadInput, match="no option 'time'; did you mean 'times'"):
        make_law("laws_of_mine:Favourite", {"author": "b", "time": 4}, "reading.law")
    with pytest.raises(BadInput, match=r"made a int, which has no draw\(view, k, rng\)"):
        make_law("laws_of_mine:nothing", {}, "reading.law")


def test_every_law_states_a_formula() -> None:
    for law in LAWS.values():
        assert any(sign in (law.__doc__ or "") for sign in ("P(i_1", "cos("))
