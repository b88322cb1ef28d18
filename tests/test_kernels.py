"""The numeric worlds' randomness: Philox against published answers, and what is made of its words.

Seeds are fixed. A test of a law fails where p < 1e-4.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lwd_agents import seeding
from lwd_agents.kernels import fill, normal_pair, philox, run_key, stamp, unit

ONES = 0xFFFFFFFF
KEY = run_key(7, "test")
# Counter, key and output of philox4x32-10 in Random123's file kat_vectors.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ONES,) * 4, (ONES,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


def words(*values: int) -> list[np.uint64]:
    return [np.uint64(value) for value in values]


def many_words(count: int) -> np.ndarray:
    """(count, 4) words of as many blocks."""
    out = np.empty(4 * count, np.uint32)
    fill(out, 0, *words(1, 2, 3), KEY)
    return out.reshape(4, count).T.astype(np.uint64)


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_philox_gives_the_published_answers(counter, key, answer) -> None:  # type: ignore[no-untyped-def]
    assert philox(*words(*counter), *words(*key)) == answer
    out = np.empty(32, np.uint32)
    fill(out, counter[0], *words(*counter[1:]), np.array(key, np.uint64))
    assert tuple(out[::8]) == answer


def test_fill_lays_a_blocks_words_a_quarter_apart() -> None:
    out = np.zeros(64, np.uint32)
    fill(out, 5, *words(1, 2, 3), KEY)
    blocks = [philox(*words(5 + j, 1, 2, 3), *KEY) for j in range(16)]
    np.testing.assert_array_equal(out.reshape(4, 16).T, blocks)
    later = np.zeros(32, np.uint32)
    fill(later, 13, *words(1, 2, 3), KEY)
    np.testing.assert_array_equal(later.reshape(4, 8), out.reshape(4, 16)[:, 8:])


def test_purposes_and_steps_have_counters_of_their_own() -> None:
    found = {int(stamp(t, purpose)) for t in (0, 1, 2**24 - 1) for purpose in (0, 1, 64, 191, 255)}
    assert len(found) == 15
    assert max(found) == ONES


def test_a_runs_key_is_two_words_of_its_seed_and_world() -> None:
    key = run_key(3, "gmm")
    assert (key.shape, key.dtype) == ((2,), np.uint64)
    assert int(key[0]) | int(key[1]) << 32 == seeding.key(3, "gmm") & (2**64 - 1)
    others = [run_key(4, "gmm"), run_key(3, "graph")]
    assert all((key != other).all() for other in others)


def test_unit_is_uniform_and_never_an_end() -> None:
    assert 0.0 < unit(*words(0, 0)) < 1e-15
    assert 1.0 - 1e-15 < unit(*words(ONES, ONES)) < 1.0
    assert unit(*words(1 << 31, 0)) == pytest.approx(0.5, abs=1e-15)
    found = np.array([unit(a, b) for a, b, _, _ in many_words(20_000)])
    assert stats.kstest(found, "uniform").pvalue > 1e-4


def test_normal_pairs_are_two_independent_standard_normal_numbers() -> None:
    pairs = np.array([normal_pair(*block) for block in many_words(20_000)])
    assert pairs.shape == (20_000, 2)
    for column in pairs.T:
        assert stats.kstest(column, "norm").pvalue > 1e-4
    assert stats.kstest((pairs**2).sum(1), "chi2", args=(2,)).pvalue > 1e-4
    assert stats.pearsonr(*pairs.T).pvalue > 1e-4
    assert stats.pearsonr(*np.abs(pairs).T).pvalue > 1e-4
    assert np.isfinite(normal_pair(*words(0, 0, 0, 0))).all()
    assert np.isfinite(normal_pair(*words(ONES, ONES, ONES, ONES))).all()
