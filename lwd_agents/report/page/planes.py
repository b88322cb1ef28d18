"""The two frames of a page: one plane for all responses, one for all perspectives.

Axes: T steps, N agents, L draws, D dimensions, Q queries, B components.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.blocks import Blocks
from lwd_agents.errors import BadInput
from lwd_agents.measures.geometry import perspectives
from lwd_agents.measures.learners import perspectives as learner_perspectives
from lwd_agents.measures.perspective import Frame, fit_frame, place
from lwd_agents.measures.plane import fit_plane
from lwd_agents.report.page.curves import MOST_NUMBERS, at_steps
from lwd_agents.report.page.numbers import coordinates
from lwd_agents.report.page.sources import DAMAGE, Source
from lwd_agents.run_files import Run

Floats = NDArray[np.float64]
_ARRAYS = {"gmm": "weights", "graph": "parameters"}  # of numeric worlds, that perspectives are of
Place = Callable[[NDArray[Any]], Floats]


@dataclass(frozen=True)
class Planes:
    """Where the responses and the agents of all runs stand.

    Attributes:
        plane, paths: what the page says of each frame: ``share``, ``about``; None where none is.
        place: by a run's key, what takes embeddings (..., D) to the plane (..., 2).
        path: by a run's key, x, y and the distance off the plane, (T, N) each.
        notes: which runs are in neither, and why.
    """

    plane: dict[str, Any] | None
    paths: dict[str, Any] | None
    place: dict[str, Place] = field(default_factory=dict)
    path: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def planes(sources: Sequence[Source]) -> Planes:
    """Fit both frames on all runs that share an embedding with the first that has one."""
    notes: list[str] = []
    texts = [s for s in sources if s.run is not None and s.world == "llm"]
    within = _alike([s for s in texts if s.run is not None and s.run.width], notes)
    runs = [s.run for s in within if s.run is not None]
    frame = fit_plane(lambda: _responses(runs)) if runs else None
    plane = None if frame is None else _said(frame, "responses", within)
    placing = {} if frame is None else {s.key: _placing(frame) for s in within}
    paths, path = _paths(sources, within, notes)
    return Planes(plane, paths, placing, path, tuple(notes))


def _alike(sources: Sequence[Source], notes: list[str]) -> list[Source]:
    """Those whose vectors can be compared with the first one's; the others are said."""
    found = [s for s in sources if _embedding(s) == _embedding(sources[0])]
    left = [s.key for s in sources if s not in found]
    if left:
        notes.append(
            f"{', '.join(left)}: other embeddings than {sources[0].key}'s (another model, or "
            "another number of dimensions): not in the plane of responses, nor among the paths"
        )
    return found


def _embedding(source: Source) -> tuple[int, str]:
    assert source.run is not None
    model = source.manifest.get("embedding") or {}
    return source.run.width, json.dumps(model, sort_keys=True, default=str)


def _responses(runs: Sequence[Run]) -> Iterator[NDArray[np.float32]]:
    """The embeddings of all responses of some runs, (N, L, D) at a time; what is gone is not."""
    for run in runs:
        for t in run.lines:
            for query in range(run.queries):
                for reading in range(run.readings):
                    try:
                        yield run.array(t, query, reading)
                    except BadInput:  # said by the measures
                        continue


def _placing(frame: Frame) -> Place:
    def placed(vectors: NDArray[Any]) -> Floats:
        flat = np.asarray(vectors).reshape(1, -1, vectors.shape[-1])
        found = place(frame, flat).coordinates[0].reshape(*vectors.shape[:-1], 2)
        return np.asarray(found, dtype=np.float64)

    return placed


def _said(frame: Frame, what: str, sources: Sequence[Source]) -> dict[str, Any]:
    runs = f"{len(sources)} runs" if len(sources) > 1 else "the run"
    return {
        "share": coordinates(frame.share),
        "about": f"principal axes (classical MDS) of {frame.points:,} {what} of {runs}; "
        f"the two axes hold {frame.share.sum():.0%} of their spread",
    }


