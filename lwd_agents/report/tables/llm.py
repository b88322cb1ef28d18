"""Tables of an LLM network: its texts, who read which, and the measures of each step.

Axes: T + 1 steps, N agents, L draws.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lwd_agents.post_files import PostFiles
from lwd_agents.posts import NEVER, Posts, read_posts
from lwd_agents.report.tables.frames import journal_steps, within
from lwd_agents.report.tables.values import (
    Columns,
    Say,
    array_of,
    as_json,
    attempt,
    guarded,
    labels,
)
from lwd_agents.run_files import Run

if TYPE_CHECKING:
    import pandas as pd

    from lwd_agents.measures.table import Measures


def llm_frames(
    run: Run, name: str, tables: Sequence[str], measures: bool, say: Say
) -> Iterator[tuple[str, pd.DataFrame]]:
    """All tables of one run but ``runs``, as ``tables.frames`` gives them."""
    yield from _texts(run, name, tables, say)
    yield from _network(run, name, tables, measures, say)


def _texts(
    run: Run, name: str, tables: Sequence[str], say: Say
) -> Iterator[tuple[str, pd.DataFrame]]:
    """responses, posts, reads."""
    if "responses" in tables:
        files = attempt(
            run.path, "responses", lambda: PostFiles(run.path, run.manifest, run.lines), say
        )
        if files is not None:
            yield from guarded(run, name, "responses", lambda: _responses(files), say)
            for note in files.notes:
                say(note)
    if {"posts", "reads"} & set(tables):
        posts = attempt(run.path, "posts", lambda: read_posts(run), say)
        if posts is not None:
            for note in posts.notes:
                say(note)
            if "posts" in tables:
                yield from guarded(run, name, "posts", lambda: _posts(posts, run), say)
            if "reads" in tables:
                yield from guarded(run, name, "reads", lambda: _reads(posts, run.agents), say)


_PLAIN = ["t", "agent", "reading", "draw", "text", "missing", "post_id", "seed"]
_PLAIN += ["input_tokens", "output_tokens", "finish_reason"]


def _responses(files: PostFiles) -> Columns:
    """One row a draw, sorted; of a draw that has several lines the last counts, as in measures."""
    query, agent = files.queries.index, files.agents.index
    found: dict[tuple[int, int, int, int, int], dict[str, Any]] = {}
    for t, rows in files.responses.items():
        for row in rows:
            key = (t, agent(row["agent"]), query(row["query"]), row["reading"], row["draw"])
            if key in found:
                files.notes.append(
                    f"{files.path / 'responses.jsonl'}: draw {row['draw']} of {row['agent']} at "
                    f"step {t} stands twice; the last counts"
                )
            found[key] = row
    keys = sorted(found)
    rows = [found[key] for key in keys]
    columns: Columns = {name: [row.get(name) for row in rows] for name in _PLAIN}
    return columns | {
        "query": [key[2] for key in keys],
        "query_text": [row["query"] for row in rows],
        "marks": [as_json(row["marks"]) if "marks" in row else None for row in rows],
    }


def _posts(posts: Posts, run: Run) -> Columns:
    """One row a post, in the order in which they entered."""
    numbers = {text: i for i, text in enumerate(run.manifest.get("queries") or [])}
    if not numbers:
        numbers = {run.manifest.get("query"): 0}
    return {
        "post_id": posts.ids,
        "author": posts.authors,
        "kind": posts.kinds,
        "written_as": posts.written_as,
        "written": posts.written.tolist(),
        "entered": posts.entered.tolist(),
        "left": [None if left == NEVER else left for left in posts.left.tolist()],
        "query": [numbers.get(text) for text in posts.queries],
        "query_text": [text or None for text in posts.queries],
        "text": posts.texts,
    }


def _reads(posts: Posts, agents: Sequence[str]) -> Columns:
    """One row a post read, in the order of reading."""
    keys = sorted(posts.reads, key=lambda key: (key[0], agents.index(key[1]), key[2], key[3]))
    lengths = [len(posts.reads[key]) for key in keys]
    rows = np.array([row for key in keys for row in posts.reads[key]], dtype=np.int64)
    t, agent, query, reading = (
        np.repeat(np.array(part, dtype=np.int64), lengths)
        for part in (
            [key[0] for key in keys],
            [agents.index(key[1]) for key in keys],
            [key[2] for key in keys],
            [key[3] for key in keys],
        )
    )
    places = [np.arange(length) for length in lengths]
    return {
        "t": t,
        "agent": labels(agents, agent),
        "query": query,
        "reading": reading,
        "place": np.concatenate(places) if places else [],
        "post_id": labels(posts.ids, rows),
    }


def _network(
    run: Run, name: str, tables: Sequence[str], measures: bool, say: Say
) -> Iterator[tuple[str, pd.DataFrame]]:
    """steps, agents, pairs."""
    from lwd_agents.measures.table import measure

    made: dict[str, Callable[[Measures | None], Columns]] = {
        "steps": lambda found: _steps(run, found),
        "agents": lambda found: _agents(run, found),
        "pairs": lambda found: _pairs(run, found),
    }
    wanted = [table for table in made if table in tables]
    found = None
    if measures and wanted:
        found = attempt(run.path, "measures", lambda: measure(run.path), say)
        if run.queries > 1:
            say(f"{run.path}: {run.queries} queries; measures are of the first")
        for sentence in found.said if found else ():
            say(sentence)
    for table in wanted:
        make = made[table]
        yield from guarded(run, name, table, lambda make=make: make(found), say)  # type: ignore[misc]


def _steps(run: Run, found: Measures | None) -> Columns:
    columns = journal_steps(run.lines)
    if found is not None:
        taken = found.steps.loc[list(run.lines)].rename(columns={"norm": "measured_norm"})
        columns |= {str(name): taken[name].to_numpy() for name in taken}
    return columns


def _agents(run: Run, found: Measures | None) -> Columns:
    names, lines = run.agents, list(run.lines.values())
    columns: Columns = {
        "t": np.repeat(list(run.lines), len(names)),
        "agent": labels(names, np.tile(np.arange(len(names)), len(lines))),
        "replicate": np.zeros(len(lines) * len(names), dtype=np.int64),
    }
    for name in ("k", "k_asked", "missing"):
        columns[name] = [within(line, name, agent) for line in lines for agent in names]
    marked = [within(line, "marked", agent) for line in lines for agent in names]
    columns["marked"] = [None if one is None else as_json(one) for one in marked]
    return columns | _measured(found.agents if found else None, run, len(names))


def _pairs(run: Run, found: Measures | None) -> Columns:
    n, lines = len(run.agents), list(run.lines.values())
    first, second = np.triu_indices(n, 1)
    D = array_of([line.get("distances") for line in lines], (n, n))
    columns: Columns = {
        "t": np.repeat(list(run.lines), len(first)),
        "first": labels(run.agents, np.tile(first, len(lines))),
        "second": labels(run.agents, np.tile(second, len(lines))),
        "replicate": np.zeros(len(lines) * len(first), dtype=np.int64),
    }
    measured = _measured(found.pairs if found else None, run, len(first))
    if "distance" in measured:
        measured["measured_distance"] = measured["distance"]
    return columns | measured | {"distance": D[:, first, second].reshape(-1)}


def _measured(found: pd.DataFrame | None, run: Run, rows: int) -> Columns:
    """The columns of a measured frame with so many rows a step, of the steps that have lines."""
    if found is None or not rows:
        return {}
    steps = list(run.lines)  # a run that goes on may have been measured further than it was read
    return {
        str(name): found[name].to_numpy().reshape(-1, rows)[steps].reshape(-1) for name in found
    }
