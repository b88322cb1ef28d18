"""The contract on the run directory, checked on a real run from its files alone."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from conftest import SMALL

from lwd_agents.trajectory import Trajectory


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


def test_the_files(pocket_run: Trajectory) -> None:
    names = {entry.name for entry in pocket_run.path.iterdir()}
    assert names == {
        ".lock",
        "manifest.json",
        "rounds.jsonl",
        "responses.jsonl",
        "calls.jsonl",
        "embeddings",
        "internet",
        "summary.json",
        "figures",
    }
    assert {p.name for p in (pocket_run.path / "figures").iterdir()} == {
        "figure2-norm.png",
        "figure3-responses.png",
    }


def test_the_manifest(pocket_run: Trajectory) -> None:
    manifest = json.loads((pocket_run.path / "manifest.json").read_text())
    assert (manifest["schema"], manifest["world"], manifest["status"]) == (1, "llm", "complete")
    assert manifest["created"] <= manifest["finished"]
    assert manifest["config"]["reading"]["beta"] == 0.5
    assert manifest["embedding"]["normalize"] is True
    assert {"chromadb", "xllamacpp", "langchain-core", "python"} <= manifest["versions"].keys()
    assert manifest["backends"].keys() == {"north", "east", "south"}
    sampler = json.dumps(manifest["backends"]["north"])
    for setting in ("top_k", "top_p", "min_p", "temperature", "n_ubatch"):
        assert setting in sampler
    root = Path(__file__).parents[2]
    for name, file in {
        "prompts/answer.txt": root / "prompts" / "answer.txt",
        "models/east.gguf": root / "lwd_agents" / "pocket" / "east.gguf",
    }.items():
        assert manifest["sha256"][name] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert "stores/crypto" in manifest["sha256"]


def test_the_rounds(pocket_run: Trajectory) -> None:
    lines = rows(pocket_run.path / "rounds.jsonl")
    assert [line["t"] for line in lines] == list(range(SMALL["steps"] + 1))
    for line in lines:
        assert {"t", "internet_size", "k", "norm", "distances", "seconds", "reads", "posted"} <= (
            line.keys()
        )
        assert {"retrieve", "generate", "embed", "measure", "commit"} <= line["seconds"].keys()
        assert np.shape(line["distances"]) == (3, 3)


def test_the_responses_and_the_embeddings(pocket_run: Trajectory) -> None:
    lines = rows(pocket_run.path / "responses.jsonl")
    keys = {
        "t",
        "agent",
        "query",
        "reading",
        "draw",
        "text",
        "missing",
        "post_id",
        "seed",
        "input_tokens",
        "output_tokens",
        "finish_reason",
    }
    assert all(line.keys() == keys for line in lines)
    seeds = [line["seed"] for line in lines]
    assert len(set(seeds)) == len(seeds)
    for t in range(SMALL["steps"] + 1):
        array = np.load(pocket_run.path / "embeddings" / f"{t:05d}.npy")
        assert array.shape == (3, SMALL["draws"], 384)
        assert array.dtype == np.float32


def test_the_posts_of_a0(pocket_run: Trajectory) -> None:
    posts = rows(pocket_run.path / "embeddings" / "seed.jsonl")
    shipped = rows(Path(__file__).parents[2] / "stores" / "crypto" / "posts.jsonl")
    assert [post["text"] for post in posts] == [post["text"] for post in shipped]
    keys = {"id", "author", "step", "slot", "query", "kind", "text", "labels"}
    assert all(post.keys() == keys for post in posts)
    assert np.load(pocket_run.path / "embeddings" / "seed.npy").shape == (len(posts), 384)
    read = {
        post_id for line in pocket_run.rounds for ids in line["reads"].values() for post_id in ids
    }
    posted = {post_id for line in pocket_run.rounds for post_id in line["posted"]}
    assert read - posted <= {post["id"] for post in posts}


def test_the_trajectory_has_the_shapes_it_says(pocket_run: Trajectory) -> None:
    steps, n, draws = SMALL["steps"] + 1, 3, SMALL["draws"]
    assert len(pocket_run) == steps
    assert pocket_run.norm.shape == (steps,)
    assert pocket_run.distances.shape == (steps, n, n)
    assert pocket_run.embeddings.shape == (steps, n, draws, 384)
    assert len(pocket_run.responses()) == steps * n * draws
    assert pocket_run.internet_size.tolist() == [20 + 3 * t for t in range(steps)]
    np.testing.assert_allclose(
        pocket_run.synthetic_share, [3 * t / (20 + 3 * t) for t in range(steps)]
    )


def test_the_summary(pocket_run: Trajectory) -> None:
    summary = json.loads((pocket_run.path / "summary.json").read_text())
    assert summary["norm_first"] == pocket_run.norm[0]
    assert summary["norm_last"] == pocket_run.norm[-1]
    assert summary["responses"] + summary["missing"] == 5 * 3 * SMALL["draws"]
