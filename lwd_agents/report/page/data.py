"""The data of the page: runs as columns, from their directories alone. ``page_data`` is here.

What cannot be read of a run is said in ``notes``; the rest is there. Nothing is computed here that
measures and inference don't.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lwd_agents import __version__
from lwd_agents.errors import BadInput
from lwd_agents.report.page import about, curves, judged
from lwd_agents.report.page.learners import learners, summarised
from lwd_agents.report.page.making import MOST
from lwd_agents.report.page.notes import Notes, written
from lwd_agents.report.page.planes import Planes, planes
from lwd_agents.report.page.sources import DAMAGE, Source, open_all, shown_path
from lwd_agents.report.page.thinning import kept_steps

if TYPE_CHECKING:
    from lwd_agents.inference.within_run import RunFindings

SCHEMA = 1
T = TypeVar("T")


def _silent(phase: str) -> None:
    """Say nothing."""


def page_data(
    runs: Sequence[str | Path],
    *,
    most: int = MOST,
    say: Callable[[str], None] = _silent,
) -> dict[str, Any]:
    """All that the page shows of some runs, ready for JSON: no NaN, numbers rounded.

    Args:
        runs: run directories, folders of runs, or patterns with a ``*``; placebos that stand beside
            them are taken in too.
        most: characters of responses that the page may hold, over all runs; beyond it whole steps
            are left out evenly, which ``kept`` and a note say.
        say: is told what is being done, in a few words.

    Raises:
        BadInput: there is no run at all at one of the places. Damage is said, not raised.
    """
    say("reading the runs")
    sources = open_all([runs] if isinstance(runs, str | Path) else runs)
    notes = Notes({source.path: source.key for source in sources})
    for source in sources:
        notes.add(source.key, source.notes)
    say("testing")
    found, said = _tried(lambda: judged.findings(sources), notes, "the tests") or (None, [])
    notes.add("tests", said)
    verdict = found and _tried(lambda: judged.verdict(found), notes, "the verdict")
    say("fitting the planes")
    frames = _tried(lambda: planes(sources), notes, "the planes") or Planes(None, None)
    notes.add("planes", frames.notes)
    by_run = {one.run: one for one in found.by_run} if found else {}
    keep = kept_steps(sources, most)
    shown = []
    for source in sources:
        say(f"measuring {source.key}")
        kept, judged_run = keep.get(source.key), by_run.get(str(source.path))
        shown.append(_run(source, frames, judged_run, kept, notes))
    data = {**head(sources), "notes": notes.lines, "plane": frames.plane, "paths": frames.paths}
    return {**data, "runs": shown, "verdict": notes.named(verdict)}


def head(sources: Sequence[Source]) -> dict[str, Any]:
    """The schema, this version, and the title: one run's name, else how many there are."""
    live = [source for source in sources if source.of is None]
    title = live[0].key if len(live) == 1 else f"{len(sources)} runs"
    return {"schema": SCHEMA, "version": __version__, "title": written(title), "live": False}


def _tried(make: Callable[[], T], notes: Notes, what: str, key: str = "") -> T | None:
    """What ``make`` gives; None, and a sentence, where the files' damage keeps it from that."""
    about_it = f"{key}: {what}" if key else what
    try:
        return make()
    except BadInput as error:
        notes.add(key, [f"{about_it} could not be made: {error}"])
    except DAMAGE as error:
        notes.add(key, [f"{about_it} could not be made: {type(error).__name__}: {error}"])
    return None


