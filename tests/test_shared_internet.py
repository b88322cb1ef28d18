"""Runs that share one Internet on a real Chroma server, which ``chroma run`` starts."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chroma_servers import chroma_server
from langchain_core.embeddings import DeterministicFakeEmbedding

from lwd_agents.errors import RunStopped
from lwd_agents.internet.backends import ORIGIN
from lwd_agents.internet.post import HUMAN, SYNTHETIC, Post
from lwd_agents.internet.store import Internet

WIDTH = 8
EMBEDDINGS = DeterministicFakeEmbedding(size=WIDTH)
SEEDS = [Post(f"seed {i}", HUMAN, -1, i, "", HUMAN, {"tone": i}) for i in range(5)]
STEPS, SLOTS = 5, 12
_numbers = itertools.count()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with chroma_server(tmp_path_factory.mktemp("server")) as running:
        yield running.address


@pytest.fixture
def spec(server: str) -> str:
    """An Internet of its own for each test."""
    return f"chroma+http://{server}/shared{next(_numbers)}"


def vectors(posts: list[Post], run: str = "") -> np.ndarray:
    """One vector a post, another one in another run."""
    seeds = [zlib.crc32(f"{run} {post.id}".encode()) for post in posts]
    made = [np.random.default_rng(seed).normal(size=WIDTH) for seed in seeds]
    return np.array(made, dtype=np.float32).reshape(len(posts), WIDTH)


def opened(spec: str, run: str, seeds: list[Post] = SEEDS) -> Internet:
    internet = Internet(Path("unused"), EMBEDDINGS, spec, run=run)
    internet.restore(seeds, vectors(seeds))
    return internet


def said(t: int, slots: int = 1, text: str = "we all say this") -> list[Post]:
    return [Post(text, "north", t, slot, "q", SYNTHETIC) for slot in range(slots)]


def board(spec: str) -> Any:
    """The collection in which all meet, to a client that knows nothing of LWD."""
    import chromadb

    address, _, name = spec.removeprefix("chroma+http://").partition("/")
    host, _, port = address.partition(":")
    return chromadb.HttpClient(host, int(port)).get_collection(name)


def take_part(spec: str, run: str, barrier: Any, results: Any) -> None:
    """A process: at each step it takes in what others posted, and posts equal texts."""
    internet = opened(spec, run)
    taken = []
    barrier.wait(60)
    for t in range(STEPS):
        taken.append(internet.sync(t))
        own = said(t, SLOTS)
        internet.add(own, vectors(own, run))
    barrier.wait(60)
    taken.append(internet.sync(STEPS))
    texts = [document.page_content for document in internet.get(internet.ids)]
    found = [(post, internet.vectors([post.id])[0]) for posts in taken for post in posts]
    results.put((run, list(internet.ids), texts, found))
    internet.close()


def test_two_processes_share_one_internet_and_nothing_is_lost(spec: str) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(2), context.Queue()
    processes = [
        context.Process(target=take_part, args=(spec, run, barrier, results)) for run in "ab"
    ]
    for process in processes:
        process.start()
    found = {run: rest for run, *rest in (results.get(timeout=120) for _ in processes)}
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    own = [post for t in range(STEPS) for post in said(t, SLOTS)]
    for run, other in ("ab", "ba"):
        ids, texts, foreign = found[run]
        assert len(ids) == len(set(ids)) == len(SEEDS) + 2 * len(own)
        assert {post.id for post in (*SEEDS, *own)} < set(ids)
        assert Counter(texts) == Counter(post.text for post in (*SEEDS, *own, *own))
        assert {post.author for post, _ in foreign} == {f"north@{other}"}
        origins = {post.labels[ORIGIN]: vector for post, vector in foreign}
        assert set(origins) == {f"{other}:{post.id}" for post in own}
        for post, vector in zip(own, vectors(own, other), strict=True):
            np.testing.assert_array_equal(origins[f"{other}:{post.id}"], vector)
    both = {f"{run}:{post.id}" for run in "ab" for post in own} | {post.id for post in SEEDS}
    assert set(board(spec).get(include=[])["ids"]) == both


def test_a_run_that_goes_on_has_what_it_had_and_meets_the_rest_later(spec: str) -> None:
    one, other = opened(spec, "one"), opened(spec, "other")
    other.add(said(0, 3), vectors(said(0, 3)))
    met = one.sync(1)
    assert len(met) == 3
    one.remove([met[0].id])
    other.add(said(1), vectors(said(1)))
    assert len(one.sync(2)) == 1  # and the run ends before this step is committed
    one.close()
    other.add(said(2), vectors(said(2)))
    journal = [Post(**json.loads(json.dumps(asdict(post)))) for post in met]
    assert journal == met
    again = Internet(Path("unused"), EMBEDDINGS, spec, run="one")
    kept = [*SEEDS, *journal[1:]]
    again.restore(kept, vectors(kept), left=journal[:1])
    assert again.ids == [post.id for post in kept]
    late = again.sync(2)
    assert [post.labels["written"] for post in late] == [1, 2]
    assert [d.id for d in again.get(again.ids)] == [*(p.id for p in kept), *(p.id for p in late)]
    assert again.sync(3) == []


def test_what_one_run_forgets_is_not_lost_to_another(spec: str) -> None:
    one, other = opened(spec, "one"), opened(spec, "other")
    one.add(said(0), vectors(said(0)))
    one.remove([*(post.id for post in said(0)), SEEDS[0].id])
    (met,) = other.sync(1)
    assert (met.text, met.author) == ("we all say this", "north@one")
    one.remove(one.ids)
    assert len(other.get(other.ids)) == len(SEEDS) + 1
    other.remove([met.id])
    assert one.sync(1) == other.sync(2) == []
    assert len(opened(spec, "third").sync(0)) == 1


def test_all_meet_posts_in_one_order_and_under_the_clock_of_their_own_run(spec: str) -> None:
    one = opened(spec, "one")
    for t in (2, 0, 10):
        one.add(said(t, 2), vectors(said(t, 2)))
    lists = [opened(spec, run).sync(7) for run in ("x", "y")]
    assert lists[0] == lists[1]
    assert [post.labels["written"] for post in lists[0]] == [0, 0, 2, 2, 10, 10]
    assert {post.step for post in lists[0]} == {6}
    assert len({post.id for post in lists[0]}) == 6


def test_seeds_are_there_once_and_other_seeds_are_met(spec: str) -> None:
    fresh = [Post("fresh", HUMAN, 3, 0, "", HUMAN)]  # both draw it from one file of held-out posts
    more = [*SEEDS, Post("only there", HUMAN, -1, 5, "", HUMAN, {"tone": "x"})]
    one, other = opened(spec, "one"), opened(spec, "other", more)
    other.add(fresh, vectors(fresh))
    seed, human = one.sync(4)
    assert (seed.id, seed.text, seed.author, seed.step) == (more[5].id, "only there", HUMAN, -1)
    assert (human.text, human.author, human.kind) == ("fresh", "human@other", HUMAN)
    one.add(fresh, vectors(fresh))
    view = one.view("north", 5, set(), lambda: np.ones(WIDTH, dtype=np.float32))
    assert view.author.tolist() == ["human"] * 8
    assert [post.text for post in other.sync(4)] == ["fresh"]
    assert board(spec).count() == len(more) + 2


def test_any_chroma_client_may_post(spec: str) -> None:
    internet = opened(spec, "one")
    rows = board(spec)
    rows.add(
        ids=["b", "a", "c:x"],
        documents=["hello", "hello", "I am a bot"],
        metadatas=[None, None, {"author": "north", "step": 3, "source": "feed", "kind": "human"}],
        embeddings=np.ones((3, WIDTH), dtype=np.float32),
    )
    rows.add(ids=["blank"], documents=[" "], embeddings=np.ones((1, WIDTH), dtype=np.float32))
    rows.add(ids=["bare"], embeddings=np.ones((1, WIDTH), dtype=np.float32))
    met = internet.sync(9)
    assert [(p.text, p.author, p.kind, p.step) for p in met] == [
        ("hello", "unknown@open", SYNTHETIC, 8),
        ("hello", "unknown@open", SYNTHETIC, 8),
        ("I am a bot", "north@open", HUMAN, 8),
    ]
    assert [post.labels for post in met] == [
        {ORIGIN: "a"},
        {ORIGIN: "b"},
        {ORIGIN: "c:x", "source": "feed", "written": 3},
    ]
    assert len(internet) == len(SEEDS) + 3
    assert internet.sync(10) == []


def test_the_meeting_place_may_be_there_before_any_run(spec: str) -> None:
    import chromadb

    address, _, name = spec.removeprefix("chroma+http://").partition("/")
    host, _, port = address.partition(":")
    rows = chromadb.HttpClient(host, int(port)).create_collection(name)  # by Chroma's defaults
    rows.add(ids=["a"], documents=["first"], embeddings=np.ones((1, WIDTH), dtype=np.float32))
    internet = opened(spec, "one")
    assert [post.text for post in internet.sync(0)] == ["first"]
    internet.add(said(0), vectors(said(0)))
    assert rows.count() == len(SEEDS) + 2


def test_runs_of_another_phi_are_told(spec: str) -> None:
    opened(spec, "one")
    other = Internet(Path("unused"), EMBEDDINGS, spec, run="other")
    with pytest.raises(RunStopped, match=r"the store failed.*dimension"):
        other.restore(SEEDS, np.ones((5, WIDTH + 1), dtype=np.float32))


def test_any_text_can_name_a_run(spec: str) -> None:
    names = ("2026-01-01T00:00:00+00:00 /tmp/a", "2026-01-01T00:00:00+00:00 /tmp/b")
    one, other = (opened(spec, name) for name in names)
    one.add(said(0), vectors(said(0)))
    other.add(said(0), vectors(said(0)))
    assert one.shared
    assert len(one.sync(1)) == len(other.sync(1)) == 1
    assert len(one) == len(other) == len(SEEDS) + 2
