"""The verdict on learners in advance: of a graph alone, or of an experiment. ``lwd.verdict``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from lwd_agents.errors import BadInput
from lwd_agents.theory.graph_verdict import Verdict
from lwd_agents.theory.graph_verdict import verdict as verdict_on_graph
from lwd_agents.theory.learning_graph import LearningGraph
from lwd_agents.trajectory import Trajectory

if TYPE_CHECKING:
    import networkx

    from lwd_agents.config.experiment import Experiment
    from lwd_agents.worlds.graph_judgement import Judgement

    Given: TypeAlias = (
        LearningGraph | networkx.DiGraph | Trajectory | str | Path | Mapping[str, Any]
    )

FILES = (".csv", ".graphml")
_TELL = ("graph", "readership", "real", "own", "learners")  # who learns from whom
_KINDS = (
    "a .csv or .graphml file, a LearningGraph, a directed networkx graph, a preset's name, a YAML "
    "file, a run of the world graph, or a mapping of an experiment's keys"
)


def verdict(graph: Given, settings: Sequence[str] = (), **keys: Any) -> Verdict | Judgement:
    """Who collapses, along which path, and the spectral radii; nothing is run.

    Args:
        graph: a graph, or the path of one (.csv or .graphml): the reading of the graph alone. Or
            an experiment of the world ``graph``: a preset's name, a YAML file, a run (the graphs
            are those that it was run with), or a mapping of its keys.
        settings: ``a.b=value`` pairs laid over the experiment; over a graph they make one
            (``designs=redrawn``, ``rows=14``).
        keys: the same as arguments.

    Returns:
        A ``Verdict`` of a graph alone. Of an experiment a ``Judgement``, which also says whether
        the graph decides there; of a schedule that of the last graph that its rounds reach.

    Raises:
        BadInput: it cannot be read, is no such graph, or is of another world.
    """
    if not settings and not keys and (alone := _alone(graph)) is not None:
        return verdict_on_graph(alone)
    return judged(graph, settings, **keys)[-1]


def judged(graph: Given, settings: Sequence[str] = (), **keys: Any) -> list[Judgement]:
    """The verdict on every graph of an experiment that its rounds reach, in their order.

    Raises:
        BadInput: as ``verdict``.
    """
    from lwd_agents.config import GraphConfig
    from lwd_agents.worlds.graph_judgement import judgements
    from lwd_agents.worlds.graph_parts import assemble

    if isinstance(settings, str | Mapping):
        raise BadInput(f"settings {settings!r}: should be a list of a.b=value, such as ['rows=9']")
    described = _experiment(graph, settings, keys)
    config = described.resolve()
    if not isinstance(config, GraphConfig):
        raise BadInput(
            f"{described.place}: the world {config.world} has no verdict in advance; that is for "
            "the world graph"
        )
    with described.placed():
        return judgements(assemble(config))


def is_graph(graph: Any) -> bool:
    """Whether it names a file of edges, rather than an experiment."""
    return isinstance(graph, str | Path) and Path(graph).suffix.lower() in FILES


def _alone(graph: Given) -> LearningGraph | None:
    """The graph that is given, from a file or as it is; None for an experiment."""
    if isinstance(graph, LearningGraph):
        return graph
    if is_graph(graph):
        return LearningGraph.read(Path(str(graph)))
    if hasattr(graph, "is_directed"):
        return LearningGraph.from_networkx(graph)
    return None


def _experiment(graph: Given, settings: Sequence[str], keys: Mapping[str, Any]) -> Experiment:
    """What is asked about, with the settings laid over it."""
    from lwd_agents.config.experiment import lay_settings, read_experiment

    if isinstance(graph, Mapping):
        described = read_experiment(graph)
    elif (alone := _alone(graph)) is not None:
        described = read_experiment({"world": "graph", "graph": {"edges": edges_of(alone)}})
        described.place = str(graph) if is_graph(graph) else "graph"
        for setting in (*settings, *(f"{key}=" for key in keys)):
            key = setting.partition("=")[0].strip()
            if key.split(".")[0] in _TELL:
                raise BadInput(
                    f"{'--set ' if setting in settings else 'argument '}{setting}: "
                    f"{described.place} says who learns from whom; leave one of the two out"
                )
    elif isinstance(graph, str | Path | Trajectory):
        described = _of_name(graph.path if isinstance(graph, Trajectory) else graph, settings, keys)
    else:
        raise BadInput(f"a verdict on {type(graph).__name__}: should be on {_KINDS}")
    lay_settings(described, settings)
    for key, value in keys.items():
        described.put(key, value, f"argument {key}={value!r}")
    return described


def _of_name(graph: str | Path, settings: Sequence[str], keys: Mapping[str, Any]) -> Experiment:
    """A preset, a YAML file, or a run directory."""
    from lwd_agents import resources
    from lwd_agents.config.experiment import read_experiment
    from lwd_agents.records import read_manifest

    path = Path(graph)
    if str(graph) not in resources.names("experiments"):
        if path.is_dir():
            manifest = read_manifest(path)
            if manifest is None:
                raise BadInput(f"{path}: no run directory (no manifest.json in it)")
            pairs = [setting.partition("=") for setting in settings]
            given = {**{key.split(".")[0].strip(): value for key, _, value in pairs}, **keys}
            edges = str(given.get("rows", "")).lstrip().startswith("[")  # rows by edge are a graph
            return _of_run(path, manifest, edges or bool({*given} & {*_TELL}))
        if path.is_file() and path.suffix.lower() not in (".yaml", ".yml"):
            raise BadInput(f"{path}: should be a graph (.csv or .graphml) or an experiment (.yaml)")
        if not path.exists():
            known = ", ".join(resources.names("experiments"))
            raise BadInput(f"no graph, experiment or run {str(graph)!r}; presets: {known}")
    return read_experiment(str(graph))


def _of_run(path: Path, manifest: Mapping[str, Any], changed: bool) -> Experiment:
    """The experiment of a run, with the graphs that it was run with.

    Files may be others by now, or gone: the manifest keeps what was read. Where the graph is to be
    changed, the config is taken as it was written.
    """
    from lwd_agents.config.experiment import read_experiment

    config = dict(manifest["config"])
    graphs = manifest.get("graphs")
    if graphs and not changed and not isinstance(config.get("rows"), list):
        for key in _TELL:
            config.pop(key, None)
        plan = {str(one["from"]): {"edges": one["edges"]} for one in graphs}
        config |= {"graph": {"schedule": plan}, "learners": list(manifest["agents"])}
    found = read_experiment(config)
    found.place = str(path)
    return found


def edges_of(graph: LearningGraph) -> list[list[Any]]:
    """[[source, target, weight], ...] of a graph, as an experiment has it."""
    from lwd_agents.theory.learning_graph import REAL

    table, names = graph.weights.tocoo(), graph.names
    triples = zip(table.col.tolist(), table.row.tolist(), table.data.tolist(), strict=True)
    edges = [[names[j], names[i], w] for j, i, w in triples]
    real = enumerate(graph.real.tolist())
    return [*edges, *([REAL, names[i], share] for i, share in real if share > 0)]
