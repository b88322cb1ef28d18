"""All measures of one run, step by step, as data frames. ``lwd.measure`` is here.

Axes: T + 1 steps, N agents, L draws, D dimensions. What a file lacks is said, and left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.errors import BadInput
from lwd_agents.measures import energy, geometry
from lwd_agents.measures.clusters import FEWEST, clusters_over_time
from lwd_agents.measures.perspective import fit_frame, joined, place
from lwd_agents.measures.polarization import polarization
from lwd_agents.measures.step import step_measures
from lwd_agents.run_files import Run, read_run
from lwd_agents.trajectory import Trajectory

if TYPE_CHECKING:
    import pandas as pd

    from lwd_agents.measures.response_steps import Response

Floats = NDArray[np.float64]
_TEXT = ("distinct", "compression", "unique", "words", "characters", "edit", "copied", "excess")
_LINEAGE = ("human", "others", "own", "elsewhere", "new", "chain")


@dataclass(frozen=True)
class Measures:
    """All measures of a run; NaN where one is not defined (docs/measures.md says what each is).

    Attributes:
        steps: one row a step, by t.
        agents: one row a step and agent, by (t, agent).
        pairs: one row a step and pair of agents, by (t, first, second).
        responses: one row an agent: how its answers move with what it reads.
        said: what could not be measured, and why.
    """

    steps: pd.DataFrame
    agents: pd.DataFrame
    pairs: pd.DataFrame
    responses: pd.DataFrame
    said: tuple[str, ...] = ()


@dataclass
class _Tables:
    """Columns as they are found: (T + 1,), (T + 1, N), (T + 1, N, N)."""

    steps: dict[str, Floats] = field(default_factory=dict)
    agents: dict[str, Floats] = field(default_factory=dict)
    pairs: dict[str, Floats] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)


def measure(run: str | Path | Trajectory | Run, *, query: int = 0, text: bool = True) -> Measures:
    """All measures of a run, finished or not, from its directory alone.

    Args:
        run: its directory, or the run read back (``run_files.Run``: not read again).
        query: which query, from 0, where there are several.
        text: whether to measure texts too (llm).

    Raises:
        BadInput: there is no run, or no step of it can be read.
    """
    path = run.source if isinstance(run, Trajectory) else run
    read = path if isinstance(path, Run) else read_run(path)
    if not 0 <= query < read.queries:
        raise BadInput(f"query {query}: the run has {read.queries}, counted from 0")
    tables, responses = _Tables(said=list(read.damage)), None
    if read.world != "llm":
        _numeric(read, tables)
    else:
        _geometry(read, query, tables)
        if text:
            responses = _texts(read, query, tables)
    return _framed(read, tables, responses)


def _geometry(run: Run, query: int, tables: _Tables) -> None:
    """What the embeddings show, one step after the other."""
    steps, names, human = run.last + 1, run.agents, run.human()
    if human is None and run.width:
        seeds = run.path / "embeddings" / "seed.npy"
        tables.said.append(f"{seeds}: gone or damaged: the drift from A(0) is not known")
    if len(run.always) < len(names):
        left = ", ".join(name for i, name in enumerate(names) if i not in run.always)
        tables.said.append(f"{run.path}: not at every step, so not in the network's curves: {left}")
    bandwidth: float | None = None  # one for all steps, or the scale would move with the draws
    found: list[dict[str, Any]] = []
    for t in range(steps):
        try:
            if t not in run.lines:
                raise BadInput(f"{run.path}: step {t} has no line in rounds.jsonl")
            readings = np.stack([run.array(t, query, r) for r in range(run.readings)])
        except BadInput as error:
            tables.said.append(f"{error}; step {t} is left out")
            readings = np.full((run.readings, len(names), run.draws, 1), np.nan, dtype=np.float32)
        if bandwidth is None and np.isfinite(readings[0]).any():
            bandwidth = energy.median_bandwidth(energy.pooled_distances(readings[0])[0])
        found.append(step_measures(readings, human, bandwidth, run.always))
    for name, value in found[0].items():
        kind = (tables.steps, tables.agents, tables.pairs)[np.ndim(value)]
        kind[name] = np.array([one[name] for one in found])
    _frame(run, tables)


def _frame(run: Run, tables: _Tables) -> None:
    """All queries together: coordinates of every (step, agent) in one frame, groups, clusters."""
    found: dict[int, Floats] = {}
    for t in run.lines:
        try:
            arrays = [run.array(t, query) for query in range(run.queries)]
        except BadInput as error:
            tables.said.append(f"{error}; step {t} is left out")
            continue
        found[t] = geometry.perspectives(np.stack(arrays))
    if not any(np.isfinite(X).all(axis=2).any() for X in found.values()):
        return
    X = np.full((run.last + 1, *next(iter(found.values())).shape), np.nan)
    for t, perspective in found.items():
        X[t] = perspective
    placed = place(fit_frame(X), X)
    tables.agents["x"], tables.agents["y"] = np.moveaxis(placed.coordinates, 2, 0)
    tables.agents["off_the_plane"] = placed.residual
    groups = _groups(run)
    if len(groups) == 2:
        apart = polarization(joined(X), *groups)
        tables.steps["group_distance"], tables.steps["polarization"] = apart.distance, apart.ratio
    if len(run.agents) >= FEWEST:
        _clusters(run, placed.coordinates, groups, tables)


def _groups(run: Run) -> list[list[int]]:
    """The places of agents of one class each, where the readership has classes or an adversary."""
    graph = run.config.get("readership")
    if not isinstance(graph, dict):
        return []
    names = run.agents
    if classes := graph.get("classes"):
        return [[names.index(name) for name in members] for members in classes]
    if adversary := graph.get("adversary"):
        alone = names.index(adversary)
        return [[i for i in range(len(names)) if i != alone], [alone]]
    return []


def _clusters(run: Run, Z: Floats, groups: list[list[int]], tables: _Tables) -> None:
    """Clusters of each step, and how they agree with the classes, or with those of step 0."""
    labels = {i: number for number, group in enumerate(groups) for i in group}
    classes = [labels.get(i, -1) for i in range(len(run.agents))] if labels else None
    try:
        path = clusters_over_time(Z, classes)
    except ValueError as error:
        tables.said.append(f"{run.path}: no clusters: {error}")
        return
    name = "agreement_with_classes" if classes else "agreement_with_step_0"
    tables.steps["clusters"] = path.number.astype(np.float64)
    tables.steps[name] = path.agreement


def _texts(run: Run, query: int, tables: _Tables) -> list[dict[str, Any]]:
    """What the texts show."""
    from lwd_agents.measures.lineage import lineage_steps
    from lwd_agents.measures.response_steps import responses
    from lwd_agents.measures.text_steps import text_steps
    from lwd_agents.posts import read_answers, read_posts

    posts, answers = read_posts(run), read_answers(run)
    tables.said += [*posts.notes, *answers.notes]
    found = text_steps(posts, answers, run.agents, query=query)
    traced = lineage_steps(posts, answers, run.agents, query=query)
    tables.agents |= {name: getattr(found, name) for name in _TEXT}
    tables.agents["support"] = found.support
    tables.agents |= {f"from_{name}": getattr(traced, name) for name in _LINEAGE[:-1]}
    tables.agents["chain"] = traced.chain
    tables.steps |= {
        "edit_between": found.edit_between,
        "support_of_all": found.network_support,
        "lost_topics": np.array([float(len(lost)) for lost in found.lost]),
    }
    return [_told(found) for found in responses(posts, answers, run.agents, query=query)]


def _told(response: Response) -> dict[str, Any]:
    """One agent's response curve as a row: its gain, and how monotone it is."""
    gain, curve = response.gain, response.curve
    return {
        "agent": response.agent,
        "gain": gain.gain,
        "gain_low": gain.low,
        "gain_high": gain.high,
        "explained": gain.explained,
        "spearman": curve.spearman,
        "steps": gain.steps,
        "basis": gain.basis,
        "reason": gain.reason,
    }


