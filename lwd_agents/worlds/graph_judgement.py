"""Who collapses in a setting: a graph with its estimator, designs and rows (our reading).

The graph alone decides for unbiased linear estimators whose Gram matrices are proportional and of
full rank, and data that is replaced (``theory.graph_verdict``). Outside, the spectral radius of
E[M (x) M] decides, M the random update of one round, where it can be computed; else nothing is
claimed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lwd_agents.errors import BadInput
from lwd_agents.theory.error_information import logistic_inflation
from lwd_agents.theory.error_limits import CLOSE, moment_radius
from lwd_agents.theory.error_recursion import one_round
from lwd_agents.theory.graph_verdict import CONDITIONS, Verdict, verdict
from lwd_agents.worlds.graph_parts import GraphParts, Stretch
from lwd_agents.worlds.graph_tables import M_ESTIMATORS, described
from lwd_agents.worlds.graph_theory import round_noise, told

Basis = Literal["graph", "moments", "bound", "none"]
_MOST = 1500  # rows of a map whose radius is computed
_GROWN = (
    "data accumulates, and no eigenvalue of a round's map has a real part above 1: no error grows "
    "without bound"
)
_BOUND = (
    "data accumulates on designs with proportional Gram matrices: no error variance exceeds "
    "pi^2/6 of the largest that one round's fit has (ours)"
)


@dataclass(frozen=True, eq=False)
class Judgement:
    """The verdict on a setting of n learners, from some round on.

    Attributes:
        first: the round from which the graph holds.
        graph: the reading of the graph alone.
        basis: what decides: ``graph``; ``moments``, the radius of E[M (x) M]; ``bound``, nobody's
            error grows; or ``none``: nothing is claimed.
        why: in a sentence.
        moment_radius: (n,) the radius of E[M (x) M] among each learner and its ancestors, where
            computed.
        setting: the estimator, designs and sizes that it is of.
        noise: (n,) E|e|^2 of one round's fit of real rows; where the graph decides and sources are
            mixed as samples, for a weight's fits have a noise that depends on the weights.
    """

    first: int
    graph: Verdict
    basis: Basis
    why: str
    moment_radius: NDArray[np.float64] | None = None
    setting: str = ""
    noise: NDArray[np.float64] | None = None

    @property
    def applies(self) -> bool:
        """Whether it says anything."""
        return self.basis != "none"

    @cached_property
    def falls(self) -> NDArray[np.bool_] | None:
        """(n,) whether each learner's error grows without bound; None where nothing is claimed."""
        if self.basis == "none":
            return None
        if self.basis == "bound":
            return np.zeros(len(self.graph.graph.names), dtype=np.bool_)
        if self.moment_radius is not None and self.basis == "moments":
            return np.asarray(self.moment_radius >= 1 - CLOSE)
        return self.graph.structure.collapses

    @property
    def radius(self) -> NDArray[np.float64]:
        """(n,) the spectral radius of the weights among each learner and its ancestors."""
        return self.graph.radius

    @property
    def deciding(self) -> NDArray[np.float64] | None:
        """(n,) the radius that the verdict rests on; None where it rests on none."""
        return {"graph": self.radius, "moments": self.moment_radius}.get(self.basis)

    @property
    def unstable_sources(self) -> list[list[str]]:
        """The members' names of each unstable source of the graph."""
        return self.graph.unstable_sources

    def path(self, name: str) -> list[str]:
        """As ``Verdict.path``; empty where the graph is not what decides.

        Raises:
            BadInput: there is no such learner.
        """
        found = self.graph.path(name)
        return found if self.basis == "graph" else []

    @property
    def collapses(self) -> list[str] | None:
        """The names of the learners that collapse; None where nothing is claimed."""
        return self._names(True)

    @property
    def stable(self) -> list[str] | None:
        """The names of the others."""
        return self._names(False)

    def _names(self, falls: bool) -> list[str] | None:
        if self.falls is None:
            return None
        pairs = zip(self.graph.graph.names, self.falls.tolist(), strict=True)
        return [name for name, one in pairs if one is falls]

    def as_json(self) -> dict[str, Any]:
        """As ``Verdict.as_json``, with what decides. ``collapses`` and ``stable`` are null where
        nothing is claimed; ``moment_radius`` where it was not computed."""
        found = self.graph.as_json()
        names = self.graph.graph.names
        radius = self.moment_radius
        if self.basis != "graph":
            found["learns_collapse_from"] = {}
        return {
            **found,
            "collapses": self.collapses,
            "stable": self.stable,
            "applies": self.applies,
            "basis": self.basis,
            "why": self.why,
            "setting": self.setting,
            "conditions": [CONDITIONS[0], f"of this setting: {self.why}"],
            "moment_radius": None
            if radius is None
            else dict(zip(names, radius.tolist(), strict=True)),
        }


