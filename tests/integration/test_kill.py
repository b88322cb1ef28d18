"""A run killed at any instant ends as one that was never stopped: real processes, real SIGKILL."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import files_of, heed_interrupts

import lwd_agents as lwd

DRAWS = 4


@pytest.mark.parametrize(
    ("kills", "steps"), [(2, 14), pytest.param(20, 60, marks=pytest.mark.slow)]
)
def test_kills_at_random_moments(kills: int, steps: int, tmp_path: Path) -> None:
    script = Path(__file__).with_name("killing.py")
    arguments = [str(tmp_path / "killed"), str(kills), "7", str(steps), str(DRAWS)]
    found = subprocess.run(
        [sys.executable, str(script), *arguments], capture_output=True, text=True, timeout=500
    )
    assert found.returncode == 0, found.stderr
    counts = json.loads(found.stdout)
    assert len(counts) == kills
    assert counts == sorted(counts)
    assert len(set(counts)) >= kills // 2, counts  # most came at different steps
    whole = lwd.run("pocket", out=tmp_path / "whole", steps=steps, draws=DRAWS)
    killed = lwd.load(tmp_path / "killed")
    assert killed.manifest["status"] == "complete"
    assert len(killed.manifest["resumed"]) >= kills // 2
    assert files_of(killed.path) == files_of(whole.path)
    assert (killed.path / "figures" / "figure3-responses.png").is_file()


def lwd_process(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "lwd_agents.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
    )


def wait_for_steps(path: Path, steps: int) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        file = path / "rounds.jsonl"
        if file.is_file() and file.read_bytes().count(b"\n") >= steps:
            return
        time.sleep(0.01)
    raise TimeoutError(path)


@pytest.mark.slow
def test_the_command_interrupted_and_given_again(tmp_path: Path) -> None:
    command = ["run", "pocket", "--out", str(tmp_path / "run"), "--steps", "24", "--set", "draws=4"]
    process = lwd_process(*command)
    wait_for_steps(tmp_path / "run", 3)
    second = lwd_process(*command)  # while the first is running
    _, said = second.communicate(timeout=60)
    assert second.returncode == 2
    assert "another process" in said
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert said.strip().splitlines()[-1].startswith("lwd: stopped;")
    assert "Traceback" not in said
    assert lwd.load(tmp_path / "run").manifest["status"] == "stopped"
    again = lwd_process(*command, "--json")
    out, said = again.communicate(timeout=200)
    assert again.returncode == 0, said
    assert json.loads(out)["steps"] == 24
    assert "steps were there already" in said
    whole = lwd.run("pocket", out=tmp_path / "whole", steps=24, draws=4)
    assert files_of(tmp_path / "run") == files_of(whole.path)
