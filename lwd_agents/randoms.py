"""Normal and chi-square numbers for compiled kernels, as functions of Philox counters.

Many at once: Box and Muller's transform (1958) in loops that the compiler turns into vector
instructions, about ten times faster than one call to the C library a number. Chi-square numbers
are Marsaglia and Tsang's ("A simple method for generating gamma variables", 2000).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lwd_agents.kernels import compiled, inlined, normal_pair, philox, unit

_MANTISSA = np.int64(0x000FFFFFFFFFFFFF)
_HALF = np.int64(0x3FE0000000000000)  # the exponent of numbers from 0.5 to 1
_LOG2 = 0.6931471805599453
_TRIES = 64  # times that a number is drawn again; one in fifty is, once


class Scratch(NamedTuple):
    """Memory of one thread for ``normals`` and ``chi_squares``.

    Attributes:
        radius, angle: half as long as the most normal numbers that are drawn at once.
    """

    radius: NDArray[np.float64]
    angle: NDArray[np.float64]


def scratch(most: int) -> Scratch:
    """Memory for up to ``most`` normal numbers at once."""
    half = (most + 1) // 2
    return Scratch(np.empty(half), np.empty(half))


@compiled
def normals(out, memory, first, c1, c2, c3, key):
    """Fill ``out`` with independent standard normal numbers, two from each block.

    They are those of ``normal_pair`` to 1e-14: the j-th block, from ``first`` on, gives number j
    and number j + n/2 of the n (of an odd n the last block's second is not used).
    """
    n = out.shape[0]
    half = (n + 1) // 2
    radius, angle = memory.radius[:half], memory.angle[:half]
    for j in range(half):
        x0, x1, x2, x3 = philox(np.uint64(first + j), c1, c2, c3, key[0], key[1])
        radius[j] = unit(x0, x1)
        angle[j] = unit(x2, x3)
    _radii(radius, out)
    rest = n - half
    for j in range(half):
        cosine, sine = _turned(angle[j])
        out[j] = radius[j] * cosine
        angle[j] = radius[j] * sine
    for j in range(rest):
        out[half + j] = angle[j]


@compiled
def _radii(radius, spare):
    """(-2 log u)^(1/2) in place of each u; ``spare`` is at least as long.

    log u = e log 2 + log m with m from 2^-1/2 to 2^1/2, and log m = 2 artanh((m - 1)/(m + 1)).
    """
    bits = radius.view(np.int64)
    n = radius.shape[0]
    for j in range(n):
        word = bits[j]
        spare[j] = np.float64((word >> 52) - 1022)
        bits[j] = (word & _MANTISSA) | _HALF
    for j in range(n):
        m, e = radius[j], spare[j]
        low = m < 0.7071067811865476
        m = m + m if low else m
        e = e - 1.0 if low else e
        s = (m - 1.0) / (m + 1.0)
        z = s * s
        p = 2.0 / 21.0
        p = p * z + 2.0 / 19.0
        p = p * z + 2.0 / 17.0
        p = p * z + 2.0 / 15.0
        p = p * z + 2.0 / 13.0
        p = p * z + 2.0 / 11.0
        p = p * z + 2.0 / 9.0
        p = p * z + 2.0 / 7.0
        p = p * z + 2.0 / 5.0
        p = p * z + 2.0 / 3.0
        p = p * z + 2.0
        radius[j] = math.sqrt(-2.0 * (e * _LOG2 + s * p))


@inlined
def _turned(share):
    """Cosine and sine of a share of the full turn, by Taylor's series within an eighth."""
    v = 4.0 * share
    quarter = math.floor(v + 0.5)
    x = (v - quarter) * 1.5707963267948966
    z = x * x
    s = -1.0 / 1307674368000.0
    s = s * z + 1.0 / 6227020800.0
    s = s * z - 1.0 / 39916800.0
    s = s * z + 1.0 / 362880.0
    s = s * z - 1.0 / 5040.0
    s = s * z + 1.0 / 120.0
    s = s * z - 1.0 / 6.0
    s = x + x * z * s
    c = 1.0 / 20922789888000.0
    c = c * z - 1.0 / 87178291200.0
    c = c * z + 1.0 / 479001600.0
    c = c * z - 1.0 / 3628800.0
    c = c * z + 1.0 / 40320.0
    c = c * z - 1.0 / 720.0
    c = c * z + 1.0 / 24.0
    c = c * z - 0.5
    c = 1.0 + z * c
    odd = quarter - 2.0 * math.floor(0.5 * quarter) > 0.5
    cosine = s if odd else c
    sine = c if odd else s
    cosine = -cosine if (quarter > 0.5) & (quarter < 2.5) else cosine
    sine = -sine if (quarter > 1.5) & (quarter < 3.5) else sine
    return cosine, sine


@compiled
def chi_squares(out, freedom, spare, memory, first, c1, c2, c3, key):
    """Fill ``out`` with independent chi-square numbers, each with its own degrees of freedom.

    Args:
        freedom: whole numbers, 0 or more, as floats; as many as ``out``. 0 gives 0.
        spare: twice as long as ``out``: memory.
        first: blocks from here on are used, 2 n + 1 and 128 for each number.
    """
    n = out.shape[0]
    normals(spare, memory, first, c1, c2, c3, key)
    later = first + n + 1
    for j in range(n):
        x0, x1, _, _ = philox(np.uint64(later + j), c1, c2, c3, key[0], key[1])
        memory.radius[j] = unit(x0, x1)
    later += n
    uniform = memory.radius
    for j in range(n):  # without branches, so that vector registers do it
        a = 0.5 * freedom[j] - 1.0 / 3.0
        x = spare[j]
        v = 1.0 + x / math.sqrt(9.0 * max(a, 1.0))
        square = x * x
        taken = (uniform[j] < 1.0 - 0.0331 * square * square) & (v > 0.0)
        out[j] = 2.0 * a * v * v * v if taken else -1.0
    for j in range(n):
        nu = freedom[j]
        if nu < 3.0:
            u = spare[j] * spare[j]
            out[j] = 0.0 if nu == 0.0 else u if nu == 1.0 else u + spare[n + j] * spare[n + j]
        elif out[j] < 0.0:
            first = later + 2 * j * _TRIES
            out[j] = _again(spare[j], uniform[j], nu, first, c1, c2, c3, key)


@compiled
def _again(x, u, nu, first, c1, c2, c3, key):
    """A chi-square number whose first try was not taken at once."""
    a = 0.5 * nu - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * a)
    value = _tried(x, u, a, c)
    for attempt in range(_TRIES):
        if value >= 0.0:
            break
        block = np.uint64(first + 2 * attempt)
        x0, x1, x2, x3 = philox(block, c1, c2, c3, key[0], key[1])
        x, _ = normal_pair(x0, x1, x2, x3)
        x0, x1, x2, x3 = philox(block + np.uint64(1), c1, c2, c3, key[0], key[1])
        value = _tried(x, unit(x0, x1), a, c)
    return 2.0 * value


@inlined
def _tried(x, u, a, c):
    """A gamma number of shape a + 1/3 from a normal and a uniform one; -1 where it is rejected."""
    v = 1.0 + c * x
    v = v * v * v
    square = x * x
    if v > 0.0 and (
        u < 1.0 - 0.0331 * square * square
        or math.log(u) < 0.5 * square + a * (1.0 - v + math.log(v))
    ):
        return a * v
    return -1.0
