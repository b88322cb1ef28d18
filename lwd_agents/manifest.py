"""The manifest: what was run and with what, and whether a run may go on from it."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import secrets
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lwd_agents.config import Config
from lwd_agents.errors import BadInput
from lwd_agents.records import SCHEMA

# What may be another on a run that goes on: how its calls are bounded and paced, and its prices.
FREE = re.compile(
    r"(limits|prices)(\.|$)|max_missing$"
    r"|agents\..+\.(concurrency|requests_per_second|timeout|attempts|api_key_env)$"
    r"|agents\..+\.options\.(chunk|cache_gib)$"  # where a GPU's memory ran out
)
_MANY = 4  # keys below one that are told one by one
_NUMERIC = ("lwd-agents", "llvmlite", "numba", "numpy")
_PACKAGES = {
    "llm": (
        "lwd-agents",
        "chromadb",
        "langchain",
        "langchain-chroma",
        "langchain-core",
        "numpy",
        "scikit-learn",
        "sentence-transformers",
        "tokenizers",
        "torch",
        "transformers",
        "xllamacpp",
    ),
    "gmm": _NUMERIC,
    "graph": _NUMERIC,
}


def now() -> str:
    """The time in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def versions(world: str) -> dict[str, str]:
    """Of Python, the machine's architecture, and the packages that a world's results depend on."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for package in _PACKAGES[world]:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def new(name: str, config: Config, described: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest of a run that begins now (the keys: docs/run-directory.md)."""
    return {
        "schema": SCHEMA,
        "world": config.world,
        "experiment": name,
        "status": "running",
        "created": now(),
        "finished": None,
        "seed": config.seed,
        "config": config.model_dump(mode="json"),
        **described,
        "key": secrets.token_hex(4),
        "versions": versions(config.world),
        "git_commit": _git_commit(),
        "resumed": [],
    }


def check_config(path: Path, manifest: Mapping[str, Any], config: Config) -> None:
    """Refuse to go on with another config; more steps or replicates make no other config.

    Nor do keys that bound and pace the calls (``FREE``), and keys that the package had not yet
    when the run began, at their defaults.

    Raises:
        BadInput: naming the keys that differ, with both values.
    """
    old = dict(_flat(_with_defaults(manifest["config"], config)))
    new = dict(_flat(config.model_dump(mode="json")))
    old, new = ({k: v for k, v in flat.items() if not FREE.match(k)} for flat in (old, new))
    for key in ("steps", "replicates"):
        if isinstance(old.get(key), int) and isinstance(new.get(key), int) and new[key] > old[key]:
            old[key] = new[key]
    differing = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    if differing:
        said = _differing(differing, old, new)
        raise BadInput(
            f"{path}: a run of another config: {', '.join(said)}; "
            "give the same config, or another directory with --out"
        )


def _differing(keys: Sequence[str], old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What is another, key by key; of a key with many below it (a graph's edges) that it is."""
    below = Counter(key.split(".")[0] for key in keys)
    told: dict[str, str] = {}
    for key in keys:
        top = key.split(".")[0]
        if below[top] > _MANY:
            told[top] = f"{top} (another one)"
        else:
            values = [repr(each[key]) if key in each else "not given" for each in (old, new)]
            told[key] = f"{key} ({values[0]} there, {values[1]} here)"
    return list(told.values())


def check_files(path: Path, manifest: Mapping[str, Any], sha256: Mapping[str, str]) -> None:
    """Refuse to go on when a prompt, store or model file is not what it was.

    Raises:
        BadInput: naming the first file that changed.
    """
    for name, digest in sha256.items():
        if manifest["sha256"].get(name) != digest:
            raise BadInput(
                f"{path}: {name} is not the file that this run began with (its sha256 differs); "
                "restore it, or choose another directory with --out"
            )


def check_versions(path: Path, manifest: Mapping[str, Any], allowed: bool) -> None:
    """Refuse to go on under other versions, unless it is allowed.

    Raises:
        BadInput: naming what differs.
    """
    old, new = manifest["versions"], versions(manifest["world"])
    differing = [f"{p} {old.get(p)} -> {v}" for p, v in new.items() if old.get(p) != v]
    if differing and not allowed:
        raise BadInput(
            f"{path}: made with other versions ({', '.join(differing)}); --allow-versions goes on "
            "and records it, but the rest need not be what it would have been"
        )


def resumed(manifest: Mapping[str, Any], config: Config, committed: int) -> dict[str, Any]:
    """The manifest of a run that goes on after ``committed`` steps; a change of version is kept."""
    found = versions(config.world)
    changed = {p: v for p, v in found.items() if manifest["versions"].get(p) != v}
    old, new = (dict(_flat(c)) for c in (manifest["config"], config.model_dump(mode="json")))
    keys = {k: [old.get(k), new.get(k)] for k in {**old, **new} if old.get(k) != new.get(k)}
    entry = {"time": now(), "committed": committed, "versions": changed, "config": keys}
    return {
        **manifest,
        "status": "running",
        "finished": None,
        "error": None,
        "config": config.model_dump(mode="json"),
        "resumed": [*manifest.get("resumed", []), entry],
    }


def _with_defaults(old: Mapping[str, Any], config: Config) -> Mapping[str, Any]:
    try:
        return type(config).model_validate(old).model_dump(mode="json")
    except ValidationError:  # of another world, or of keys that are gone
        return old


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of a config by dotted key; agents go by their names."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{prefix}{key}.")
    elif isinstance(value, list | tuple) and value:
        for i, inner in enumerate(value):
            name = inner.get("name", i) if isinstance(inner, Mapping) else i
            yield from _flat(inner, f"{prefix}{name}.")
    else:
        yield prefix.rstrip("."), value


def _git_commit() -> str | None:
    """The commit of the checkout that this package runs from; None for an installed one."""
    root = Path(__file__).parents[1]
    if not (root / ".git").exists():
        return None
    try:
        found = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()
