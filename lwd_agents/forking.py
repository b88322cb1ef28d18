"""Forks: a new run that shares another's first steps, and goes on under changed conditions.

Randomness is keyed, so whatever the change does not touch stays draw for draw the same; a fork in
which nothing is changed equals its parent. ``lwd.fork`` is here.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lwd_agents import manifest as manifests
from lwd_agents.config import Config, LlmConfig
from lwd_agents.config.experiment import Experiment
from lwd_agents.errors import BadInput
from lwd_agents.internet.backends import HTTP
from lwd_agents.journal import Journal
from lwd_agents.records import (
    array_files,
    read_manifest,
    read_responses,
    read_rounds,
    replicate_folder,
    several,
)
from lwd_agents.trajectory import Trajectory

# What the shared steps depend on, whatever comes later.
_SHARED = ("world", "query", "queries", "draws", "embedding", "seed", "replicates", "internet.seed")


def fork(
    run: str | Path,
    *,
    at: int,
    out: str | Path,
    settings: Sequence[str] = (),
    agents: Mapping[str, Any] | None = None,
    quiet: bool = True,
    allow_versions: bool = False,
    **keys: Any,
) -> Trajectory:
    """Go on from step ``at`` of a run under other conditions, in a directory of its own.

    The new run has the parent's steps 0 .. at - 1; step ``at`` is the first of its own. Called
    again, it goes on with the fork.

    Args:
        run: the parent's directory; it is only read.
        at: the first step that is made anew, 1 .. the parent's last step + 1.
        out: the fork's directory.
        settings: ``a.b=value`` pairs laid over the parent's config.
        agents: name -> Python objects in place of the config's models; the parent's names.
        quiet, allow_versions: as in ``run``.
        keys: further keys laid over the parent's config (``placebo=True``, ``steps=80``, ...).

    Raises:
        BadInput: something given is not usable; nothing was written.
        RunStopped: the fork could not go on; the same call resumes it.
    """
    from lwd_agents.laboratory import run as run_experiment

    parent, child = Path(run), Path(out)
    manifest = read_manifest(parent)
    if manifest is None:
        raise BadInput(f"{parent}: no run directory (no manifest.json in it)")
    described = _described(parent, manifest, settings, keys)
    config = described.resolve()
    _check(parent, manifest, config, at)
    if not (child / "manifest.json").exists():
        manifests.check_versions(parent, manifest, allow_versions)
        _share(parent, manifest, config, at, child)
    else:
        _check_fork(child, parent, at)
    return run_experiment(
        described.values,
        out=child,
        agents=agents,
        quiet=quiet,
        allow_versions=allow_versions,
    )


def _described(
    parent: Path, manifest: Mapping[str, Any], settings: Sequence[str], keys: Mapping[str, Any]
) -> Experiment:
    from lwd_agents.config.experiment import lay_settings

    config = json.loads(json.dumps(manifest["config"]))
    described = Experiment(f"{manifest['experiment']}", config, f"the config of {parent}")
    lay_settings(described, settings)
    for key, value in keys.items():
        described.put(key, value, f"argument {key}={value!r}")
    return described


def _check(parent: Path, manifest: Mapping[str, Any], config: Config, at: int) -> None:
    """Refuse what cannot share the parent's first steps."""
    if not isinstance(config, LlmConfig):
        raise BadInput(f"{parent}: a run of the world {manifest['world']}; llm runs can be forked")
    if several(manifest):
        raise BadInput(
            f"{parent}: several replicates; fork one of them, as {replicate_folder(parent, 0)}"
        )
    steps = len(read_rounds(parent)[0])
    if not 1 <= at <= steps:
        raise BadInput(f"--at {at}: {parent} has the steps 0 to {steps - 1}; give 1 to {steps}")
    stopped = manifest.get("stopped")
    if stopped and at > stopped["fresh"][1] and config.model_dump(mode="json")["stop"]:
        raise BadInput(
            f"stop: {parent} ended itself after step {stopped['fresh'][1]}; to go on from there "
            "give --set stop=null"
        )
    if config.internet.store.startswith(HTTP):
        raise BadInput(
            "internet.store: a fork on a shared store would meet its parent's posts twice; give "
            "--set internet.store=chroma"
        )
    if config.steps < at:
        raise BadInput(f"steps: {config.steps}, but the fork begins at step {at}; give more")
    old, new = manifest["config"], config.model_dump(mode="json")
    for key in _SHARED:
        there, here = _at(old, key), _at(new, key)
        if there != here:
            raise BadInput(f"{key}: {here!r}, but the shared steps were made with {there!r}")
    if manifest["agents"] != [agent["name"] for agent in new["agents"]]:
        raise BadInput(
            f"agents: a fork has those of its parent ({', '.join(manifest['agents'])}); their "
            "models may be others"
        )


def _at(config: Any, key: str) -> Any:
    for part in key.split("."):
        config = config.get(part) if isinstance(config, Mapping) else None
    return config


def _share(parent: Path, manifest: Mapping[str, Any], config: Config, at: int, child: Path) -> None:
    """Make the fork's directory with the parent's first steps; the manifest comes last."""
    rounds, _ = read_rounds(parent)
    rows, _ = read_responses(parent, at)
    with contextlib.closing(Journal(child)) as journal:
        (child / "embeddings").mkdir(exist_ok=True)
        for file in [*_seed_files(parent), *_arrays(parent, at)]:
            _link(file, child / "embeddings" / file.name)
        _write(child / "responses.jsonl", [row for step in rows for row in step])
        _write(child / "rounds.jsonl", _judged_alike(rounds[:at], manifest, config))
        about = {key: manifest[key] for key in ("query", "prompt", "agents", "embedding")}
        kept = {n: d for n, d in manifest["sha256"].items() if n.startswith("stores/")}
        journal.write_manifest(
            {
                **manifests.new(manifest["experiment"], config, {**about, "sha256": kept}),
                "status": "stopped",
                "forked": {"run": str(parent.resolve()), "at": at, "created": manifest["created"]},
            }
        )


def _judged_alike(
    rounds: Sequence[Mapping[str, Any]], manifest: Mapping[str, Any], config: Config
) -> list[dict[str, Any]]:
    """The shared lines, without what another rule of ``stop`` said of them."""
    same = manifest["config"].get("stop") == config.model_dump(mode="json").get("stop")
    return [{k: v for k, v in line.items() if same or k != "converged"} for line in rounds]


def _seed_files(parent: Path) -> list[Path]:
    """A(0): its vectors, and its texts where the parent is not older than that file."""
    texts = parent / "embeddings" / "seed.jsonl"
    return [parent / "embeddings" / "seed.npy", *([texts] if texts.is_file() else [])]


def _arrays(parent: Path, at: int) -> list[Path]:
    return [file for t in range(at) for file in array_files(parent, t)]


def _check_fork(child: Path, parent: Path, at: int) -> None:
    forked = (read_manifest(child) or {}).get("forked")
    if not forked or (forked["run"], forked["at"]) != (str(parent.resolve()), at):
        raise BadInput(f"{child}: not a fork of {parent} at step {at}; choose another --out")


def _link(source: Path, target: Path) -> None:
    """The same file under another name: arrays are never written again, so none is copied."""
    with contextlib.suppress(FileExistsError):
        try:
            os.link(source, target)
        except OSError:  # another file system
            shutil.copyfile(source, target)


def _write(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    text = "".join(
        json.dumps(row, ensure_ascii=False, allow_nan=False, separators=(", ", ": ")) + "\n"
        for row in rows
    )
    file.write_text(text, encoding="utf-8")
