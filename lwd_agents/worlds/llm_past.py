"""Committed rounds of an LLM network, as what they changed in its Internet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.engine import Round
from lwd_agents.errors import BadInput
from lwd_agents.internet.post import SYNTHETIC, Post
from lwd_agents.worlds.llm_round import stacked

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Change:
    """What a round did to the Internet: ``vectors`` are (len(posts), D), one for each post.

    ``foreign`` posts had come from other runs when the step began.
    """

    foreign: list[Post]
    foreign_vectors: Vectors
    posts: list[Post]
    vectors: Vectors
    left: list[str]
    reads: Counter[str]


def change_of(round: Round, places: Mapping[str, int], queries: Sequence[str]) -> Change:
    """What a committed round changes, from the round alone.

    Args:
        round: live, or read back.
        places: the agents' places on the N axis.
        queries: the run's.

    Raises:
        BadInput: a post is gone from responses.jsonl, or was changed afterwards.
    """
    rows = {row["post_id"]: row for row in round.responses if row["post_id"] is not None}
    slots: Counter[tuple[str, str]] = Counter()
    posts, vectors = [], []
    for post_id in round.line["posted"]:
        row = rows.get(post_id)
        if row is None:
            raise BadInput(f"responses.jsonl: the post {post_id} of step {round.t} is gone")
        place = row["agent"], row["query"]
        post = Post(row["text"], place[0], round.t, slots[place], place[1], SYNTHETIC)
        slots[place] += 1
        if post.id != post_id:
            raise BadInput(f"responses.jsonl: a text of step {round.t} was changed afterwards")
        posts.append(post)
        embeddings = stacked(round, queries.index(row["query"]))
        vectors.append(embeddings[places[row["agent"]], row["draw"]])
    entered = [Post(**fields) for fields in round.line.get("entered", ())]
    if entered:
        vectors += list(round.arrays[f"{round.t:05d}.in.npy"])
    nothing = np.empty((0, stacked(round).shape[-1]), dtype=np.float32)
    return Change(
        foreign=[Post(**fields) for fields in round.line.get("foreign", ())],
        foreign_vectors=np.asarray(round.arrays.get(f"{round.t:05d}.from.npy", nothing)),
        posts=[*posts, *entered],
        vectors=np.stack(vectors) if vectors else nothing,
        left=list(round.line.get("left", ())),
        reads=reads_of(round.line),
    )


def reads_of(line: Mapping[str, Any]) -> Counter[str]:
    """How often each post was read at a step, by id."""
    counts: Counter[str] = Counter()
    for ids in line["reads"].values():
        counts.update(ids)
    for readings in line.get("more_reads", {}).values():
        for reading in readings:
            counts.update(reading["reads"])
    return counts


def known_of(
    round: Round, places: Mapping[str, int], queries: Sequence[str]
) -> tuple[list[str], Vectors]:
    """The texts of a round's draws and other posts, and their vectors, (len(texts), D)."""
    texts, vectors = [], []
    for row in round.responses:
        if row["text"] is not None:
            embeddings = stacked(round, queries.index(row["query"]), row["reading"])
            texts.append(row["text"])
            vectors.append(embeddings[places[row["agent"]], row["draw"]])
    for fields, vector in zip(
        round.line.get("entered", ()), round.arrays.get(f"{round.t:05d}.in.npy", ()), strict=True
    ):
        texts.append(fields["text"])
        vectors.append(vector)
    width = stacked(round).shape[-1]
    return texts, np.stack(vectors) if vectors else np.empty((0, width), dtype=np.float32)


class Past:
    """What stands in the Internet after the rounds that were taken, oldest first.

    Attributes:
        posts: id -> post.
        gone: posts that have left.
        reads: how often each was read, by id.
    """

    def __init__(self, seeds: Sequence[Post], vectors: Vectors) -> None:
        self.posts = {post.id: post for post in seeds}
        if len(self.posts) != len(seeds):
            raise BadInput("internet.seed: two posts have one id; the file is damaged")
        self.gone: list[Post] = []
        self.reads: Counter[str] = Counter()
        self._vectors = dict(zip(self.posts, vectors, strict=True))
        self._width = vectors.shape[1]

    @property
    def written_by_models(self) -> int:
        """How many of the posts models wrote."""
        return sum(post.kind == SYNTHETIC for post in self.posts.values())

    def take(self, change: Change, replayed: bool) -> None:
        """One more round; its vectors are kept where it is replayed, for the store."""
        for post in (*change.foreign, *change.posts):
            self.posts[post.id] = post
        if replayed:
            for posts, vectors in (
                (change.foreign, change.foreign_vectors),
                (change.posts, change.vectors),
            ):
                self._vectors.update(zip((p.id for p in posts), vectors, strict=True))
        for post_id in change.left:
            if post_id in self.posts:
                self.gone.append(self.posts.pop(post_id))
        self.reads.update(change.reads)

    def arrive(self, posts: Sequence[Post]) -> None:
        """Posts of other runs that were found when a step began."""
        self.posts.update((post.id, post) for post in posts)

    def vectors(self) -> Vectors:
        """The vectors of the posts after a replay, (len(posts), D); they are let go of."""
        found, self._vectors = [self._vectors[post_id] for post_id in self.posts], {}
        return np.stack(found) if found else np.empty((0, self._width), dtype=np.float32)
