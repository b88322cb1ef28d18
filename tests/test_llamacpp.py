"""LlamaCppChat on real llama.cpp, with models of random weights."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.runnables.config import merge_configs
from random_gguf import Shape, write_random_gguf
from random_models import tiny_gguf
from scipy.stats import chisquare

from lwd_agents.agents.llamacpp import LlamaCppChat
from lwd_agents.agents.models import POCKET
from lwd_agents.agents.sampling import RANDOM_SEED, SEED_KEY
from lwd_agents.agents.shared_prompt import Sampling
from lwd_agents.errors import BadInput, RunStopped

A = [HumanMessage("Bitcoin rises on the news of the day. " * 12)]
B = [HumanMessage("Miners sell." * 30)]
CORES = 2


def chat(**given: Any) -> LlamaCppChat:
    settings = {"model_path": tiny_gguf(), "draws": 40, "max_tokens": 12, "n_threads": CORES}
    return LlamaCppChat(**{**settings, **given})


def texts(model: LlamaCppChat, messages: Any, n: int, seed: int, **kwargs: Any) -> list[str]:
    result = model.generate([messages], n=n, seed=seed, **kwargs)
    return [generation.text for generation in result.generations[0]]


def test_draws_do_not_depend_on_what_was_asked_before() -> None:
    model = chat()
    alone = texts(model, A, 40, 100)
    one = texts(model, A, 1, 100)
    for _ in range(3):
        texts(model, B, 40, 900)
        assert texts(model, A, 40, 100) == alone
        texts(model, B, 17, 900)
        assert texts(model, A, 1, 100) == one


def test_draws_stand_in_the_same_slots_whatever_was_asked_before() -> None:
    """A prompt of more than one micro-batch, whose draws used to depend on the slots they had."""
    model = LlamaCppChat(model_path=POCKET / "north.gguf", draws=3, max_tokens=48, n_threads=CORES)
    messages = [HumanMessage("Bitcoin rises on the news of the day. " * 60)]
    prompt = model.tokens(messages)
    assert len(prompt) > model.n_ubatch
    options = model._options(Sampling(1.0, 48, ()))
    alone = model.engine.complete(prompt, 3, 5000, options)
    for n in (1, 2, 3, 1):
        model.engine.complete(prompt[: 100 * n], n, 77, options)
        again = model.engine.complete(prompt, 3, 5000, options)
        assert [record["id_slot"] for record in again] == [0, 1, 2]
        assert [r["content"] for r in again] == [r["content"] for r in alone]


def test_two_processes_draw_the_same() -> None:
    code = (
        "import sys, json; from pathlib import Path;"
        "from lwd_agents.agents.llamacpp import LlamaCppChat;"
        "model = LlamaCppChat(model_path=Path(sys.argv[1]), draws=40, max_tokens=12, n_threads=2);"
        "result = model.generate_prompt([model._convert_input(sys.argv[2])], n=40, seed=100);"
        "print(json.dumps([generation.text for generation in result.generations[0]]))"
    )
    command = [sys.executable, "-c", code, str(tiny_gguf()), str(A[0].content)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    assert json.loads(done.stdout) == texts(chat(), A, 40, 100)


def test_each_draw_tells_its_seed_and_its_tokens_and_the_call_is_counted_once() -> None:
    model = chat()
    usage = UsageMetadataCallbackHandler()
    result = model.generate([A], n=40, seed=7, callbacks=[usage])
    about = [g.message.response_metadata for g in result.generations[0]]  # type: ignore[union-attr]
    assert [a["seed"] for a in about] == list(range(7, 47))
    assert {a["input_tokens"] for a in about} == {model.count_tokens(A)}
    for a in about:
        assert a["finish_reason"] == "length" or a["output_tokens"] < 12
        assert a["output_tokens"] == 12 or a["finish_reason"] == "stop"
    assert {a["finish_reason"] for a in about} <= {"stop", "length"}
    written = sum(a["output_tokens"] for a in about)
    assert usage.usage_metadata["tiny-0.05.gguf"]["output_tokens"] == written
    assert usage.usage_metadata["tiny-0.05.gguf"]["input_tokens"] == model.count_tokens(A)


def test_more_draws_than_slots_are_made_in_turns_whose_seeds_continue() -> None:
    few = chat(draws=4)
    nine = texts(few, A, 9, 50)
    assert nine == texts(few, A, 4, 50) + texts(few, A, 4, 54) + texts(few, A, 1, 58)
    assert len(set(nine)) == 9


def first_token_probabilities(model: LlamaCppChat) -> np.ndarray:
    """The model's own distribution of the first token at temperature 1, shape (V,)."""
    options = {"n_predict": 1, "n_probs": 320, "temperature": 1.0, "samplers": ["temperature"]}
    record = model.engine.complete(model.tokens(A), 1, 0, options)[0]
    probabilities = np.zeros(320)
    for token in record["completion_probabilities"][0]["top_logprobs"]:
        probabilities[token["id"]] = np.exp(token["logprob"])
    assert probabilities.sum() == pytest.approx(1.0, abs=1e-4)
    return probabilities


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_first_tokens_follow_the_models_own_distribution(temperature: float) -> None:
    model = chat(model_path=tiny_gguf(0.3), max_tokens=1, temperature=temperature)
    expected = first_token_probabilities(model) ** (1 / temperature)
    expected /= expected.sum()
    prompt, options = model.tokens(A), model._options(Sampling(temperature, 1, ()))
    drawn = Counter(
        record["tokens"][0] if record["tokens"] else 1
        for call in range(50)
        for record in model.engine.complete(prompt, 40, 1000 + 40 * call, options)
    )
    observed = np.array([drawn[token] for token in range(320)])
    common = expected * 2000 >= 8
    assert common.sum() >= 5
    f_obs = np.append(observed[common], observed[~common].sum())
    f_exp = np.append(expected[common], expected[~common].sum()) * 2000
    assert chisquare(f_obs, f_exp * f_obs.sum() / f_exp.sum()).pvalue > 0.001