def blank(source: Source) -> dict[str, Any]:
    """A run as far as its manifest and its journal tell."""
    lines, config, manifest = list(source.lines.values()), source.config, source.manifest
    queries = manifest.get("queries") or [manifest.get("query")]
    reading = config.get("reading")
    readings = reading.get("readings_per_step") if isinstance(reading, dict) else None
    told = {
        "key": source.key,
        "folder": shown_path(source.path),
        "world": source.world,
        "experiment": _text(manifest.get("experiment")),
        "seed": _whole(manifest.get("seed")),
        "status": _text(manifest.get("status")) or "unknown",
        "placebo": source.placebo,
        "of": source.of,
        "agents": source.agents,
        "queries": [q for q in queries if isinstance(q, str)] if isinstance(queries, list) else [],
        "steps": source.planned,
        "draws": _whole(config.get("draws")) if source.world == "llm" else None,
        "readings": _whole(readings) or 1,
        "about": about.about(source),
    }
    return {
        **written(told),
        "t": source.steps,
        "curves": curves.journal_curves(lines),
        "k": curves.readings_of(lines, source.agents),
        **dict.fromkeys(("floor", "band", "replicates", "path", "texts", *curves.BY_AGENT)),
        "learners": written(learners(source)) if source.world == "graph" else None,
        "theory": {},
        "agent_measures": {},
        "pairs": [],
        "pair_measures": {},
        "gain": [],
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _whole(value: Any) -> int | None:
    return value if type(value) is int else None


def _run(
    source: Source,
    frames: Planes,
    judged_run: RunFindings | None,
    kept: list[int] | None,
    notes: Notes,
) -> dict[str, Any]:
    """One run with all that can be measured of it."""
    shown, key = blank(source), source.key
    if source.run is None:
        return shown
    if source.world not in judged.WORLDS:
        only = "only what rounds.jsonl and the manifest hold of it is shown"
        notes.add(key, [f"{key}: the world {source.world!r} is not known to this version: {only}"])
        return shown
    measured = _tried(lambda: _measured(source, notes), notes, "the measures", key)
    if measured is not None:
        shown |= {**measured, "curves": {**shown["curves"], **measured["curves"]}}
    shown["path"] = frames.path.get(key)
    if source.world != "llm":
        return shown | _numeric(source, shown, notes)
    notes.add(key, _partly(source, kept))
    shown["band"] = _tried(lambda: _band(source, judged_run), notes, "the band", key)
    shown["texts"] = _tried(lambda: _texts(source, frames, kept), notes, "the texts", key)
    return shown


def _numeric(source: Source, blank: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    """What replicates have, and what a summary says of learners."""
    key, what = source.key, "errors" if source.world == "graph" else "weights"
    found = _tried(lambda: curves.numeric(source), notes, "the replicates", key) or {}
    if found and found[what] is None:
        notes.add(key, [f"{key}: the {what} are too many for a page (lwd export has them)"])
    known = blank["learners"]
    if known is not None:
        told = _tried(lambda: summarised(source, known), notes, "the summary", key)
        found["learners"] = written(told or known)
    return found


def _partly(source: Source, kept: list[int] | None) -> list[str]:
    """What of a run's queries, readings and responses is not shown."""
    run, said = source.run, []
    if run is not None and run.queries > 1:
        said.append(f"{source.key}: measures are of the first query; norm and band are of all")
    if run is not None and run.readings > 1:
        said.append(
            f"{source.key}: norm, band and measures are of the first reading of each step; "
            "between_models is of all, and all responses are here"
        )
    if kept is not None:
        said.append(
            f"{source.key}: the responses of {len(kept)} of {len(source.steps)} steps are here; "
            "with all the page would be too large (lwd export has them)"
        )
    return said


def _measured(source: Source, notes: Notes) -> dict[str, Any]:
    """The measures; without those of texts where the texts keep them from being made."""
    from lwd_agents.measures.table import measure

    run = source.run
    assert run is not None
    if source.world == "llm":
        found = _tried(lambda: measure(run), notes, "the measures of texts", source.key)
        found = measure(run, text=False) if found is None else found
    else:
        found = measure(run)
    notes.add(source.key, found.said)
    shown = curves.measured(source, found)
    many = "are too many for a page (lwd measure has them)"
    if found.pairs.size and not shown["pairs"]:
        notes.add(source.key, [f"{source.key}: the measures of pairs {many}"])
    if found.agents.size and not shown["agent_measures"]:
        notes.add(source.key, [f"{source.key}: the measures of single agents {many}"])
    return shown


def _band(source: Source, found: RunFindings | None) -> dict[str, Any] | None:
    """The band that the tests made, or, of a run that they don't judge (a placebo), the same."""
    from lwd_agents.inference.bands import within_run
    from lwd_agents.inference.curves import curves_of

    assert source.run is not None
    if len(source.run.always) < 2:
        return None
    band = found.band if found else within_run(curves_of(source.run).estimate())
    return curves.band(band, source.steps)


def _texts(source: Source, frames: Planes, kept: list[int] | None) -> Mapping[str, Any]:
    """Posts, responses, what was read, and the phrases that came from it.

    What cannot be read of them the measures have said.
    """
    from lwd_agents.report.page.phrases import phrase_columns
    from lwd_agents.report.page.texts import text_columns

    assert source.run is not None
    texts = text_columns(source.run, frames.place.get(source.key), keep=kept)
    return {**texts, **phrase_columns(source.run, texts)}
