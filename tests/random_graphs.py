"""Random graphs of learners: the awkward ones come up often."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from lwd_agents.theory.learning_graph import LearningGraph


def random_graph(rng: np.random.Generator, most: int = 8) -> LearningGraph:
    """1 to ``most`` learners: self-loops, cycles, parts apart, real shares down to 1e-12."""
    n = int(rng.integers(1, most + 1))
    edges = rng.random((n, n)) < rng.choice([0.05, 0.15, 0.3, 0.7])
    if rng.random() < 0.3:
        edges |= np.roll(np.eye(n, dtype=bool), 1, axis=1)
    if rng.random() < 0.3:
        np.fill_diagonal(edges, False)
    real = rng.random(n) < rng.choice([0.0, 0.15, 0.4])
    alone = ~edges.any(axis=1) & ~real
    loops = rng.random(n) < 0.5
    edges[alone & loops, alone & loops] = True
    real |= alone & ~loops
    weights = edges * rng.dirichlet(np.ones(n), size=n).clip(1e-3)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-300)
    share = np.where(real, rng.choice([1e-12, 1e-3, 0.2, 0.7], size=n), 0.0)
    share[~edges.any(axis=1)] = 1.0
    names = tuple(f"learner {i}" for i in range(n))
    return LearningGraph(names, csr_array(weights * (1 - share)[:, None]), share)