def test_sampling_is_plain_and_recorded() -> None:
    backend = chat(temperature=0.7).backend
    json.dumps(backend)
    sampler = backend["sampler"]
    assert sampler["temperature"] == pytest.approx(0.7)
    assert sampler["samplers"] == ["temperature"]
    plain = {"top_k": 0, "top_p": 1.0, "min_p": 0.0, "typical_p": 1.0, "repeat_penalty": 1.0}
    plain |= {"presence_penalty": 0.0, "frequency_penalty": 0.0, "dry_multiplier": 0.0}
    plain |= {"mirostat": 0, "xtc_probability": 0.0, "dynatemp_range": 0.0}
    assert {key: sampler[key] for key in plain} == plain
    assert backend["engine"]["n_ubatch"] == 512
    assert backend["engine"]["path"] == "tiny-0.05.gguf"


def test_a_full_context_with_all_draws_fits_and_one_token_more_is_refused() -> None:
    model = chat(max_tokens=24, ignore_eos=True)
    room = model.context - 24
    text = "x" * (room - model.count_tokens([HumanMessage("")]))
    assert model.count_tokens([HumanMessage(text)]) == room
    assert len(set(texts(model, [HumanMessage(text)], 40, 1))) == 40
    with pytest.raises(RunStopped, match=r"prompt of 1001 tokens and 24 new ones.*1024 tokens"):
        texts(model, [HumanMessage(text + "x")], 40, 1)


def test_models_of_one_file_and_equal_settings_share_an_engine() -> None:
    first, second = chat(temperature=0.1), chat(temperature=0.9)
    assert first.engine is second.engine
    assert chat(draws=3).engine is not first.engine


def test_it_is_a_plain_chat_model_too() -> None:
    model = chat(draws=1)
    assert isinstance(model.invoke("Hello").content, str)
    assert model.invoke("Hello").content != model.invoke("Hello").content
    seeded = model.bind(seed=5)
    assert seeded.invoke("Hello").content == seeded.invoke("Hello").content
    greedy = model.bind(temperature=0.0)
    answer = str(greedy.invoke("Hello").content)
    assert answer == greedy.invoke("Hello").content
    stopped = greedy.invoke("Hello", stop=[answer[3:6]])
    assert stopped.content == answer[: answer.index(answer[3:6])]
    with pytest.raises(ValueError, match="takes no tools"):
        model.invoke("Hello", tools=[])


