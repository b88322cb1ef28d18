"""HuggingFaceChat on a real transformers model: a tiny Llama with random weights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from langchain_core.messages import HumanMessage
from random_models import tiny_llama
from safetensors.torch import load_file, save_file
from scipy.stats import chisquare

from lwd_agents.agents.huggingface import HuggingFaceChat
from lwd_agents.agents.shared_prompt import Sampling
from lwd_agents.errors import BadInput, RunStopped

PROMPT = [HumanMessage("Bitcoin rises. Miners sell.")]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """A model this small is slower on more threads, much slower when they are not idle."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def chat(**given: Any) -> HuggingFaceChat:
    settings = {"model_name_or_path": str(tiny_llama()), "draws": 40, "max_tokens": 12}
    return HuggingFaceChat(**{**settings, "device": "cpu", **given})


def texts(model: HuggingFaceChat, n: int, seed: int) -> list[str]:
    return [g.text for g in model.generate([PROMPT], n=n, seed=seed).generations[0]]


def test_first_tokens_follow_the_models_own_distribution() -> None:
    model, n = chat(max_tokens=1, chunk=2000), 2000
    weights, prompt = model._weights, model.tokens(PROMPT)
    with torch.inference_mode():
        logits = weights.model(torch.tensor([prompt])).logits[0, -1].double()
    expected = torch.softmax(logits, -1).numpy()
    tokens = []
    decode = weights.decode

    def spy(*args: Any) -> list[list[int]]:
        tokens.extend(rows := decode(*args))
        return rows

    weights.decode = spy  # type: ignore[method-assign]
    try:
        model.draw(prompt, n, 5, Sampling(1.0, 1, ()))
    finally:
        del weights.decode
    observed = np.bincount([row[0] for row in tokens], minlength=len(expected))
    common = expected * n >= 8
    assert common.sum() >= 5
    f_obs = np.append(observed[common], observed[~common].sum())
    f_exp = np.append(expected[common], expected[~common].sum()) * n
    assert chisquare(f_obs, f_exp * f_obs.sum() / f_exp.sum()).pvalue > 0.001


def test_a_repeated_cache_gives_what_no_cache_gives() -> None:
    model = chat(temperature=0.0)
    prompt, weights = model.tokens(PROMPT), model._weights
    ids = list(prompt)
    with torch.inference_mode():
        for _ in range(12):
            ids.append(
                int(weights.model(torch.tensor([ids]), use_cache=False).logits[0, -1].argmax())
            )
            if ids[-1] in weights.ends:
                break
    expected = weights.finish(ids[len(prompt) :], Sampling(0.0, 12, ())).text
    assert texts(model, 7, 1) == [expected] * 7


def test_draws_differ_and_a_chunk_does_not_change_them() -> None:
    whole = texts(chat(chunk=40), 40, 3)
    assert len(set(whole)) == 40
    assert texts(chat(chunk=7), 40, 3) == whole
    assert texts(chat(), 1, 9) == whole[6:7]


def test_global_randomness_is_left_alone() -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    texts(chat(), 4, 3)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_finish_reasons_and_counts() -> None:
    model = chat(max_tokens=30)
    result = model.generate([PROMPT], n=60, seed=11)
    about = [g.message.response_metadata for g in result.generations[0]]  # type: ignore[union-attr]
    assert {a["finish_reason"] for a in about} == {"stop", "length"}
    for a in about:
        assert a["output_tokens"] == 30 or a["finish_reason"] == "stop"
    assert about[0]["input_tokens"] == model.count_tokens(PROMPT) == len(model.tokens(PROMPT))
    total = sum(a["output_tokens"] for a in about)
    message = result.generations[0][0].message  # type: ignore[union-attr]
    assert message.usage_metadata["output_tokens"] == total
    first = result.generations[0][1].text
    stopped = model.generate([PROMPT], n=2, seed=11, stop=[first[2:4]]).generations[0][1]
    assert stopped.text == first[: first.index(first[2:4])]


def test_a_prompt_beyond_the_context_stops_the_run() -> None:
    with pytest.raises(RunStopped, match="context of 256 tokens"):
        chat().generate([[HumanMessage("x" * 244)]], n=2, seed=1)


def test_the_backend_is_json_and_the_files_are_named() -> None:
    model = chat()
    assert json.loads(json.dumps(model.backend))["dtype"] == "float32"
    assert {"config.json", "model.safetensors"} <= {path.name for path in model.files}
    assert chat(temperature=0.5)._weights is model._weights


@pytest.mark.parametrize("kind", ["missing", "empty", "cut", "gaps", "untemplated"])
def test_what_cannot_be_loaded_is_one_line(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "model"
    if kind != "missing":
        folder.mkdir()
    weights = folder / "model.safetensors"
    if kind in ("cut", "gaps"):
        for path in tiny_llama().iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
    if kind == "cut":
        weights.write_bytes(weights.read_bytes()[:900])
    if kind == "gaps":
        tensors = load_file(weights)
        del tensors["model.layers.1.mlp.up_proj.weight"]
        save_file(tensors, weights, {"format": "pt"})
    place = str(tiny_llama(template=False) if kind == "untemplated" else folder)
    with pytest.raises(BadInput, match="chat template" if kind == "untemplated" else "model") as e:
        chat(model_name_or_path=place)
    assert place in str(e.value)
    assert "\n" not in str(e.value)
