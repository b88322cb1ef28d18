"""The compiled steps of the world ``gmm``: Algorithms 2 and 3 of arXiv 2506.15690, on many lanes.

A lane is one model of one arm (a replicate, live or placebo). The chain of a lane is sequential:
each point's update needs the one before. Lanes are independent, so their chains are interleaved:
for B = 2 a vector register holds one number of several lanes, for more components one lane's row.

Axes: A arms, N models, B components, T steps, P points.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lwd_agents.kernels import compiled
from lwd_agents.worlds.gmm_points import Plan, post, table_width, visible
from lwd_agents.worlds.gmm_sampling import (
    CHUNK,
    EXCHANGE,
    NOTE,
    STREAM,
    STREAMED,
    noted,
    shuffled,
    streamed,
    way_of,
)
from lwd_agents.worlds.gmm_vector import REGISTER, fetch_row, update_row

# Chains side by side: for B = 2 whole registers, one for few models; for more components as many
# as hide the time that one point takes.
LANES, FEW, MANY = 32, 8, 4
_TILE = 64  # points of each lane that are brought together at a time
_AHEAD = 3  # points by which a lane's rows of likelihoods are asked for in advance


class Scratch(NamedTuple):
    """Memory of one thread; see ``scratch``."""

    stream: NDArray[Any]
    items: NDArray[Any]
    work: NDArray[Any]
    touched: NDArray[np.int64]
    ends: NDArray[np.int64]
    words: NDArray[np.uint32]
    tile: NDArray[np.float64]


def registers_for(components: int) -> tuple[int, ...] | None:
    """As many zeros as a row of likelihoods has registers: a length that the compiler knows."""
    return None if components == 2 else (0,) * (table_width(components) // REGISTER)


def ratios_of(tables: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """The likelihood ratios (A, P) where that is what ``tables`` hold: B = 2."""
    return tables[:, :, 0] if tables.shape[2] == 1 else None


def scratch(plan: Plan, lanes: int, places: bool = False) -> Scratch:
    """Memory for reading with ``lanes`` lanes side by side; ``places``: those, not ratios."""
    if lanes % 8 and plan.means.shape[0] == 2 and not places:
        raise ValueError(f"lanes: {lanes} for B = 2; they go in eights")
    reads, points = int(plan.k.max(initial=1)), int(plan.size.max())
    kind = np.int32 if places or plan.means.shape[0] != 2 else np.float64
    # A bucket is for 8,192 items or more on average, and holds 8 standard deviations beyond that:
    # all of them, and one for what is forgotten, take less than this.
    buckets = points + points // 10 + 20_000 if points >= STREAMED else 0
    return Scratch(
        stream=np.zeros((lanes, max(reads, 1)), kind),
        items=np.zeros(points, kind),
        work=np.zeros(max(points, buckets), kind),
        touched=np.zeros(max(reads, 1), np.int64),
        ends=np.zeros(4096, np.int64),
        words=np.zeros(CHUNK, np.uint32),
        tile=np.ones(_TILE * lanes),
    )


@compiled
def read(plan, values, stream, memory, fresh_copy, t, model, replicate):
    """Draw one model's reading of step t into ``stream``; returns k.

    Args:
        values: (P,) what is drawn of each point: its ratio (B = 2) or its place.
        fresh_copy: ``memory.work`` does not hold A(t) yet.
    """
    k = plan.k[t, model]
    c2, c3 = np.uint64(model), np.uint64(replicate)
    if plan.everyone:
        items = values[plan.first[t] : plan.size[t]]
    else:
        items = memory.items[: visible(plan, values, memory.items, t, model)]
    m = memory
    way = way_of(items.shape[0], k)
    if way == STREAM:
        streamed(items, stream, k, m.work, m.ends, m.words, t, c2, c3, plan.key)
    elif way == NOTE:
        noted(items, stream, k, m.touched, m.words, t, c2, c3, plan.key)
    else:
        # Only exchanges leave A(t) in the memory, for the next model's.
        other = model > 0 and way_of(items.shape[0], plan.k[t, model - 1]) != EXCHANGE
        if fresh_copy or other or not plan.everyone:
            m.work[: items.shape[0]] = items
        shuffled(items, stream, k, m.work, m.touched, m.words, t, c2, c3, plan.key)
    return k


@compiled
def clip(p, components, epsilon):
    """Algorithm 2, lines 7 to 14, on one model's weights; returns how many were clipped."""
    clips = 0
    for b in range(components):
        if p[b] <= 0.0:
            clips += 1
            scale = 1.0 + epsilon - p[b]
            for other in range(components):
                if other != b:
                    p[other] /= scale
            p[b] = epsilon
    return clips