def test_an_answer_ends_before_a_stop_text_of_the_model_or_of_the_call() -> None:
    plain = chat(max_tokens=32).invoke(A, seed=3).text
    first, second = plain[8], next(letter for letter in plain[:8] if letter != plain[8])
    model = chat(max_tokens=32, stop=[first])
    assert model.invoke(A, seed=3).text == plain.partition(first)[0]
    assert model.invoke(A, seed=3, stop=[second]).text == plain.partition(second)[0]
    assert model._get_ls_params()["ls_stop"] == [first]


def test_a_stream_is_the_whole_answer_at_once() -> None:
    model = chat()
    answer = model.invoke(A, seed=3)
    chunks = list(model.stream(A, seed=3))
    assert [chunk.text for chunk in chunks] == [answer.text]
    assert chunks[0].usage_metadata == answer.usage_metadata
    told = ("seed", "input_tokens", "output_tokens", "finish_reason", "model_name")
    for key in told:
        assert chunks[0].response_metadata[key] == answer.response_metadata[key]


def test_who_listens_to_a_stream_changes_no_draw() -> None:
    """A handler that streams turns other models' invoke into stream, which knows no run's seed."""
    model = chat()
    drawn = texts(model, A, 40, 100)

    async def listen(given: Any, **kwargs: Any) -> list[Any]:
        step = RunnableLambda(lambda _, config: given(config))
        return [
            event["data"]["output"]
            async for event in step.astream_events(0, version="v2")
            if event["event"] == "on_chain_end"
        ]

    seeded = {"metadata": {SEED_KEY: 100}}
    one = asyncio.run(listen(lambda config: model.invoke(A, merge_configs(config, seeded)).text))
    assert one[-1] == drawn[0]
    many = asyncio.run(
        listen(lambda config: texts(model, A, 40, 100, callbacks=config["callbacks"]))
    )
    assert many[-1] == drawn


def test_seeds_that_llama_cpp_reads_otherwise_are_refused() -> None:
    with pytest.raises(BadInput, match="seed"):
        chat().generate([A], n=40, seed=RANDOM_SEED - 20)


def broken(folder: Path, kind: str) -> Path:
    whole = tiny_gguf().read_bytes()
    path = folder / f"{kind}.gguf"
    if kind == "nonsense":
        write_random_gguf(path, Shape(layers=1), architecture="nonsense")
    elif kind == "untemplated":
        write_random_gguf(path, Shape(layers=1), template=None)
    elif kind != "missing":
        cut = {"empty": 0, "header": 900, "tensors": len(whole) // 2}
        path.write_bytes(b"hello, world" * 99 if kind == "text" else whole[: cut[kind]])
    return path


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("missing", "No such file"),
        ("empty", "GGUF"),
        ("text", "GGUF"),
        ("header", "ends inside"),
        ("tensors", "cannot load"),
        ("nonsense", "'nonsense'"),
        ("untemplated", "chat template"),
    ],
)
def test_a_broken_file_is_one_line_and_llama_cpp_is_silent(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: str, reason: str
) -> None:
    path = broken(tmp_path, kind)
    with pytest.raises(BadInput, match=reason) as error:
        chat(model_path=path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")


DROPPED = """
import os, sys, threading
from pathlib import Path
import numpy as np
from lwd_agents.agents.llama_engine import Engine, EngineSettings

def burn():
    a = np.ones((400, 400))
    while True:
        a @ a

for _ in range(4):
    threading.Thread(target=burn, daemon=True).start()
for _ in range(100):
    Engine(EngineSettings(Path(sys.argv[1]), 2, 512, 256, 256, 1, True, "f16"))
os._exit(0)
"""


def test_engines_that_are_dropped_at_once_end() -> None:
    """On processors that are busy a server's loop begins late; dropped before, it would hang."""
    command = [sys.executable, "-c", DROPPED, str(POCKET / "north.gguf")]
    subprocess.run(command, timeout=240, check=True)


def test_a_context_beyond_the_trained_one_is_refused() -> None:
    with pytest.raises(BadInput, match="context_length 2000"):
        chat(context_length=2000)
