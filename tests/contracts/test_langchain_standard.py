"""LangChain's standard suites on our chat models and embeddings.

What cannot apply is in ``NOT_APPLICABLE``, with its reason; a test that the suite would skip for
any other reason fails.
"""

from __future__ import annotations

import inspect
from typing import Any, NoReturn

import pytest
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests, EmbeddingsIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests, EmbeddingsUnitTests
from random_models import tiny_llama

from lwd_agents.agents.huggingface import HuggingFaceChat
from lwd_agents.agents.llamacpp import LlamaCppChat
from lwd_agents.agents.models import POCKET
from lwd_agents.config import EmbeddingConfig
from lwd_agents.embedding import SentenceEmbeddings

_TOOLS = "no tool calling: an agent writes one answer, and calls nothing"
_STRUCTURE = "no structured output: answers are text, kept as they are sampled"
_MEDIA = "text alone: no images, sound, or documents"
_ONE_FILE = "a model is one file, so no call can ask for another"
_ENVIRONMENT = "nothing of it is read from environment variables"

NOT_APPLICABLE = {
    "test_init_from_env": _ENVIRONMENT,
    "test_serdes": "it holds weights: a manifest records what is needed to make it again",
    "test_bind_tool_pydantic": _TOOLS,
    "test_tool_calling": _TOOLS,
    "test_tool_calling_async": _TOOLS,
    "test_bind_runnables_as_tools": _TOOLS,
    "test_tool_message_histories_string_content": _TOOLS,
    "test_tool_message_histories_list_content": _TOOLS,
    "test_tool_choice": _TOOLS,
    "test_tool_calling_with_no_arguments": _TOOLS,
    "test_tool_message_error_status": _TOOLS,
    "test_structured_few_shot_examples": _TOOLS,
    "test_agent_loop": _TOOLS,
    "test_unicode_tool_call_integration": _TOOLS,
    "test_with_structured_output": _STRUCTURE,
    "test_structured_output": _STRUCTURE,
    "test_structured_output_async": _STRUCTURE,
    "test_structured_output_pydantic_2_v1": _STRUCTURE,
    "test_structured_output_optional_param": _STRUCTURE,
    "test_json_mode": _STRUCTURE,
    "test_pdf_inputs": _MEDIA,
    "test_audio_inputs": _MEDIA,
    "test_image_inputs": _MEDIA,
    "test_image_tool_message": _MEDIA,
    "test_pdf_tool_message": _MEDIA,
    "test_anthropic_inputs": _MEDIA,
    "test_invoke_with_model_override": _ONE_FILE,
    "test_ainvoke_with_model_override": _ONE_FILE,
    "test_stream_with_model_override": _ONE_FILE,
    "test_astream_with_model_override": _ONE_FILE,
    "test_stream_time": "it replays recorded HTTP traffic, of which there is none",
}

# The suites leave it to a global setting whether their coroutines are run.
for _suite in (ChatModelIntegrationTests, EmbeddingsIntegrationTests):
    for _test in vars(_suite).values():
        if inspect.iscoroutinefunction(_test):
            pytest.mark.asyncio(_test)


def _unexplained(reason: str = "", **_: Any) -> NoReturn:
    pytest.fail(f"the suite skips this for a reason that is not in NOT_APPLICABLE: {reason}")


@pytest.fixture(autouse=True)
def explained(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip what is declared, and nothing else."""
    if reason := NOT_APPLICABLE.get(request.function.__name__):
        pytest.skip(reason)
    monkeypatch.setattr(pytest, "skip", _unexplained)


@pytest.fixture
def benchmark(benchmark: Any) -> Any:
    """Run it once: the suite would time it for seconds."""
    benchmark.disabled = True
    return benchmark


@pytest.fixture(scope="module", autouse=True)
def loaded() -> Any:
    """Keep the engine for all tests; models of one file share it as long as one is there."""
    return [LlamaCppChat(max_tokens=tokens, **LLAMA) for tokens in (48, 100, 10)]


LLAMA = {"model_path": POCKET / "north.gguf", "n_threads": 1}


class Ours:
    """What holds for both chat models; the suite's own switches for what they don't do."""

    has_tool_calling = has_tool_choice = has_structured_output = False
    supports_json_mode = supports_model_override = enable_vcr_tests = False
    returns_usage_metadata = True


class LlamaCpp(Ours):
    """A pocket model under llama.cpp."""

    chat_model_class: type[BaseChatModel] = LlamaCppChat
    chat_model_params = LLAMA


class HuggingFace(Ours):
    """A tiny Llama with random weights under transformers."""

    chat_model_class: type[BaseChatModel] = HuggingFaceChat

    @property
    def chat_model_params(self) -> dict[str, Any]:
        """Written when it is first asked for."""
        return {"model_name_or_path": str(tiny_llama()), "device": "cpu", "seed": 3}


class TestLlamaCppUnit(LlamaCpp, ChatModelUnitTests):
    """LlamaCppChat: how it is made and what it says of itself."""


class TestLlamaCppIntegration(LlamaCpp, ChatModelIntegrationTests):
    """LlamaCppChat: what it does."""


class TestHuggingFaceUnit(HuggingFace, ChatModelUnitTests):
    """HuggingFaceChat: how it is made and what it says of itself."""


class TestHuggingFaceIntegration(HuggingFace, ChatModelIntegrationTests):
    """HuggingFaceChat: what it does."""


class Sentences:
    """The shipped embedding model."""

    embeddings_class: type[Embeddings] = SentenceEmbeddings
    embedding_model_params = {"config": EmbeddingConfig()}  # noqa: RUF012


class TestEmbeddingsUnit(Sentences, EmbeddingsUnitTests):
    """SentenceEmbeddings: how it is made."""


class TestEmbeddingsIntegration(Sentences, EmbeddingsIntegrationTests):
    """SentenceEmbeddings: what it does."""


def test_what_does_not_apply_is_in_a_suite() -> None:
    """A name that the suites no longer have would say nothing."""
    suites = (ChatModelUnitTests, ChatModelIntegrationTests, EmbeddingsUnitTests)
    assert set(NOT_APPLICABLE) <= {name for suite in suites for name in dir(suite)}
