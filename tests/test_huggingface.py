"""HuggingFaceChat on a real transformers model: a tiny Llama with random weights."""

from __future__ import annotations

import contextlib
import json
import re
import resource
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bench_paper_scale
import numpy as np
import pytest
import torch
from langchain_core.messages import HumanMessage
from numpy.typing import NDArray
from random_models import tiny_llama
from safetensors.torch import load_file, save_file
from scipy.stats import chisquare
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    Lfm2Config,
    LlamaConfig,
    MistralConfig,
)

from lwd_agents.agents.huggingface import HuggingFaceChat
from lwd_agents.agents.huggingface_cache import (
    bytes_per_draw,
    cache_bytes,
    repeat_cache,
    side_by_side,
)
from lwd_agents.agents.huggingface_weights import gpu_budget, uniform_numbers
from lwd_agents.agents.models import resolve_model
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


@contextlib.contextmanager
def tokens_of(model: HuggingFaceChat) -> Iterator[list[list[int]]]:
    """The tokens of every answer that is drawn meanwhile."""
    seen: list[list[int]] = []
    weights, decode = model._weights, model._weights.decode

    def spy(*args: Any) -> list[list[int]]:
        rows = decode(*args)
        seen.extend(rows)
        return rows

    weights.decode = spy  # type: ignore[method-assign]
    try:
        yield seen
    finally:
        del weights.decode


@contextlib.contextmanager
def batches_of(model: HuggingFaceChat) -> Iterator[list[tuple[int, ...]]]:
    """The shapes (rows, tokens) of every forward pass of the model meanwhile."""
    seen: list[tuple[int, ...]] = []

    def hook(_: Any, args: Any, given: dict[str, Any]) -> None:
        seen.append(tuple(given["input_ids"].shape))

    handle = model._weights.model.register_forward_pre_hook(hook, with_kwargs=True)
    try:
        yield seen
    finally:
        handle.remove()


def probabilities(model: HuggingFaceChat, ids: list[int]) -> NDArray[np.float64]:
    """The model's own distribution of the token after ``ids``, (V,), without any cache."""
    with torch.inference_mode():
        logits = model._weights.model(torch.tensor([ids]), use_cache=False).logits[0, -1]
    return np.asarray(torch.softmax(logits.double(), -1).numpy())


def chi_square(tokens: list[int], expected: NDArray[np.float64]) -> float:
    """The p-value of the tokens' frequencies; the rare tokens (fewer than 5 due) are one class."""
    observed, due = np.bincount(tokens, minlength=len(expected)), expected * len(tokens)
    common = due >= 5
    assert common.sum() >= 5
    assert expected.max() < 0.5
    f_obs = np.append(observed[common], observed[~common].sum())
    f_exp = np.append(due[common], due[~common].sum())
    return float(chisquare(f_obs, f_exp * f_obs.sum() / f_exp.sum()).pvalue)


@pytest.mark.parametrize("way", ["at once", "in chunks", "one by one"])
def test_tokens_follow_the_models_own_distribution(way: str) -> None:
    n = 1500 if way == "one by one" else 4000
    model = chat(max_tokens=2, chunk=700 if way == "in chunks" else "auto")
    prompt, sampling = model.tokens(PROMPT), Sampling(1.0, 2, ())
    with tokens_of(model) as rows:
        if way == "one by one":
            for j in range(n):
                model.draw(prompt, 1, 50_000 + j, sampling)
        else:
            model.draw(prompt, n, 5, sampling)
    assert len(rows) == n
    first = probabilities(model, prompt)
    assert chi_square([row[0] for row in rows], first) > 0.001
    common = int(first.argmax())
    second = [row[1] for row in rows if row[0] == common]
    assert chi_square(second, probabilities(model, [*prompt, common])) > 0.001


def test_a_temperature_is_the_models_own_distribution_sharpened() -> None:
    n, model = 3000, chat(max_tokens=1, temperature=0.7)
    prompt = model.tokens(PROMPT)
    with tokens_of(model) as rows:
        model.draw(prompt, n, 5, Sampling(0.7, 1, ()))
    sharper = probabilities(model, prompt) ** (1 / 0.7)
    assert chi_square([row[0] for row in rows], sharper / sharper.sum()) > 0.001
    assert chi_square([row[0] for row in rows], probabilities(model, prompt)) < 1e-6


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
    expected = weights.finish(ids[len(prompt) :], Sampling(0.0, 12, ()), weights.ends).text
    assert texts(model, 7, 1) == [expected] * 7


