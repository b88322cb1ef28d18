"""Who may read whom: a directed graph over agents. Human posts are open to all, own posts too.

As an experiment gives it: a name (``ring``), a mapping (``{graph: hub, hub: north}``), its edges
(``{edges: [[reader, author], ...]}`` or ``{file: graph.csv}``), or a schedule of these by step.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lwd_agents import extensions, seeding
from lwd_agents.internet.graph_files import SUFFIXES, edges_of
from lwd_agents.internet.graphs import GRAPHS, Bools, Graph, from_edges, name

NAMED = tuple(known for known, graph in GRAPHS.items() if not graph.keys)
_KIND = "readerships"  # what other distributions register graphs as
_FORMS = {
    "edges": "reader reads author: {edges: [[reader, author], ...]}",
    "file": "the edges of a .csv (header reader,author) or .graphml file: {file: graph.csv}",
    "schedule": "another readership from a step on: {schedule: {0: complete, 30: isolated}}",
}


def listed() -> list[tuple[str, str]]:
    """(name, who reads whom) of every form of a readership, others' at the end."""
    shipped = [(known, graph.line) for known, graph in GRAPHS.items()] + list(_FORMS.items())
    return shipped + [
        (known, f"registered by {extensions.distribution(point)}")
        for known, point in extensions.registered(_KIND).items()
    ]


def checked(value: Any) -> Any:
    """A readership as an experiment file gives it, in the one form that its meaning has.

    Args:
        value: a name; ``{graph: name, ...}`` with the graph's keys, where the name may be one that
            a distribution registers or a dotted path; ``{edges: [[reader, author], ...]}``;
            ``{file: path}``; or ``{schedule: {step: any of these}}``, which begins with step 0.

    Returns:
        The name, or a mapping that JSON keeps as it is (a schedule's steps are texts).

    Raises:
        ValueError: it is none of these, in one line with the choices.
    """
    if isinstance(value, str):
        if value.lower().endswith((".csv", ".graphml")):
            raise ValueError(f"a file is given as {{file: {value}}}")
        return _graph(value, {}, bare=True)
    if isinstance(value, Mapping):
        given = {str(key): item for key, item in value.items()}
        if "graph" in given:
            return _graph(given.pop("graph"), given)
        if len(given) == 1:
            if "edges" in given:
                return {"edges": _edges(given["edges"])}
            if "file" in given:
                return {"file": _file(given["file"])}
            if "schedule" in given:
                return {"schedule": _schedule(given["schedule"])}
        raise ValueError(f"no such readership, with {', '.join(given) or 'no key'} {_choices()}")
    raise ValueError(f"no such readership {_choices()}")


def authors(
    readership: str | Mapping[str, Any], names: Sequence[str], seed: int = 0, t: int = 0
) -> Bools:
    """Whose posts each agent may read at a step; see ``stretches``.

    Args:
        t: the step. What counts is the graph when something is read, not when it was written.

    Returns:
        (N, N) bool: row reads column; the diagonal is true.
    """
    found = stretches(readership, names, seed)
    return found[max(step for step in found if step <= t)]


def stretches(
    readership: str | Mapping[str, Any], names: Sequence[str], seed: int = 0
) -> dict[int, Bools]:
    """The graphs of a run, each with the step from which it holds; a file is read now.

    Args:
        readership: as ``checked`` returns it.
        names: the N agents.
        seed: the run's. A random graph is keyed by it, or by a ``seed`` of its own, and by nothing
            else: it is the same for every replicate, and again the same where a schedule comes
            back to it.

    Returns:
        step -> (N, N) bool, from step 0 on: row reads column; the diagonal is true.

    Raises:
        ValueError: an agent is named that is not there, or a graph needs more agents.
        BadInput: a graph of others cannot be had, or is no graph.
    """
    plan: Mapping[str, Any] = {"": readership}
    if not isinstance(readership, str):
        plan = readership.get("schedule", plan)
    found = {}
    for step, each in plan.items():
        where = f"readership: from t = {step}" if step else "readership"
        try:
            may = _built(each, names, seed, where)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
        found[int(step or 0)] = np.ascontiguousarray(may | np.eye(len(names), dtype=np.bool_))
    return found


def changes(readership: str | Mapping[str, Any]) -> list[int]:
    """The steps from which another graph holds: none but for a schedule."""
    if isinstance(readership, str):
        return []
    return [int(step) for step in readership.get("schedule", {}) if step != "0"]


def files(readership: str | Mapping[str, Any]) -> dict[str, Path]:
    """The files that it is read from, each with the name that a run's manifest has for it."""
    if isinstance(readership, str):
        return {}
    found = {
        f"readership/{step}/{path.name}": path
        for step, each in readership.get("schedule", {}).items()
        for path in files(each).values()
    }
    if "file" in readership:
        path = Path(readership["file"]).expanduser()
        found[f"readership/{path.name}"] = path
    return found


