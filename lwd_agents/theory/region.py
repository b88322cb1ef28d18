"""Where the GMM theory does not hold (ours; measured by scripts/study_gmm_theory.py)."""

from __future__ import annotations

import numpy as np

from lwd_agents.theory.schedule import Array, MeanField, Schedule
from lwd_agents.theory.second_moment import SecondMoment


def outside(
    schedule: Schedule,
    prediction: MeanField | SecondMoment,
    *,
    floor: bool = True,
    separation: float | None = None,
    linearised: bool = False,
    lowest: float = 0.0,
    eps: float = 1e-6,
) -> str | None:
    """Why the prediction is not to be trusted to 6 %, in one sentence; None where it is.

    The thresholds come from simulation: scripts/study_gmm_theory.py prints the evidence.

    Args:
        prediction: its moments are judged by their means over the leading axes.
        floor, linearised: whether the prediction accounts for the positivity step, for overlap.
        separation: smallest Mahalanobis distance between two components' means; None: far.
        lowest: smallest starting weight; 0 where it is random. It matters where means are close.
        eps: where Algorithm 2 puts a weight that is not positive.
    """
    floor = floor and isinstance(prediction, SecondMoment)
    ones = np.flatnonzero((schedule.k > 0) & (schedule.alpha == 1.0))
    if len(ones) and not (floor and not linearised):
        return (
            f"k_t = 1 is visited at t = {ones[0]}: there one point sets every other weight to eps"
        )
    most = 0.22 if linearised else 1.2 if floor else 0.5
    if isinstance(prediction, MeanField):
        most = 1.0  # Appendix A's own condition: every expected weight stays positive
    if eps > 0.01:
        return f"eps = {eps:g} is over 0.01: a weight at eps is no longer as good as 0"
    return (
        _too_close(separation, linearised, lowest, eps)
        or _too_rare(schedule, prediction, most)
        or _near_fixation(schedule, prediction)
    )


def least_separation(eps: float) -> float:
    """The Mahalanobis distance from which on components count as apart.

    A weight at eps can only leave it where a hit's likelihood ratio, about exp(d^2 / 2), beats
    1/eps; 0.7 more lets most hits do so.
    """
    return float(np.sqrt(-2.0 * np.log(eps)) + 0.7)


def _too_close(separation: float | None, linearised: bool, lowest: float, eps: float) -> str | None:
    least = least_separation(eps)
    if separation is None or separation >= least:
        return None
    if not linearised:
        return (
            f"two components' means are {separation:g} standard deviations apart: below "
            f"{least:.2f} a weight at eps = {eps:g} may stay there whatever is read"
        )
    if separation < 2.0:
        return f"two components' means are {separation:g} standard deviations apart, under 2"
    even = max(0.6 - 0.1 * separation, 0.1)
    if lowest < even:
        return (
            f"the smallest starting weight, {lowest:g}, is under {even:g}, too far from even for "
            f"means {separation:g} standard deviations apart"
        )
    return None


def _too_rare(schedule: Schedule, prediction: MeanField | SecondMoment, most: float) -> str | None:
    M = _over_replicates(prediction.composition)[:-1].min(axis=-1)
    judged = np.flatnonzero((schedule.k > 0) & (schedule.alpha < 1.0))
    bad = judged[schedule.c[judged] >= most * M[judged]]
    if len(bad) == 0:
        return None
    t = int(bad[0])
    return (
        f"c = {schedule.c[t]:.3g} at t = {t} is not under {most:g} times the smallest share of a "
        f"component in A, {M[t]:.3g}"
    )


def _near_fixation(schedule: Schedule, prediction: MeanField | SecondMoment) -> str | None:
    if isinstance(prediction, MeanField):
        return None
    M, v_M = (_over_replicates(x)[:-1] for x in (prediction.composition, prediction.variance))
    fixed = v_M.sum(axis=-1) / np.maximum(np.sum(M * (1.0 - M), axis=-1), 1e-12)
    bad = np.flatnonzero((schedule.k > 0) & (schedule.alpha < 1.0) & (fixed > 0.45))
    if len(bad) == 0:
        return None
    t = int(bad[0])
    return (
        f"A may hold one component only: the variance of its composition is {fixed[t]:.2f} of the "
        f"most that there can be at t = {t}, over 0.45"
    )


def _over_replicates(values: Array) -> Array:
    return np.asarray(values.reshape(-1, *values.shape[-2:]).mean(axis=0))
