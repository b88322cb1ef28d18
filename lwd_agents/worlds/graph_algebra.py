"""Small dense linear algebra inside kernels: triangles of d by d, without allocation."""

from __future__ import annotations

import math

from lwd_agents.kernels import compiled


@compiled
def squares(a, b, first, last, out):
    """The lower triangle of A B' over the columns first .. last - 1 of A and B (d, m).

    Whole arrays are given, not slices: their rows are then known to be contiguous, and long sums
    along them are fast.
    """
    for i in range(a.shape[0]):
        x = a[i][first:last]
        for k in range(i + 1):
            y, value = b[k][first:last], 0.0
            for r in range(x.shape[0]):
                value += x[r] * y[r]
            out[i, k] = value


@compiled
def cholesky(a, out, ridge):
    """The lower triangle L of a + ridge I = L L'; False where a pivot is not above rounding.

    Args:
        a: (d, d), of which the lower triangle is read. It may be ``out``.
    """
    d = a.shape[0]
    for j in range(d):
        diagonal = a[j, j] + ridge
        pivot = diagonal
        for k in range(j):
            pivot -= out[j, k] * out[j, k]
        if not pivot > 1e-13 * diagonal:
            return False
        root = math.sqrt(pivot)
        out[j, j] = root
        for i in range(j + 1, d):
            value = a[i, j]
            for k in range(j):
                value -= out[i, k] * out[j, k]
            out[i, j] = value / root
    return True


@compiled
def factor(a, out):
    """A lower L with L L' = a, for a that may be singular: a pivot within rounding counts as 0."""
    d = a.shape[0]
    out[:] = 0.0
    for j in range(d):
        pivot = a[j, j]
        for k in range(j):
            pivot -= out[j, k] * out[j, k]
        if not pivot > 1e-14 * a[j, j]:
            continue
        root = math.sqrt(pivot)
        out[j, j] = root
        for i in range(j + 1, d):
            value = a[i, j]
            for k in range(j):
                value -= out[i, k] * out[j, k]
            out[i, j] = value / root


@compiled
def forward(low, b):
    """L^-1 b in place."""
    for i in range(b.shape[0]):
        value = b[i]
        for k in range(i):
            value -= low[i, k] * b[k]
        b[i] = value / low[i, i]


@compiled
def backward(low, b):
    """L'^-1 b in place."""
    d = b.shape[0]
    for i in range(d - 1, -1, -1):
        value = b[i]
        for k in range(i + 1, d):
            value -= low[k, i] * b[k]
        b[i] = value / low[i, i]


@compiled
def solve(low, rows):
    """(L L')^-1 rows in place, of rows (d, w): all w columns at once."""
    d, w = rows.shape
    for i in range(d):
        mine = rows[i]
        for k in range(i):
            other, share = rows[k], low[i, k]
            for q in range(w):
                mine[q] -= share * other[q]
        share = 1.0 / low[i, i]
        for q in range(w):
            mine[q] *= share
    for i in range(d - 1, -1, -1):
        mine = rows[i]
        for k in range(i + 1, d):
            other, share = rows[k], low[k, i]
            for q in range(w):
                mine[q] -= share * other[q]
        share = 1.0 / low[i, i]
        for q in range(w):
            mine[q] *= share
