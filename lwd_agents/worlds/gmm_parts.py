"""What the world ``gmm`` needs before its first step: laws, schedules and starts, from a config."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents import resources, seeding
from lwd_agents.config import GmmConfig
from lwd_agents.config.gmm import covariance_matrix
from lwd_agents.engine import Round
from lwd_agents.errors import BadInput
from lwd_agents.internet.readership import files, stretches
from lwd_agents.kernels import run_key
from lwd_agents.worlds.gmm_points import Law, Plan, table_width

if TYPE_CHECKING:
    from lwd_agents.journal import Journal
    from lwd_agents.trajectory import Trajectory
    from lwd_agents.worlds.gmm import GmmWorld

_FARTHEST = 1e100  # standard deviations: beyond this squares may overflow
_MEMORY = 2**30  # bytes that the replicates of one piece may take
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class GmmParts:
    """All that a run of the world ``gmm`` needs, loaded and checked.

    Attributes:
        config: the experiment.
        plan: laws and schedules, for the kernels; its readership is that of step 0.
        graphs: step -> (N, N) bool, who may read whom from that step on.
        initial: (P, d) the given points of A(0); (0, d) where they are drawn or A(0) is empty.
        drawn: how many points of A(0) each replicate draws from the human law.
        sha256: of the files that were read, by name.
    """

    config: GmmConfig
    plan: Plan
    graphs: dict[int, NDArray[np.bool_]]
    initial: Floats
    drawn: int
    sha256: dict[str, str]

    @property
    def agents(self) -> list[str]:
        """The models' names."""
        return self.config.names

    def stretches(self, begin: int, end: int) -> list[tuple[Plan, int, int]]:
        """Steps begin .. end - 1 as (plan, begin, end), cut where the readership changes."""
        cuts = [begin, *(t for t in self.graphs if begin < t < end), end]
        found = []
        for a, b in pairwise(cuts):
            may = self.graphs[max(t for t in self.graphs if t <= a)]
            found.append((self.plan._replace(authors=may, everyone=bool(may.all())), a, b))
        return found

    def describe(self) -> dict[str, Any]:
        """What the manifest says of it."""
        backend = {"class": "GaussianMixture", "engine": "numba", "random": "Philox4x32-10"}
        backends = dict.fromkeys(self.agents, backend)
        return {"agents": self.agents, "backends": backends, "sha256": self.sha256}

    def world(self, replicates: range) -> GmmWorld:
        """The system of some replicates, before its first step."""
        from lwd_agents.worlds.gmm import GmmWorld

        return GmmWorld(self, replicates)

    def play(
        self,
        journal: Journal,
        on_round: Callable[[Round], None],
        say: Callable[[str], None],
    ) -> None:
        """Run all replicates to the last step, or on from where the journal stands.

        As many run together as fit in memory; the others follow as further pieces.
        """
        from lwd_agents.worlds.gmm import merged
        from lwd_agents.worlds.gmm_theory import theory
        from lwd_agents.worlds.numeric import play

        def whole(block: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
            return {**merged(block), **theory(self, block["weights"][:, 0]).arrays}

        play(self.config, self.world, self._most(), whole, journal, on_round, say)

    def findings(self, trajectory: Trajectory) -> dict[str, Any]:
        """What the summary says of the theory: what it predicts, or why it does not apply."""
        from lwd_agents.worlds.gmm_theory import separation, theory

        said = theory(self, trajectory.replicated("weights")[:, 0])
        found = {
            "applies": said.refused is None,
            "refused": said.refused,
            "linearised": said.linearised,
            "separation": separation(self) if self.config.components != 1 else None,
        }
        if said.refused is None:
            for name, values in said.arrays.items():
                found[f"{name}_last"] = float(np.sqrt(np.mean(values[:, -1] ** 2)))
        return {"theory": found}

    def _most(self) -> int:
        """How many replicates run together: by the memory that their stores and arrays take."""
        config, plan = self.config, self.plan
        each = int(plan.size[-1]) * (table_width(len(plan.means)) + config.d) * 8
        each += 3 * (config.steps + 1) * config.models * len(plan.means) * 8
        return max(1, _MEMORY // (each * (2 if config.placebo else 1)))

    def starts(self, replicates: range) -> Floats:
        """Pi_i(0) of some replicates, (R, N, B): as given, or Dirichlet, keyed by replicate."""
        config = self.config
        shape = (config.models, len(self.plan.means))
        if config.weights is not None:
            return np.broadcast_to(np.array(config.weights), (len(replicates), *shape)).copy()
        a = np.broadcast_to(np.array(config.dirichlet), (len(self.plan.means),))
        drawn = [
            seeding.generator(seeding.key(config.seed, "weights", replicate=r)).dirichlet(
                a, size=config.models
            )
            for r in replicates
        ]
        return np.stack(drawn)


def assemble(config: GmmConfig) -> GmmParts:
    """Read what files a config names, and work out everything that is known before a run.

    Raises:
        BadInput: one line that names the key.
    """
    sha256: dict[str, str] = {}
    given = config.initial_points
    count = given if isinstance(given, int) else 0
    empty = np.zeros((0, config.d))
    initial = empty if isinstance(given, int) else _points(given, "initial_points", config, sha256)
    human = _human_law(config, sha256)
    try:
        graphs = stretches(config.readership, config.names, config.seed)
    except ValueError as error:
        raise BadInput(str(error)) from None
    sha256 |= {n: resources.sha256(path) for n, path in files(config.readership).items()}
    first, size = _internet(config, len(initial) + count)
    k = _readings(config, graphs, first, size, len(initial) + count)
    alpha, shift = _coefficients(config, k)
    means = np.array(config.means)
    factor = np.linalg.cholesky(covariance_matrix(config.covariance, config.d, "covariance"))
    whitener = np.linalg.inv(factor)
    for key, points in {
        "means": means, "initial_points": initial, "human": human.centres
    }.items():  # fmt: skip
        with np.errstate(over="ignore"):
            near = np.abs(points @ whitener.T) < _FARTHEST
        if not near.all():
            raise BadInput(f"{key}: a point is over {_FARTHEST:g} standard deviations from 0")
    plan = Plan(
        key=run_key(config.seed, "gmm"),
        means=means,
        factor=factor,
        whitened=np.ascontiguousarray(means @ whitener.T),
        whitener=np.ascontiguousarray(whitener),
        human=human,
        k=k,
        alpha=alpha,
        shift=shift,
        first=first,
        size=size,
        posts=config.posts_per_step,
        fresh=config.fresh_points,
        authors=graphs[0],
        everyone=bool(graphs[0].all()),
        epsilon=float(config.epsilon),
    )
    return GmmParts(config, plan, graphs, initial, count, sha256)


def _points(
    given: str | tuple[tuple[float, ...], ...], key: str, config: GmmConfig, sha256: dict[str, str]
) -> Floats:
    """Points (P, d) from a config's list or a .npy, .csv or .txt file.

    Raises:
        BadInput: no such file, not numbers, not finite, or of another dimension.
    """
    if not isinstance(given, str):
        return np.array(given, dtype=np.float64)
    path = Path(given).expanduser()
    try:
        if path.suffix == ".npy":
            points = np.asarray(np.load(path, allow_pickle=False), dtype=np.float64)
        else:
            points = np.loadtxt(path, delimiter="," if path.suffix == ".csv" else None, ndmin=2)
    except (OSError, ValueError, TypeError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).split("\n")[0]
        raise BadInput(
            f"{key}: {given}: cannot be read as points: {reason}; .npy, .csv and .txt files of "
            "numbers, one point a line, can be"
        ) from None
    points = points.reshape(-1, 1) if points.ndim == 1 else points
    if points.ndim != 2 or points.shape[1] != config.d:
        raise BadInput(f"{key}: {given}: has shape {points.shape}; (points, {config.d}) is needed")
    if not np.isfinite(points).all():
        raise BadInput(f"{key}: {given}: a number in it is not finite")
    sha256[f"points/{path.name}"] = resources.sha256(path)
    return np.ascontiguousarray(points)


def _human_law(config: GmmConfig, sha256: dict[str, str]) -> Law:
    human, d = config.human, config.d
    if human.law == "points":
        centres = _points(human.points or (), "human.points", config, sha256)
        if not len(centres):
            raise BadInput("human.points: no point in it; the law needs at least one")
        return Law(np.cumsum(np.full(len(centres), 1.0 / len(centres))), centres, np.zeros((d, d)))
    if human.law == "normal":
        covariance = covariance_matrix(human.covariance or 1.0, d, "human.covariance")
        return Law(np.ones(1), np.array([human.mean]), np.linalg.cholesky(covariance))
    centres = np.array(config.means)
    weights = np.array(human.weights or np.full(len(centres), 1.0 / len(centres)))
    covariance = covariance_matrix(config.covariance, d, "covariance")
    return Law(np.cumsum(weights), centres, np.linalg.cholesky(covariance))


def _internet(config: GmmConfig, seeds: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(first, size), each (T + 1,): A(t) is what was numbered first[t] .. size[t] - 1."""
    entering = config.models * config.posts_per_step + config.fresh_points
    size = seeds + entering * np.arange(config.steps + 1, dtype=np.int64)
    first = np.zeros_like(size)
    if config.posting.keep == "replace":
        first[1:] = size[:-1]
    return first, size


def _readings(
    config: GmmConfig,
    graphs: dict[int, NDArray[np.bool_]],
    first: NDArray[np.int64],
    size: NDArray[np.int64],
    seeds: int,
) -> NDArray[np.int64]:
    """k of each step and model, (T + 1, N): of the points that the model may read.

    A fixed k is met as soon as there are that many points; before, all of them are read.
    """
    t = np.arange(config.steps + 1)
    steps_kept = np.minimum(t, 1) if config.posting.keep == "replace" else t
    seeds_kept = np.where(first < seeds, seeds, 0) if seeds else np.zeros_like(t)
    read = np.array([may.sum(axis=1) for may in graphs.values()])  # how many models' points
    per_step = read[np.searchsorted(list(graphs), t, side="right") - 1] * config.posts_per_step
    visible = seeds_kept[:, None] + steps_kept[:, None] * (per_step + config.fresh_points)
    reading = config.reading
    if reading.beta is None:
        return np.asarray(np.minimum(visible, reading.k or 0), dtype=np.int64)
    sizes, places = np.unique(visible, return_inverse=True)
    k = np.array([reading.size(int(number)) for number in sizes], dtype=np.int64)
    return np.asarray(k[places].reshape(visible.shape), dtype=np.int64)


def _coefficients(config: GmmConfig, k: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """alpha_t and c_tB of each step and model, (T + 1, N); the last is not used.

    Raises:
        BadInput: B c_tB is not below 1 where something is read.
    """
    components = config.components or 0
    least_one = np.maximum(k, 1)
    alpha = _schedule(config.alpha, 1.0 / least_one)
    c = _schedule(config.c, 1.0 / (least_one * float(components) ** 2))
    bad = np.argwhere((components * c >= 1.0)[:-1] & (k[:-1] > 0))
    if len(bad):
        t, i = bad[0]
        raise BadInput(
            f"c: at t = {t} model {config.names[i]} reads {k[t, i]} points, where components * c "
            f"is {components * c[t, i]:g}: it should be below 1; give c as a number, or a larger "
            "reading"
        )
    return alpha, c


def _schedule(given: str | float | tuple[float, ...], paper: Floats) -> Floats:
    """A coefficient (T + 1, N) from ``paper``, one number, or one an update."""
    if isinstance(given, str):
        return paper
    if isinstance(given, tuple):
        values = np.array([*given, given[-1]])[: len(paper), None]
    else:
        values = np.array(given)
    return np.broadcast_to(values, paper.shape).copy()
