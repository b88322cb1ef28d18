"""Ctrl-C while a provider keeps a run waiting."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import heed_interrupts
from providers import FaultyProvider, always


@pytest.mark.parametrize("draws", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_a_run_that_waits_for_a_provider_stops_at_once(draws: int, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with FaultyProvider(always("stall", first=12), one_choice=True) as provider:
        given = {"draws": draws, "steps": 60, "embedding.model": "minilm"}
        agent = {"name": "a", "model": "m", "base_url": provider.url, "timeout": 100}
        settings = [f"--set={key}={value}" for key, value in given.items()]
        command = [sys.executable, "-m", "lwd_agents.cli", "run", "--out", str(out)]
        process = subprocess.Popen(
            [*command, f"--set=agents={json.dumps([agent])}", *settings],
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=heed_interrupts,
        )
        waited = time.monotonic()
        while len(provider.calls) < 13 and time.monotonic() < waited + 60:
            time.sleep(0.05)
        time.sleep(0.2)
        asked = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
        assert time.monotonic() - asked < 5
    assert process.returncode == 130, said
    assert "the same command goes on from there" in said
    assert json.loads((out / "manifest.json").read_text())["status"] == "stopped"
    assert "Traceback" not in said
