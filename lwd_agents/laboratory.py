"""Running an experiment: from its name to a finished run directory. ``lwd.run`` is here."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lwd_agents import manifest as manifests
from lwd_agents.config import Config, Experiment, GraphConfig, LlmConfig, read_experiment
from lwd_agents.engine import Parts, Round, stopped_by_the_system
from lwd_agents.errors import BadInput, LwdError
from lwd_agents.journal import Journal
from lwd_agents.progress import Progress, choose
from lwd_agents.report.wording import count
from lwd_agents.secrets import redact
from lwd_agents.trajectory import Trajectory, load

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings
    from langchain_core.retrievers import BaseRetriever

    from lwd_agents.worlds.llm_parts import RetrieverFactory


def run(
    experiment: str | Path | Mapping[str, Any] = "pocket",
    *,
    out: str | Path | None = None,
    agents: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    retriever: BaseRetriever | RetrieverFactory | None = None,
    embeddings: Embeddings | None = None,
    callbacks: Sequence[Any] = (),
    settings: Sequence[str] = (),
    quiet: bool = True,
    progress: Progress | None = None,
    allow_versions: bool = False,
    figures: bool = True,
    **keys: Any,
) -> Trajectory:
    """Run an experiment, or continue it: the same call on an existing run directory goes on.

    Args:
        experiment: a preset's name, a YAML file, or a mapping of its keys.
        out: the run directory; ``runs/<experiment>-<seed>`` where none is given.
        agents: name -> model, in place of the experiment's agents: any LangChain chat model or
            LLM object, any runnable that takes ``posts`` and ``query``, a ``create_agent`` graph,
            or a spec such as ``"pocket:north"``. Or a list of mappings, as in a YAML file, whose
            ``model`` may be an object too. This and the next three are for the world ``llm`` alone.
        retriever: any LangChain retriever, or a function from the run's ``Internet`` to one.
        embeddings: any LangChain ``Embeddings``, in place of the experiment's.
        callbacks: LangChain handlers that see the whole run; ``lwd.round`` is the event of a step.
        settings: ``a.b=value`` pairs laid over the experiment, as ``--set`` does.
        quiet: no progress on stderr.
        progress: an object of your own that is shown the progress.
        allow_versions: go on with a run that was made with other versions of its packages.
        figures: draw the run's figures at its end; of short runs that takes half the time and more.
        keys: further keys of the experiment (``steps=10``, ``seed=1``, ``replicates=100``, ...).

    Returns:
        The whole run, read back from its directory, with all its replicates (``norms``, ``runs``).

    Raises:
        BadInput: something given is not usable; nothing was written.
        RunStopped: the run could not go on; the same call resumes it.
    """
    described = read_experiment(experiment, settings)
    models = _lay(described, agents, keys)
    config = described.resolve()
    path = Path(out) if out is not None else Path("runs") / f"{described.name}-{config.seed}"
    shown, how = progress or choose(quiet), _How(described.name, allow_versions, figures)
    with contextlib.closing(shown), contextlib.ExitStack() as stack:
        existing = (path / "manifest.json").exists()
        journal = stack.enter_context(contextlib.closing(Journal(path))) if existing else None
        if journal is not None and _complete(journal, config):
            shown.phase(f"{path}: this run is complete; {_beyond(journal)}")
            return load(path)
        if isinstance(config, LlmConfig):
            shown.phase(f"{described.name}: loading the models")
        given = {"retriever": retriever, "embeddings": embeddings, "callbacks": callbacks}
        with described.placed():
            parts = _parts(config, path, journal, models, given, shown.phase)
        if journal is None:
            journal = stack.enter_context(contextlib.closing(Journal(path)))
        if isinstance(config, LlmConfig) and config.replicates > 1:
            parts = _replicated(parts, shown, how)
        _play(journal, parts, shown, how)
    return load(path)


@dataclass(frozen=True)
class _How:
    """A run's name, whether other versions of its packages will do, and whether it draws."""

    name: str
    allow_versions: bool
    figures: bool


def _play(journal: Journal, parts: Parts, shown: Progress, how: _How) -> None:
    """Begin a run whose parts are loaded, or go on with it, and bring it to its end."""
    try:
        _begin(journal, how.name, parts, how.allow_versions)
    except OSError as error:
        raise stopped_by_the_system(error, journal) from error
    with _status(journal):
        who = "learner" if isinstance(parts.config, GraphConfig) else "agent"
        shown.phase(f"{how.name}: {count(len(parts.agents), who)}, {journal.path}")
        steps = parts.config.steps
        parts.play(journal, lambda r: shown.round(r, _last(r, steps)), shown.phase)
        if how.figures:
            shown.phase("drawing the figures")
        _finish(journal, parts, how.figures)


def _replicated(parts: Any, shown: Progress, how: _How) -> Parts:
    """The network of ``parts``, to be run as often as its config has replicates."""
    from lwd_agents.replicated import Replicated

    def play_one(path: Path, one: Parts, shown: Progress) -> None:
        with contextlib.closing(Journal(path)) as journal:
            if journal.manifest is None or not _complete(journal, one.config):
                _play(journal, one, shown, how)

    return Replicated(parts, parts.config, shown, play_one)


def _lay(
    experiment: Experiment,
    agents: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None,
    keys: Mapping[str, Any],
) -> dict[str, Any]:
    """Lay the arguments over an experiment; returns the agents' Python objects by name."""
    for key, value in keys.items():
        experiment.put(key, value, f"argument {key}={value!r}")
    if agents is None:
        return {}
    from lwd_agents.worlds.llm_parts import object_spec

    if isinstance(agents, Mapping):
        agents = [{"name": name, "model": model} for name, model in agents.items()]
    objects, specs = {}, []
    for agent in agents:
        model = agent.get("model")
        if model is None or isinstance(model, str):
            specs.append(dict(agent))
        else:
            objects[str(agent.get("name"))] = model
            specs.append({**agent, "model": object_spec(model)})
    experiment.put("agents", specs, "argument agents")
    return objects


