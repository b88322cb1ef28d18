"""``paper`` and ``smol`` on local files of the formats that they fetch, and without a network."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_models import tiny_llama

import lwd_agents as lwd
from lwd_agents import hub
from lwd_agents.agents.models import POCKET
from lwd_agents.errors import BadInput


@pytest.fixture(scope="module")
def nomic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as sentence-transformers keeps nomic-embed: NomicBERT, mean pooling, unscaled."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertTokenizerFast, NomicBertConfig, NomicBertModel

    folder = tmp_path_factory.mktemp("nomic")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz:.,"]
    words += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    config = NomicBertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=128,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        NomicBertModel(config).save_pretrained(folder / "bert")
    BertTokenizerFast(vocab_file=str(folder / "vocab.txt")).save_pretrained(folder / "bert")
    transformer = Transformer(str(folder / "bert"))
    model = SentenceTransformer(modules=[transformer, Pooling(32, pooling_mode="mean")])
    model.save(str(folder / "whole"))
    return folder / "whole"


def short_store(path: Path) -> str:
    store = path / "posts.txt"
    store.write_text("up\ndown\nflat\n")
    return f"internet.seed={store}"


def test_paper_on_local_folders(tmp_path: Path, nomic: Path) -> None:
    prompt = tmp_path / "short.txt"
    prompt.write_text("{posts}\n{query}\n")
    settings = [
        *(f"agents.{name}.model=hf:{tiny_llama()}" for name in ("llama", "deepseek", "mistral")),
        *(f"agents.{name}.max_tokens=8" for name in ("llama", "deepseek", "mistral")),
        f"embedding.model={nomic}", f"prompt={prompt}", "query=Well",
        "reading.beta=null", "reading.k=2", short_store(tmp_path),
    ]  # fmt: skip
    run = lwd.run("paper", out=tmp_path / "run", settings=settings, steps=1, draws=3)
    assert run.embeddings.shape == (2, 3, 3, 32)
    lengths = np.linalg.norm(run.embeddings, axis=-1)
    assert np.nanmax(np.abs(lengths - 1)) > 0.05  # as the paper's: not scaled to unit length
    assert run.manifest["embedding"]["normalize"] is False
    assert any(name.endswith("model.safetensors") for name in run.manifest["sha256"])
    assert run.manifest["backends"]["llama"]["class"] == "HuggingFaceChat"


def test_smol_on_local_files(tmp_path: Path) -> None:
    names = {"smollm2": "north", "qwen": "east", "llama": "south"}
    settings = [f"agents.{a}.model=gguf:{POCKET / f'{p}.gguf'}" for a, p in names.items()]
    run = lwd.run("smol", out=tmp_path / "run", settings=settings, steps=1, draws=2)
    assert run.agents == list(names)
    assert run.responses()["text"].notna().all()


@pytest.mark.parametrize("preset", ["paper", "smol"])
def test_without_a_network_they_end_in_one_line(preset: str, tmp_path: Path) -> None:
    if hub.reachable():
        pytest.skip("the hub is reachable here")
    started = time.monotonic()
    found = subprocess.run(
        [sys.executable, "-m", "lwd_agents.cli", "run", preset, "--quiet"],
        capture_output=True, text=True, cwd=tmp_path, timeout=120,
    )  # fmt: skip
    assert found.returncode == 2
    (line,) = found.stderr.splitlines()
    assert line.startswith("lwd: ")
    assert "hub" in line
    assert found.stdout == ""
    assert not (tmp_path / "runs").exists()
    assert time.monotonic() - started < 60


def test_an_embedding_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "reachable", lambda: False)
    with pytest.raises(BadInput, match="no network") as caught:
        lwd.run(
            "pocket", out=tmp_path / "run",
            settings=["embedding.model=nomic-ai/nomic-embed-text-v1.5"],
        )  # fmt: skip
    assert "\n" not in str(caught.value)
    broken: Any = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("{")
    with pytest.raises(BadInput, match="cannot be loaded"):
        lwd.run("pocket", out=tmp_path / "run", settings=[f"embedding.model={broken}"])
    assert not (tmp_path / "run").exists()
