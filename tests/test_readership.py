"""Who may read whom."""

from __future__ import annotations

import numpy as np
import pytest

from lwd_agents.internet.readership import NAMED, authors, checked

FOUR = ["a", "b", "c", "d"]


def test_the_named_graphs() -> None:
    ring = authors("ring", FOUR)
    assert [set(np.flatnonzero(row)) for row in ring] == [{0, 3}, {0, 1}, {1, 2}, {2, 3}]
    star = authors("star", FOUR)
    assert [set(np.flatnonzero(row)) for row in star] == [{0, 1, 2, 3}, {0, 1}, {0, 2}, {0, 3}]
    assert authors("complete", FOUR).all()
    np.testing.assert_array_equal(authors("isolated", FOUR), np.eye(4, dtype=bool))


def test_edges_point_from_reader_to_author_and_all_read_themselves() -> None:
    may = authors(checked({"edges": [["a", "c"], ["d", "a"]]}), FOUR)
    assert {(int(i), int(j)) for i, j in np.argwhere(may)} == {
        *((i, i) for i in range(4)),
        (0, 2),
        (3, 0),
    }


@pytest.mark.parametrize("named", NAMED)
def test_one_agent_reads_itself(named: str) -> None:
    assert authors(named, ["a"]).tolist() == [[True]]


@pytest.mark.parametrize(
    "value", ["rng", 3, None, {"edges": [["a"]]}, {"edge": []}, {"edges": "ab"}]
)
def test_what_is_no_readership(value: object) -> None:
    with pytest.raises(ValueError, match="choices: complete, isolated, ring, star"):
        checked(value)


def test_an_edge_to_nobody() -> None:
    with pytest.raises(ValueError, match="no agent 'z' \\(choices: a, b, c, d\\)"):
        authors({"edges": [["a", "z"]]}, FOUR)
    with pytest.raises(ValueError, match="g1 to g50"):
        authors({"edges": [["g1", "z"]]}, [f"g{i}" for i in range(1, 51)])
