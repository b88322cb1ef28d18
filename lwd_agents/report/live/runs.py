"""The page's data of runs that go on: what is committed now, and what came since. ``Live``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from lwd_agents.errors import BadInput
from lwd_agents.measures.perspective import Frame
from lwd_agents.measures.perspective import place as placed
from lwd_agents.measures.plane import fit_plane
from lwd_agents.report.live.following import Followed
from lwd_agents.report.live.tail import Replaced, Tail
from lwd_agents.report.page import about
from lwd_agents.report.page.data import blank, head
from lwd_agents.report.page.notes import written
from lwd_agents.report.page.numbers import numbers
from lwd_agents.report.page.sources import Source, directories, open_all
from lwd_agents.run_files import Run

Floats = NDArray[np.floating[Any]]
_SEARCH = 5  # polls between two searches for runs that begin
_FIRST = 32  # steps of a run on which the plane is fitted, at most
_VERDICT = "the verdict is made when the run is over: lwd test {}"
_TEXTS = "measures of texts, phrases and bands come when the run is over"
_NUMBERS = "measures, trajectories and what is expected come when the run is over"


class Live:
    """Runs that go on, read as they grow; ``poll`` costs little where nothing is new.

    A run is followed from its first committed step on. One that begins later (a replicate, the
    placebo beside a run) joins with all it has. The plane of responses is fitted once, on the first
    steps that are there, and all later ones are placed in it.

    Args:
        places: run directories, folders of runs, or patterns with a ``*``.
        wait: wait for a run that is not there, in place of refusing it.

    Raises:
        BadInput: there is no run at one of the places.
    """

    def __init__(self, places: Sequence[str | Path], *, wait: bool = False) -> None:
        import scipy.linalg  # noqa: F401  (so that its threads are bounded too)

        self._places = [str(place) for place in places]
        self._threads = ThreadpoolController()
        self._begin(wait)

    def data(self) -> dict[str, Any]:
        """The data of the page: what the last poll knew. Not to be changed.

        The same shape as ``page_data`` gives, with ``live`` true; verdict, bands and the measures
        of texts are null.
        """
        named = head(list(self._sources.values()))
        return {
            **named,
            "title": named["title"] if self._sources else ", ".join(self._places),
            "live": True,
            "notes": list(self._notes),
            "runs": [self._shown(source) for source in self._sources.values()],
            "plane": self._plane,
            "paths": self._plane,
            "verdict": None,
        }

    def poll(self) -> dict[str, Any] | None:
        """What came since the last poll; None where nothing did.

        Returns:
            by name: ``runs`` (by key, columns to append as ``appending.append`` does, or a whole
            new run), ``status`` (by key), ``notes`` (new ones), ``plane`` and ``paths`` (once, if
            no frame was there before). Or ``reload`` alone: everything is to be asked for anew.
        """
        self._polls += 1
        try:
            if self._polls % _SEARCH == 0 and self._search():
                return {"reload": True}
            return self._news()
        except Replaced:
            self._begin(wait=True)
            return {"reload": True}

    def note(self, said: str) -> None:
        """Have the page say a sentence, from the next poll on."""
        self._unsaid.append(said)

    @property
    def over(self) -> bool:
        """Whether no run goes on, as far as their manifests say."""
        every = [*(one.status for one in self._followed.values()), *self._parents.values()]
        return bool(self._followed) and "running" not in every

    def _begin(self, wait: bool) -> None:
        """Everything from the start."""
        self._polls = 0
        self._frame: tuple[Any, Frame] | None = None
        self._plane: dict[str, Any] | None = None
        self._followed: dict[Path, Followed] = {}
        self._sources: dict[Path, Source] = {}
        self._parents: dict[Path, str] = {}
        self._tails: dict[Path, Tail] = {}
        self._joined: set[Path] = set()
        self._tried: dict[Path, tuple[int, int]] = {}
        self._notes: dict[str, None] = {}
        self._unsaid: list[str] = []
        sources = self._open(wait)
        self._sources = {source.path: source for source in sources}
        for source in sources:
            if source.run is not None:
                self._followed[source.path] = Followed(source, self._place, self._threads)
            else:
                self._say(source.notes)
        if not any(source.lines for source in sources):
            self._say([f"waiting for the first step of {', '.join(self._places)}"])
        learn = bool(sources) and all(source.world == "graph" for source in sources)
        self._say([_VERDICT.format(" ".join(self._places)), _NUMBERS if learn else _TEXTS])
        self._news()

    def _open(self, wait: bool) -> list[Source]:
        try:
            return open_all(self._places)
        except BadInput:
            if wait:
                return []
            raise

    def _say(self, notes: Sequence[str]) -> list[str]:
        """Keep notes; returns those that are new."""
        new = [note for note in dict.fromkeys(map(written, notes)) if note not in self._notes]
        self._notes |= dict.fromkeys(new)
        return new

    def _shown(self, source: Source) -> dict[str, Any]:
        """A run's part of the data, with what its directory says of it now."""
        one = self._followed.get(source.path)
        if one is None:
            return blank(source)
        now = replace(source, manifest=one.run.manifest, lines=one.lines)
        return {**one.shown, "about": written(about.about(now))}

    def _news(self) -> dict[str, Any] | None:
        framed = self._frame is None and self._fit()
        runs: dict[str, Any] = {}
        status: dict[str, str] = {}
        notes, self._unsaid = self._unsaid, []
        for path, one in self._followed.items():
            key = self._sources[path].key
            found, said = one.news()
            notes += said
            if found and "status" in found:
                status[key] = found["status"]
            if found:
                runs[key] = found
            if path in self._joined:
                runs[key] = deepcopy(self._shown(self._sources[path]))
        self._joined.clear()
        said = self._say(notes)
        self._look_at_parents()
        if not (runs or said or framed):
            return None
        delta = {"runs": runs, "status": status, "notes": said}
        return delta | ({"plane": self._plane, "paths": self._plane} if framed else {})

    def _search(self) -> bool:
        """Look for runs that begin; whether the page must be loaded anew for them."""
        try:
            paths = directories(self._places)
        except BadInput:
            return False
        if not any(path not in self._followed and self._grown(path) for path in paths):
            return False
        sources = [source for source in self._open(wait=True) if source.run is not None]
        if all(source.path in self._followed for source in sources):
            return False
        keys = {source.path: source.key for source in sources}
        known = {path: source.key for path, source in self._sources.items()}
        if any(keys.get(path) != key for path, key in known.items()) or not self._followed:
            self._begin(wait=True)
            return True
        for source in sources:
            if source.path not in self._followed:
                self._sources[source.path] = source
                self._followed[source.path] = Followed(source, self._place, self._threads)
                self._joined.add(source.path)
        return False

    def _grown(self, path: Path) -> bool:
        """Whether there are lines in a run's rounds.jsonl that were not tried yet."""
        try:
            stat = os.stat(path / "rounds.jsonl")
        except OSError:
            return False
        stamp = (stat.st_size, stat.st_mtime_ns)
        known, self._tried[path] = self._tried.get(path), stamp
        return stat.st_size > 0 and known != stamp

    def _look_at_parents(self) -> None:
        """The status of the whole, of replicates."""
        for parent in {path.parent for path in self._followed}:
            if parent not in self._tails and (parent / "manifest.json").is_file():
                self._tails[parent] = Tail(parent)
        for parent, tail in self._tails.items():
            with suppress(BadInput, OSError):
                if (news := tail.look()) and news.manifest is not None:
                    self._parents[parent] = str(news.manifest.get("status"))

    def _fit(self) -> bool:
        """Fit the plane on the first steps of all runs that share an embedding; whether it is."""
        runs = [one.run if one.run.lines else one.source.run for one in self._followed.values()]
        texts = [run for run in runs if run is not None and run.world == "llm" and run.width]
        if not texts:
            return False
        alike = [
            run for run in texts if (run.width, _model(run)) == (texts[0].width, _model(texts[0]))
        ]
        with self._threads.limit(limits=1):
            frame = fit_plane(lambda: (array for run in alike for array in _first_responses(run)))
        if frame is None:
            return False
        self._frame = _model(texts[0]), frame
        last = max(max(islice(run.lines, _FIRST)) for run in alike)
        self._plane = {
            "share": numbers(frame.share),
            "about": f"principal axes of the {frame.points:,} responses of t = 0 .. {last}, which "
            "were there when this page began; all else is placed in their plane. The report of the "
            "whole run has axes of its own",
        }
        return True

    def _place(self, run: Run, vectors: Floats) -> tuple[Floats, Floats]:
        """Coordinates (m, 2) of embeddings (m, D), and how far off the plane they are (m,)."""
        nowhere = np.full((len(vectors), 2), np.nan)
        if self._frame is None:
            return nowhere, nowhere[:, 0]
        model, frame = self._frame
        if vectors.shape[1] != len(frame.centre) or model != _model(run):
            return nowhere, nowhere[:, 0]
        found = placed(frame, vectors[None])
        return found.coordinates[0], found.residual[0]


def _model(run: Run) -> Any:
    """What its embeddings are from."""
    return run.manifest.get("embedding") or {}


def _first_responses(run: Run) -> Iterator[NDArray[np.float32]]:
    """The embeddings of the first steps' responses, (N, L, D) at a time; what is gone is not."""
    for t in islice(run.lines, _FIRST):
        for query in range(run.queries):
            for reading in range(run.readings):
                with suppress(BadInput):  # said when the step is taken
                    yield run.array(t, query, reading)
