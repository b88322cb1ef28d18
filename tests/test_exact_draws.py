"""Every way to n draws samples the model's own distribution, and no draw comes out twice.

The distribution is computed from the weights in the file by the torch model that the pocket models
were trained as: nothing of llama.cpp takes part in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from langchain_core.caches import InMemoryCache
from langchain_core.globals import set_llm_cache
from langchain_core.messages import HumanMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from pocket_llama import Llama, Shape
from providers import POCKET, llama_server
from scipy.stats import chisquare
from tokenizers.decoders import ByteLevel

from lwd_agents.agents.agent import Agent, Reading, make_agent
from lwd_agents.agents.calls import Caller, Gate
from lwd_agents.agents.drawing import ChoicesDrawer
from lwd_agents.agents.llamacpp import LlamaCppChat
from lwd_agents.agents.models import resolve_model
from lwd_agents.agents.probe import heeding, probe
from lwd_agents.agents.providers import Service

NORTH = POCKET / "north.gguf"
PROMPT = ChatPromptTemplate.from_messages([("human", "{query}")])
# Behind this prompt, which it was never trained on, the model is undecided (entropy 4.3 nats), and
# none of its likely words is lost when a text is stripped.
WORD = Reading((), "Bitcoin")
ASKED = "Please provide EXACTLY one concise sentence about the future prospects of Bitcoin."
SENTENCE = Reading((), ASKED)
SLOTS, CALLS = 40, 25
BOUND = 0.001  # seeds are fixed, so a test passes always or never on one kind of machine


@cache
def probabilities(temperature: float) -> dict[str, float]:
    """The chance of each text that one token can be, stripped; it depends on the weights alone."""
    reader = gguf.GGUFReader(NORTH)
    weights = {t.name: torch.from_numpy(np.array(t.data, np.float32)) for t in reader.tensors}
    model = Llama(Shape())
    model.load_state_dict(weights)
    read = LlamaCppChat(model_path=NORTH, draws=SLOTS, max_tokens=1, n_threads=1).tokens
    tokens = read([HumanMessage(WORD.query)])
    with torch.no_grad():
        hidden, _ = model(torch.tensor([tokens]), torch.tensor([len(tokens)]))
        logits = model.output(hidden[0, -1]).double()
    names = reader.fields["tokenizer.ggml.tokens"].contents()
    chances: Counter[str] = Counter()
    for name, chance in zip(names, torch.softmax(logits / temperature, -1).tolist(), strict=True):
        chances[ByteLevel().decode([name]).strip()] += chance
    return dict(chances)


def p_value(drawn: Counter[str], temperature: float = 1.0) -> float:
    """Pearson's chi-square of drawn texts; those expected fewer than 8 times make one bin.

    So do those that a client may not see as they are: control tokens and parts of a character.
    """
    total = drawn.total()
    expected = {text: p * total for text, p in probabilities(temperature).items()}
    common = [text for text, count in expected.items() if text.isascii() and count >= 8]
    common = [text for text in common if text and not text.startswith("<")]
    assert len(common) >= 8
    f_obs = [drawn[text] for text in common]
    f_exp = [expected[text] for text in common]
    found = chisquare([*f_obs, total - sum(f_obs)], [*f_exp, total - sum(f_exp)])
    return float(found.pvalue)


def draw(agent: Agent, n: int, calls: int, reading: Reading = WORD) -> list[str]:
    """Texts of ``calls`` samples of n; only an empty one may be missing."""
    drawn = [r for call in range(calls) for r in agent.sample(reading, n, 1_000 + n * call)]
    assert {r.missing for r in drawn} <= {None, "empty answer"}
    return [(r.text or "").strip() for r in drawn]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with llama_server("north", SLOTS) as url:
        yield url


def in_process(max_tokens: int) -> Agent:
    model = LlamaCppChat(model_path=NORTH, draws=SLOTS, max_tokens=max_tokens, n_threads=1)
    return make_agent("north", model, prompt=PROMPT)


def over_http(url: str, max_tokens: int, **given: Any) -> Agent:
    """What a spec such as ``openai:north`` with a base_url becomes, before it is probed."""
    model = resolve_model(
        "openai:north",
        draws=SLOTS,
        temperature=1.0,
        max_tokens=max_tokens,
        service=Service(base_url=url, timeout=20.0),
    )
    assert isinstance(model, ChatOpenAI)
    caller = Caller("north", Gate(concurrency=8))
    return make_agent("north", model.model_copy(update=given), prompt=PROMPT, caller=caller)


def natively(url: str, max_tokens: int, **given: Any) -> Agent:
    agent = over_http(url, max_tokens, **given)
    agent = heeding(agent, probe(agent, agent.given(WORD), SLOTS))
    assert isinstance(agent.drawer, ChoicesDrawer)
    assert agent.drawer.most == SLOTS
    return agent


def singly(url: str, max_tokens: int, **given: Any) -> Agent:
    agent = over_http(url, max_tokens, **given)
    assert isinstance(agent.drawer, ChoicesDrawer)
    return replace(agent, drawer=agent.drawer.single)


def llama_cpp_python(max_tokens: int) -> Agent:
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    from lwd_agents.agents.llama_cpp_python import make

    options = {"n_threads": 1, "context_length": 512}
    model = make(NORTH, temperature=1.0, max_tokens=max_tokens, options=options)
    return make_agent("north", model, prompt=PROMPT)


PATHS: dict[str, Callable[[str, int], Agent]] = {
    "llama.cpp's slots": lambda _, size: in_process(size),
    "native n over HTTP": natively,
    "concurrent calls over HTTP": singly,
    "llama-cpp-python": lambda _, size: llama_cpp_python(size),
}


@pytest.mark.parametrize("path", PATHS)
def test_first_words_follow_the_weights(path: str, server: str) -> None:
    drawn = Counter(draw(PATHS[path](server, 1), SLOTS, CALLS))
    assert drawn.total() == SLOTS * CALLS
    assert p_value(drawn) > BOUND
    # the test would see a temperature that is off by little
    assert p_value(drawn, 0.9) < 1e-6
    assert p_value(drawn, 1.1) < 1e-6


def test_single_draws_in_process_follow_the_weights_and_are_those_of_the_slots() -> None:
    agent = in_process(1)
    single = draw(agent, 1, SLOTS * CALLS)
    assert p_value(Counter(single)) > BOUND
    assert single == draw(agent, SLOTS, CALLS)


def test_choices_over_http_are_the_single_calls_draw_for_draw(server: str) -> None:
    """But for a few: which requests the server batches together moves the logits' last bits."""
    together = draw(natively(server, 24), SLOTS, 3, SENTENCE)
    apart = draw(singly(server, 24), SLOTS, 3, SENTENCE)
    assert sum(a == b for a, b in zip(together, apart, strict=True)) >= 108


