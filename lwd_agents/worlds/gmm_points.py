"""The points of the world ``gmm``: their laws, how they are drawn and kept, who may read them.

A point's likelihoods are computed once, when it is posted, relative to the largest: for B = 2
their ratio alone is kept. Points are a function of (key, step, model, replicate) and of the weights
of their step, so a store can be filled anew from the weights that were committed.

Axes: A arms, N models, B components, T steps, P points.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lwd_agents.kernels import compiled, normal_pair, philox, stamp, unit
from lwd_agents.worlds.gmm_vector import REGISTER

POST, FRESH, START = 2, 3, 4  # purposes of random words (more: gmm_sampling)
FAINT = 700.0  # a likelihood below exp(-700) of the largest counts as that: never 0 / 0


class Law(NamedTuple):
    """A law of points: one of C centres by its share, and normal noise around it.

    Attributes:
        cumulative: (C,), the last is 1.
        centres: (C, d).
        factor: (d, d), the covariance's lower Cholesky factor; 0 for a law of given points.
    """

    cumulative: NDArray[np.float64]
    centres: NDArray[np.float64]
    factor: NDArray[np.float64]


class Plan(NamedTuple):
    """What is fixed before the first step, T being the number of updates.

    Attributes:
        key: (2,) of the run.
        means, factor: (B, d) and (d, d), the mixtures' own.
        whitened, whitener: (B, d) and (d, d): the means and points in units of the covariance.
        human: the law of human points.
        k: (T, N), how many points each model reads.
        alpha, shift: (T, N), the coefficients alpha_t and c_tB.
        first, size: (T + 1,), A(t) is the points first[t] .. size[t] - 1 of the store.
        posts, fresh: L, and the human points that enter each step.
        authors: (N, N) bool, whether model i may read what model j posted.
        everyone: all may read all.
        epsilon: the least weight.
    """

    key: NDArray[np.uint64]
    means: NDArray[np.float64]
    factor: NDArray[np.float64]
    whitened: NDArray[np.float64]
    whitener: NDArray[np.float64]
    human: Law
    k: NDArray[np.int64]
    alpha: NDArray[np.float64]
    shift: NDArray[np.float64]
    first: NDArray[np.int64]
    size: NDArray[np.int64]
    posts: int
    fresh: int
    authors: NDArray[np.bool_]
    everyone: bool
    epsilon: float


def table_width(components: int) -> int:
    """Numbers kept of each point: the ratio for B = 2, else B rounded up to whole registers."""
    return 1 if components == 2 else -(-components // REGISTER) * REGISTER


@compiled
def choose(cumulative, slot, blocks, c1, c2, c3, key):
    """An index by its share, from the first of a point's ``blocks`` blocks of random words."""
    x0, x1, _, _ = philox(np.uint64(slot) * blocks, c1, c2, c3, key[0], key[1])
    target = unit(x0, x1) * cumulative[-1]
    return min(np.searchsorted(cumulative, target), len(cumulative) - 1)


@compiled
def add_noise(point, factor, slot, blocks, c1, c2, c3, key):
    """Add factor z to a point, z standard normal, from the others of its blocks."""
    d = point.shape[0]
    c0 = np.uint64(slot) * blocks
    for pair in range((d + 1) // 2):
        c0 += np.uint64(1)
        x0, x1, x2, x3 = philox(c0, c1, c2, c3, key[0], key[1])
        z0, z1 = normal_pair(x0, x1, x2, x3)
        for a in range(d):
            point[a] += factor[a, 2 * pair] * z0
            if 2 * pair + 1 < d:
                point[a] += factor[a, 2 * pair + 1] * z1


@compiled
def draw_point(point, cumulative, centres, factor, slot, t, purpose, model, replicate, key):
    """Write one point of a law to ``point`` (d,); slot counts the points of this counter."""
    blocks = np.uint64(1 + (point.shape[0] + 1) // 2)
    c1, c2, c3 = stamp(t, purpose), np.uint64(model), np.uint64(replicate)
    point[:] = centres[choose(cumulative, slot, blocks, c1, c2, c3, key)]
    add_noise(point, factor, slot, blocks, c1, c2, c3, key)


@compiled
def likelihoods(point, whitened, whitener, row):
    """Write a point's likelihoods to ``row``, relative to the largest; for B = 2 second / first.

    The shared covariance's determinant cancels in every ownership, so it is left out.
    """
    components, d = whitened.shape
    logs = np.zeros(components)
    for b in range(components):
        for a in range(d):
            y = -whitened[b, a]
            for e in range(a + 1):
                y += whitener[a, e] * point[e]
            logs[b] -= 0.5 * y * y
    if components == 2:
        row[0] = math.exp(max(-FAINT, min(FAINT, logs[1] - logs[0])))
        return
    largest = logs.max()
    for b in range(components):
        row[b] = math.exp(max(-FAINT, logs[b] - largest))


@compiled
def post(plan, weights, table, t, replicate, placebo):
    """Put the points of step t into one arm's store: each model's L, then the fresh human ones.

    Args:
        weights: (N, B) of step t.
        table: (P, width), written from size[t] on.
        placebo: human points stand in for the models' own, drawn with the same random words.
    """
    n, components = weights.shape
    d = plan.means.shape[1]
    point = np.empty(d)
    cumulative = np.empty(components)
    place = plan.size[t]
    for i in range(n):
        total = 0.0
        for b in range(components):
            total += weights[i, b]
            cumulative[b] = total
        for slot in range(plan.posts):
            if placebo:
                h = plan.human
                draw_point(
                    point, h.cumulative, h.centres, h.factor, slot, t, POST, i, replicate, plan.key
                )
            else:
                draw_point(
                    point, cumulative, plan.means, plan.factor, slot, t, POST, i, replicate,
                    plan.key,
                )  # fmt: skip
            likelihoods(point, plan.whitened, plan.whitener, table[place])
            place += 1
    humans(plan, table, place, plan.fresh, t, FRESH, replicate)


@compiled
def humans(plan, table, place, count, t, purpose, replicate):
    """Put ``count`` points of the human law into one arm's store, from ``place`` on."""
    h = plan.human
    point = np.empty(plan.means.shape[1])
    for slot in range(count):
        draw_point(
            point, h.cumulative, h.centres, h.factor, slot, t, purpose, 0, replicate, plan.key
        )
        likelihoods(point, plan.whitened, plan.whitener, table[place + slot])


@compiled
def visible(plan, values, items, t, model):
    """Write to ``items`` what of A(t) a model may read, in the order of the store; how many."""
    n = plan.authors.shape[0]
    count = 0
    place = plan.first[t]
    while place < min(plan.size[0], plan.size[t]):
        items[count] = values[place]
        count += 1
        place += 1
    while place < plan.size[t]:
        for author in range(n):
            if plan.authors[model, author]:
                for slot in range(plan.posts):
                    items[count + slot] = values[place + slot]
                count += plan.posts
            place += plan.posts
        for _ in range(plan.fresh):
            items[count] = values[place]
            count += 1
            place += 1
    return count


@compiled
def repost(plan, history, tables, replicates, placebo):
    """Fill the stores of arms anew from their weights: all that was posted before the last step.

    Args:
        history: (A, S, N, B), the weights of steps 0 .. S - 1.
        tables: (A, P, width), in which A(0) stands already.
    """
    for arm in range(history.shape[0]):
        for t in range(history.shape[1] - 1):
            post(plan, history[arm, t], tables[arm], t, replicates[arm], placebo[arm])
