"""The verdict on learners in advance: of a graph alone, or of an experiment. ``lwd.verdict``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lwd_agents.errors import BadInput
from lwd_agents.theory.graph_verdict import Verdict
from lwd_agents.theory.graph_verdict import verdict as verdict_on_graph
from lwd_agents.theory.learning_graph import LearningGraph

if TYPE_CHECKING:
    from lwd_agents.config.experiment import Experiment
    from lwd_agents.worlds.graph_judgement import Judgement

FILES = (".csv", ".graphml")


def verdict(
    graph: LearningGraph | str | Path | Mapping[str, Any], settings: Sequence[str] = ()
) -> Verdict | Judgement:
    """Who collapses, along which path, and the spectral radii; nothing is run.

    Args:
        graph: a graph, or the path of one (.csv or .graphml): the reading of the graph alone. Or
            an experiment of the world ``graph``: a preset's name, a YAML file, a run directory, or
            a mapping of its keys.
        settings: ``a.b=value`` pairs laid over the experiment; over a graph's path they make one
            (``designs=redrawn``, ``rows=14``).

    Returns:
        A ``Verdict`` of a graph alone. Of an experiment a ``Judgement``, which also says whether
        the graph decides there; of a schedule that of its last graph.

    Raises:
        BadInput: it cannot be read, is no such graph, or is of another world.
    """
    if isinstance(graph, LearningGraph):
        if settings:
            raise BadInput(f"settings {settings[0]!r}: they are for a path or an experiment")
        return verdict_on_graph(graph)
    if not settings and is_graph(graph):
        return verdict_on_graph(LearningGraph.read(Path(str(graph))))
    return judged(graph, settings)[-1]


def judged(graph: str | Path | Mapping[str, Any], settings: Sequence[str] = ()) -> list[Judgement]:
    """The verdict on every graph of an experiment, in the order of their rounds.

    Raises:
        BadInput: as ``verdict``.
    """
    from lwd_agents.config import GraphConfig
    from lwd_agents.worlds.graph_judgement import judgements
    from lwd_agents.worlds.graph_parts import assemble

    described = _experiment(graph, settings)
    config = described.resolve()
    if not isinstance(config, GraphConfig):
        raise BadInput(
            f"{described.place}: the world {config.world} has no verdict in advance; that is for "
            "the world graph"
        )
    return judgements(assemble(config))


def is_graph(graph: Any) -> bool:
    """Whether it names a file of edges, rather than an experiment."""
    return isinstance(graph, str | Path) and Path(graph).suffix.lower() in FILES


def _experiment(graph: str | Path | Mapping[str, Any], settings: Sequence[str]) -> Experiment:
    from lwd_agents.config.experiment import lay_settings, read_experiment
    from lwd_agents.records import read_manifest

    if isinstance(graph, Mapping):
        return read_experiment(graph, settings)
    if is_graph(graph):
        found = read_experiment({"world": "graph", "graph": str(graph)}, settings)
        found.place = str(graph)
        return found
    path = Path(graph)
    manifest = read_manifest(path) if path.is_dir() else None
    if manifest is None:
        try:
            return read_experiment(str(graph), settings)
        except BadInput as error:
            if path.exists():
                raise
            raise BadInput(f"{error}; or a graph: a .csv or .graphml file") from None
    found = read_experiment(manifest["config"], ())
    found.place = str(path)
    lay_settings(found, settings)
    return found
