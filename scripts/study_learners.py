"""How often a test finds that errors still grow: where nobody collapses, and where all do.

    python scripts/study_learners.py [--experiments 500] [--pairs 12]

Each experiment is so many replicates with their placebos, judged with the default windows (the
middle and the last fifth), without what the graph says. The sign-flip test assumes that live and
placebo changes could be exchanged, which they can't where their noises differ: so the rate is
measured. Prints the table of docs/inference.md.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import lwd_agents as lwd
from lwd_agents.inference.collapse import collapse
from lwd_agents.inference.windows import growing_windows
from lwd_agents.verdicts import verdict

SETTINGS: dict[str, dict[str, Any]] = {
    "ring, real: 0.3": {"real": 0.3},
    "ring, real: {v1: 0.1}": {"real": {"v1": 0.1}},
    "complete, real: 0.1, redrawn designs": {
        "real": 0.1, "readership": "complete", "designs": "redrawn", "rows": 200,
    },
    "isolated, accumulate": {"readership": "isolated", "regime": "accumulate"},
    "ring": {},
    "chain, the first without real data": {"readership": "chain", "real": {"v8": 0.2}},
    "isolated": {"readership": "isolated"},
}  # fmt: skip


def claims(keys: dict[str, Any], experiments: int, pairs: int) -> tuple[float, float]:
    """The share of experiments that find collapse, and the share that find anything."""
    with tempfile.TemporaryDirectory() as folder:
        run = lwd.run(
            "ring", out=Path(folder) / "run", replicates=experiments * pairs, placebo=True, **keys
        )
        arrays = {name: array for name, array in run.arrays.items() if "parameters" not in name}
    windows = growing_windows(run.manifest["config"]["steps"])
    found = []
    for first in range(0, experiments * pairs, pairs):
        sides = [
            {
                "between": arrays[f"{side}norm"][first : first + pairs] ** 2,
                "drift": arrays[f"{side}drift"][first : first + pairs],
                "error": arrays[f"{side}error"][first : first + pairs].mean(axis=2),
            }
            for side in ("", "placebo_")
        ]
        found.append(collapse(*sides, windows=windows, key=first).finding)
    said = np.array(found)
    return float((said == "collapse").mean()), float((said != "no evidence").mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--experiments", type=int, default=500)
    parser.add_argument("--pairs", type=int, default=12)
    given = parser.parse_args()
    print(f"{given.experiments} experiments of {given.pairs} pairs each\n")
    print("| network | by the graph | error grows | anything found |\n|---|---|---|---|")
    for name, keys in SETTINGS.items():
        said = verdict({"world": "graph", "learners": 8, "readership": "ring", **keys})
        falls = said.collapses
        word = "nobody collapses" if not falls else f"{len(falls)} of 8 collapse"
        share, anything = claims(keys, given.experiments, given.pairs)
        error = np.sqrt(share * (1 - share) / given.experiments)
        print(f"| {name} | {word} | {share:.1%} ± {error:.1%} | {anything:.1%} |", flush=True)


if __name__ == "__main__":
    main()
