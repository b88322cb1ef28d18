"""A stretch of rounds as the theory has it: tables of rows, Gram matrices and weights by source.

Axes: n learners; tables have n + 1 columns, the last real data; d features.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.theory.error_designs import Blocks, Learners
from lwd_agents.theory.error_information import asymptotic, fisher_information, huber_row
from lwd_agents.worlds.graph_cells import REAL
from lwd_agents.worlds.graph_engines import designs_of, grams_of
from lwd_agents.worlds.graph_parts import GraphParts, Stretch

Floats = NDArray[np.float64]
M_ESTIMATORS = ("logistic", "poisson", "huber")


def described(
    parts: GraphParts, stretch: Stretch, placebo: bool, replicate: int
) -> Learners | Blocks:
    """A stretch as the recursion has it."""
    if parts.kind in M_ESTIMATORS:
        return _to_first_order(parts, stretch, placebo, replicate)
    if parts.config.designs == "fixed":
        grams = table_of_grams(parts, stretch, placebo, replicate, None)
        scatter = parts.setting.noise**2 * grams
        return Blocks(grams, scatter, regime_of(parts), _weights(parts, stretch))
    return learners_of(parts, stretch, placebo)


def learners_of(parts: GraphParts, stretch: Stretch, placebo: bool) -> Learners:
    config = parts.config
    return Learners(
        table_of_rows(parts, stretch, placebo),
        config.features if config.designs is not None else 1,
        parts.setting.noise,
        "redrawn" if config.designs == "redrawn" else "fixed",
        regime_of(parts),
        _weights(parts, stretch),
    )


def regime_of(parts: GraphParts) -> Any:
    return "replace" if parts.config.regime == "replace" else "accumulate"


def table_of_rows(parts: GraphParts, stretch: Stretch, placebo: bool) -> NDArray[np.int64]:
    """(n, n + 1) rows of each source; in ``weight`` the last column has the start's, too."""
    n = len(parts.names)
    cells = stretch.placebo if placebo else stretch.cells
    owner = np.repeat(cells.owner, np.diff(cells.start))
    table = np.zeros((n, n + 1), dtype=np.int64)
    np.add.at(table, (owner, np.where(cells.source == REAL, n, cells.source)), cells.rows)
    if parts.config.mixing == "weight":
        table[:, n] = parts.start.cells.rows
    return table


def _weights(parts: GraphParts, stretch: Stretch) -> Floats | None:
    if parts.config.mixing == "samples":
        return None
    n, cells = len(parts.names), stretch.cells
    table = np.zeros((n, n + 1))
    table[cells.owner, np.where(cells.source == REAL, n, cells.source)] = cells.weight
    return table


def table_of_grams(
    parts: GraphParts, stretch: Stretch, placebo: bool, replicate: int, curve: str | None
) -> Floats:
    """(n, n + 1, d, d) of one replicate's designs; with ``curve`` a family's information."""
    n, d = len(parts.names), parts.config.features
    table = np.zeros((n, n + 1, d, d))
    stretches = [(stretch, placebo)]
    if parts.config.mixing == "weight":
        stretches = [(parts.start, True), *stretches]
    for each, real in stretches:
        cells = each.placebo if real else each.cells
        rows, _ = designs_of(parts, each, replicate)
        if curve is not None:
            rows = rows * np.sqrt(curvature(curve, parts.setting.truth @ rows))
        owner = np.repeat(cells.owner, np.diff(cells.start))
        at = owner, np.where(cells.source == REAL, n, cells.source)
        if parts.config.mixing == "weight":
            table[at] = grams_of(cells, rows)
        else:
            np.add.at(table, at, grams_of(cells, rows))
    return table


def curvature(family: str, eta: Floats) -> Floats:
    """b'' at a linear predictor."""
    if family == "poisson":
        return np.exp(eta)
    return np.asarray(0.25 / np.cosh(eta / 2) ** 2)


def _to_first_order(parts: GraphParts, stretch: Stretch, placebo: bool, replicate: int) -> Blocks:
    config, weights = parts.config, _weights(parts, stretch)
    rows = table_of_rows(parts, stretch, placebo)
    if parts.kind == "huber":
        threshold = (config.estimator.threshold or 1.0) * parts.setting.noise
        gram, scatter = (np.array([[x]]) for x in huber_row(threshold, parts.setting.noise))
        return asymptotic(rows, gram, scatter, regime=regime_of(parts), weights=weights)
    if config.designs == "redrawn":
        family: Any = parts.kind
        gram = fisher_information(family, parts.setting.truth)
        return asymptotic(rows, gram, regime=regime_of(parts), weights=weights)
    grams = table_of_grams(parts, stretch, placebo, replicate, parts.kind)
    return Blocks(grams, None, regime_of(parts), weights)