def _graph(known: Any, settings: dict[str, Any], bare: bool = False) -> Any:
    """A name and its settings, checked; the name alone where there is nothing to set."""
    if not isinstance(known, str) or known not in GRAPHS:
        if isinstance(known, str) and (
            known in extensions.registered(_KIND) or extensions.is_dotted_path(known)
        ):
            return {"graph": known, **settings} if settings else known
        close = difflib.get_close_matches(str(known), [*GRAPHS, *_FORMS], 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        what = "no such readership" if bare else f"no such graph {known!r}"
        raise ValueError(f"{what}{hint} {_choices()}")
    graph = GRAPHS[known]
    for key in settings:
        if key not in graph.keys:
            takes = f"choices: {', '.join(graph.keys)}" if graph.keys else "it takes none"
            raise ValueError(f"{known}: unknown key {key!r} ({takes})")
    if missing := [key for key in graph.needs if key not in settings]:
        raise ValueError(f"{known} needs {_and(missing)}: {_example(known, graph)}")
    if graph.one_of and len(settings.keys() & set(graph.one_of)) != 1:
        raise ValueError(f"{known} needs one of {_and(graph.one_of)}: {_example(known, graph)}")
    found = {}
    for key, item in settings.items():
        try:
            found[key] = graph.keys[key](item)
        except ValueError as error:
            raise ValueError(f"{known}: {key}: {error}") from None
    return {"graph": known, **found} if found else known


def _and(keys: Iterable[str]) -> str:
    return " and ".join(keys)


def _example(known: str, graph: Graph) -> str:
    keys = ", ".join(f"{key}: ..." for key in graph.needs or graph.one_of[:1])
    return f"{{graph: {known}, {keys}}}"


def _edges(value: Any) -> list[list[str]]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"edges: {value!r}: should be a list of [reader, author] {_choices()}")
    for edge in value:
        if not isinstance(edge, list | tuple) or len(edge) != 2:
            raise ValueError(f"edges: {edge!r}: should be [reader, author] {_choices()}")
    try:
        return [[name(end) for end in edge] for edge in value]
    except ValueError as error:
        raise ValueError(f"edges: {error}") from None


def _file(value: Any) -> str:
    if not isinstance(value, str | Path) or Path(value).suffix.lower() not in SUFFIXES:
        raise ValueError(f"file: {str(value)!r}: should end in {' or '.join(SUFFIXES)}")
    return str(value)


def _schedule(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not value:
        raise ValueError("schedule: should be a mapping of steps, such as {0: complete, 30: ring}")
    found: dict[int, Any] = {}
    for key, each in value.items():
        text = str(key)
        if isinstance(key, bool) or not (text.isascii() and text.isdecimal()):
            raise ValueError(f"schedule: {key!r}: a step should be a whole number of 0 or more")
        if int(text) in found:
            raise ValueError(f"schedule: step {int(text)} is given twice")
        if isinstance(each, Mapping) and "schedule" in each:
            raise ValueError(f"schedule: step {text}: a schedule holds no other schedule")
        try:
            found[int(text)] = checked(each)
        except ValueError as error:
            raise ValueError(f"schedule: step {text}: {_brief(each)}{error}") from None
    if 0 not in found:
        raise ValueError(f"schedule: begins with step {min(found)}; it needs a graph for step 0")
    return {str(step): found[step] for step in sorted(found)}


def _brief(value: Any) -> str:
    return "" if isinstance(value, Mapping) else f"{value!r}: "


def _choices() -> str:
    return (
        f"(choices: {', '.join(NAMED)}, {{graph: ...}} of "
        f"{', '.join(known for known in GRAPHS if known not in NAMED)} or a dotted path, "
        "{edges: [[reader, author], ...]}, {file: ...}, or {schedule: {0: ..., ...}})"
    )


def _built(each: str | Mapping[str, Any], names: Sequence[str], seed: int, where: str) -> Bools:
    """One graph, its diagonal free."""
    settings: dict[str, Any] = {"graph": each} if isinstance(each, str) else dict(each)
    if "edges" in settings:
        return from_edges(names, settings["edges"])
    if "file" in settings:
        path = Path(settings["file"]).expanduser()
        try:
            return from_edges(names, edges_of(path, names))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    known = settings.pop("graph")
    own = settings.pop("seed", None) if known in GRAPHS else None
    rng = seeding.generator(seeding.key(seed if own is None else own, "readership"))
    if known not in GRAPHS:
        return _of_others(known, settings, names, rng, f"{where}: {known!r}")
    try:
        return GRAPHS[known].build(names, rng, **settings)
    except ValueError as error:
        raise ValueError(f"{known}: {error}") from None


def _of_others(
    known: str,
    options: Mapping[str, Any],
    names: Sequence[str],
    rng: np.random.Generator,
    where: str,
) -> Bools:
    """The graph that a function of others makes: (N, N) bool, or pairs of reader and author."""
    if known in extensions.registered(_KIND):
        factory = extensions.load(_KIND, known, where)
    else:
        factory = extensions.imported(known, where)
    made = extensions.call(factory, {"names": list(names), "rng": rng}, where, options)
    if isinstance(made, list | tuple | set):
        return from_edges(names, _edges(list(made)))
    shape = (len(names), len(names))
    if not isinstance(made, np.ndarray) or made.dtype != np.bool_ or made.shape != shape:
        raise ValueError(f"{known}: made {_kind(made)}; an array of bool {shape} or pairs are read")
    return made


def _kind(made: Any) -> str:
    if isinstance(made, np.ndarray):
        return f"an array of {made.dtype} {made.shape}"
    return f"something of type {type(made).__name__}"
