"""What is known of a GMM run before it begins, and Appendix A's expectation of its weights.

`mean_field` is the norm of the expected weight differences (arXiv 2506.15690, Algorithms 2 and 3
and Appendix A). It costs O(N B) once and O(B) a step, whatever |A(t)| is.

Axes: T steps, N models (n in the text), B components; "..." are leading axes of replicates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Schedule:
    """What is known before a run: for t = 0..T-1, arrays of shape (T,).

    Attributes:
        size: |A(t)|.  k: points read, k_t.  alpha: learning rate, in (0, 1].  c: c_{t,B}.
        models: n.  draws: L, the points that each model posts per step.  components: B.
        fresh: human points that enter A per step beside the models' n L.
        replaces: A(t+1) holds only what entered at step t; otherwise A keeps everything.
    """

    size: Array
    k: NDArray[np.int64]
    alpha: Array
    c: Array
    models: int
    draws: int
    components: int
    fresh: int = 0
    replaces: bool = False

    @classmethod
    def of(
        cls,
        *,
        models: int,
        draws: int,
        components: int,
        beta: float | Decimal,
        steps: int,
        initial: int = 0,
        fresh: int = 0,
        replaces: bool = False,
    ) -> Schedule:
        """The paper's settings: k_t = floor(beta |A(t)|), alpha = 1/k_t, c = 1/(k_t B^2).

        beta is the decimal that was written: 0.7 of 90 points is 63, though the float is less.
        """
        entering = models * draws + fresh
        sizes = [initial + entering * t for t in range(steps)]
        if replaces:
            sizes[1:] = [entering] * (steps - 1)
        numerator, denominator = Decimal(str(beta)).as_integer_ratio()
        k = np.array([numerator * size // denominator for size in sizes], dtype=np.int64)
        alpha = 1.0 / np.maximum(k, 1)
        c = alpha / components**2
        size = np.array(sizes, dtype=np.float64)
        return cls(size, k, alpha, c, models, draws, components, fresh, replaces)

    @property
    def steps(self) -> int:
        """T."""
        return len(self.k)

    def since(self, step: int) -> Schedule:
        """The same schedule from `step` on, for a recursion started there."""
        cut = {name: getattr(self, name)[step:] for name in ("size", "k", "alpha", "c")}
        return replace(self, **cut)

    def shares(self, step: int, placebo: bool) -> tuple[float, float, float]:
        """Shares of A(step + 1): kept from A(step), drawn from the models, human law."""
        posted = self.models * self.draws
        kept = 0.0 if self.replaces else float(self.size[step])
        total = kept + posted + self.fresh
        models = 0 if placebo else posted
        return kept / total, models / total, (posted + self.fresh - models) / total


@dataclass(frozen=True)
class MeanField:
    """E[Pi_i(t)] under Appendix A, which is decay[t] Pi_i(0) + common[..., t, :].

    Attributes:
        start: Pi_i(0), (..., N, B).  decay: (T+1,).  common: (..., T+1, B).
        composition: share of each component in A(t), (..., T+1, B); 0 while A is empty.
        norm: Frobenius norm of the distances of expected weights, (..., T+1).
    """

    start: Array
    decay: Array
    common: Array
    composition: Array
    norm: Array

    def weights(self, step: int) -> Array:
        """Expected weights at `step`, (..., N, B)."""
        return np.asarray(self.decay[step] * self.start + self.common[..., step, None, :])


def mean_field(
    weights: ArrayLike,
    schedule: Schedule,
    *,
    composition: ArrayLike | None = None,
    human: ArrayLike | None = None,
    placebo: bool = False,
) -> MeanField:
    """Appendix A's recursion, with the exponent k_t (the printed k_t + 1 is a slip).

    It is affine with a term that all models share, so one pass over the models is enough. It
    bounds ||E(Pi_i - Pi_j)||, not E||D||, and ignores Algorithm 2's positivity step.

    Args:
        weights: Pi_i(0), (..., N, B).
        composition: share of each component in A(0), (..., B); needed where A(0) is not empty.
        human: composition of the human law, (B,); needed for fresh points and for a placebo.
        placebo: the n L points per step come from the human law, not from the models.

    Raises:
        ValueError: for a missing or misshapen argument.
    """
    start = checked_weights(weights, schedule)
    mean0 = start.mean(axis=-2)
    M, law = laws(mean0, schedule, composition, human, placebo)
    decay = np.ones(schedule.steps + 1)
    common = np.zeros((*mean0.shape[:-1], schedule.steps + 1, schedule.components))
    internet = np.empty_like(common)
    internet[..., 0, :] = M
    for t in range(schedule.steps):
        h, c = 1.0, float(schedule.c[t])
        if schedule.k[t] > 0:
            h = float((1.0 - schedule.alpha[t]) ** schedule.k[t])
        target = (internet[..., t, :] - c) / (1.0 - schedule.components * c)
        decay[t + 1] = h * decay[t]
        common[..., t + 1, :] = h * common[..., t, :] + (1.0 - h) * target
        kept, models, people = schedule.shares(t, placebo)
        mean = decay[t] * mean0 + common[..., t, :]
        internet[..., t + 1, :] = kept * internet[..., t, :] + models * mean + people * law
    norm = decay * np.sqrt(_squared_norm(start))[..., None]
    return MeanField(start, decay, common, internet, norm)


def checked_weights(weights: ArrayLike, schedule: Schedule) -> Array:
    """Pi_i(0) as numbers, (..., N, B); ValueError where the shape is another."""
    start = np.asarray(weights, dtype=np.float64)
    wanted = (schedule.models, schedule.components)
    if start.shape[-2:] != wanted:
        raise ValueError(f"weights have shape {start.shape}; they must end in {wanted}")
    return start


def laws(
    mean: Array,
    schedule: Schedule,
    composition: ArrayLike | None,
    human: ArrayLike | None,
    placebo: bool,
) -> tuple[Array, Array]:
    """A(0)'s composition, (..., B), 0 where A(0) is empty; and the human law, (B,).

    Args:
        mean: of the models' weights, (..., B), which gives the leading axes.

    Raises:
        ValueError: where one of them is missing or misshapen.
    """
    if composition is None and schedule.size[0] > 0:
        raise ValueError(f"A(0) has {schedule.size[0]:g} points: their composition is needed")
    if human is None and (placebo or schedule.fresh > 0):
        raise ValueError("human points enter (fresh or placebo): the law `human` is needed")
    B = schedule.components
    M = np.zeros(B) if composition is None else np.asarray(composition, dtype=np.float64)
    law = np.zeros(B) if human is None else np.asarray(human, dtype=np.float64)
    if M.shape[-1:] != (B,) or law.shape != (B,):
        raise ValueError(f"composition {M.shape} and human {law.shape} must end in B = {B}")
    return np.broadcast_to(M, mean.shape), law


def _squared_norm(weights: Array) -> Array:
    """||D||_F^2 = 2 n sum_i ||Pi_i - mean||^2, (...): O(n B), no n x n matrix."""
    apart = weights - weights.mean(axis=-2, keepdims=True)
    return np.asarray(2 * weights.shape[-2] * np.sum(apart**2, axis=(-2, -1)))
