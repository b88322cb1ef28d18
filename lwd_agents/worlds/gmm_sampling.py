"""Uniform draws without replacement, in order: every ordered k-subset is equally likely.

Three exact ways. Fisher and Yates' shuffle, stopped after k exchanges, touches memory at random:
best while the items fit the caches. Rao's and Sandelius' buckets (1961) stream instead: every item
goes to a random bucket, each bucket (small enough for the cache) is shuffled, and the first k items
of the buckets in turn are the draw. Given how many items each bucket got, which ones they are is
uniform, so trying again when a bucket is too full, or too few were kept, leaves the law as it is.
And where little is read of much, the exchanges are written down in a table, not made in a copy.
"""

from __future__ import annotations

import math

import numpy as np

from lwd_agents.kernels import compiled, fill, inlined, philox, stamp

CHUNK = 1024  # random words made at a time
# Purposes of random words, as part of their counters (others: gmm_kernel).
SHUFFLE, WITHIN, AGAIN, BUCKETS = 0, 1, 64, 128
ATTEMPTS = 64  # an attempt has a purpose of its own: AGAIN + attempt, BUCKETS + attempt
STREAMED = 1_000_000  # items from which on buckets are faster than jumps through memory
SMALLEST_SHARE = 0.3  # of the items: a smaller draw does not repay a pass over all of them
EXCHANGE, STREAM, NOTE = 0, 1, 2  # the three ways
_FEW = 64  # times fewer items drawn than there are: then a copy of them costs more than the draw
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_IN_BUCKET = 16_384  # items that a bucket holds on average, at most
_MOST_BUCKETS = 4096
_LOW, _HALF, _WORDS = np.uint64(0xFFFFFFFF), np.uint64(32), np.uint64(1 << 32)


@inlined
def below(word, s, j, t, model, replicate, key):
    """A whole number in [0, s), every one equally likely, from one 32-bit word (Lemire 2019).

    In the few cases where that word would favour some numbers, others take its place.
    """
    product = word * s
    if product & _LOW < s:
        threshold = (_WORDS - s) % s
        attempt = 0
        while product & _LOW < threshold:
            again = stamp(t, AGAIN + attempt % ATTEMPTS)
            words = philox(np.uint64(j), again, model, replicate, key[0], key[1])
            product = words[0] * s
            attempt += 1
    return np.int64(product >> _HALF)


