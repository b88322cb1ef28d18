"""Tables of a numeric world's run: all its replicates, in pieces that fit in memory.

Axes: R replicates, S steps, N agents, B components. Rows go by replicate, step, agent, component.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.blocks import LARGE, Blocks
from lwd_agents.report.tables.frames import journal_steps, within
from lwd_agents.report.tables.values import Columns, Say, array_of, attempt, frame, labels
from lwd_agents.run_files import Run

if TYPE_CHECKING:
    import pandas as pd

MOST = 20_000_000
"""Rows of one table of one run, beyond which it holds the first replicate alone."""

_PIECE = 1_000_000  # rows of a frame
_EDGE = ("from", "source", "target", "weight")
_BY_STEP = ("norm", "clips", "predicted_rms", "predicted_mean_field")


@dataclass(frozen=True)
class _Arrays:
    """What a run holds of the S steps that have lines: (R, S), (R, S, N), (R, S, N, B) ..."""

    count: int
    steps: Mapping[str, NDArray[np.float64]]
    agents: Mapping[str, NDArray[np.float64]]
    weights: Mapping[str, NDArray[np.float64]]
    distances: NDArray[np.float64] | None


def numeric_frames(
    run: Run, name: str, tables: Sequence[str], measures: bool, say: Say
) -> Iterator[tuple[str, pd.DataFrame]]:
    """steps, agents, pairs, weights and edges of one run, as ``tables.frames`` gives them."""
    if not set(tables) - {"runs"}:
        return
    held = attempt(run.path, "arrays", lambda: _held(run, say), say) or _of_lines(run)
    if measures:
        held = _with_measures(run, held, say)
    pieces = {
        **{"steps": _steps, "agents": _agents, "pairs": _pairs, "weights": _weights},
        "edges": _edges,
    }
    for table in tables:
        if table in pieces:
            for columns in pieces[table](run, held, say):
                yield (
                    table,
                    frame(table, name, columns, lambda lost: say(f"{run.path}: {lost}")),
                )


def _held(run: Run, say: Say) -> _Arrays | None:
    """From the run's arrays; None, and a sentence, where they are not there."""
    arrays = Blocks(run.path).read()
    norm = arrays.get("norm")
    if norm is None or norm.ndim != 2 or not norm.size:
        say(f"{run.path}: no arrays; the first replicate alone, from rounds.jsonl")
        return None
    planned = run.config.get("replicates", 1)
    if len(norm) != planned:
        say(f"{run.path}: {len(norm)} of {planned} replicates")
    if any(name.endswith(("means", "covariances")) for name in arrays):
        say(f"{run.path}: means and covariances move; they are in lwd.load(...).arrays alone")
    n = len(run.agents)
    sides = ("", "placebo_")
    by_step = {side + name for side in sides for name in _BY_STEP}
    sound = {
        name: _at(array, run)
        for name, array in arrays.items()
        if array.dtype.kind in "if" and array.shape[:2] == norm.shape
    }
    distances = sound.get("distances")
    return _Arrays(
        len(norm),
        {name: array for name, array in sound.items() if name in by_step and array.ndim == 2},
        {},
        {
            side: sound[f"{side}weights"]
            for side in sides
            if sound.get(f"{side}weights", norm).shape[2:3] == (n,)
        },
        distances if distances is not None and distances.shape[2:] == (n, n) else None,
    )


def _at(array: NDArray[Any], run: Run) -> NDArray[np.float64]:
    """(R, S, ...) at the steps that have lines; NaN after the last that the array holds."""
    steps = np.array(list(run.lines), dtype=np.int64)
    there = steps < array.shape[1]
    found = array[:, np.where(there, steps, 0)].astype(np.float64)
    found[:, ~there] = np.nan
    return found


def _of_lines(run: Run) -> _Arrays:
    """The first replicate, from the lines of rounds.jsonl."""
    lines, n = list(run.lines.values()), len(run.agents)
    steps = {
        name: array_of([line.get(name) for line in lines], ())[None]
        for name in ("norm", "clips", "placebo_norm")
    }
    components = len(run.config.get("means") or ())
    weights = array_of([line.get("weights") for line in lines], (n, components))[None]
    return _Arrays(1, steps, {}, {"": weights} if components else {}, None)


def _with_measures(run: Run, held: _Arrays, say: Say) -> _Arrays:
    """With what ``measures.numeric_runs`` finds of each replicate and side."""
    from lwd_agents.measures.numeric_runs import Side, read_side, sides

    steps, agents = dict(held.steps), dict(held.agents)
    arrays = attempt(run.path, "measures", lambda: Blocks(run.path).read(without=LARGE), say) or {}

    def one(side: str) -> Side | None:
        return attempt(run.path, "measures", lambda: read_side(run, arrays, side), say)

    for side, read in ((side, one(side)) for side in sides(arrays)):
        if read is None:
            continue
        for sentence in read.said:
            say(sentence)
        steps |= {f"{side}{name}": _at(array, run) for name, array in read.quantities.items()}
        agents |= {f"{side}{name}": _at(array, run) for name, array in read.agents.items()}
    if not arrays and run.world == "graph":  # what its lines keep of the first replicate
        lines = list(run.lines.values())
        steps["drift"] = array_of([line.get("drift") for line in lines], ())[None]
        n = len(run.agents)
        agents["error"] = array_of([line.get("error") for line in lines], (n,))[None]
    return _Arrays(held.count, steps, agents, held.weights, held.distances)


