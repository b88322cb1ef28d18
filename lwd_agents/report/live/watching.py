"""What ``lwd watch`` serves: the live page while runs go on, the whole page when they are over."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lwd_agents.errors import LwdError
from lwd_agents.report.live.runs import Live
from lwd_agents.report.live.versions import Versions

_EVERY = 0.2  # seconds between two looks at the runs


class Watcher:
    """Looks at the runs, numbers what came, and makes the page.

    Attributes:
        versions: what each page that looks on still lacks.

    Raises:
        BadInput: there is no run at one of the places, and none is waited for.
    """

    def __init__(self, places: Sequence[str | Path], *, wait: bool = False) -> None:
        self.versions = Versions()
        self._places = list(places)
        self._live = Live(places, wait=wait)
        self._lock = threading.Lock()  # of the live data and their version
        self._stop = threading.Event()
        self._made: tuple[int, bytes] | None = None  # the live page, and its version
        self._graphs: tuple[str, Mapping[str, Any]] = "", {}  # those drawn, and of what
        self._whole: bytes | None = None  # the page of runs that are over
        self._given_up = False  # the whole page could not be made of what is there

    def follow(self) -> None:
        """Look at the runs until ``close``."""
        while not self._stop.is_set():
            try:
                self.look()
            except Exception as error:  # what is wrong now may pass; the page must go on
                self._live.note(f"the runs cannot be read: {_named(error)}; it is tried again")
            self._stop.wait(_EVERY)

    def look(self) -> None:
        """One look; when all runs are over, the whole page is made, and pages are told."""
        with self._lock:
            delta = self._live.poll()
            if delta is not None and self._whole is not None:  # a run goes on again
                self._whole, delta = None, {"reload": True}
            if delta is not None:
                self._given_up = False
                self.versions.add(delta)
        if self._live.over and self._whole is None and not self._given_up:
            self._finish()

    def page(self) -> bytes:
        """The HTML as of now."""
        with self._lock:
            if self._whole is not None:
                return self._whole
            version = self.versions.last
            if self._made is None or self._made[0] != version:
                data = self._live.data()
                self._made = version, _rendered(data, self._pictures(data), version)
            return self._made[1]

    def _pictures(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """The graphs of learners, which don't change while a run goes on: each drawn once."""
        from lwd_agents.report.page.stills import graph_stills

        shown = json.dumps([[run["agents"], run["learners"]] for run in data["runs"]])
        if shown != self._graphs[0]:
            try:
                self._graphs = shown, graph_stills(data["runs"])
            except Exception as error:  # the page is made without
                self._graphs = shown, {}
                self._live.note(f"the graphs cannot be drawn: {_named(error)}")
        return self._graphs[1]

    def close(self) -> None:
        """End ``follow``, and let everyone go who waits."""
        self._stop.set()
        self.versions.close()

    def _finish(self) -> None:
        """Make the page of runs that are over: with the verdict, the texts' measures, pictures."""
        from lwd_agents.report.page.data import page_data
        from lwd_agents.report.page.stills import stills

        version = self.versions.last + 1  # nobody else gives numbers
        try:
            data = page_data(self._places, say=self._go_on)
            whole = _rendered(data, stills(data), version)
        except _Closed:
            return
        except Exception as error:
            self._given_up = True
            self._live.note(f"the page of the whole run cannot be made: {_named(error)}")
            return
        with self._lock:
            self._whole = whole
            self.versions.add({"reload": True})

    def _go_on(self, phase: str) -> None:
        if self._stop.is_set():
            raise _Closed(phase)


class _Closed(Exception):
    """Nobody looks any more."""


def _rendered(data: Mapping[str, Any], pictures: Mapping[str, Any], version: int) -> bytes:
    """The page, which asks for what comes after ``since``."""
    from lwd_agents.report.page.html import render

    return render({**data, "live": True, "since": version}, pictures, live=True).encode()


def _named(error: Exception) -> str:
    return str(error) if isinstance(error, LwdError) else f"{type(error).__name__}: {error}"
