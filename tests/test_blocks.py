"""The arrays of numeric worlds: blocks, what a killed process leaves of them, and the whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lwd_agents.blocks import WHOLE, Blocks, load_arrays, pieces, replicates_of, write_whole
from lwd_agents.errors import BadInput


def block(first: int, steps: int, replicates: int = 2) -> dict[str, np.ndarray]:
    t = np.arange(first, first + steps)
    return {
        "norm": np.arange(replicates)[:, None] * 100.0 + t,
        "weights": np.broadcast_to(t[None, :, None, None], (replicates, steps, 3, 2)).copy(),
    }


def test_blocks_are_read_as_one(tmp_path: Path) -> None:
    blocks = Blocks(tmp_path)
    assert blocks.read() == {}
    assert replicates_of(tmp_path) == 0
    blocks.write(0, block(0, 4))
    blocks.write(4, block(4, 3))
    whole = blocks.read()
    np.testing.assert_array_equal(whole["norm"], block(0, 7)["norm"])
    assert whole["weights"].shape == (2, 7, 3, 2)
    assert blocks.read(5)["norm"].shape == (2, 5)
    assert replicates_of(tmp_path) == 2


def test_a_block_is_cut_to_the_lines_that_were_written(tmp_path: Path) -> None:
    blocks = Blocks(tmp_path)
    blocks.write(0, block(0, 4))
    blocks.write(4, block(4, 6))
    (tmp_path / "arrays" / "00010-00012.npz.tmp").write_bytes(b"half")
    blocks.recover(7)
    assert sorted(p.name for p in (tmp_path / "arrays").iterdir()) == [
        "00000-00003.npz",
        "00004-00006.npz",
    ]
    np.testing.assert_array_equal(blocks.read(7)["norm"], block(0, 7)["norm"])
    blocks.recover(4)
    blocks.recover(2)
    np.testing.assert_array_equal(blocks.read(2)["norm"], block(0, 2)["norm"])
    blocks.recover(0)
    assert blocks.read() == {}


def test_the_whole_takes_the_place_of_its_blocks(tmp_path: Path) -> None:
    Blocks(tmp_path).write(0, block(0, 4))
    piece = Blocks(tmp_path, range(2, 5))
    piece.write(0, block(0, 4, replicates=3))
    assert pieces(tmp_path, 2) == [range(2, 5)]
    write_whole(tmp_path, block(0, 4, replicates=5))
    assert not (tmp_path / "arrays").exists()
    assert replicates_of(tmp_path) == 5
    # Killed between the two: the piece is there still, though the whole has it.
    piece.write(0, block(0, 4, replicates=3))
    Blocks(tmp_path).write(0, block(0, 2))
    assert pieces(tmp_path, replicates_of(tmp_path)) == []
    assert Blocks(tmp_path).read()["norm"].shape == (5, 4)


def test_steps_that_are_gone_and_files_that_are_damaged(tmp_path: Path) -> None:
    blocks = Blocks(tmp_path)
    blocks.write(0, block(0, 4))
    with pytest.raises(BadInput, match=r"steps 4 \.\. 8 are gone"):
        blocks.read(9)
    file = tmp_path / "arrays" / "00000-00003.npz"
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(BadInput, match=r"00000-00003\.npz"):
        blocks.read()
    assert load_arrays(tmp_path / WHOLE) == {}