def test_draws_differ_and_a_chunk_does_not_change_them() -> None:
    whole = texts(chat(), 40, 3)
    assert len(set(whole)) == 40
    for chunk in (1, 7, 40):
        assert texts(chat(chunk=chunk), 40, 3) == whole
    assert texts(chat(), 1, 9) == whole[6:7]


def test_answers_that_have_ended_leave_the_batch() -> None:
    model, n = chat(max_tokens=50), 30
    prompt, sampling = model.tokens(PROMPT), Sampling(1.0, 50, ())
    alone = [model.draw(prompt, 1, 11 + j, sampling)[0] for j in range(n)]
    assert 2 < sum(draw.finish_reason == "stop" for draw in alone) < n
    usual = model._weights.look
    for look in (1, 8):  # as on a processor, and as on a GPU
        model._weights.look = look
        try:
            with batches_of(model) as batches:
                assert model.draw(prompt, n, 11, sampling) == alone
        finally:
            model._weights.look = usual
        assert batches[0] == (1, len(prompt))
        for step, (rows, tokens) in enumerate(batches[1:], 1):
            looked = step - step % look
            assert (rows, tokens) == (sum(draw.tokens > looked for draw in alone), 1)


def test_nothing_is_computed_when_all_answers_have_ended() -> None:
    model = chat(max_tokens=200)
    prompt, sampling = model.tokens(PROMPT), Sampling(1.0, 200, ())
    seed = next(
        s for s in range(400) if model.draw(prompt, 1, s, Sampling(1.0, 20, ()))[0].tokens < 20
    )
    with batches_of(model) as batches:
        (draw,) = model.draw(prompt, 1, seed, sampling)
    assert len(batches) == draw.tokens


def small(kind: str) -> HuggingFaceChat:
    """A model whose cache is not of plain attention layers alone, or without grouped heads."""
    common: dict[str, Any] = {
        "vocab_size": 259, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3,
        "num_attention_heads": 4, "max_position_embeddings": 256, "initializer_range": 0.4,
        "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 0,
    }  # fmt: skip
    configs: dict[str, Any] = {
        "ungrouped": lambda: LlamaConfig(num_key_value_heads=4, **common),
        "window": lambda: MistralConfig(num_key_value_heads=2, sliding_window=16, **common),
        "recurrent": lambda: Lfm2Config(
            num_key_value_heads=2, layer_types=["conv", "full_attention", "conv"], **common
        ),
    }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(configs[kind]())
    return HuggingFaceChat.of(model, chat()._weights.tokenizer, name=kind, max_tokens=24)


@pytest.mark.parametrize("kind", ["ungrouped", "window", "recurrent"])
def test_other_kinds_of_cache_are_repeated_too(kind: str) -> None:
    model = small(kind)
    prompt = model.tokens(PROMPT)
    with tokens_of(model) as rows:
        model.draw(prompt, 12, 3, Sampling(1.0, 24, ()))
    for j, row in enumerate(rows):
        numbers = uniform_numbers(3 + j, 1, 24)[0].numpy()
        for place in range(0, len(row), 5):  # each token by its definition, without any cache
            total = probabilities(model, prompt + row[:place]).cumsum()
            assert row[place] == np.searchsorted(total, numbers[place] * total[-1], side="right")
    model.chunk = 5
    with tokens_of(model) as chunked:
        model.draw(prompt, 12, 3, Sampling(1.0, 24, ()))
    assert chunked == rows


def test_as_many_draws_go_side_by_side_as_fit() -> None:
    model = chat()
    prompt, weights = model.tokens(PROMPT), model._weights
    with torch.inference_mode():
        cache = weights.prefill(prompt)[1]
    layers, heads, width, four = 2, 2, 8, 4
    token = 2 * layers * heads * width * four  # keys and values in float32
    assert cache_bytes(cache) == token * len(prompt)
    room = repeat_cache(cache, 5, len(prompt) + 12)
    filled = sum(layer._keys.nbytes + layer._values.nbytes for layer in room.layers)
    assert filled == 5 * token * (len(prompt) + 12)
    each = bytes_per_draw(cache_bytes(cache), len(prompt), 12, 0)
    assert each * 5 == filled
    assert [side_by_side(41, each, each * fit) for fit in (0, 1, 40, 41, 99)] == [1, 1, 21, 41, 41]
    each = bytes_per_draw(cache_bytes(cache), len(prompt), 12, weights.vocabulary)
    fits = chat(cache_gib=15.5 * each / 2**30, ignore_eos=True)
    with batches_of(fits) as batches:
        whole = texts(fits, 40, 3)
    assert [rows for rows, _ in batches] == [1, *[14] * 22, *[12] * 11]
    assert texts(chat(chunk=40, ignore_eos=True), 40, 3) == whole


