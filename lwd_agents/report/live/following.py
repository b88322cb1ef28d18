"""One run that goes on: each committed step becomes columns of the page's data, once.

Numbers are those of ``lwd.measure`` and of the journal. What needs all texts or all steps (text
measures, tests, bands) is left out until the run is over. Axes: N agents, L draws, D dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from lwd_agents.errors import BadInput
from lwd_agents.measures import geometry
from lwd_agents.measures.step import step_geometry
from lwd_agents.measures.unbiased import signed_root
from lwd_agents.report.live.appending import after, append, padded
from lwd_agents.report.live.tail import Row, Tail
from lwd_agents.report.page import curves
from lwd_agents.report.page.data import blank
from lwd_agents.report.page.notes import written
from lwd_agents.report.page.numbers import coordinates, number, numbers
from lwd_agents.report.page.sources import Source
from lwd_agents.report.page.texts import TextColumns
from lwd_agents.run_files import Run, wrong_line

Floats = NDArray[np.floating[Any]]
Place = Callable[[Run, Floats], tuple[Floats, Floats]]
"""A run and its embeddings, (m, D), to coordinates (m, 2) and distances off the plane (m,)."""

PATIENCE = 25  # looks after which a step whose files cannot be read is taken without them
_MOST_RESPONSES = 60_000  # of one run on the page, as ``page_data`` would keep of short ones
_MOST_BYTES = 64_000_000  # of a numeric world's arrays, read anew with each block
_UNREADABLE = (BadInput, OSError, ValueError, KeyError, TypeError, AttributeError)


class Followed:
    """One run, followed from its first step.

    Args:
        source: the run as it was found, with one committed step at least.
        place: where embeddings stand in the plane.
        threads: what bounds the threads of the linear algebra.

    Attributes:
        shown: the run's part of the page's data, up to the last step taken.
    """

    def __init__(self, source: Source, place: Place, threads: ThreadpoolController) -> None:
        assert source.run is not None
        self.source, self._threads = source, threads
        self._run = replace(source.run, lines={})
        self._place = place
        self._tail = Tail(source.path)
        self._waiting: list[Row] = []
        self._rows: dict[int, list[Row]] = {}
        self._newest = -1
        self._tries = 0
        self._human: NDArray[np.float64] | None = None
        self._texts = self._columns() if source.world == "llm" else None
        planned = int(self._run.config["steps"]) + 1
        self._few = planned * len(source.agents) <= curves.MOST_NUMBERS
        self._damage: list[str] = []
        self._said: set[str] = set()
        self.lines: dict[int, Row] = {}
        self.shown = blank(replace(source, lines={}))
        self.shown["pairs"] = self._pairs()
        self.shown["texts"] = self._texts.columns() if self._texts else None

    @property
    def status(self) -> str:
        """running, complete, stopped, failed."""
        return str(self.shown["status"])

    @property
    def run(self) -> Run:
        """The run, with the steps that were taken and those that wait."""
        waiting = {line["t"]: line for line in self._waiting}
        return replace(self._run, lines={**self.lines, **waiting})

    def news(self) -> tuple[dict[str, Any] | None, list[str]]:
        """What came since the last call: columns to append to the run, and notes.

        Raises:
            Replaced: another run stands there, or what was read was cut away.
        """
        notes: list[str] = []
        more: dict[str, Any] = {}
        try:
            self._look(more, notes)
        except (BadInput, OSError) as error:
            notes.append(f"{error}; it is tried again")
        found: dict[str, Any] = {}
        while self._waiting:
            lines = self._waiting[:1] if self._texts else self._waiting
            if (part := self._taken(lines, notes)) is None:
                break
            self.lines |= {line["t"]: line for line in lines}
            self._waiting = self._waiting[len(lines) :]
            append(found, part)
            append(self.shown, part)
        if self._texts and found:
            texts = self._texts.since()
            append(self.shown, {"texts": texts})
            found["texts"] = texts
            notes += [*self._damage, *self._texts.notes]
        append(self.shown, more)
        found |= more
        return found or None, self._unsaid(notes)

    def _look(self, more: dict[str, Any], notes: list[str]) -> None:
        """Take in what the run's files say anew; its lines wait to be taken."""
        news = self._tail.look()
        if news is None:
            return
        if news.manifest is not None:
            self._run = replace(self._run, manifest=news.manifest)
            now = replace(self.source, manifest=news.manifest)
            status = news.manifest.get("status")
            told = written({"status": str(status), "steps": now.planned})
            more |= {name: v for name, v in told.items() if v != self.shown[name]}
        notes += news.damage
        planned = self._run.config.get("steps")
        for line in news.lines:
            t = line["t"]
            if t <= self._newest:
                notes.append(f"{self._run.path}: step {t} stands twice, or out of order: left out")
            elif t < 0 or (isinstance(planned, int) and t > planned):
                notes.append(f"{self._run.path}: step {t} is none of the run's; it is left out")
            elif wrong := wrong_line(line):
                notes.append(f"{self._run.path}: step {t}: {wrong}; it is left out")
            else:
                self._waiting.append(line)
                self._newest = t

    def _taken(self, lines: Sequence[Row], notes: list[str]) -> dict[str, Any] | None:
        """The columns of some steps; None while their files cannot be read, which may pass.

        In one thread: matrices this small gain nothing from several, which would take ten times the
        processor from the run.
        """
        part: dict[str, Any] = {}
        try:
            with self._threads.limit(limits=1):
                part = self._measured(lines[0], True) if self._texts else self._replicated(lines)
            self._tries = 0
        except _UNREADABLE as error:
            self._tries += 1
            again = self._tries < PATIENCE
            what = "it is tried again" if again else "it is shown without them"
            notes.append(f"{self._run.path}: step {lines[0]['t']}: {error}; {what}")
            if again:
                return None
            with suppress(*_UNREADABLE):
                part = self._measured(lines[0], False) if self._texts else {}
        journal = curves.journal_curves(lines)
        agents = self.source.agents
        k = curves.readings_of(lines, agents) or [[None] * len(agents) for _ in lines]
        told = {
            "t": [line["t"] for line in lines],  # first: what comes late is as long as it was
            **({"k": k} if self._few else {}),
            "curves": {**journal, **part.pop("curves", {})},
        }
        return padded({**told, **part}, self.shown)

    def _measured(self, line: Row, there: bool) -> dict[str, Any]:
        """A step of an LLM network, with its arrays and texts or (``there``) without."""
        run, t = replace(self._run, lines={line["t"]: line}), line["t"]
        names = [(q, r) for q in range(run.queries) for r in range(run.readings)]
        width = run.width if there else 1
        nothing = np.full((len(run.agents), run.draws, width), np.nan, dtype=np.float32)
        arrays = {(q, r): run.array(t, q, r) if there else nothing for q, r in names}
        rows = self._responses(t, there)
        shown = self._geometry(run, arrays)
        assert self._texts is not None
        if not self.lines:
            self._texts.seeds()
        suffixed = {
            f"{f'.q{q}' if q else ''}{f'.r{r}' if r else ''}": array if there else None
            for (q, r), array in arrays.items()
        }
        self._texts.step(t, line, rows, suffixed)
        return shown

    def _responses(self, t: int, there: bool) -> list[Row]:
        """The rows of responses.jsonl of a step.

        Raises:
            BadInput: there are none, and ``there`` should be.
        """
        rows, damage = self._tail.responses(t)
        self._damage += damage
        for row in rows:
            self._rows.setdefault(row["t"], []).append(row)
        if there and t not in self._rows:
            raise BadInput(f"{self._run.path / 'responses.jsonl'}: no response of this step")
        found = self._rows.pop(t, [])
        self._rows = {later: rows for later, rows in self._rows.items() if later > t}
        return found

    def _geometry(
        self, run: Run, arrays: Mapping[tuple[int, int], NDArray[np.float32]]
    ) -> dict[str, Any]:
        """The measures of the first query, as ``lwd.measure`` has them, and the agents' places."""
        readings = np.stack([arrays[0, r] for r in range(run.readings)])
        if self._human is None:
            self._human = run.human()
        found = step_geometry(readings, self._human, run.always)
        partial = curves.partial(run)
        norm, floor = found.pop("norm"), signed_root(np.array([found["draw_floor"]]))
        X = geometry.perspectives(np.stack([arrays[q, 0] for q in range(run.queries)]))
        spots, off = self._place(run, X.mean(axis=0))
        first, second = (np.array(self.shown["pairs"], dtype=int).reshape(-1, 2)).T
        return {
            "curves": {n: [number(v)] for n, v in found.items() if np.ndim(v) == 0}
            | ({"norm_measured": [number(norm)]} if partial else {}),
            **({} if partial else {"floor": numbers(floor)}),
            "agent_measures": {n: [numbers(v)] for n, v in found.items() if np.ndim(v) == 1},
            "pair_measures": {
                n: [numbers(v[first, second])]
                for n, v in found.items()
                if np.ndim(v) == 2 and len(first)
            },
            "path": {
                "x": [coordinates(spots[:, 0])],
                "y": [coordinates(spots[:, 1])],
                "off": [coordinates(off)],
            },
        }

    def _replicated(self, lines: Sequence[Row]) -> dict[str, Any]:
        """Of a numeric world: all replicates at some steps, theory, weights or errors.

        What comes late (an expectation, at the end) comes with the steps before it.
        """
        size = sum(file.stat().st_size for file in self._run.path.glob("arrays/*.npz"))
        if size > _MOST_BYTES:
            return {}
        first, every = len(self.lines), {**self.lines, **{line["t"]: line for line in lines}}
        found = curves.numeric(replace(self.source, lines=every))
        if not found:
            return {}
        return {
            "replicates": {n: after(v, first, n) for n, v in found["replicates"].items()},
            "theory": {n: v[first:] for n, v in found["theory"].items()},
            **{
                name: found[name][first if self.shown[name] else 0 :]
                for name in curves.BY_AGENT
                if found[name]
            },
        }

    def _columns(self) -> TextColumns:
        """The columns of texts; of a run too long for one page those of some steps, evenly."""
        run = self._run
        steps = int(run.config["steps"]) + 1
        responses = steps * len(run.agents) * run.draws * run.queries * run.readings
        every = -(-responses // _MOST_RESPONSES)
        keep = None if every == 1 else range(0, steps, every)

        def placed(vectors: Floats) -> Floats:
            return self._place(self._run, vectors)[0]

        return TextColumns(run.path, run.manifest, placed, keep=keep)

    def _pairs(self) -> list[list[int]]:
        """All pairs of agents; none where their measures would be too many for a page."""
        n, steps = len(self.source.agents), int(self._run.config["steps"]) + 1
        kinds = 2 if self._run.readings == 1 else 3  # as ``step_geometry`` has of pairs
        if not self._texts or steps * (n * (n - 1) // 2) * kinds > curves.MOST_NUMBERS:
            return []
        return [[i, j] for i in range(n) for j in range(i + 1, n)]

    def _unsaid(self, notes: Sequence[str]) -> list[str]:
        """Those that were not said before."""
        found = [note for note in dict.fromkeys(notes) if note not in self._said]
        self._said |= set(found)
        return found
