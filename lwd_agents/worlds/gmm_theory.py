"""The theory of a run of the world ``gmm``: what it predicts, or why it does not apply."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lwd_agents.theory.region import least_separation, outside
from lwd_agents.theory.schedule import Schedule
from lwd_agents.theory.second_moment import SecondMoment, second_moment
from lwd_agents.worlds.gmm_parts import GmmParts
from lwd_agents.worlds.gmm_points import START, draw_point

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Theory:
    """What the theory says of a run.

    Attributes:
        arrays: name -> (R, T + 1): ``predicted_rms`` and ``predicted_mean_field``, each replicate's
            given its starting weights, and of a placebo ``placebo_predicted_rms``; {} where the
            theory does not apply.
        refused: why it does not apply; None where it does.
        linearised: overlapping components were accounted for to first order.
    """

    arrays: dict[str, Floats]
    refused: str | None
    linearised: bool


def theory(parts: GmmParts, starts: Floats) -> Theory:
    """Predict ||D(t)||_F of some replicates from their starting weights.

    Args:
        parts: the experiment.
        starts: Pi_i(0), (R, N, B), of the replicates 0 .. R - 1.
    """
    if refused := _beyond(parts):
        return Theory({}, refused, False)
    schedule = _schedule(parts)
    composition = _composition(parts, len(starts)) if parts.plan.size[0] else None
    human = _human(parts)
    apart = separation(parts)
    arrays: dict[str, Floats] = {}
    eps = max(parts.config.epsilon, 1e-300)
    overlap = parts.config.components == 2 and apart < least_separation(eps)
    for linearised in (False, True) if overlap else (False,):
        for placebo in (False, True) if parts.config.placebo else (False,):
            found = second_moment(
                starts,
                schedule,
                composition=composition,
                human=human,
                placebo=placebo,
                floor=not linearised,
                separation=apart if linearised else None,
            )
            refused = outside(
                schedule,
                found,
                floor=not linearised,
                separation=apart,
                linearised=linearised,
                lowest=float(starts.min()),
                eps=eps,
            )
            if refused:
                break
            arrays |= _named(found, placebo)
        if not refused:
            return Theory(arrays, None, linearised)
    return Theory({}, refused, False)


def separation(parts: GmmParts) -> float:
    """The least Mahalanobis distance between two components' means; infinite for one component."""
    m = parts.plan.whitened
    apart = np.sqrt(np.sum((m[:, None] - m[None]) ** 2, axis=-1))
    return float(np.min(apart[~np.eye(len(m), dtype=bool)], initial=np.inf))


def _named(found: SecondMoment, placebo: bool) -> dict[str, Floats]:
    if placebo:
        return {"placebo_predicted_rms": found.rms}
    return {"predicted_rms": found.rms, "predicted_mean_field": found.mean_field_norm}


def _beyond(parts: GmmParts) -> str | None:
    """What of a config the theory has no terms for."""
    config = parts.config
    if config.moving.means or config.moving.covariances:
        return "means or covariances move"
    if not all(plan.everyone for plan, _, _ in parts.stretches(0, config.steps)):
        return "the readership is not complete"
    people = config.placebo or config.fresh_points or parts.drawn
    if people and config.human.law == "normal":
        return "human points of the law normal belong to no component"
    return None


def _schedule(parts: GmmParts) -> Schedule:
    config, plan, steps = parts.config, parts.plan, parts.config.steps
    return Schedule(
        size=(plan.size - plan.first)[:steps].astype(np.float64),
        k=plan.k[:steps, 0],
        alpha=plan.alpha[:steps, 0],
        c=plan.shift[:steps, 0],
        models=config.models,
        draws=config.posts_per_step,
        components=len(plan.means),
        fresh=config.fresh_points,
        replaces=config.posting.keep == "replace",
    )


def _shares(parts: GmmParts, points: Floats) -> Floats:
    """The share of each component among points (P, d), each at its likeliest: (B,)."""
    y = points @ parts.plan.whitener.T
    nearest = np.sum((y[:, None] - parts.plan.whitened[None]) ** 2, axis=-1).argmin(axis=1)
    return np.bincount(nearest, minlength=len(parts.plan.means)) / len(points)


def _composition(parts: GmmParts, replicates: int) -> Floats:
    """A(0)'s share of each component, of each replicate: (R, B)."""
    found = []
    point = np.empty(parts.config.d)
    h, key = parts.plan.human, parts.plan.key
    for replicate in range(replicates if parts.drawn else 1):
        points = list(parts.initial)
        for slot in range(parts.drawn):
            draw_point(point, h.cumulative, h.centres, h.factor, slot, 0, START, 0, replicate, key)
            points.append(point.copy())
        found.append(_shares(parts, np.array(points)))
    return np.broadcast_to(np.array(found), (replicates, len(parts.plan.means))).copy()


def _human(parts: GmmParts) -> Floats:
    """The human law's share of each component, (B,)."""
    human = parts.plan.human
    weights = np.diff(human.cumulative, prepend=0.0)
    if parts.config.human.law == "points":
        return _shares(parts, human.centres)
    return weights if len(weights) == len(parts.plan.means) else np.ones(1)
