"""Runs of numeric worlds compared: what tests of ``gmm`` and ``graph`` share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lwd_agents.blocks import WHOLE
from lwd_agents.trajectory import Trajectory

PNG = b"\x89PNG"


def rounds_of(path: Path) -> list[dict[str, Any]]:
    """The lines of rounds.jsonl without their timings."""
    lines = [json.loads(line) for line in (path / "rounds.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


def assert_same(one: Trajectory, other: Trajectory) -> None:
    """Byte for byte: the arrays, and the lines but for their timings."""
    assert (one.path / WHOLE).read_bytes() == (other.path / WHOLE).read_bytes()
    assert rounds_of(one.path) == rounds_of(other.path)
