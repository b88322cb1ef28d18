"""What several tests use: a small finished run on the pocket models, and models of many kinds."""

from __future__ import annotations

import gc
import os
import signal
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from chromium import chromium, none_found, show  # noqa: F401  (fixtures)
from shown_runs import gmm_page, hostile_page, pocket_page, several_page  # noqa: F401

from lwd_agents.laboratory import run
from lwd_agents.trajectory import Trajectory

SMALL = {"steps": 4, "draws": 6}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a browser its tests are skipped, before any page is made for them."""
    if reason := none_found():
        for item in items:
            if item.path.parent.name == "browser":
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def pocket_run(tmp_path_factory: pytest.TempPathFactory) -> Trajectory:
    """The pocket preset with T = 4 and L = 6; read it, don't change it."""
    return run("pocket", out=tmp_path_factory.mktemp("pocket") / "run", **SMALL)


def heed_interrupts() -> None:
    """For a new process: a shell's background job ignores SIGINT, and so would all below it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def files_of(path: Path) -> dict[str, bytes]:
    """What a run directory must hold byte for byte, timings left out."""
    import json

    rounds = []
    for line in (path / "rounds.jsonl").read_bytes().splitlines():
        row = json.loads(line)
        row.pop("seconds")
        rounds.append(json.dumps(row))
    found = {f"embeddings/{p.name}": p.read_bytes() for p in (path / "embeddings").iterdir()}
    found["responses.jsonl"] = (path / "responses.jsonl").read_bytes()
    found["rounds.jsonl"] = "\n".join(rounds).encode()
    return found


@pytest.fixture
def kept() -> Iterator[None]:
    """Nothing is collected: a finalizer that runs at the bottom of a deep text fails there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what other tests left behind
        gc.collect()
    gc.disable()
    yield
    gc.enable()