def judgements(parts: GraphParts) -> list[Judgement]:
    """The verdict on each graph of a setting that its rounds reach, in their order."""
    steps = parts.config.steps
    return [_judged(parts, stretch) for stretch in parts.stretches if stretch.first <= steps]


def _judged(parts: GraphParts, stretch: Stretch) -> Judgement:
    reading = verdict(stretch.graph)
    basis, why, radius = _decided(parts, stretch)
    ours = basis == "graph" and parts.config.mixing == "samples"
    noise = round_noise(parts, stretch) if ours else None
    found = Judgement(max(stretch.first, 0), reading, basis, why, radius, _setting(parts), noise)
    return _unless_inflated(parts, stretch, found) if parts.kind == "logistic" else found


def _setting(parts: GraphParts) -> str:
    """``least-squares, redrawn designs, 10 features, 100 rows, samples, replace``."""
    config, totals = parts.config, parts.stretches[0].cells.total
    rows = f"{totals.min():,}" + (f" to {totals.max():,}" if totals.max() > totals.min() else "")
    said = [parts.kind, f"{config.designs} designs"] if config.designs else [parts.kind]
    features = f"{config.features} feature{'' if config.features == 1 else 's'}"
    return ", ".join([*said, features, f"{rows} rows a fit", config.mixing, config.regime])


def _unless_inflated(parts: GraphParts, stretch: Stretch, found: Judgement) -> Judgement:
    """No verdict where few rows lengthen a logistic fit by more than real data pulls back (ours,
    to first order: the mean map has the graph's radius times that factor)."""
    truth = parts.setting.truth
    if found.falls is None or not truth.any():
        return found
    factor = logistic_inflation(truth, int(stretch.cells.total.min()))
    moments = found.moment_radius
    radius = found.radius if moments is None else np.sqrt(moments)
    if not np.any(~found.falls & (radius * factor >= 1)):
        return found
    why = (
        f"so few rows lengthen a logistic fit by {factor - 1:.1%} a round on average, more than "
        "real data pulls back: parameters may run away though the graph says stable; take more rows"
    )
    return replace(found, basis="none", why=why)


def _decided(parts: GraphParts, stretch: Stretch) -> tuple[Basis, str, NDArray[np.float64] | None]:
    config, kind = parts.config, parts.kind
    if kind == "ridge":
        return "none", "ridge is biased: without real data it forgets the truth", None
    if kind == "gaussian":
        what = "without bias, its trace alone is kept in expectation"
        if not config.estimator.unbiased:
            what = "the covariance MLE is biased"
        return "none", f"{what}: covariances shrink, whatever the means do", None
    if config.regime != "replace":
        return _accumulating(parts, stretch)
    order = "to first order in 1/rows, " if kind in M_ESTIMATORS else ""
    if config.mixing == "weight":
        return "graph", f"{order}every source's own fit is unbiased", None
    if kind in ("mean", "huber") or (kind, config.designs) == ("least-squares", "orthogonal"):
        return "graph", f"{order}unbiased fits with proportional Gram matrices", None
    if kind in ("logistic", "poisson") and config.designs == "redrawn":
        return "graph", f"{order}unbiased fits with proportional expected information", None
    return _by_moments(parts, stretch, order)


def _accumulating(
    parts: GraphParts, stretch: Stretch
) -> tuple[Basis, str, NDArray[np.float64] | None]:
    """All rows so far are fitted: e(t) = (t e(t-1) + M e(t-1) + noise) / (t + 1) grows like t^a, a
    the largest real part of M's eigenvalues less 1, and not at all where a <= 0 (ours)."""
    config = parts.config
    none = f"the reading is of data that is replaced, not of {config.regime}"
    if config.regime != "accumulate" or parts.kind not in ("least-squares", "mean"):
        return "none", none, None
    if config.designs == "redrawn":
        return "none", f"{none} with redrawn designs", None
    if config.designs == "fixed":
        if len(parts.names) * config.features > _MOST:
            return "none", none, None
        mixing, _ = one_round(described(parts, stretch, placebo=False, replicate=0))
        if np.linalg.eigvals(mixing).real.max() > 1 + CLOSE:
            return "none", f"{none}; with the first replicate's designs an error grows", None
        return "bound", f"{_GROWN}, with the first replicate's designs (ours)", None
    return "bound", _BOUND, None


def _by_moments(
    parts: GraphParts, stretch: Stretch, order: str
) -> tuple[Basis, str, NDArray[np.float64] | None]:
    redrawn = parts.config.designs == "redrawn"
    size = len(parts.names) * (1 if redrawn else parts.config.features)
    if size > _MOST:
        return "none", f"{size:,} dimensions are too many for the radius of E[M (x) M]", None
    try:
        radius = moment_radius(described(parts, stretch, placebo=False, replicate=0))
    except BadInput as error:
        return "none", told(error, parts.names), None
    designs = "redrawn designs" if redrawn else "the first replicate's designs"
    why = f"{order}the spectral radius of E[M (x) M] with {designs} decides"
    return "moments", why, radius