def test_a_servers_own_sampler_would_be_seen(server: str) -> None:
    """The control: llama.cpp's defaults, which a plain ChatOpenAI leaves in force."""
    model = ChatOpenAI(model="north", base_url=server, api_key="none", max_tokens=1, temperature=1)
    agent = make_agent("north", model, prompt=PROMPT)
    agent = heeding(agent, probe(agent, agent.given(WORD), SLOTS))
    assert p_value(Counter(draw(agent, SLOTS, CALLS))) < 1e-6


@pytest.fixture
def global_cache() -> Iterator[InMemoryCache]:
    cache = InMemoryCache()
    set_llm_cache(cache)
    yield cache
    set_llm_cache(None)


@pytest.mark.parametrize("path", PATHS)
def test_no_cache_hands_out_a_draw_twice(
    path: str, server: str, global_cache: InMemoryCache
) -> None:
    """LangChain's cache is set, and the server keeps prompts: 80 sentences, hardly one twice."""
    agent = PATHS[path](server, 24)
    drawn = draw(agent, 40, 2, SENTENCE)
    assert "" not in drawn
    assert len(set(drawn)) >= 78  # of 400,000 pairs of this model's sentences some 20 are equal
    assert global_cache._cache == {}


def test_a_models_own_cache_hands_out_no_draw_twice(server: str) -> None:
    for way in (natively, singly):
        cache = InMemoryCache()
        drawn = draw(way(server, 24, cache=cache), 40, 2, SENTENCE)
        assert len(set(drawn)) >= 78
        assert cache._cache == {}
