"""What a run is: its labels, configuration, versions, costs and files, from its directory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import PurePath
from typing import Any

from lwd_agents.ledger import read_totals
from lwd_agents.report.page.numbers import number
from lwd_agents.report.page.sources import DAMAGE, Source

Rows = list[list[str]]
_MOST = 200  # agents that are named
_FEW = 12  # agents with a backend each, where all have the same


def about(source: Source) -> dict[str, Any]:
    """What stands in the manifest and the ledger, as the page shows it."""
    manifest = source.manifest
    return {
        "rows": _rows(source),
        "config": _yaml(manifest.get("config")),
        "backends": _yaml(_backends(manifest.get("backends"))),
        "versions": _texts(manifest.get("versions")),
        "files": _texts(manifest.get("sha256")),
        "costs": costs(source),
    }


def costs(source: Source) -> Rows:
    """Requests, tokens, dollars and seconds, as far as they are known."""
    return [*_spent(source), *_seconds(source)]


def _rows(source: Source) -> Rows:
    manifest = source.manifest
    found = {
        "experiment": manifest.get("experiment"),
        "world": source.world,
        "status": manifest.get("status"),
        "error": manifest.get("error"),
        "seed": manifest.get("seed"),
        "learners" if source.world == "graph" else "agents": _listed(_agents(source)),
        "queries": manifest.get("queries") or manifest.get("query"),
        "prompt": manifest.get("prompt"),
        "steps": _steps(source),
        "draws": source.config.get("draws"),
        "replicates": source.config.get("replicates"),
        "placebo": source.config.get("placebo"),
        "embedding": manifest.get("embedding"),
        "retriever": manifest.get("retriever"),
        "created": manifest.get("created"),
        "finished": manifest.get("finished"),
        "git commit": manifest.get("git_commit"),
        "forked": _forked(manifest.get("forked")),
        "stopped itself": manifest.get("stopped"),
        "resumed": manifest.get("resumed"),
    }
    return [[label, _text(value)] for label, value in found.items() if value not in (None, "", [])]


def _forked(found: Any) -> Any:
    """Of the parent's directory the name: where it lay is nobody's business but its machine's."""
    if isinstance(found, dict) and isinstance(found.get("run"), str):
        return {**found, "run": PurePath(found["run"]).name}
    return found


def _agents(source: Source) -> list[str]:
    """Each agent with its model, where there is one."""
    listed = source.config.get("agents")
    models = {
        str(one.get("name")): one.get("model")
        for one in (listed if isinstance(listed, list) else [])
        if isinstance(one, dict)
    }
    return [f"{name} ({models[name]})" if models.get(name) else name for name in source.agents]


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST
    return ", ".join(names[:_MOST]) + (f" and {more:,} more" if more > 0 else "")


def _backends(found: Any) -> Any:
    """By agent; once where all of many have the same."""
    if not isinstance(found, dict) or len(found) <= 1:
        return found
    first, *others = found.values()
    alike = all(one == first for one in others)
    return {f"all {len(found):,}": first} if alike and len(found) > _FEW else found


def _steps(source: Source) -> str:
    planned, t = source.planned, source.steps
    there = f"t = {t[0]} .. {t[-1]}" if t else "none"
    return f"{there} of {planned}" if planned is not None and (not t or t[-1] != planned) else there


def _text(value: Any) -> str:
    """A value of JSON as one text: what is no text as YAML would have it."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return "\n".join(value)
    if isinstance(value, dict) and all(not isinstance(v, dict | list) for v in value.values()):
        return ", ".join(f"{name}: {_text(v)}" for name, v in value.items())
    return json.dumps(value, ensure_ascii=False)


def _yaml(value: Any) -> str:
    """A part of the manifest as YAML; "" where it is not there."""
    import yaml

    return (
        yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)
        if isinstance(value, dict) and value
        else ""
    )


def _texts(found: Any) -> dict[str, str]:
    return {str(k): _text(v) for k, v in found.items()} if isinstance(found, dict) else {}


def _spent(source: Source) -> Rows:
    """What all calls came to, also those of steps that were not committed."""
    from lwd_agents.report.cost_words import dollars

    try:
        totals = read_totals(source.path)
        cost = dollars(Decimal(str(totals.cost)))
    except DAMAGE as error:
        return [["requests", f"not known: calls.jsonl is damaged ({type(error).__name__})"]]
    if not totals.calls:
        return []
    rough = " (estimated in part)" if totals.estimated else ""
    unpriced = f" ({totals.unpriced:,} requests have no known price)" if totals.unpriced else ""
    failed = f" ({totals.failed:,} failed)" if totals.failed else ""
    return [
        ["requests", f"{totals.calls:,}{failed}"],
        ["tokens read", f"{totals.input_tokens:,}{rough}"],
        ["tokens written", f"{totals.output_tokens:,}{rough}"],
        ["US dollars", f"{cost}{unpriced}"],
    ]


def _seconds(source: Source) -> Rows:
    """The seconds of each part of a step, summed over the committed steps."""
    sums: dict[str, float] = {}
    for line in source.lines.values():
        seconds = line.get("seconds")
        for name, spent in (seconds if isinstance(seconds, Mapping) else {}).items():
            if (known := number(spent)) is not None:
                sums[str(name)] = sums.get(str(name), 0.0) + known
    return [[f"seconds, {name}", f"{spent:,.2f}"] for name, spent in sums.items()]
