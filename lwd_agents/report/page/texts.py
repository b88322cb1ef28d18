"""The texts of a run as columns: posts, responses and who read what, whole or step by step.

The report takes all steps at once: ``text_columns(run, place, keep=...)``. A run that goes on is
followed step by step, and a step costs what the step holds:

    texts = TextColumns(path, manifest, place)
    texts.seeds()                        # A(0), from the run directory
    texts.step(t, line, rows, arrays)    # of each committed step, in order
    texts.since()                        # Texts-shaped: what the last call of since() lacked
    texts.columns()                      # Texts: everything so far
    texts.notes                          # what could not be read, in words

``line`` is the step's line of rounds.jsonl, ``rows`` its parsed lines of responses.jsonl, as they
are: what is no answer is left out and said. ``arrays`` are the step's embeddings by the suffix of
their files ("" for 00000.npy, ".q1", ".r1", ".q1.r1", ".in", ".from"), those that the caller has;
others are read from the directory. Both ways give the same columns.

In ``posts``, ``query`` is an index or null, ``people`` says whether people wrote it (as lineage
has it), and ``left`` is the first t without the post; ``left_at`` of ``since()`` are [row, t] of
posts that were given before. A post that was read and that no file holds has a row with text null:
kind and author "human" where it can only be of A(0), else "unknown", and then written and entered
are null. Of steps that are not kept there are posts, but neither responses nor reads; ``from`` of
their posts is null.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.errors import BadInput
from lwd_agents.internet.post import BEFORE_THE_RUN, HUMAN
from lwd_agents.measures.lineage import PEOPLE
from lwd_agents.post_files import Entry
from lwd_agents.post_lines import readings_of, wrong_response, wrong_round
from lwd_agents.report.page.growing import Columns, Distinct
from lwd_agents.report.page.notes import written as writable
from lwd_agents.report.page.step_files import Place, Spot, StepFiles
from lwd_agents.run_files import Run

UNKNOWN = "unknown"
_POSTS = (
    *("id", "author", "kind", "people", "written", "entered", "left", "query", "text", "x", "y"),
    "from",
)
_RESPONSES = ("t", "agent", "query", "reading", "draw", "text", "missing", "post", "x", "y")
_READS = ("t", "agent", "query", "reading", "posts")
_PHRASES = ("response", "start", "stop", "chain")

_Answer = tuple[tuple[int, int, int, int], Mapping[str, Any]]  # (agent, query, reading, draw)


class TextColumns:
    """A run's texts, as columns that grow step by step.

    Args:
        path, manifest: of the run directory.
        place: where embeddings stand in the plane; None where there is none.
        keep: the steps whose responses and readings are wanted; None for all.

    Raises:
        BadInput: a run of another world, or one whose manifest names no query.
    """

    def __init__(
        self,
        path: Path,
        manifest: Mapping[str, Any],
        place: Place | None = None,
        *,
        keep: Collection[int] | None = None,
    ) -> None:
        if manifest["world"] != "llm":
            raise BadInput(
                f"{path}: a run of the world {manifest['world']}; runs of llm have posts"
            )
        if not manifest.get("queries") and not isinstance(manifest.get("query"), str):
            raise BadInput(f"{path / 'manifest.json'}: query is missing; restore it from a copy")
        self._files, self._keep = StepFiles(path, manifest, {}, place=place), keep
        self._agents, self._queries = self._files.agents, self._files.queries
        self._strings, self._authors = Distinct(), Distinct(self._agents)
        self._rows: dict[str, int] = {}  # of posts, by id
        self._posts, self._reads = Columns(_POSTS), Columns(_READS)
        self._responses, self._kept = Columns(_RESPONSES), Columns(("t",))
        self._next, self._lacking = 0, False  # the next step, and whether one before it is lacking
        self._lost = 0  # posts that were read and that no file holds
        self._left_at: list[list[int]] = []

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be read, in words; empty where all is there."""
        notes = self._files.notes
        if self._lost and not notes:
            return (f"{self._lost} posts were read that no file of the run holds",)
        return tuple(dict.fromkeys(notes))

    def seeds(self) -> None:
        """Take in A(0); before any step."""
        self._add_posts(self._files.seeds())
        self._lacking |= bool(self._posts)  # a post that is not among them is none of A(0)

    def step(
        self,
        t: int,
        line: Mapping[str, Any],
        rows: Sequence[Mapping[str, Any]],
        arrays: Mapping[str, NDArray[np.float32] | None] | None = None,
    ) -> None:
        """Take in one committed step, whose t is above that of the last one.

        Args:
            t, line: the step and its line of rounds.jsonl.
            rows: its lines of responses.jsonl; one that is no answer is left out.
            arrays: embeddings by suffix, (N, L, D) or (m, D), NaN where one is missing.
        """
        files = self._files
        if wrong := wrong_round(line, files):
            files.notes.append(
                f"{files.path / 'rounds.jsonl'}: {wrong}; texts of step {t} are left out"
            )
            return
        sound: list[dict[str, Any]] = []
        for row in rows:
            if wrong := wrong_response(row, files):
                files.notes.append(
                    f"{files.path / 'responses.jsonl'}, step {t}: {wrong}; it is left out"
                )
            else:
                sound.append(dict(row))
        files.lines, files.responses = {t: line}, {t: sound}
        files.held = {f"{t:05d}{suffix}.npy": array for suffix, array in (arrays or {}).items()}
        self._step(t)

    def whole(self, lines: Mapping[int, Mapping[str, Any]]) -> None:
        """Take in A(0) and all steps of a run whose lines of rounds.jsonl are these."""
        old = self._files
        files = self._files = StepFiles(old.path, old.manifest, lines, place=old.place)
        self.seeds()
        for t in sorted(files.lines):
            self._step(t)

    def columns(self) -> dict[str, Any]:
        """Everything so far: Texts, without phrases (``lwd_agents.report.page.phrases``)."""
        return {
            "strings": self._strings.whole(),
            "authors": self._authors.whole(),
            "kept": None if self._keep is None else self._kept.whole()["t"],
            "posts": self._posts.whole(),
            "responses": self._responses.whole(),
            "reads": self._reads.whole(),
            "phrases": {name: [] for name in _PHRASES},
            "chains": [],
        }

    def since(self) -> dict[str, Any]:
        """What came after the last call: Texts to append, and ``left_at`` to set."""
        left_at, self._left_at = self._left_at, []
        return {
            "strings": self._strings.new(),
            "authors": self._authors.new(),
            "kept": None if self._keep is None else self._kept.new()["t"],
            "posts": self._posts.new(),
            "responses": self._responses.new(),
            "reads": self._reads.new(),
            "left_at": left_at,
        }

    def _step(self, t: int) -> None:
        files, line = self._files, self._files.lines[t]
        if t < self._next:
            raise ValueError(f"step {t} after step {self._next - 1}")
        self._lacking |= t > self._next
        self._next = t + 1
        keep = self._keep is None or t in self._keep
        answers = self._answers(t) if keep else []
        first = len(self._responses)
        said = {row["post_id"]: first + i for i, (_, row) in enumerate(answers)}
        self._add_posts(files.others(t, "foreign", "foreign", t, "from"))
        reads = [
            (t, self._agents.index(agent), q, r, [self._read(post_id) for post_id in ids])
            for (_, agent, q, r), ids in readings_of({t: line}).items()
        ]
        posted = self._add_posts(files.posted(t), said)
        self._add_posts(files.others(t, "entered", "inflow", t + 1, "in"))
        for post_id in line.get("left", ()):
            self._leave(post_id, t + 1)
        if keep:
            self._kept.append(t)
            for read in sorted(reads):
                self._reads.append(*read)
            self._add_responses(t, answers, posted)
        files.held.clear()

    def _answers(self, t: int) -> list[_Answer]:
        """A step's draws in order; of two lines for one draw the last counts."""
        agents = {name: i for i, name in enumerate(self._agents)}
        queries = {text: q for q, text in reversed(list(enumerate(self._queries)))}
        found = {
            (agents[row["agent"]], queries[row["query"]], row["reading"], row["draw"]): row
            for row in self._files.responses[t]
        }
        return sorted(found.items(), key=lambda answer: answer[0])

    def _add_responses(self, t: int, answers: Iterable[_Answer], posted: Mapping[str, int]) -> None:
        spots: dict[tuple[int, int], list[Spot]] = {}
        draws = self._files.draws
        for (agent, q, r, draw), row in answers:
            if (q, r) not in spots:
                spots[q, r] = self._files.spots(t, q, r)
            text, reason = row["text"], row.get("missing")
            if text is None:
                text_at, missing = None, writable(reason) if isinstance(reason, str) else "missing"
            else:
                text_at, missing = self._strings.place(text), None
            self._responses.append(
                t,
                agent,
                q,
                r,
                draw,
                text_at,
                missing,
                posted.get(row["post_id"]),
                *spots[q, r][agent * draws + draw],
            )

    def _add_posts(
        self, found: Iterable[Entry], said: Mapping[str, int] | None = None
    ) -> dict[str, int]:
        """Posts that enter, and by id the rows that they get; ``said``: the responses they were."""
        entries = list(found)
        vectors = np.full((len(entries), self._files.width), np.nan, dtype=np.float32)
        for place, entry in enumerate(entries):
            if entry.vector is not None:
                vectors[place] = entry.vector
        added: dict[str, int] = {}
        for entry, (x, y) in zip(entries, self._files.placed(vectors), strict=True):
            if entry.id in self._rows:
                self._files.notes.append(
                    f"{self._files.path / 'rounds.jsonl'}: the post {entry.id} enters twice, or "
                    "after it was read; the first counts"
                )
                continue
            post = entry.post
            added[entry.id] = self._rows[entry.id] = self._posts.append(
                writable(entry.id),
                self._authors.place(post.author or UNKNOWN),
                entry.kind,
                post.kind in PEOPLE,
                post.step,
                entry.entered,
                None,
                self._queries.index(post.query) if post.query in self._queries else None,
                self._strings.place(post.text) if entry.known else None,
                x,
                y,
                (said or {}).get(entry.id),
            )
        return added

    def _read(self, post_id: str) -> int:
        """The row of a post that was read; one that no file holds gets a row."""
        if post_id not in self._rows:
            self._lost += 1
            who = UNKNOWN if self._lacking else HUMAN
            written, entered = (None, None) if self._lacking else (BEFORE_THE_RUN, 0)
            self._rows[post_id] = self._posts.append(
                writable(post_id),
                self._authors.place(who),
                who,
                who == HUMAN,
                written,
                entered,
                *[None] * 6,
            )
        return self._rows[post_id]

    def _leave(self, post_id: str, t: int) -> None:
        row = self._rows.get(post_id)
        if row is not None:
            self._posts["left"][row] = t
            if row < self._posts.given:
                self._left_at.append([row, t])


def text_columns(
    run: Run, place: Place | None = None, *, keep: Collection[int] | None = None
) -> dict[str, Any]:
    """The texts of all committed steps of a run, finished or not: Texts, without phrases.

    What could not be read is what ``lwd_agents.posts`` says, and with it ``lwd.measure``.

    Args:
        run: of the world llm.
        place, keep: as of ``TextColumns``.

    Raises:
        BadInput: a run of another world, or one whose manifest names no query.
    """
    columns = TextColumns(run.path, run.manifest, place, keep=keep)
    columns.whole(run.lines)
    return columns.columns()
