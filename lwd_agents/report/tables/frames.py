"""Runs as tidy tables: data frames with the columns of ``tables.columns.COLUMNS``, run by run.

What is damaged or missing is null, and said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lwd_agents.report.page.sources import Source, shown_path
from lwd_agents.report.tables.columns import COLUMNS, TABLES
from lwd_agents.report.tables.values import Columns, Say, as_json, guarded, writable

if TYPE_CHECKING:
    import pandas as pd


def tables_of(source: Source, wanted: Sequence[str]) -> list[str]:
    """Those of the tables wanted that a run's world has."""
    return [table for table in wanted if table in TABLES.get(source.world, ("runs", "steps"))]


def frames(
    source: Source, wanted: Sequence[str], measures: bool, say: Say
) -> Iterator[tuple[str, pd.DataFrame]]:
    """The tables of one run, (name, frame); a large one comes in several pieces.

    Args:
        source: the run; ``key`` is its name in the tables.
        wanted: tables; those that its world does not have are left out.
        measures: whether to measure it, for the columns that come from that.
        say: told in a sentence what is missing, and why.
    """
    tables, name, run = tables_of(source, wanted), writable(source.key), source.run
    for sentence in source.notes:
        say(sentence)
    if "runs" in tables:
        yield from guarded(source, name, "runs", lambda: _runs(source), say)
    if run is None:  # of a newer version, say: its lines are all that can be read
        if "steps" in tables:
            yield from guarded(source, name, "steps", lambda: journal_steps(source.lines), say)
    elif run.world == "llm":
        from lwd_agents.report.tables.llm import llm_frames

        yield from llm_frames(run, name, tables, measures, say)
    else:
        from lwd_agents.report.tables.numeric import numeric_frames

        yield from numeric_frames(run, name, tables, measures, say)


def _runs(source: Source) -> Columns:
    """The one row of a run."""
    manifest, config = source.manifest, source.config
    llm = source.world == "llm"
    queries = manifest.get("queries") or [manifest.get("query")]
    row = {
        "path": writable(shown_path(source.path)),
        "world": source.world,
        "placebo": source.placebo if source.run is None else source.run.placebo,
        "placebo_of": None if source.of is None else writable(source.of),
        "replicates": config.get("replicates", 1),
        "steps": config.get("steps"),
        "committed": len(source.lines),
        "agents": len(source.agents),
        "agent_names": as_json(source.agents),
        "draws": config.get("draws") if llm else None,
        "readings": within(config, "reading", "readings_per_step") if llm else None,
        "queries": as_json(queries) if llm else None,
        "embedding": within(manifest, "embedding", "model"),
        "normalised": within(manifest, "embedding", "normalize"),
        "stopped_at": within(manifest, "stopped", "at"),
        "forked_at": within(manifest, "forked", "at"),
        "version": within(manifest, "versions", "lwd-agents"),
        "config": as_json(config),
    }
    plain = ("experiment", "status", "seed", "prompt", "created", "finished", "git_commit")
    row |= {name: manifest.get(name) for name in (*plain, "schema")}
    return {name: [value] for name, value in row.items()}


def journal_steps(found: Mapping[int, Mapping[str, Any]]) -> Columns:
    """What the lines of rounds.jsonl say of each step, whatever the world."""
    lines = list(found.values())
    columns: Columns = {name: [line.get(name) for line in lines] for name in COLUMNS["steps"]}
    missing = [line.get("missing") for line in lines]
    columns["missing"] = [sum(m.values()) if isinstance(m, dict) else None for m in missing]
    for group, prefix, suffix, names in (
        ("tokens", "", "_tokens", ("input", "output")),
        ("converged", "converged_", "", ("estimate", "se", "p", "level", "rejected", "row")),
        ("seconds", "seconds_", "", _SECONDS),
    ):
        for name in names:
            columns[f"{prefix}{name}{suffix}"] = [within(line, group, name) for line in lines]
    return columns | {"t": list(found), "replicate": [0] * len(lines)}


_SECONDS = ("retrieve", "generate", "embed", "measure", "store", "commit")


def within(line: Mapping[str, Any], group: str, name: str) -> Any:
    """line[group][name]; None where it is not there."""
    inside = line.get(group)
    return inside.get(name) if isinstance(inside, dict) else None