def _complete(journal: Journal, config: Config) -> bool:
    """Whether a run directory holds all of this config already.

    Raises:
        BadInput: it holds a run of another config.
    """
    manifest = journal.manifest or {}
    manifests.check_config(journal.path, manifest, config)
    # all else is as it was, or changes no result
    lengths = ["replicates"] if _stopped_itself(manifest) else ["steps", "replicates"]
    same = all(manifest["config"].get(key) == getattr(config, key, None) for key in lengths)
    return bool(manifest["status"] == "complete" and same)


def _stopped_itself(manifest: Mapping[str, Any]) -> bool:
    """Whether its own rule ended a run, so that more steps would change nothing."""
    stopped = manifest.get("stopped")
    return bool(stopped and stopped["fresh"][1] <= manifest["config"]["steps"])


def _beyond(journal: Journal) -> str:
    """What would extend a run that is complete."""
    stopped = (journal.manifest or {}).get("stopped")
    if stopped and _stopped_itself(journal.manifest or {}):
        return f"it converged at t = {stopped['at']} and stopped itself after its fresh steps"
    return "a larger --steps, or more replicates, extend it"


def _last(round: Round, steps: int) -> int:
    """The last step of a run, as far as is known: less than ``steps`` once it has converged."""
    ends: int = (round.line.get("converged") or {}).get("ends", steps)
    return min(steps, ends)


def _parts(
    config: Config,
    path: Path,
    journal: Journal | None,
    models: Mapping[str, Any],
    given: Mapping[str, Any],
    say: Callable[[str], None],
) -> Parts:
    """Load everything that the run needs; nothing is written yet."""
    manifest = journal.manifest if journal is not None else None
    if not isinstance(config, LlmConfig):
        for name, value in {"agents": models, **given}.items():
            if value:
                raise BadInput(f"argument {name}: the world {config.world} takes none")
        if isinstance(config, GraphConfig):
            from lwd_agents.worlds import graph_parts

            return graph_parts.assemble(config)
        from lwd_agents.worlds import gmm_parts

        return gmm_parts.assemble(config)
    from lwd_agents.worlds import llm_parts, llm_texts

    texts = llm_texts.read_texts(config)
    if manifest is not None:
        manifests.check_files(path, manifest, _of_before(manifest, texts.sha256))
    return llm_parts.assemble(config, texts, llm_parts.Objects(models, **given), path, say)


def _begin(journal: Journal, name: str, parts: Parts, allow_versions: bool) -> None:
    """Open the run directory for its first step, or for the next one."""
    described = parts.describe()
    old = journal.manifest
    if old is None:
        journal.begin(manifests.new(name, parts.config, described))
        return
    replicates = {key: described[key] for key in ("seeds",) if key in described}
    verdicts = {key: described[key] for key in ("verdicts",) if key in described}
    if replicates and "forked" in old:
        raise BadInput(
            f"{journal.path}: a fork, whose replicates would not have its parent's steps; run the "
            "replicates into another directory with --out, and fork each"
        )
    if "backends" not in old:  # a fork, about to make its first step
        journal.begin({**old, **described, "status": "running"})
        return
    manifests.check_files(journal.path, old, described["sha256"])
    manifests.check_versions(journal.path, old, allow_versions)
    if old.get("retriever") != described.get("retriever"):
        raise BadInput(
            f"{journal.path}: the retriever there is {old['retriever']}, "
            f"here {described['retriever']}; give the same, or another directory"
        )
    journal.begin(old)
    resumed = manifests.resumed(old, parts.config, journal.committed)
    if replicates:
        from lwd_agents.replicated import take_in

        take_in(journal)
        resumed.pop("stopped", None)  # it is told of the run that is replicate 0 from now on
    journal.write_manifest({**resumed, **replicates, **verdicts})


def _of_before(manifest: Mapping[str, Any], sha256: Mapping[str, str]) -> dict[str, str]:
    """The files that must be what they were: all, or those that a fork has of its parent."""
    if "backends" in manifest:
        return dict(sha256)
    return {name: digest for name, digest in sha256.items() if name in manifest["sha256"]}


@contextlib.contextmanager
def _status(journal: Journal) -> Iterator[None]:
    """Keep the manifest's status true whatever happens inside."""

    def say(status: str, error: str | None = None) -> None:
        with contextlib.suppress(OSError):  # a full disk must not hide what went wrong
            manifest = {**(journal.manifest or {}), "status": status, "finished": manifests.now()}
            journal.write_manifest({**manifest, "error": error and redact(error)})

    try:
        yield
    except KeyboardInterrupt:
        say("stopped")
        raise
    except OSError as error:
        say("failed", str(error))
        raise stopped_by_the_system(error, journal) from error
    except Exception as error:
        say("failed", str(error) if isinstance(error, LwdError) else repr(error))
        raise
    say("complete")


def _finish(journal: Journal, parts: Parts, figures: bool) -> None:
    """The summary and the figures of a run whose steps are all committed."""
    from lwd_agents.report.figures.drawing import draw_figures, forget_figures
    from lwd_agents.report.summary import summarise

    trajectory = load(journal.path)
    journal.write_json("summary.json", {**summarise(trajectory), **parts.findings(trajectory)})
    (draw_figures if figures else forget_figures)(trajectory, journal.path / "figures")
