"""How fast the LLM network runs, beside what a LangChain user would write: one run, ratios.

    python scripts/bench_llm.py [--only sampling|pocket|store]

(a) sampling: L = 40 draws of one 1,000-token prompt, against a loop of 40 invocations on the same
    engine with its prefix cache on; the compute limit beside both (bench_sampling.py).
(b) pocket: the pocket preset whole; the share of its loop that is not generation or embedding.
(c) store: drawing 1,000 of 100,000 posts from Chroma, against reading the whole collection.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bench_sampling
import numpy as np
from langchain_core.embeddings import DeterministicFakeEmbedding

import lwd_agents as lwd
from lwd_agents import seeding
from lwd_agents.internet.post import HUMAN, Post
from lwd_agents.internet.store import Internet

POSTS, DRAWN, WIDTH = 100_000, 1_000, 16
PAGE = 10_000


def sampling() -> None:
    """(a)"""
    print(bench_sampling.lines(bench_sampling.bench(bench_sampling.Sizes(), print)))


def pocket() -> None:
    """(b), in a process of its own, so that start-up and memory are the command's."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run"
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "lwd_agents.cli", "run", "--quiet", "--out", str(path)],
            check=True,
        )
        wall = time.perf_counter() - started
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
        seconds = lwd.load(path).summary["seconds"]
    loop = sum(seconds.values())
    ours = seconds["retrieve"] + seconds["measure"] + seconds["commit"] + seconds["store"]
    print(f"pocket preset: {wall:.1f} s from the command to its end, {memory:.2f} GB at most")
    print(f"  loop {loop:.1f} s: " + ", ".join(f"{k} {v:.2f} s" for k, v in seconds.items()))
    print(f"  start-up, figures and all else {wall - loop:.1f} s")
    print(f"  retrieve + measure + commit + store: {ours / loop:.2%} of the loop (at most 3 %)")


def store() -> None:
    """(c)"""
    with tempfile.TemporaryDirectory() as folder:
        internet = Internet(Path(folder) / "internet", DeterministicFakeEmbedding(size=WIDTH))
        posts = [
            Post(f"Post number {i} about one thing or another.", HUMAN, -1, i, "", HUMAN)
            for i in range(POSTS)
        ]
        vectors = np.random.default_rng(0).normal(size=(POSTS, WIDTH)).astype(np.float32)
        internet.restore(posts, vectors)
        collection = internet.vectorstore._collection
        few, all_ = [], []
        for repetition in range(7):
            started = time.perf_counter()
            chosen = seeding.generator(repetition).choice(POSTS, DRAWN, replace=False)
            found = internet.get([internet.ids[i] for i in chosen])
            few.append(time.perf_counter() - started)
            assert len(found) == DRAWN
            if repetition < 3:
                started = time.perf_counter()
                seen = 0
                for offset in range(0, POSTS, PAGE):
                    page = collection.get(
                        include=["documents", "metadatas"], limit=PAGE, offset=offset
                    )
                    seen += len(page["ids"])
                all_.append(time.perf_counter() - started)
                assert seen == POSTS
        internet.close()
    ours, theirs = statistics.median(few), statistics.median(all_)
    print(f"drawing {DRAWN:,} of {POSTS:,} posts: {ours * 1e3:.1f} ms (median of {len(few)})")
    print(f"reading the whole collection in pages: {theirs * 1e3:.0f} ms (median of {len(all_)})")
    print(f"  ratio {theirs / ours:.0f} (at least 50)")


PARTS = {"sampling": sampling, "pocket": pocket, "store": store}


def main() -> None:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", choices=PARTS)
    given = parser.parse_args()
    for name in [given.only] if given.only else PARTS:
        print(f"== {name}", flush=True)
        PARTS[name]()


if __name__ == "__main__":
    main()
