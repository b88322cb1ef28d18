"""Run directories with embeddings of our choice: what inference reads, and no model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.config import LlmConfig
from lwd_agents.measures.geometry import collapse_norm, distances, over_queries, perspectives


def made_run(
    path: Path,
    embeddings: NDArray[np.floating],
    *,
    seed: int = 0,
    human: NDArray[np.floating] | None = None,
    missing: str = "empty",
    extra: Sequence[tuple[str, NDArray[np.floating]]] = (),
    normalize: bool = True,
    **config: Any,
) -> Path:
    """Write a run of (T + 1, N, L, D) embeddings, NaN where a draw is missing.

    ``extra``: further arrays of every step, (suffix, (T + 1, N, L, D)), ".r1" say.
    """
    steps, n, draws, _ = embeddings.shape
    agents = config.pop("agents", [{"name": f"a{i}", "model": "pocket:north"} for i in range(n)])
    resolved = LlmConfig(
        agents=agents,
        steps=max(steps - 1, 1),
        draws=draws,
        seed=seed,
        embedding={"normalize": normalize},
        **config,
    ).model_dump(mode="json")
    names = [agent["name"] for agent in resolved["agents"]]
    path.mkdir(parents=True)
    (path / "embeddings").mkdir()
    manifest = {
        "schema": 1,
        "world": "llm",
        "experiment": "made",
        "status": "complete",
        "created": f"2026-01-01T00:00:{seed % 60:02d}+00:00",
        "finished": None,
        "seed": seed,
        "config": resolved,
        "agents": names,
        "queries": ["q", *(f"q{i}" for i in range(1, max(1, len(resolved["queries"]))))],
        "embedding": {"model": "minilm", "normalize": normalize, "prefix": ""},
        "sha256": {},
        "versions": {},
    }
    (path / "manifest.json").write_text(json.dumps(manifest))
    human = np.zeros((20, embeddings.shape[3])) if human is None else human
    np.save(path / "embeddings" / "seed.npy", human.astype(np.float32))
    queries = [embeddings, *(array for suffix, array in extra if suffix.startswith(".q"))]
    with (
        (path / "rounds.jsonl").open("w") as rounds,
        (path / "responses.jsonl").open("w") as responses,
    ):
        for t in range(steps):
            for suffix, array in [("", embeddings), *extra]:
                file = path / "embeddings" / f"{t:05d}{suffix}.npy"
                np.save(file, array[t].astype(np.float32))
            rounds.write(json.dumps(_line(t, names, queries)) + "\n")
            for row in _rows(t, names, embeddings[t], missing):
                responses.write(json.dumps(row) + "\n")
    return path


def _line(t: int, names: Sequence[str], queries: Sequence[NDArray[np.floating]]) -> dict[str, Any]:
    D = over_queries([distances(perspectives(array[t])) for array in queries])
    lost = np.isnan(queries[0][t, :, :, 0]).sum(axis=1).tolist()
    norm = collapse_norm(D)
    return {
        "t": t,
        "internet_size": 20 + len(names) * t,
        "synthetic": len(names) * t,
        "norm": norm if np.isfinite(norm) else None,
        "distances": [[d if np.isfinite(d) else None for d in row] for row in D.tolist()],
        "k": dict.fromkeys(names, 0),
        "missing": dict(zip(names, lost, strict=True)),
        "reads": {name: [] for name in names},
        "posted": [],
        "calls": 1,
        "tokens": {"input": 1, "output": 1},
        "cost": 0,
        "seconds": {"generate": 0.0, "commit": 0.0},
    }


def _rows(
    t: int, names: Sequence[str], step: NDArray[np.floating], missing: str
) -> list[dict[str, Any]]:
    return [
        {
            "t": t,
            "agent": name,
            "query": "q",
            "reading": 0,
            "draw": j,
            "text": None if np.isnan(vector[0]) else f"{name} says {vector[0]:.3f}",
            "missing": missing if np.isnan(vector[0]) else None,
            "post_id": None,
            "seed": j,
            "input_tokens": 1,
            "output_tokens": 1,
            "finish_reason": "stop",
        }
        for name, vectors in zip(names, step, strict=True)
        for j, vector in enumerate(vectors)
    ]


def network(
    steps: int,
    n: int = 3,
    draws: int = 10,
    dimensions: int = 8,
    *,
    key: int = 0,
    apart: float = 0.5,
    fall: float = 0.0,
    spread: float = 0.3,
    wander: float = 0.0,
) -> NDArray[np.float64]:
    """Gaussian draws around n agents on a simplex ``apart`` wide, (steps, n, draws, dimensions).

    The distance shrinks by the share ``fall`` from the first step to the last; ``wander`` is the
    step of a random walk of every agent's mean, which makes one run unlike the next.
    """
    generator = np.random.Generator(np.random.Philox(key=key))
    corners = np.eye(max(n, dimensions))[:n, :dimensions] * apart / np.sqrt(2)
    centre = corners.mean(axis=0)
    shares = 1 - fall * np.arange(steps) / max(steps - 1, 1)
    means = centre + shares[:, None, None] * (corners - centre)
    walk = np.cumsum(generator.normal(size=means.shape) * wander, axis=0)
    noise = generator.normal(size=(steps, n, draws, dimensions)) * spread / np.sqrt(dimensions)
    return np.asarray((means + walk)[:, :, None] + noise)