@compiled
def _tiled(stream, tile, begin, end, lanes):
    """Bring points begin .. end - 1 of all lanes together: point by point, lane by lane."""
    for lane in range(0, lanes, 8):
        r0, r1, r2, r3 = stream[lane], stream[lane + 1], stream[lane + 2], stream[lane + 3]
        r4, r5, r6, r7 = stream[lane + 4], stream[lane + 5], stream[lane + 6], stream[lane + 7]
        for j in range(begin, end):
            at = (j - begin) * lanes + lane
            tile[at], tile[at + 1], tile[at + 2], tile[at + 3] = r0[j], r1[j], r2[j], r3[j]
            tile[at + 4], tile[at + 5], tile[at + 6], tile[at + 7] = r4[j], r5[j], r6[j], r7[j]


@compiled
def _chain_two(tile, points, first, second, keep, gain, loss, epsilon, clips):
    """Algorithm 2 for B = 2 on ``points`` points of each lane of a tile of likelihood ratios.

    Args:
        first, second: (lanes,) the two weights, updated.
        keep, gain, loss: (lanes,) 1 - alpha, alpha / (1 - 2c), alpha c / (1 - 2c).
        clips: (lanes,), added to.
    """
    lanes = first.shape[0]
    p = np.empty(2)
    for j in range(points):
        ratio = tile[j * lanes : (j + 1) * lanes]
        bad = 0
        for lane in range(lanes):
            x = first[lane]
            y = second[lane]
            v = y * ratio[lane]
            inverse = 1.0 / (x + v)
            x = keep[lane] * x + (gain[lane] * (x * inverse) - loss[lane])
            y = keep[lane] * y + (gain[lane] * (v * inverse) - loss[lane])
            first[lane] = x
            second[lane] = y
            bad += (x <= 0.0) | (y <= 0.0)
        if bad:
            for lane in range(lanes):
                if first[lane] <= 0.0 or second[lane] <= 0.0:
                    p[0], p[1] = first[lane], second[lane]
                    clips[lane] += clip(p, 2, epsilon)
                    first[lane], second[lane] = p[0], p[1]


@compiled
def _read_two(plan, weights, ratios, t, lo, hi, replicates, memory, clips):
    """Step t's readings of lanes lo .. hi - 1 (at most a register row), for B = 2."""
    n = plan.k.shape[1]
    width = memory.stream.shape[0]
    first, second = np.full(width, 0.5), np.full(width, 0.5)
    keep, gain, loss = np.ones(width), np.zeros(width), np.zeros(width)
    ends, counts = np.zeros(width, np.int64), np.zeros(width, np.int64)
    for lane in range(hi - lo):
        arm, i = (lo + lane) // n, (lo + lane) % n
        copy = lane == 0 or i == 0
        ends[lane] = read(
            plan, ratios[arm], memory.stream[lane], memory, copy, t, i, replicates[arm]
        )
        first[lane], second[lane] = weights[arm, i, 0], weights[arm, i, 1]
        alpha, c = plan.alpha[t, i], plan.shift[t, i]
        keep[lane] = 1.0 - alpha
        gain[lane] = alpha / (1.0 - 2.0 * c)
        loss[lane] = gain[lane] * c
    done = 0
    while done < ends.max():
        until = ends.max()
        for lane in range(width):
            if ends[lane] > done:
                until = min(until, ends[lane])
            else:  # this reading has ended: from here on its coefficients change nothing
                keep[lane], gain[lane], loss[lane] = 1.0, 0.0, 0.0
        for begin in range(done, until, _TILE):
            end = min(until, begin + _TILE)
            _tiled(memory.stream, memory.tile, begin, end, width)
            _chain_two(
                memory.tile, end - begin, first, second, keep, gain, loss, plan.epsilon, counts
            )
        done = until
    for lane in range(hi - lo):
        arm, i = (lo + lane) // n, (lo + lane) % n
        weights[arm, i, 0], weights[arm, i, 1] = first[lane], second[lane]
        clips[arm, i] += counts[lane]