def _pieces(
    run: Run, count: int, rows: int, table: str, say: Say
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """(replicate, place of the step) of as many (replicate, step) as a frame may hold.

    Args:
        run: whose steps.
        count: R.
        rows: of one replicate and step.
        table: the name, for what is said.
        say: told where the first replicate alone is kept.
    """
    steps = len(run.lines)
    if count > 1 and count * steps * rows > MOST:
        say(
            f"{run.path}: {table} of {count} replicates would have {count * steps * rows:,} rows, "
            f"more than {MOST:,}: the first replicate alone"
        )
        count = 1
    at_once = max(1, _PIECE // max(rows, 1))
    for start in range(0, count * steps, at_once):
        yield np.divmod(np.arange(start, min(start + at_once, count * steps)), steps)


def _keys(
    run: Run, r: NDArray[np.int64], s: NDArray[np.int64], rows: int = 1
) -> dict[str, NDArray[np.int64]]:
    t = np.array(list(run.lines), dtype=np.int64)
    return {"replicate": np.repeat(r, rows), "t": np.repeat(t[s], rows)}


def _steps(run: Run, held: _Arrays, say: Say) -> Iterator[Columns]:
    lines = {
        name: array_of(values, ())
        for name, values in journal_steps(run.lines).items()
        if name in ("internet_size", "synthetic") or name.startswith("seconds_")
    }
    for r, s in _pieces(run, held.count, 1, "steps", say):
        columns: Columns = {name: values[s] for name, values in lines.items()}
        for name in columns:
            if name.startswith("seconds_"):  # all replicates ran at once: their time stands once
                columns[name] = np.where(r == 0, columns[name], np.nan)
        columns |= {name: values[r, s] for name, values in held.steps.items()}
        yield columns | _keys(run, r, s)


def _agents(run: Run, held: _Arrays, say: Say) -> Iterator[Columns]:
    names = run.agents
    n = len(names)
    lines = run.lines.values()
    k = array_of([[within(line, "k", name) for name in names] for line in lines], (n,))
    for r, s in _pieces(run, held.count, n, "agents", say):
        yield {
            **_keys(run, r, s, n),
            "agent": labels(names, np.tile(np.arange(n), len(r))),
            "k": k[s].reshape(-1),
            **{name: values[r, s].reshape(-1) for name, values in held.agents.items()},
        }


def _pairs(run: Run, held: _Arrays, say: Say) -> Iterator[Columns]:
    n, D = len(run.agents), held.distances
    if D is None:
        lines = [line.get("distances") for line in run.lines.values()]
        if not any(lines):
            say(f"{run.path}: no distances were kept, so no pairs")
            return
        D = array_of(lines, (n, n))[None]
        if held.count > 1:
            say(f"{run.path}: distances of the first replicate alone were kept")
    first, second = np.triu_indices(n, 1)
    for r, s in _pieces(run, len(D), len(first), "pairs", say):
        yield {
            **_keys(run, r, s, len(first)),
            "first": labels(run.agents, np.tile(first, len(r))),
            "second": labels(run.agents, np.tile(second, len(r))),
            "distance": D[r, s][:, first, second].reshape(-1),
        }


def _weights(run: Run, held: _Arrays, say: Say) -> Iterator[Columns]:
    if not held.weights:
        say(f"{run.path}: no weights are there")
        return
    names = run.agents
    n, b = next(iter(held.weights.values())).shape[2:]
    for r, s in _pieces(run, held.count, n * b, "weights", say):
        yield {
            **_keys(run, r, s, n * b),
            "agent": labels(names, np.tile(np.repeat(np.arange(n), b), len(r))),
            "component": np.tile(np.arange(b), len(r) * n),
            **{f"{side}weight": w[r, s].reshape(-1) for side, w in held.weights.items()},
        }


def _edges(run: Run, _: _Arrays, say: Say) -> Iterator[Columns]:
    """Who learns from whom, of every graph of a run's schedule."""
    graphs = run.manifest.get("graphs")
    if graphs is None:
        say(f"{run.path}: the graph has too many edges to be kept in the manifest, so no edges")
        return

    def columns() -> Columns:
        rows = [(graph["from"], *edge) for graph in graphs for edge in graph["edges"]]
        return dict(zip(_EDGE, zip(*rows, strict=True), strict=True))

    if found := attempt(run.path, "edges", columns, say):
        yield found