@inlined
def enough(count):
    """Words to make where ``count`` are needed: whole registers of whole blocks."""
    return -(-count // 32) * 32


@compiled
def _exchanged(places, words, begin, end, n, number, t, model, replicate, key):
    """Where items begin .. end - 1 of n exchange with: uniform over themselves and those after.

    Two passes: the first has no branch, and is all there is unless a word must be drawn again.

    Args:
        places: (end - begin,), written. words: random, as many.
        number: of item 0 in this reading, which names the words that are drawn again.
    """
    rare = np.int64(0)
    for i in range(end - begin):
        s = np.uint64(n - begin - i)
        product = np.uint64(words[i]) * s
        places[i] = begin + i + np.int64(product >> _HALF)
        rare += (product & _LOW) < s
    if rare:
        for i in range(end - begin):
            j = begin + i
            word, s = np.uint64(words[i]), np.uint64(n - j)
            places[i] = j + below(word, s, number + j, t, model, replicate, key)


@compiled
def shuffled(items, out, k, work, touched, words, t, model, replicate, key):
    """Draw ``out[:k]`` from ``items`` by exchanges in ``work``, a copy of them, then mend it.

    Args:
        items: (N,).
        out: at least k long.
        work: at least N long, equal to ``items``; it is equal to them again afterwards.
        touched: (at least k,) int64, scratch.
        words: (CHUNK,) uint32, scratch.
    """
    n = items.shape[0]
    for begin in range(0, k, CHUNK):
        end = min(k, begin + CHUNK)
        fill(words[: enough(end - begin)], begin // 4, stamp(t, SHUFFLE), model, replicate, key)
        _exchanged(touched[begin:end], words, begin, end, n, 0, t, model, replicate, key)
        for j in range(begin, end):
            r = touched[j]
            out[j] = work[r]
            work[r] = work[j]
    if 8 * k < n:
        for j in range(k):
            work[touched[j]] = items[touched[j]]
    else:
        work[:n] = items


@compiled
def buckets_for(n, k):
    """(bits, kept, capacity): 2**bits buckets, of which ``kept`` with ``capacity`` places are."""
    bits = 4
    while (n >> bits) > _IN_BUCKET and (1 << bits) < _MOST_BUCKETS:
        bits += 1
    count = 1 << bits
    mean = n / count
    capacity = np.int64(mean + 8.0 * math.sqrt(mean) + 8.0)
    wanted = k + 6.0 * math.sqrt(k * (1.0 - k / n)) + 1.0
    return bits, min(count, np.int64(math.ceil(wanted / mean))), capacity


@compiled
def _scattered(items, work, ends, bits, kept, capacity, words, attempt, t, model, replicate, key):
    """Send each item to a random bucket of ``work``; False where one of those kept is full.

    All buckets from ``kept`` on share one place: what is sent there is forgotten.
    """
    n = items.shape[0]
    for b in range(1 << bits):
        ends[b] = min(b, kept) * capacity
    halves = words.view(np.uint16)
    per_fill = halves.shape[0]
    for begin in range(0, n, per_fill):
        purpose = BUCKETS + attempt % ATTEMPTS
        fill(words, begin // 8, stamp(t, purpose), model, replicate, key)
        for j in range(begin, min(n, begin + per_fill)):
            b = np.int64(halves[j - begin]) >> (16 - bits)
            place = ends[b]
            if place >= (b + 1) * capacity:
                return False
            work[place] = items[j]
            ends[b] = place + np.int64(b < kept)
    return True


@compiled
def streamed(items, out, k, work, ends, words, t, model, replicate, key):
    """Draw ``out[:k]`` from ``items`` by random buckets.

    Args:
        items: (N,).
        out: at least k long.
        work: (at least (kept + 1) * capacity of ``buckets_for``,), scratch.
        ends: (4096,) int64, scratch.
        words: (CHUNK,) uint32, scratch.
    """
    bits, kept, capacity = buckets_for(items.shape[0], k)
    attempt = 0
    held = 0
    while held < k:
        whole = _scattered(
            items, work, ends, bits, kept, capacity, words, attempt, t, model, replicate, key
        )
        held = 0
        for b in range(kept if whole else 0):
            held += ends[b] - b * capacity
        attempt += 1
    places = np.empty(CHUNK, np.int64)
    done = 0
    block = 0
    for b in range(kept):
        first = b * capacity
        size = ends[b] - first
        take = min(size, k - done)
        for begin in range(0, take, CHUNK):
            end = min(take, begin + CHUNK)
            fill(words[: enough(end - begin)], block, stamp(t, WITHIN), model, replicate, key)
            block += CHUNK // 4
            _exchanged(places, words, begin, end, size, done, t, model, replicate, key)
            for j in range(begin, end):
                r = first + places[j - begin]
                out[done + j] = work[r]
                work[r] = work[first + j]
        done += take


@compiled
def noted(items, out, k, touched, words, t, model, replicate, key):
    """Draw ``out[:k]`` from ``items`` as ``shuffled`` does, without a copy of them: O(k).

    An open table holds what has come to stand at the places that were exchanged.

    Args:
        items, out, touched, words: as for ``shuffled``.
    """
    n = items.shape[0]
    bits = 3
    while (1 << bits) < 4 * k:
        bits += 1
    keys, stands = np.full(1 << bits, -1), np.empty(1 << bits, np.int64)
    for begin in range(0, k, CHUNK):
        end = min(k, begin + CHUNK)
        fill(words[: enough(end - begin)], begin // 4, stamp(t, SHUFFLE), model, replicate, key)
        _exchanged(touched[begin:end], words, begin, end, n, 0, t, model, replicate, key)
        for j in range(begin, end):
            here, there = _slot(keys, bits, j), _slot(keys, bits, touched[j])
            mine = stands[here] if keys[here] == j else j
            out[j] = items[stands[there] if keys[there] == touched[j] else touched[j]]
            keys[there], stands[there] = touched[j], mine


@inlined
def _slot(keys, bits, place):
    """Where a place stands in an open table, or would (Knuth's multiplicative hashing)."""
    slot = np.int64((np.uint64(place) * _SPREAD) >> np.uint64(64 - bits))
    while keys[slot] != -1 and keys[slot] != place:
        slot = (slot + 1) & ((1 << bits) - 1)
    return slot


@compiled
def way_of(n, k):
    """How k of n items are drawn: a fixed rule, so that draws are reproducible."""
    if n >= STREAMED and k >= SMALLEST_SHARE * n:
        return STREAM
    return NOTE if k * _FEW < n else EXCHANGE
