"""Agents of every kind: our models, langchain-core's, OpenAI's over HTTP, graphs, chains."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import (
    BaseChatModel,
    FakeListChatModel,
    FakeListLLM,
    GenericFakeChatModel,
)
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from random_models import tiny_gguf, tiny_llama

from lwd_agents.agents.agent import Agent, Reading, make_agent
from lwd_agents.agents.calls import Caller, Gate
from lwd_agents.agents.huggingface import HuggingFaceChat
from lwd_agents.agents.llamacpp import LlamaCppChat
from lwd_agents.errors import BadInput, RunStopped

PROMPT = ChatPromptTemplate.from_messages([("human", "{posts}\n{query}")])
ONE = Caller(gate=Gate(1))  # one call at a time
READING = Reading(("Bitcoin rises.", "Miners sell."), "What next?")


class Echo(BaseChatModel):
    """Answers with what it was given and how often it was asked; fails at the third asking."""

    asked: list[str]

    @property
    def _llm_type(self) -> str:
        return "echo"

    def _generate(self, messages: Any, stop: Any = None, **kwargs: Any) -> ChatResult:
        self.asked.append(messages[-1].text)
        number = len(self.asked)
        if number == 3:
            raise ConnectionError("the line went dead\nat noon")
        content = {4: "  ", 5: "x" * 100_000}.get(number, f"{number}: {messages[-1].text}")
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content))])


def llama(**given: Any) -> LlamaCppChat:
    settings = {"model_path": tiny_gguf(), "draws": 8, "max_tokens": 6, "n_threads": 2}
    return LlamaCppChat(**{**settings, **given})


class OpenAI(BaseHTTPRequestHandler):
    """A provider of chat completions on loopback, whose fifth answer is an error."""

    count = 0

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).count += 1
        number = self.count
        message = {"role": "assistant", "content": f"{number}: {body['messages'][-1]['content']}"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 9, "completion_tokens": number, "total_tokens": 9 + number}
        answer = {"id": "a", "object": "chat.completion", "created": 0, "model": "some-model"}
        answer |= {"choices": [choice], "usage": usage}
        if number == 5:
            answer = {"error": {"message": "overloaded", "type": "server_error"}}
        data = json.dumps(answer).encode()
        self.send_response(400 if number == 5 else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def provider() -> Iterator[str]:
    OpenAI.count = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), OpenAI)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def llm_cache() -> Iterator[InMemoryCache]:
    set_llm_cache(cache := InMemoryCache())
    yield cache
    set_llm_cache(None)


def texts(agent: Agent, n: int = 8, seed: int = 100) -> list[str | None]:
    return [response.text for response in agent.sample(READING, n, seed, None)]


def test_the_prompt_is_given_the_posts_one_a_line() -> None:
    agent = make_agent("a", Echo(asked=[]), prompt=PROMPT, caller=ONE)
    assert texts(agent, 1) == ["1: Bitcoin rises.\nMiners sell.\nWhat next?"]
    value = agent.render(Reading((), "What next?"))
    assert value is not None
    assert value.to_string() == "Human: (none)\nWhat next?"


def test_our_model_draws_natively_and_the_same_seeds_give_the_same_draws() -> None:
    agent = make_agent("north", llama(), prompt=PROMPT)
    assert agent.native
    responses = agent.sample(READING, 8, 100, None)
    assert [response.seed for response in responses] == list(range(100, 108))
    assert {response.input_tokens for response in responses} == {agent.count_tokens(READING)}
    assert responses == agent.sample(READING, 8, 100, None)
    assert responses != agent.sample(READING, 8, 200, None)
    assert (agent.context_length, agent.max_tokens) == (1024, 6)
    assert agent.files == (tiny_gguf().resolve(),)
    json.dumps(agent.backend)


def test_a_hugging_face_model_draws_natively() -> None:
    model = HuggingFaceChat(model_name_or_path=str(tiny_llama()), device="cpu", max_tokens=6)
    agent = make_agent("h", model, prompt=PROMPT)
    assert agent.native
    assert len(set(texts(agent, 8))) == 8


def test_a_chat_model_of_langchain_core() -> None:
    model = FakeListChatModel(responses=["one", "two", "three"])
    agent = make_agent("f", model, prompt=PROMPT, caller=ONE)
    assert texts(agent, 3) == ["one", "two", "three"]
    assert agent.backend == {"class": "FakeListChatModel", "kind": "model"}
    one = agent.sample(READING, 1, 5, None)[0]
    assert (one.seed, one.input_tokens, one.output_tokens) == (None, None, None)
    generic = GenericFakeChatModel(messages=iter([AIMessage("x"), AIMessage("y")]))
    assert texts(make_agent("g", generic, prompt=PROMPT, caller=ONE), 2) == ["x", "y"]
    llm = FakeListLLM(responses=["u", "v"])
    prompt = PromptTemplate.from_template("{posts}{query}")
    assert texts(make_agent("l", llm, prompt=prompt, caller=ONE), 2) == ["u", "v"]


def test_openai_over_http(provider: str) -> None:
    openai = pytest.importorskip("langchain_openai")
    model = openai.ChatOpenAI(
        model="some-model", base_url=provider, api_key="secret", max_retries=0, max_tokens=7
    )
    agent = make_agent("o", model, prompt=PROMPT)
    responses = agent.sample(READING, 8, 100, None)
    missing = [response for response in responses if response.text is None]
    assert len(missing) == 1
    assert str(missing[0].missing).endswith("Error code: 400 - overloaded")
    present = [response for response in responses if response.text is not None]
    assert len({response.text for response in present}) == 7
    assert {response.finish_reason for response in present} == {"stop"}
    assert {response.input_tokens for response in present} == {9}
    assert "secret" not in json.dumps(agent.backend)
    assert agent.max_tokens == 7


def test_chat_hugging_face_of_langchain() -> None:
    langchain_huggingface = pytest.importorskip("langchain_huggingface")
    pipeline = langchain_huggingface.HuggingFacePipeline.from_model_id(
        str(tiny_llama()),
        task="text-generation",
        pipeline_kwargs={"max_new_tokens": 5, "do_sample": True, "return_full_text": False},
    )
    model = langchain_huggingface.ChatHuggingFace(llm=pipeline)
    agent = make_agent("c", model, prompt=PROMPT, caller=ONE)
    assert len(set(texts(agent, 4))) > 1


def test_failed_empty_and_endless_draws_are_missing_with_their_reasons() -> None:
    agent = make_agent("a", Echo(asked=[]), prompt=PROMPT, caller=ONE)
    responses = agent.sample(READING, 6, 0, None)
    assert [response.missing for response in responses] == [
        None,
        None,
        "ConnectionError: the line went dead",
        "empty answer",
        "longer than 20,000 characters (100,000)",
        None,
    ]
    assert [response.text is None for response in responses] == [
        False,
        False,
        True,
        True,
        True,
        False,
    ]


def test_a_graph_is_given_messages_and_its_last_ai_message_counts() -> None:
    agent = make_agent("g", create_agent(llama(draws=1)), prompt=PROMPT)
    assert agent.kind == "graph"
    drawn = agent.sample(READING, 8, 100, None)
    assert [response.text for response in drawn] == texts(agent)  # the draw's seed is in the config
    assert len({response.text for response in drawn}) == 8
    assert [response.seed for response in drawn] == list(range(100, 108))
    echo = Echo(asked=[])
    asked = make_agent("e", create_agent(echo), prompt=PROMPT, caller=ONE)
    assert texts(asked, 1) == ["1: Bitcoin rises.\nMiners sell.\nWhat next?"]


def test_a_graph_that_remembers_is_refused() -> None:
    graph = create_agent(FakeListChatModel(responses=["a"]), checkpointer=InMemorySaver())
    with pytest.raises(BadInput, match="checkpointer"):
        make_agent("g", graph, prompt=PROMPT)


@pytest.mark.parametrize(
    "answer", ["yes", AIMessage("yes"), {"messages": [HumanMessage("no"), AIMessage("yes")]}]
)
def test_a_runnable_takes_posts_and_query_and_answers_in_three_ways(answer: Any) -> None:
    given = []

    def reply(variables: dict[str, str]) -> Any:
        given.append(variables)
        return answer

    agent = make_agent("r", RunnableLambda(reply))
    assert texts(agent, 2) == ["yes", "yes"]
    assert given[0] == {"posts": "Bitcoin rises.\nMiners sell.", "query": "What next?"}
    assert agent.render(READING) is None
    assert agent.count_tokens(READING) is None


def test_a_chain_and_a_wrapped_model() -> None:
    model = llama()
    chain = make_agent("chain", PROMPT | model)
    wrapped = make_agent("bound", model.bind(temperature=1.0).with_retry(), prompt=PROMPT)
    assert (chain.kind, wrapped.kind) == ("runnable", "model")
    assert texts(chain, 3) == texts(wrapped, 3)
    assert len(set(texts(wrapped, 3))) == 3


def test_an_answer_of_another_type_is_missing() -> None:
    for answer in (7, None, {"messages": []}, {"text": "yes"}):
        agent = make_agent("r", RunnableLambda(lambda _, answer=answer: answer))
        assert str(agent.sample(READING, 1, 0, None)[0].missing).startswith("TypeError: ")


def test_a_cache_never_hands_one_draw_out_twice(llm_cache: InMemoryCache) -> None:
    direct = make_agent("a", llama(), prompt=PROMPT)
    wrapped = make_agent("b", llama().with_retry(), prompt=PROMPT)
    echo = make_agent("c", Echo(asked=[], cache=llm_cache), prompt=PROMPT, caller=ONE)
    for agent in (direct, wrapped):
        assert len(set(texts(agent))) == 8
    assert len(set(texts(echo, 2))) == 2
    graph = make_agent("g", create_agent(llama()), prompt=PROMPT)
    with pytest.raises(BadInput, match="set_llm_cache"):
        texts(graph, 2)


def test_a_cache_that_cannot_be_seen_beforehand_is_seen_in_its_answers() -> None:
    echo = Echo(asked=[], cache=InMemoryCache())
    agent = make_agent("g", create_agent(echo), prompt=PROMPT, caller=ONE)
    with pytest.raises(BadInput, match="cache"):
        texts(agent, 2)


class Trace(BaseCallbackHandler):
    """Keeps who started, and under whom."""

    def __init__(self) -> None:
        self.parents: dict[Any, Any] = {}
        self.models: list[Any] = []

    def on_chain_start(self, *_: Any, run_id: Any, parent_run_id: Any = None, **__: Any) -> None:
        self.parents[run_id] = parent_run_id

    def on_chat_model_start(self, *_: Any, run_id: Any, parent_run_id: Any, **kwargs: Any) -> None:
        self.models.append((parent_run_id, kwargs["tags"], kwargs["metadata"]["t"]))


@pytest.mark.parametrize(("native", "runs"), [(True, 1), (False, 5)])
def test_a_trace_nests_under_the_callers_run(native: bool, runs: int) -> None:
    model = llama() if native else FakeListChatModel(responses=["a"])
    agent, trace = make_agent("a", model, prompt=PROMPT), Trace()
    step = RunnableLambda(lambda _, config: agent.sample(READING, 5, 1, config))
    step.invoke(0, {"callbacks": [trace], "tags": ["step"], "metadata": {"t": 3}})
    (root,) = [run for run, parent in trace.parents.items() if parent is None]
    assert [(parent, t) for parent, _, t in trace.models] == [(root, 3)] * runs
    assert all("step" in tags for _, tags, _ in trace.models)


def test_a_prompt_beyond_the_context_stops_the_run_and_is_not_missing() -> None:
    agent = make_agent("north", llama(), prompt=PROMPT)
    with pytest.raises(RunStopped, match="exceed its context of 1024 tokens"):
        agent.sample(Reading(("Bitcoin rises." * 100,), "?"), 2, 0, None)


def test_a_broken_off_run_is_not_a_missing_draw() -> None:
    def interrupt(_: Any) -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_agent("r", RunnableLambda(interrupt)).sample(READING, 2, 0, None)


def test_what_cannot_be_an_agent_is_refused() -> None:
    with pytest.raises(BadInput, match="agent a: str is not a LangChain runnable"):
        make_agent("a", "north", prompt=PROMPT)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="needs a prompt"):
        make_agent("a", FakeListChatModel(responses=["x"]))
    prompt = ChatPromptTemplate.from_template("{mood} {query}")
    with pytest.raises(BadInput, match="asks for mood;"):
        make_agent("a", FakeListChatModel(responses=["x"]), prompt=prompt)
