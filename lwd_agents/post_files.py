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
from lwd_agents.post_lines import (
    Key,
    numbered,
    post_of,
    readings_of,
    wrong_response,
    wrong_round,
)
from lwd_agents.records import load_array, read_lines


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
    """One reading of a run directory; notes gather what is not there.

    ``lines`` are those of rounds.jsonl, by step; one that lacks what posts need is left out.
    """

    path: Path
    manifest: Mapping[str, Any]
    lines: Mapping[int, Mapping[str, Any]]
    notes: list[str] = field(default_factory=list)

    @property
    def queries(self) -> list[str]:
        """The texts of the run's queries."""
        return list(self.manifest.get("queries") or [self.manifest["query"]])

    def __post_init__(self) -> None:
        wrong = {t: wrong_round(line, self) for t, line in self.lines.items()}
        if any(wrong.values()):
            file = self.path / "rounds.jsonl"
            numbers = {row.get("t"): n for n, row in reversed(numbered(file)) if row is not None}
            self.notes += [
                f"{file}, line {numbers.get(t, t + 1)}: {reason}; texts of step {t} are left out"
                for t, reason in wrong.items()
                if reason
            ]
        self.lines = {t: line for t, line in self.lines.items() if not wrong[t]}

    @property
    def agents(self) -> list[str]:
        """The N agents' names."""
        return list(self.manifest["agents"])

    @property
    def draws(self) -> int:
        """L: draws per reading."""
        return int(self.manifest["config"].get("draws", 1))

    @property
    def readings(self) -> int:
        """M: readings per step."""
        return int((self.manifest["config"].get("reading") or {}).get("readings_per_step", 1))

    @cached_property
    def width(self) -> int:
        """D: that of most of the run's arrays, so that a damaged one does not set it; 0 of none."""
        found: Counter[int] = Counter()
        for file in sorted((self.path / "embeddings").glob("*.npy")):
            try:
                array = np.load(file, mmap_mode="r", allow_pickle=False)  # the header is enough
            except Exception:  # a damaged header raises errors of many kinds
                continue
            if array.dtype.kind == "f" and array.ndim in (2, 3) and array.shape[-1]:
                found[array.shape[-1]] += 1
        return found.most_common(1)[0][0] if found else 0

    @cached_property
    def responses(self) -> dict[int, list[dict[str, Any]]]:
        """The whole lines of responses.jsonl, by step; one that is no answer is left out."""
        file = self.path / "responses.jsonl"
        by_step: dict[int, list[dict[str, Any]]] = {t: [] for t in self.lines}
        damaged = 0
        for number, row in numbered(file):
            wrong = "damaged" if row is None else wrong_response(row, self)
            if wrong:
                self.notes.append(f"{file}, line {number}: {wrong}; it is left out")
                damaged += 1
            elif row is not None and row["t"] in by_step:
                by_step[row["t"]].append(row)
        gone = self._gone(by_step)
        if gone > damaged:
            self.notes.append(f"{file}: {gone - damaged} answers of the run's steps are gone")
        return by_step

    def _gone(self, by_step: Mapping[int, Sequence[Mapping[str, Any]]]) -> int:
        """How many draws have no line, of the readings that rounds or other draws speak of."""
        place = self.queries.index
        draws = {
            ((t, row["agent"], place(row["query"]), row["reading"]), row["draw"])
            for t, rows in by_step.items()
            for row in rows
        }
        asked = {key for key, ids in readings_of(self.lines).items() if ids}
        return self.draws * len(asked | {key for key, _ in draws}) - len(draws)

    def array(self, file: Path, *shape: int) -> NDArray[np.float32] | None:
        """One array, (*shape, D), NaN in every row that is not finite throughout.

        None where it is gone, damaged, or of another shape or kind.
        """
        try:
            found = load_array(file)
        except BadInput as error:
            self.notes.append(str(error))
            return None
        shape = (*shape, self.width)
        if found.shape != shape or found.dtype.kind != "f":
            self.notes.append(
                f"{file}: {found.dtype} numbers of shape {found.shape}, where floats of shape "
                f"{shape} should stand; its vectors are not known"
            )
            return None
        with np.errstate(over="ignore"):  # beyond float32 a number is not finite
            found = np.array(found, dtype=np.float32)
        found[~np.isfinite(found).all(axis=-1)] = np.nan
        return found

    def vectors_of(self, name: str, posts: Sequence[Any]) -> list[NDArray[np.float32] | None]:
        """A vector for each post from a file that holds them in order; None where it does not."""
        array = self.array(self.path / "embeddings" / name, len(posts)) if posts else None
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
                posts = [post_of(row) for row in rows]
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
        internet = self.manifest["config"].get("internet")
        name = internet.get("seed") if isinstance(internet, dict) else None
        if not isinstance(name, str):
            raise BadInput(f"{self.path / 'manifest.json'}: internet.seed is missing")
        store = resources.find("stores", name, "internet.seed")
        known = self.manifest.get("sha256") or {}
        if known.get(f"stores/{store.name}") != resources.sha256(store):
            raise BadInput(
                f"internet.seed: the store {name} here is not what this run read "
                "(its sha256 differs)"
            )
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
                file = self.path / "embeddings" / name
                arrays[q] = self.array(file, len(self.agents), self.draws)
            place = self.agents.index(agent), row["draw"]
            array = arrays[q]
            vector = None if array is None else array[place]
            yield Entry(post_id, post, "agent", t + 1, vector, same, (t, agent, q, 0))

    def others(self, t: int, key: str, kind: str, entered: int, suffix: str) -> Iterator[Entry]:
        """Posts that a line of rounds.jsonl holds whole."""
        posts = [post_of(row) for row in self.lines[t].get(key, ())]
        vectors = self.vectors_of(f"{t:05d}.{suffix}.npy", posts)
        for post, vector in zip(posts, vectors, strict=True):
            how = "placebo" if kind == "inflow" and post.kind == "placebo" else kind
            yield Entry(post.id, post, how, entered, vector)


def nobody(author: str, step: int) -> Post:
    return Post("", author, step, 0, "", HUMAN if step == BEFORE_THE_RUN else SYNTHETIC)