def test_a_gpus_budget_is_a_share_of_what_all_weights_leave() -> None:
    assert gpu_budget(141_000, 44_000) == 77_600
    assert gpu_budget(40, 44) == 0
    assert chat()._weights.cache_budget(None) == 4 * 2**30
    assert chat()._weights.cache_budget(0.5) == 2**29
    model = chat()._weights.model
    assert chat()._weights.nbytes >= sum(p.numel() for p in model.parameters()) * 4


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_that_does_not_suffice_stops_the_run() -> None:
    model = chat(chunk=100_000, max_tokens=200)
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (in_use + 2**28, limits[1]))
    try:
        with pytest.raises(RunStopped, match=r"option chunk, below 100000, or cache_gib") as error:
            model.generate([PROMPT], n=100_000, seed=1)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
    assert "\n" not in str(error.value)
    assert len(texts(model, 2, 1)) == 2


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
    backend = json.loads(json.dumps(model.backend))
    assert (backend["dtype"], backend["chunk"], backend["cache"]) == ("float32", "auto", {"gib": 4})
    assert chat(chunk=7, cache_gib=0.5).backend["cache"] == {"gib": 0.5}
    assert {"config.json", "model.safetensors"} <= {path.name for path in model.files}


def test_one_model_is_loaded_once_and_one_device_draws_for_one_at_a_time() -> None:
    model, other = chat(), chat(temperature=0.5, chunk=3)
    assert other._weights is model._weights
    drawn: list[str] = []
    thread = threading.Thread(target=lambda: drawn.extend(texts(model, 2, 3)))
    with small("window")._weights.busy():
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
    thread.join(30)
    assert drawn == texts(model, 2, 3)


def test_a_loaded_model_is_taken_as_it_is() -> None:
    read = chat()
    weights = read._weights
    made = HuggingFaceChat.of(weights.model.train(), weights.tokenizer, name="mine", max_tokens=12)
    assert not weights.model.training
    assert texts(made, 6, 3) == texts(read, 6, 3)
    assert (made.label, made.files, made.trained_context) == ("mine", (), 256)
    with pytest.raises(BadInput, match="device 'cpu': the model is loaded already"):
        HuggingFaceChat.of(weights.model, weights.tokenizer, device="cpu")
    bare = AutoTokenizer.from_pretrained(tiny_llama(template=False))
    with pytest.raises(BadInput, match="model mine: its tokenizer has no chat template"):
        HuggingFaceChat.of(weights.model, bare, name="mine")


def test_answers_of_one_length() -> None:
    draws = chat(ignore_eos=True, max_tokens=100).draw([5, 6], 30, 1, Sampling(1.0, 100, ()))
    assert {(draw.tokens, draw.finish_reason) for draw in draws} == {(100, "length")}
    assert {draw.tokens for draw in chat().draw([5, 6], 30, 1, Sampling(1.0, 100, ()))} != {100}


@pytest.mark.parametrize("chunk", [0, -1, 2.5, True, "all"])
def test_a_chunk_is_a_count_or_auto(chunk: Any) -> None:
    with pytest.raises(BadInput, match=r'^chunk .*should be a whole number.*or "auto"$'):
        resolve_model(
            f"hf:{tiny_llama()}", draws=1, temperature=1.0, max_tokens=4, options={"chunk": chunk}
        )


def test_the_benchmark_runs_the_loop_scaled_down(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ["--scale", "32", "--steps", "1", "--draws", "2", "--device", "cpu", "--quiet"]
    monkeypatch.setattr(sys, "argv", ["bench", *settings])
    bench_paper_scale.main()
    said = capsys.readouterr().out
    assert said.startswith("SCALED DOWN, not the paper's experiment")
    assert "12 answers of 40 tokens" in said
    assert "nothing to hold beside its 8 hours" in said
    assert "480 tokens in" in said
    found = re.search(r"the longest prompt had (\d+) ", said)
    assert found is not None
    assert 440 < int(found[1]) <= bench_paper_scale.longest_prompt(1) == 458


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
