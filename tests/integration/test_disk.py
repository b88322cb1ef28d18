"""A disk that fills up, and one that cannot be written: a real small file system, mounted here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import files_of
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.runnables import RunnableLambda

import lwd_agents as lwd
from lwd_agents.errors import BadInput, RunStopped
from lwd_agents.trajectory import Trajectory


def mount(*options: str) -> bool:
    return subprocess.run(["mount", *options], capture_output=True).returncode == 0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    if sys.platform != "linux" or not mount("-t", "tmpfs", "-o", "size=1m", "lwd-test", str(place)):
        pytest.skip("mounting a small file system needs Linux and its root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def quick(path: Path) -> Trajectory:
    def answer(given: Any) -> str:
        return f"It read: {given['posts'][:300]}"

    agents = {"a": RunnableLambda(answer), "b": RunnableLambda(lambda _: "Nothing.")}
    phi = DeterministicFakeEmbedding(size=512)
    return lwd.run("pocket", out=path, agents=agents, embeddings=phi, steps=40, draws=4)


def test_a_disk_that_fills_up(disk: Path, tmp_path: Path) -> None:
    with pytest.raises(RunStopped) as caught:
        quick(disk / "run")
    assert "\n" not in str(caught.value)
    assert str(disk) in str(caught.value)
    assert "run the same command again" in str(caught.value)
    kept = lwd.load(disk / "run")
    whole = quick(tmp_path / "whole")
    assert list(kept.norm) == list(whole.norm[: len(kept)])  # what was committed is valid
    assert mount("-o", "remount,size=60m", str(disk))
    assert files_of(quick(disk / "run").path) == files_of(whole.path)


def test_a_disk_that_cannot_be_written(disk: Path) -> None:
    assert mount("-o", "remount,ro", str(disk))
    with pytest.raises(BadInput, match=r"cannot be written: Read-only file system"):
        quick(disk / "run")
