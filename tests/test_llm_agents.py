"""The agents of a network: what is loaded once, what is shared, and who waits beside whom."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from langchain_core.prompts import ChatPromptTemplate
from providers import FaultyProvider
from random_models import tiny_llama

import lwd_agents as lwd
from lwd_agents.agents.agent import Agent
from lwd_agents.config import LlmConfig
from lwd_agents.errors import BadInput
from lwd_agents.ledger import Ledger
from lwd_agents.worlds.llm_agents import make_agents

PROMPT = ChatPromptTemplate.from_messages([("human", "{posts}\n{query}")])


def made(*agents: dict[str, Any], draws: int = 2) -> tuple[Agent, ...]:
    config = LlmConfig.model_validate({"agents": list(agents), "draws": draws})
    return make_agents(config, {}, PROMPT, Ledger())


def test_agents_of_one_file_share_its_weights_whatever_else_differs() -> None:
    same = {"model": "pocket:north"}
    a, b, c, d = made(
        {"name": "a", **same},
        {"name": "b", **same},
        {"name": "c", **same, "temperature": 0.5, "max_tokens": 12},
        {"name": "d", "model": "pocket:east"},
    )
    assert a.drawer.model is b.drawer.model
    assert a.drawer.model.engine is c.drawer.model.engine is not d.drawer.model.engine
    assert (c.drawer.model.temperature, c.max_tokens, a.max_tokens) == (0.5, 12, 48)


def test_agents_of_one_transformers_model_share_its_weights() -> None:
    same = {"model": f"hf:{tiny_llama()}", "max_tokens": 4}
    a, b = made({"name": "a", **same}, {"name": "b", **same, "temperature": 0.5})
    assert a.drawer.model is not b.drawer.model
    assert a.drawer.model._weights is b.drawer.model._weights


def test_a_factory_is_called_once_for_equal_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "counting_models.py").write_text(
        "from langchain_core.language_models import FakeListChatModel\n"
        "made = []\n"
        "def make(temperature):\n"
        "    made.append(temperature)\n"
        "    return FakeListChatModel(responses=['yes'])\n"
    )
    monkeypatch.chdir(tmp_path)
    same = {"model": "counting_models:make"}
    a, b, _ = made(
        {"name": "a", **same}, {"name": "b", **same}, {"name": "c", **same, "temperature": 2}
    )
    assert a.drawer.model is b.drawer.model
    import counting_models

    assert counting_models.made == [1.0, 2.0]


def test_agents_of_one_model_pass_one_gate() -> None:
    server = {"model": "m", "base_url": "http://127.0.0.1:1/v1", "requests_per_second": 3}
    a, b, c = made(
        {"name": "a", **server},
        {"name": "b", **server, "temperature": 0.1},
        {"name": "c", **server, "base_url": "http://127.0.0.1:2/v1"},
    )
    assert a.drawer.caller.gate is b.drawer.caller.gate is not c.drawer.caller.gate
    with pytest.raises(BadInput, match=r"agents.b.concurrency: 2, but agent a of the same model"):
        made({"name": "a", **server}, {"name": "b", **server, "concurrency": 2})


def test_agents_behind_providers_wait_side_by_side(tmp_path: Path) -> None:
    with FaultyProvider(seeds="honoured", delay=0.5) as provider:
        server = {"model": "m", "base_url": provider.url}
        agents = [{"name": name, **server, "temperature": i / 4} for i, name in enumerate("abc")]
        agents.append({"name": "p", "model": "pocket:north"})
        experiment = {"agents": agents, "steps": 2, "draws": 3}
        run = lwd.run(experiment, out=tmp_path / "run")
        assert provider.most_at_once == 3
        kinds = Counter(call.n for call in provider.calls)
    assert kinds == {1: 3, 3: 3 * 2 + 3 * 3}  # three agents: one draw, twice three, and three steps
    assert all(line["seconds"]["generate"] >= 3 * 0.5 for line in run.rounds)  # summed over agents
    assert [list(line["k"]) for line in run.rounds] == [["a", "b", "c", "p"]] * 3


def test_one_provider_is_asked_once_for_agents_that_share_a_model(tmp_path: Path) -> None:
    with FaultyProvider(seeds="honoured") as provider:
        server = {"model": "m", "base_url": provider.url}
        agents = [{"name": name, **server} for name in "ab"]
        run = lwd.run({"agents": agents, "steps": 1, "draws": 3}, out=tmp_path / "run")
        assert len(provider.calls) == 3 + 2 * 2
    honoured = {"choices": 3, "seed": True, "usage_counts_one": False, "notes": []}
    assert {name: about["honours"] for name, about in run.manifest["backends"].items()} == {
        "a": honoured,
        "b": honoured,
    }