def _paths(
    sources: Sequence[Source], alike: Sequence[Source], notes: list[str]
) -> tuple[dict[str, Any] | None, dict[str, dict[str, Any]]]:
    """One frame for the perspectives of all runs of the first one's kind."""
    found = {s.key: X for s in sources if (X := _tried(s, alike, notes)) is not None}
    if many := [key for key, X in found.items() if len(X) * X.shape[2] > MOST_NUMBERS]:
        notes.append(f"{', '.join(many)}: too many agents for paths on a page")
    found = {key: X for key, X in found.items() if key not in many}
    if not found:
        return None, {}
    kinds = {
        s.key: (_kind(s), found[s.key].shape[1], found[s.key].shape[3])
        for s in sources
        if s.key in found
    }
    first = next(iter(kinds))
    mine = {key: X for key, X in found.items() if kinds[key] == kinds[first]}
    if left := [key for key in found if key not in mine]:
        notes.append(f"{', '.join(left)}: another kind of perspectives than {first}'s: no paths")
    frame = fit_frame(_stacked(list(mine.values())))
    path = {}
    for key, X in mine.items():
        placed = place(frame, X)
        x, y = np.moveaxis(placed.coordinates, 2, 0)
        path[key] = {
            "x": coordinates(x),
            "y": coordinates(y),
            "off": coordinates(placed.residual),
        }
    return _said(frame, "perspectives", [s for s in sources if s.key in mine]), path


def _stacked(found: Sequence[Floats]) -> Floats:
    """Perspectives of several runs, (T, Q, N, D) each, one after the other; NaN beyond an N."""
    most = max(X.shape[2] for X in found)
    padded = [
        np.pad(X, ((0, 0), (0, 0), (0, most - X.shape[2]), (0, 0)), constant_values=np.nan)
        for X in found
    ]
    return np.concatenate(padded)


def _tried(source: Source, alike: Sequence[Source], notes: list[str]) -> Floats | None:
    """A run's perspectives; none, and a sentence, where its arrays' damage keeps them away."""
    try:
        return _perspectives(source, alike)
    except BadInput:  # said by the measures
        return None
    except DAMAGE as error:
        notes.append(f"{source.key}: no paths: {type(error).__name__}: {error}")
        return None


def _perspectives(source: Source, alike: Sequence[Source]) -> Floats | None:
    """X_i(t) at the committed steps, (T, Q, N, D); of a numeric world the first replicate's."""
    if source.run is None:
        return None
    if source.world in _ARRAYS:
        X = _numeric(source)
    elif source in alike:
        X = _means(source.run)
    else:
        return None
    return X if X is not None and np.isfinite(X).all(axis=(1, 3)).any() else None


def _kind(source: Source) -> str:
    """What a perspective is made of: only those of one kind can be compared."""
    return f"{source.world} of Gaussians" if _gaussian(source) else source.world


def _gaussian(source: Source) -> bool:
    """Whether its learners fit a mean and a covariance."""
    estimator = source.config.get("estimator")
    found = estimator.get("kind") if isinstance(estimator, dict) else None
    return source.world == "graph" and found == "gaussian"


def _numeric(source: Source) -> Floats | None:
    """The weights of mixtures, the parameters of learners (of Gaussians mu and Sigma^1/2)."""
    arrays = Blocks(source.path).read().get(_ARRAYS[source.world])
    if arrays is None:
        return None
    first = np.asarray(arrays[0], dtype=np.float64)
    if source.world == "graph":
        known = np.isfinite(first).all(axis=-1, keepdims=True)  # errors may outgrow numbers
        kind = "gaussian" if _gaussian(source) else "other"
        X = learner_perspectives(np.where(known, first, 0.0), kind, source.config["features"])
        first = np.where(known, X, np.nan)
    return at_steps(first, source.steps)[:, None]


def _means(run: Run) -> Floats:
    """The mean answers of the first reading, as ``measures.table`` has them."""
    found = np.full((len(run.lines), run.queries, len(run.agents), run.width), np.nan)
    for row, t in enumerate(run.lines):
        try:
            arrays = [run.array(t, query) for query in range(run.queries)]
        except BadInput:  # said by the measures
            continue
        found[row] = perspectives(np.stack(arrays))
    return found
