"""The posts of a run, read back from its directory: who wrote them, when, and who read them.

No model, no store and no LangChain is needed. The world rebuilds its Internet from the same lines
(``lwd_agents.worlds.llm_past``). What is damaged or gone is said in ``notes``; the rest is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lwd_agents.errors import BadInput
from lwd_agents.internet.post import BEFORE_THE_RUN, HUMAN
from lwd_agents.post_files import Entry, PostFiles, nobody
from lwd_agents.post_lines import Key, readings_of
from lwd_agents.records import array_files
from lwd_agents.trajectory import Trajectory

if TYPE_CHECKING:
    from lwd_agents.run_files import Run

NEVER = int(np.iinfo(np.int64).max)
"""``left`` of a post that stays."""

_ARRAY = re.compile(r"\d+(?:\.q(\d+))?(?:\.r(\d+))?\.npy")


@dataclass(frozen=True)
class Posts:
    """Every post that was ever in the Internet: P posts, in the order in which they entered.

    Attributes:
        ids: of the posts.
        authors: an agent's name, an inflow's, ``human``, ``name@run``; a placebo's post has the
            name of the agent in whose place it stands.
        kinds: how it came: ``human`` (of A(0)), ``agent``, ``placebo``, ``inflow``, ``foreign``.
        written_as: the post's own kind: ``human``, ``synthetic``, ``placebo``, ``noise``, ...
        queries: the text of the query that it answers; empty for A(0).
        texts: None where it is not known.
        written: (P,) the step it was written in; -1 for A(0).
        entered: (P,) the first t with the post in A(t).
        left: (P,) the first t after that without it; ``NEVER`` for one that stays.
        vectors: (P, D) float32 embeddings; NaN where one is not known.
        written_from: the reading from which an agent of this run wrote it; None for others.
        reads: the rows of the posts read, in order, of every reading.
        notes: what could not be read, in words; empty where all is there.
    """

    ids: tuple[str, ...]
    authors: tuple[str, ...]
    kinds: tuple[str, ...]
    written_as: tuple[str, ...]
    queries: tuple[str, ...]
    texts: tuple[str | None, ...]
    written: NDArray[np.int64]
    entered: NDArray[np.int64]
    left: NDArray[np.int64]
    vectors: NDArray[np.float32]
    written_from: tuple[Key | None, ...]
    reads: Mapping[Key, tuple[int, ...]]
    notes: tuple[str, ...]

    def __len__(self) -> int:
        """P, the number of posts."""
        return len(self.ids)

    @cached_property
    def rows(self) -> dict[str, int]:
        """The row of each post, by id."""
        return {post_id: row for row, post_id in enumerate(self.ids)}

    def there(self, t: int) -> NDArray[np.int64]:
        """The rows of the posts of A(t)."""
        return np.flatnonzero((self.entered <= t) & (t < self.left))


@dataclass(frozen=True)
class Answers:
    """What the agents answered: L draws of every reading.

    Attributes:
        texts: the L texts by reading; None for a missing draw.
        vectors: the (L, D) embeddings by reading; a missing draw is NaN.
        notes: what could not be read, in words; empty where all is there.
    """

    texts: Mapping[Key, tuple[str | None, ...]]
    vectors: Mapping[Key, NDArray[np.float32]]
    notes: tuple[str, ...] = ()


def read_posts(run: Trajectory | Run) -> Posts:
    """Every post that was ever in a run's Internet, and who read which.

    Args:
        run: of the world llm, finished or not; of several replicates the first (``Trajectory.runs``
            has them all).

    Returns:
        the posts; texts of A(0) come from ``embeddings/seed.jsonl``, in older runs from the store
        that the manifest names, if that is still the same file. Where neither is there, posts
        that were read and are not known stand first, as ``human``, without text or vector.

    Raises:
        BadInput: a run of another world.
    """
    reader = _reader(run)
    entries = reader.seeds()
    for t in reader.lines:
        entries += reader.others(t, "foreign", "foreign", t, "from")
        entries += reader.posted(t)
        entries += reader.others(t, "entered", "inflow", t + 1, "in")
    readings = readings_of(reader.lines)
    there = {entry.id for entry in entries}
    lost = dict.fromkeys(i for ids in readings.values() for i in ids if i not in there)
    if lost and not reader.notes:
        reader.notes.append(f"{len(lost)} posts were read that no file of the run holds")
    human = [Entry(i, nobody(HUMAN, BEFORE_THE_RUN), "human", 0, None, known=False) for i in lost]
    return _columns(_once([*human, *entries], reader), reader, readings)


def _columns(
    entries: Sequence[Entry], reader: PostFiles, readings: Mapping[Key, tuple[str, ...]]
) -> Posts:
    rows = {entry.id: row for row, entry in enumerate(entries)}
    left = np.full(len(entries), NEVER, dtype=np.int64)
    for t, line in reader.lines.items():
        for post_id in line.get("left", ()):
            if post_id in rows:
                left[rows[post_id]] = t + 1
    return Posts(
        ids=tuple(rows),
        authors=tuple(entry.post.author for entry in entries),
        kinds=tuple(entry.kind for entry in entries),
        written_as=tuple(entry.post.kind for entry in entries),
        queries=tuple(entry.post.query for entry in entries),
        texts=tuple(entry.post.text if entry.known else None for entry in entries),
        written=np.array([entry.post.step for entry in entries], dtype=np.int64),
        entered=np.array([entry.entered for entry in entries], dtype=np.int64),
        left=left,
        vectors=_stacked(reader, [entry.vector for entry in entries]),
        written_from=tuple(entry.written_from for entry in entries),
        reads={key: tuple(rows[i] for i in ids) for key, ids in readings.items()},
        notes=tuple(dict.fromkeys(reader.notes)),
    )


def read_answers(run: Trajectory | Run) -> Answers:
    """The texts and embeddings of a run's draws, by reading.

    Raises:
        BadInput: a run of another world.
    """
    reader = _reader(run)
    texts: dict[Key, dict[int, str | None]] = {}
    vectors: dict[Key, NDArray[np.float32]] = {}
    for t, rows in reader.responses.items():
        for row in rows:
            key = (t, row["agent"], reader.queries.index(row["query"]), row["reading"])
            texts.setdefault(key, {})[row["draw"]] = row["text"]
        for file in array_files(reader.path, t):
            found = _ARRAY.fullmatch(file.name)
            shape = len(reader.agents), reader.draws
            array = reader.array(file, *shape) if found else None
            if found and array is not None:
                q, r = (int(part or 0) for part in found.groups())
                for agent, draws in zip(reader.agents, array, strict=True):
                    if (t, agent, q, r) in texts:
                        vectors[t, agent, q, r] = draws
    said = {key: tuple(text for _, text in sorted(by.items())) for key, by in texts.items()}
    return Answers(said, vectors, tuple(dict.fromkeys(reader.notes)))


def _reader(run: Trajectory | Run) -> PostFiles:
    if run.world != "llm":
        raise BadInput(f"{run.path}: a run of the world {run.world}; runs of llm have posts")
    if isinstance(run, Trajectory):
        run = run.runs[0]
        return PostFiles(run.path, run.manifest, dict(enumerate(run.rounds)))
    return PostFiles(run.path, run.manifest, dict(sorted(run.lines.items())))


def _stacked(
    reader: PostFiles, vectors: Sequence[NDArray[np.float32] | None]
) -> NDArray[np.float32]:
    """(P, D), NaN where there is none."""
    stack = np.full((len(vectors), reader.width), np.nan, dtype=np.float32)
    for row, vector in enumerate(vectors):
        if vector is not None:
            stack[row] = vector
    return stack


def _once(entries: Sequence[Entry], reader: PostFiles) -> list[Entry]:
    """Every post once, as it first entered."""
    found: dict[str, Entry] = {}
    for entry in entries:
        if found.setdefault(entry.id, entry) is not entry:
            file = reader.path / "rounds.jsonl"
            reader.notes.append(f"{file}: the post {entry.id} enters twice; the first counts")
    return list(found.values())
