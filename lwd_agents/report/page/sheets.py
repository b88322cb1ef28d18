"""Tables that need no script: how runs differ, and everything that a run was made with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from lwd_agents.report.page.digits import said
from lwd_agents.report.page.escape import own, text

Run = Mapping[str, Any]

_KEYS = 12  # columns of keys that differ; the rest is named
_LONG = 60  # characters of a key's value
_ABSENT = "\u2013"


def compare(data: Mapping[str, Any]) -> str:
    """A row a run: the keys of the configurations that differ, and the norm's first and last."""
    runs: Sequence[Run] = data["runs"]
    configs = [_flat(_config(run)) for run in runs]
    keys = dict.fromkeys(key for config in configs for key in config if key != "placebo")
    differ = [key for key in keys if len({config.get(key, _ABSENT) for config in configs}) > 1]
    shown, more = differ[:_KEYS], differ[_KEYS:]
    head = "".join(f'<th scope="col">{text(key)}</th>' for key in shown)
    rows = "".join(
        f'<tr data-run="{place}"><th scope="row">{own(run["key"])}</th>'
        f"<td>{text(run['status'])}</td>{_of(run)}"
        + "".join(f"<td>{own(_short(config.get(key, _ABSENT)))}</td>" for key in shown)
        + f'<td class="number">{len(run["t"])}</td>'
        + "".join(f'<td class="number">{value}</td>' for value in _ends(run))
        + "</tr>"
        for place, (run, config) in enumerate(zip(runs, configs, strict=True))
    )
    return (
        '<div class="scroll"><table><caption>What differs between the runs\u2019 configurations, '
        "and where the norm began and ended (of replicates, its root mean square).</caption>"
        "<thead><tr>"
        '<th scope="col">run</th><th scope="col">status</th><th scope="col">placebo</th>'
        f'{head}<th scope="col">steps</th><th scope="col">norm, first</th>'
        f'<th scope="col">norm, last</th></tr></thead><tbody>{rows}</tbody></table></div>'
        + (f'<p class="quiet">Also different: {text(", ".join(more))}.</p>' if more else "")
    )


def _of(run: Run) -> str:
    if not run["placebo"]:
        return f"<td>{_ABSENT}</td>"
    return f"<td>{'of ' + own(run['of']) if run['of'] else 'yes'}</td>"


def _ends(run: Run) -> tuple[str, str]:
    """The norm's first and last; of replicates the root mean square, as at the head."""
    replicates = run["replicates"]
    curve = replicates["rms"] if replicates else run["curves"].get("norm", ())
    known = [value for value in curve if value is not None]
    return (said(known[0], 4), said(known[-1], 4)) if known else (_ABSENT, _ABSENT)


def _config(run: Run) -> Any:
    """The configuration, or nothing where its text can't be read."""
    try:
        return yaml.safe_load(run["about"].get("config") or "")
    except yaml.YAMLError:
        return None


def _flat(value: Any, prefix: str = "") -> dict[str, str]:
    """Nested keys as one level: ``reading.beta``, ``agents.0.model``; edges are one value."""
    if isinstance(value, Mapping):
        items: Iterable[tuple[Any, Any]] = value.items()
    elif isinstance(value, list) and prefix and value and all(map(_is_edge, value)):
        return {prefix: ", ".join(f"{s} \u2192 {t} {number}" for s, t, number in value)}
    elif isinstance(value, list):
        items = enumerate(value)
    else:
        told = str(value).lower() if isinstance(value, bool) else str(value)
        return {prefix: _ABSENT if value is None else told} if prefix else {}
    found: dict[str, str] = {}
    for key, inner in items:
        found |= _flat(inner, f"{prefix}.{key}" if prefix else str(key))
    return found


def _is_edge(value: Any) -> bool:
    """Whether it is ``[source, target, number]``."""
    return (
        isinstance(value, list)
        and len(value) == 3
        and isinstance(value[0], str)
        and isinstance(value[1], str)
    )


def _short(value: str) -> str:
    return value if len(value) <= _LONG else value[: _LONG - 1] + "\u2026"


def about(data: Mapping[str, Any]) -> str:
    """Everything that a run was made with, a fold a run; open where there is one."""
    runs: Sequence[Run] = data["runs"]
    return "".join(_run(run, opened=len(runs) == 1) for run in runs)


def _run(run: Run, *, opened: bool) -> str:
    known = run["about"]
    folder = "" if run["folder"] == run["key"] else run["folder"]
    return (
        f'<details class="run"{" open" if opened else ""}><summary>{own(run["key"])} '
        f'<span class="quiet">{own(folder)}</span></summary><div class="sheet">'
        + _pairs("The run", known.get("rows", ()))
        + _pairs("What it cost", known.get("costs", ()))
        + _fold("Configuration", known.get("config"))
        + _fold("Backends", known.get("backends"))
        + _folded("Versions", known.get("versions", {}))
        + _folded("Files read (SHA-256)", known.get("files", {}))
        + "</div></details>\n"
    )


def _pairs(title: str, rows: Iterable[Sequence[Any]]) -> str:
    body = "".join(
        f'<tr><th scope="row">{text(label)}</th><td>{own(value)}</td></tr>' for label, value in rows
    )
    if not body:
        return ""
    return f'<table class="pairs"><caption>{title}</caption><tbody>{body}</tbody></table>'


def _fold(title: str, body: str | None) -> str:
    if not body:
        return ""
    return (
        f"<details><summary>{title}</summary>"
        f'<pre tabindex="0"><code>{text(body)}</code></pre></details>'
    )


def _folded(title: str, rows: Mapping[str, Any]) -> str:
    table = _pairs(
        title, [(key, _ABSENT if value is None else value) for key, value in rows.items()]
    )
    return f"<details><summary>{title}</summary>{table}</details>" if table else ""
