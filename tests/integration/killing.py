"""Run the pocket preset again and again, killed with SIGKILL at random moments, until it is done.

    python killing.py DIR KILLS SEED STEPS DRAWS

The heavy imports are made once; every attempt is a forked process of its own that calls ``lwd.run``
and is killed from outside. Prints one JSON line: how many steps were committed at each kill.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path


def committed(path: Path) -> int:
    file = path / "rounds.jsonl"
    return file.read_bytes().count(b"\n") if file.is_file() else 0


def attempt(path: Path, steps: int, draws: int, delay: float | None, from_first_step: bool) -> bool:
    """One process; returns whether it was killed (it may be done before)."""
    pid = os.fork()
    if pid == 0:
        import lwd_agents

        lwd_agents.run("pocket", out=path, steps=steps, draws=draws)
        os._exit(0)
    before, waited = committed(path), time.monotonic()
    while from_first_step and committed(path) == before and time.monotonic() - waited < 60:
        if os.waitpid(pid, os.WNOHANG) != (0, 0):
            return False
        time.sleep(0.002)
    if delay is not None:
        time.sleep(delay)
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status)


def main() -> None:
    path, kills, seed, steps, draws = Path(sys.argv[1]), *map(int, sys.argv[2:])
    import sentence_transformers  # noqa: F401

    rng = random.Random(seed)
    counts = []
    while len(counts) < kills:
        starting = rng.random() < 0.3  # some kills before the first new step, most after it
        delay = rng.uniform(0.0, 2.0 if starting else 0.4)
        if not attempt(path, steps, draws, delay, not starting):
            break
        counts.append(committed(path))
    attempt(path, steps, draws, None, False)
    print(json.dumps(counts))


if __name__ == "__main__":
    main()