def _numeric(run: Run, tables: _Tables) -> None:
    """A numeric world: means over replicates, of the live side and its placebo."""
    from lwd_agents.blocks import LARGE, Blocks
    from lwd_agents.measures.numeric_runs import read_side, sides

    arrays = Blocks(run.path).read(without=LARGE)
    for side in sides(arrays):
        read = read_side(run, arrays, side)
        tables.steps[f"{side}norm"] = np.sqrt(read.quantities["between"]).mean(axis=0)
        tables.steps |= {f"{side}{name}": a.mean(axis=0) for name, a in read.quantities.items()}
        tables.agents |= {f"{side}{name}": a.mean(axis=0) for name, a in read.agents.items()}
        tables.said += read.said


def _framed(run: Run, tables: _Tables, responses: list[dict[str, Any]] | None) -> Measures:
    import pandas as pd

    steps, names = range(run.last + 1), run.agents
    for columns in (tables.steps, tables.agents, tables.pairs):
        columns.update({name: _fitted(values, len(steps)) for name, values in columns.items()})
    pairs = list(combinations(range(len(names)), 2))
    first, second = (np.array([pair[i] for pair in pairs], dtype=int) for i in (0, 1))
    return Measures(
        pd.DataFrame(tables.steps, index=pd.Index(steps, name="t")),
        pd.DataFrame(
            _flat(tables.agents),
            index=pd.MultiIndex.from_product([steps, names], names=["t", "agent"]),
        ),
        pd.DataFrame(
            _flat({name: D[:, first, second] for name, D in tables.pairs.items()}),
            index=pd.MultiIndex.from_tuples(
                [(t, names[i], names[j]) for t in steps for i, j in pairs],
                names=["t", "first", "second"],
            )
            if pairs
            else None,
        ),
        pd.DataFrame(responses or []),
        tuple(dict.fromkeys(tables.said)),
    )


def _fitted(values: Floats, steps: int) -> Floats:
    """A column of all steps: NaN after the last one that its file holds."""
    found = np.full((steps, *values.shape[1:]), np.nan)
    found[: len(values)] = values[:steps]
    return found


def _flat(columns: Mapping[str, Floats]) -> dict[str, Floats]:
    return {name: np.asarray(values).reshape(-1) for name, values in columns.items()}