@compiled
def _chain_many(registers, rows, base, stream, points, p, loss, keep, gain, clips, limits):
    """Algorithm 2 on each lane's reading, for any B, the lanes' points taken in turn.

    A row of likelihoods is as wide as whole registers. The places beyond B hold 0 for every point,
    and a weight there is held at 1: it never matters, nor is clipped.

    Args:
        registers: see ``registers_for``.
        rows: (points of all arms, width); base: (lanes,) where each lane's arm begins.
        stream: (lanes, k) the places of the readings; points: (lanes,) how many.
        p, loss: (lanes, width) the weights, updated; alpha c / (1 - B c), -alpha beyond B.
        keep, gain: (lanes,) 1 - alpha, alpha / (1 - B c).
        clips: (lanes,), added to.
        limits: (B, epsilon).
    """
    for j in range(points.max()):
        for lane in range(p.shape[0]):
            if j + _AHEAD < points[lane]:
                fetch_row(registers, rows, base[lane] + stream[lane, j + _AHEAD])
            if j < points[lane]:
                place = base[lane] + stream[lane, j]
                if update_row(registers, p, lane, rows, place, loss, keep[lane], gain[lane]):
                    clips[lane] += clip(p[lane], limits[0], limits[1])


@compiled
def _read_many(plan, registers, weights, tables, places, t, lo, hi, replicates, memory, clips):
    """Step t's readings of lanes lo .. hi - 1 (at most as many as the memory is for), any B."""
    n, components = weights.shape[1:]
    size, width = tables.shape[1:]
    lanes = hi - lo
    p, loss = np.ones((lanes, width)), np.empty((lanes, width))
    keep, gain = np.empty(lanes), np.empty(lanes)
    ends, base = np.zeros(lanes, np.int64), np.zeros(lanes, np.int64)
    counts = np.zeros(lanes, np.int64)
    for lane in range(lanes):
        arm, i = (lo + lane) // n, (lo + lane) % n
        copy = lane == 0 or i == 0
        ends[lane] = read(plan, places, memory.stream[lane], memory, copy, t, i, replicates[arm])
        base[lane] = arm * size
        alpha, c = plan.alpha[t, i], plan.shift[t, i]
        keep[lane] = 1.0 - alpha
        gain[lane] = alpha / (1.0 - components * c)
        loss[lane, :components] = gain[lane] * c
        loss[lane, components:] = -alpha
        p[lane, :components] = weights[arm, i]
    rows = tables.reshape((-1, width))
    limits = (components, plan.epsilon)
    _chain_many(registers, rows, base, memory.stream, ends, p, loss, keep, gain, counts, limits)
    for lane in range(lanes):
        arm, i = (lo + lane) // n, (lo + lane) % n
        weights[arm, i] = p[lane, :components]
        clips[arm, i] += counts[lane]


@compiled
def read_lanes(
    plan, registers, ratios, weights, tables, places, t, lo, hi, replicates, memory, clips
):
    """All readings of step t of lanes lo .. hi - 1: weights (A, N, B) go from t to t + 1.

    Args:
        registers, ratios: see ``registers_for`` and ``ratios_of``.
        tables: (A, P, width); places: (P,) int32, the numbers 0, 1, ...
        replicates: (A,) the replicate of each arm, which names its random words.
        clips: (A, N), added to.
    """
    side = memory.stream.shape[0]
    for first in range(lo, hi, side):
        last = min(hi, first + side)
        # One of the two is None, which the compiler knows: its branch is left out.
        if ratios is not None:
            _read_two(plan, weights, ratios, t, first, last, replicates, memory, clips)
        if registers is not None:
            _read_many(
                plan, registers, weights, tables, places, t, first, last, replicates, memory, clips
            )


@compiled
def advance(
    plan, registers, ratios, weights, tables, places, begin, end, replicates, placebo, memory, out,
    clips,
):  # fmt: skip
    """Take some arms from step ``begin`` to step ``end``, all in one call.

    Args:
        weights: (A, N, B) of step begin; of step end afterwards.
        placebo: (A,) whether human points stand in for the models' own.
        out: (A, end - begin, N, B), the weights of steps begin + 1 .. end.
        clips: (A, end - begin, N), the clips on the way to each.
    """
    arms, n = weights.shape[:2]
    for t in range(begin, end):
        for arm in range(arms):
            post(plan, weights[arm], tables[arm], t, replicates[arm], placebo[arm])
        counts = np.zeros((arms, n), np.int64)
        read_lanes(
            plan, registers, ratios, weights, tables, places, t, 0, arms * n, replicates, memory,
            counts,
        )  # fmt: skip
        out[:, t - begin] = weights
        clips[:, t - begin] = counts
