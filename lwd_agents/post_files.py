"""What a run directory holds of its posts, file by file; ``lwd_agents.posts`` puts it together.

What is damaged or gone becomes a note; the rest is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents import resources
from lwd_agents.errors import BadInput
from lwd_agents.internet.post import BEFORE_THE_RUN, HUMAN, SYNTHETIC, Post
from lwd_agents.internet.seeds import read_seed
from lwd_agents.records import load_array, read_lines, salvage_lines

Key = tuple[int, str, int, int]
"""A reading: (t, agent, query, reading); queries and readings count from 0."""

_FIELDS = ("text", "author", "step", "slot", "query", "kind", "labels")


@dataclass(frozen=True)
class Entry:
    """One post as it was found; without ``known`` its text is not what it seems."""

    id: str
    post: Post
    kind: str
    entered: int
    vector: NDArray[np.float32] | None
    known: bool = True
    written_from: Key | None = None


@dataclass
class PostFiles:
    """One reading of a run directory; notes gather what is not there."""

    path: Path
    manifest: Mapping[str, Any]
    lines: Mapping[int, Mapping[str, Any]]
    notes: list[str] = field(default_factory=list)

    @property
    def queries(self) -> list[str]:
        """The texts of the run's queries."""
        return list(self.manifest.get("queries") or [self.manifest["query"]])

    @cached_property
    def responses(self) -> dict[int, list[dict[str, Any]]]:
        """The whole lines of responses.jsonl, by step."""
        rows, damaged = salvage_lines(self.path / "responses.jsonl")
        self.notes += damaged
        by_step: dict[int, list[dict[str, Any]]] = {t: [] for t in self.lines}
        for row in rows:
            if row["t"] in by_step:
                by_step[row["t"]].append(row)
        return by_step

    def array(self, file: Path) -> NDArray[np.float32] | None:
        """One array, NaN in every row that is not finite throughout; None where it is not there."""
        try:
            found = np.array(load_array(file), dtype=np.float32)
        except BadInput as error:
            self.notes.append(str(error))
            return None
        found[~np.isfinite(found).all(axis=-1)] = np.nan
        return found

    def vectors_of(self, name: str, posts: Sequence[Any]) -> list[NDArray[np.float32] | None]:
        """A vector for each post from a file that holds them in order; None where it does not."""
        array = self.array(self.path / "embeddings" / name) if posts else None
        if array is not None and (array.ndim != 2 or len(array) != len(posts)):
            self.notes.append(f"{name}: shape {array.shape} where {len(posts)} vectors should be")
            array = None
        return [None] * len(posts) if array is None else list(array)

    def seeds(self) -> list[Entry]:
        posts, ids = self._seed_posts()
        vectors = self.vectors_of("seed.npy", posts)
        return [
            Entry(post_id, post, "human", 0, vector)
            for post, post_id, vector in zip(posts, ids, vectors, strict=True)
        ]

    def _seed_posts(self) -> tuple[list[Post], list[str]]:
        """A(0) from the run directory, else from the store that the manifest names."""
        file = self.path / "embeddings" / "seed.jsonl"
        try:
            if file.is_file():
                rows, _ = read_lines(file)
                posts = [_post(row) for row in rows]
                for row, post in zip(rows, posts, strict=True):
                    if row.get("id") != post.id:
                        raise BadInput(f"{file}: a text was changed afterwards: {post.text!r}")
            else:
                posts = self._store()
        except BadInput as error:
            self.notes.append(f"the texts of A(0) are not known: {error}")
            return [], []
        return posts, [post.id for post in posts]

    def _store(self) -> list[Post]:
        name = self.manifest["config"]["internet"]["seed"]
        store = resources.find("stores", name, "internet.seed")
        if self.manifest["sha256"].get(f"stores/{store.name}") != resources.sha256(store):
            raise BadInput(f"internet.seed: {store} is not what this run read (its sha256 differs)")
        return read_seed(store)

    def posted(self, t: int) -> Iterator[Entry]:
        """The agents' posts of step t."""
        rows = {row["post_id"]: row for row in self.responses[t] if row["post_id"] is not None}
        arrays: dict[int, NDArray[np.float32] | None] = {}
        slots: Counter[tuple[str, str]] = Counter()
        for post_id in self.lines[t]["posted"]:
            row = rows.get(post_id)
            if row is None:
                self.notes.append(f"responses.jsonl: the post {post_id} of step {t} is gone")
                yield Entry(post_id, nobody("", t), "agent", t + 1, None, known=False)
                continue
            agent, query = row["agent"], row["query"]
            post = Post(row["text"], agent, t, slots[agent, query], query, SYNTHETIC)
            slots[agent, query] += 1
            same = post.id == post_id
            if not same:
                self.notes.append(f"responses.jsonl: a text of step {t} was changed afterwards")
            q = self.queries.index(query)
            if q not in arrays:
                name = f"{t:05d}.q{q}.npy" if q else f"{t:05d}.npy"
                arrays[q] = self.array(self.path / "embeddings" / name)
            place = self.manifest["agents"].index(agent), row["draw"]
            array = arrays[q]
            vector = None if array is None else array[place]
            yield Entry(post_id, post, "agent", t + 1, vector, same, (t, agent, q, 0))

    def others(self, t: int, key: str, kind: str, entered: int, suffix: str) -> Iterator[Entry]:
        """Posts that a line of rounds.jsonl holds whole."""
        posts = [_post(row) for row in self.lines[t].get(key, ())]
        vectors = self.vectors_of(f"{t:05d}.{suffix}.npy", posts)
        for post, vector in zip(posts, vectors, strict=True):
            how = "placebo" if kind == "inflow" and post.kind == "placebo" else kind
            yield Entry(post.id, post, how, entered, vector)


def _post(row: Mapping[str, Any]) -> Post:
    try:
        return Post(**{name: row[name] for name in _FIELDS if name in row})
    except TypeError as error:
        raise BadInput(f"a post's line lacks a field: {error}") from None


def nobody(author: str, step: int) -> Post:
    return Post("", author, step, 0, "", HUMAN if step == BEFORE_THE_RUN else SYNTHETIC)
