"""Models behind an API: how specs become LangChain's classes, and what is refused in one line."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from langchain_core.prompts import ChatPromptTemplate

from lwd_agents.agents.agent import Agent, Reading, make_agent
from lwd_agents.agents.models import is_remote, resolve_model
from lwd_agents.agents.providers import Service, split
from lwd_agents.errors import BadInput

PROMPT = ChatPromptTemplate.from_messages([("human", "{posts}\n{query}")])
READING = Reading(("Bitcoin rises.",), "What next?")


class Services(BaseHTTPRequestHandler):
    """Anthropic's messages and Ollama's chat, as far as their clients ask for it."""

    asked: list[tuple[str, dict[str, str], dict[str, Any]]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((self.path, dict(self.headers), body))
        text = f"answer {len(self.asked)}"
        if self.path.endswith("/messages"):
            answer: Any = {
                "id": "m",
                "type": "message",
                "role": "assistant",
                "model": body["model"],
                "content": [{"type": "text", "text": text}],
                "stop_reason": "end_turn",
                "usage": {"input_tokens": 11, "output_tokens": 3},
            }
        else:
            answer = {
                "model": body["model"],
                "created_at": "2026-01-01T00:00:00Z",
                "message": {"role": "assistant", "content": text},
                "done": True,
                "done_reason": "stop",
                "prompt_eval_count": 12,
                "eval_count": 4,
            }
        data = json.dumps(answer).encode() + b"\n"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def services() -> Iterator[str]:
    Services.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Services)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def resolve(spec: str, service: Service | None = None, **options: Any) -> Any:
    return resolve_model(
        spec, draws=4, temperature=0.9, max_tokens=8, options=options, service=service
    )


def agent(model: Any) -> Agent:
    return make_agent("a", model, prompt=PROMPT)


def test_what_a_spec_names() -> None:
    assert split("openai:gpt-5-mini", None) == ("openai", "gpt-5-mini")
    assert split("ollama:llama3:8b", None) == ("ollama", "llama3:8b")
    assert split("some/model:8b", "http://127.0.0.1:1/v1") == ("openai", "some/model:8b")
    assert split("some/model", None) is None
    assert split("gpt-4.1-mini", None) == ("openai", "gpt-4.1-mini")
    assert split("claude-some", None) == ("anthropic", "claude-some")
    assert split("north", None) is split("o1.models.make", None) is None
    remote = ("openai:a", "anthropic:b", "ollama:c")
    assert all(is_remote(spec, None) for spec in remote)
    assert not any(is_remote(spec, None) for spec in ("pocket:north", "hf:a/b", "m.f"))


def test_anthropic_with_its_key_from_the_environment(
    services: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("langchain_anthropic")
    monkeypatch.setenv("MY_KEY", "the key of mine")
    model = resolve("anthropic:claude-some", Service(services, "MY_KEY", 7.0))
    asker = agent(model)
    responses = asker.sample(READING, 3, 50)
    assert len({response.text for response in responses}) == 3
    assert {(r.input_tokens, r.output_tokens) for r in responses} == {(11, 3)}
    assert {response.seed for response in responses} == {None}  # it takes none
    path, headers, body = Services.asked[0]
    assert path == "/v1/messages"
    assert any("the key of mine" in value for value in headers.values())
    assert (body["temperature"], body["max_tokens"]) == (0.9, 8)
    assert "the key of mine" not in json.dumps(asker.backend)


def test_ollama_gets_each_draws_seed_and_samples_plainly(services: str) -> None:
    pytest.importorskip("langchain_ollama")
    responses = agent(resolve("ollama:some:8b", Service(services))).sample(READING, 3, 50)
    assert [response.seed for response in responses] == [50, 51, 52]
    assert {(r.input_tokens, r.output_tokens) for r in responses} == {(12, 4)}
    options = [body["options"] for _, _, body in Services.asked]
    assert sorted(option.pop("seed") for option in options) == [50, 51, 52]
    plain = {"temperature": 0.9, "num_predict": 8, "top_k": 0, "top_p": 1.0, "repeat_penalty": 1.0}
    assert options == [plain] * 3
    assert Services.asked[0][2]["model"] == "some:8b"


def test_openai_and_a_server_of_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "the key of openai")
    own = resolve("openai:gpt-some")
    assert own.openai_api_key.get_secret_value() == "the key of openai"
    assert (own.max_retries, own.temperature, own.max_tokens, own.extra_body) == (0, 0.9, 8, None)
    server = resolve("some/model", Service("http://127.0.0.1:1/v1", None, 3.0), top_p=0.5)
    assert server.openai_api_key.get_secret_value() == "none"  # openai's key is not for others
    assert (server.model_name, server.request_timeout, server.top_p) == ("some/model", 3.0, 0.5)
    assert server.extra_body == {"top_k": 0, "min_p": 0.0}


@pytest.mark.parametrize(
    ("spec", "service", "options", "said"),
    [
        ("openai:gpt", None, {}, "no key; set the environment variable OPENAI_API_KEY"),
        ("anthropic:c", None, {}, "no key; set the environment variable ANTHROPIC_API_KEY"),
        ("openai:gpt", Service(None, "NOT_SET_KEY"), {}, "NOT_SET_KEY is not set; put the key"),
        ("openai:gpt", Service("http://127.0.0.1:1/v1"), {"topp": 1}, "did you mean top_p"),
        ("openai:gpt", Service("http://127.0.0.1:1/v1"), {"top_p": "x"}, "top_p"),
        ("groq:some", None, {}, "langchain-groq is not installed; pip install langchain-groq"),
        ("opnai:gpt", None, {}, "did you mean 'openai:gpt'"),
        ("pocket:north", Service("http://127.0.0.1:1/v1"), {}, "base_url of model pocket:north"),
        ("no_such_module:factory", None, {}, "no module 'no_such_module' here"),
        ("json:no_such_factory", None, {}, "no_such_factory"),
        ("json:dumps", None, {}, "dumps needs obj"),
    ],
)
def test_what_cannot_be_used_is_one_line(
    spec: str,
    service: Service | None,
    options: dict[str, Any],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(BadInput, match=said) as error:
        resolve(spec, service, **options)
    assert "\n" not in str(error.value)


def test_a_dotted_path_to_a_factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_models.py").write_text(
        "from langchain_core.language_models import FakeListChatModel\n"
        "def quiet(temperature, words=2):\n"
        "    return FakeListChatModel(responses=[f'{words} words at {temperature}'])\n"
    )
    monkeypatch.chdir(tmp_path)
    for spec in ("my_models:quiet", "my_models.quiet"):
        responses = agent(resolve(spec, words=5)).sample(READING, 1, 0)
        assert responses[0].text == "5 words at 0.9"
    with pytest.raises(BadInput, match="no option 'word'; did you mean"):
        resolve("my_models:quiet", word=5)
