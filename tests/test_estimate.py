"""``lwd estimate``: the sums against brute force and against real runs, and what a person sees."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SMALL
from hypothesis import given
from hypothesis import strategies as st
from random_models import tiny_gguf, tiny_llama
from rich.console import Console

from lwd_agents import cli
from lwd_agents.agents.probe import PROBE_REQUESTS, PROBE_TOKENS
from lwd_agents.config import LlmConfig, read_experiment
from lwd_agents.costs import (
    Estimate,
    estimate,
    expected_prompts,
    longest_prompts,
)
from lwd_agents.errors import BadInput
from lwd_agents.internet.sizes import visible_posts
from lwd_agents.laboratory import run
from lwd_agents.lengths import SEPARATOR, Lengths, prompt_lengths
from lwd_agents.report.cost_words import dollars, tell
from lwd_agents.trajectory import Trajectory
from lwd_agents.worlds.llm_texts import read_texts

NAMES = ("north", "east", "south")


@pytest.fixture(autouse=True)
def _no_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_BASE", "OPENAI_BASE_URL", "OLLAMA_HOST"):
        monkeypatch.delenv(name, raising=False)


def agents(*models: str, **common: Any) -> list[dict[str, Any]]:
    return [{"name": f"a{i}", "model": model, **common} for i, model in enumerate(models)]


def config_of(**keys: Any) -> LlmConfig:
    experiment = read_experiment("pocket")
    for key, value in keys.items():
        experiment.put(key, value, key)
    config = experiment.resolve()
    assert isinstance(config, LlmConfig)
    return config


@given(
    seeds=st.lists(st.integers(1, 40), min_size=1, max_size=8),
    most=st.lists(st.integers(1, 30), min_size=1, max_size=4),
    steps=st.integers(1, 7),
    beta=st.sampled_from(["0.04", "0.3", "0.5", "0.7", "1"]),
)
def test_the_sums_are_those_of_all_posts_written_out(
    seeds: list[int], most: list[int], steps: int, beta: str
) -> None:
    models = agents(*["pocket:north"] * len(most))
    config = config_of(agents=models, steps=steps, reading={"beta": beta})
    lengths = Lengths(around=7, empty=9, posts=tuple(seeds), counted="")
    k = reading_sizes(config, len(seeds))
    mean = sum(seeds) / len(seeds)
    expected, longest = expected_prompts(lengths, most, k), longest_prompts(lengths, most, k)
    internet, likely = list(seeds), [float(post) for post in seeds]
    for t in range(steps + 1):
        size = int(Decimal(beta) * len(internet))
        assert k[t] == size
        sizes = sorted(internet, reverse=True)[:size]
        assert longest[t] == (7 + sum(sizes) if size else 9)
        average = 7 + size * sum(likely) / len(likely)
        assert expected[t] == pytest.approx(average if size else 9)
        assert expected[t] <= longest[t] + 1e-9
        internet += [tokens + SEPARATOR for tokens in most]
        likely += [min(mean, tokens + SEPARATOR) for tokens in most]


RUNS: dict[str, dict[str, Any]] = {
    "all": {"reading": {"beta": 1}},
    "none at first": {"reading": {"beta": 0.04}},
    "three": {"reading": {"k": 3}},
    "one agent": {"agents": agents("pocket:east", max_tokens=9)},
    "ten agents": {
        "agents": [
            {"name": f"a{i}", "model": f"pocket:{NAMES[i % 3]}", "max_tokens": 4 + 5 * i}
            for i in range(10)
        ],
        "reading": {"beta": 1},
        "draws": 2,
    },
}
SLOW = ("three", "one agent")


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in RUNS]
)
def test_a_real_run_takes_what_was_said(tmp_path: Path, name: str) -> None:
    keys = {"steps": 3, "draws": 4, **RUNS[name]}
    _compare(estimate("pocket", **keys), run("pocket", out=tmp_path / "run", **keys), keys)


def test_the_presets_run_takes_what_was_said(pocket_run: Trajectory) -> None:
    said = estimate("pocket", **SMALL)
    _compare(said, pocket_run, SMALL)
    # The pocket models write like the posts of A(0), so what is expected comes near.
    rows = pocket_run.responses()
    read = rows[rows["draw"] == 0]["input_tokens"].sum()
    assert said.expected.prompt_tokens == pytest.approx(read, rel=0.1)
    assert said.expected.completion_tokens == pytest.approx(rows["output_tokens"].sum(), rel=0.2)


def _compare(said: Estimate, done: Trajectory, keys: dict[str, Any]) -> None:
    """Exactly where all posts are known, at t = 0; from above where they are not."""
    rows = done.responses()
    lines = [json.loads(line) for line in (done.path / "rounds.jsonl").open()]
    config = config_of(**keys)
    texts = read_texts(config)
    human = {post.id: i for i, post in enumerate(texts.seeds)}
    sizes = reading_sizes(config, len(human))
    assert said.readings == (sizes[0], sizes[-1])
    for agent, spec in zip(said.agents, config.agents, strict=True):
        assert [line["k"][agent.name] for line in lines] == list(sizes)
        lengths = prompt_lengths(
            spec.model, {}, texts.template, texts.queries[0], [post.text for post in texts.seeds]
        )
        mine = rows[rows["agent"] == agent.name]
        read = mine[mine["draw"] == 0].set_index("t")["input_tokens"]
        assert agent.expected.requests == agent.most.requests == len(read) == config.steps + 1
        first = [lengths.posts[human[post]] for post in lines[0]["reads"][agent.name]]
        assert read[0] == (lengths.around + sum(first) if first else lengths.empty)
        longest = longest_prompts(lengths, [a.max_tokens for a in config.agents], sizes)
        assert (read.to_numpy() <= longest).all()
        assert read.sum() <= agent.most.prompt_tokens == longest.sum()
        assert read.max() <= agent.longest_prompt == longest.max()
        assert mine["output_tokens"].sum() <= agent.most.completion_tokens
        assert agent.price is not None
        assert agent.most.cost == 0


def test_who_reads_the_prompt_how_often() -> None:
    said = estimate(
        "pocket",
        agents=agents("openai:gpt-4o-mini", "anthropic:claude-3-5-haiku-latest", "pocket:north"),
        draws=200,
        steps=9,
    )
    openai, anthropic, pocket = said.agents
    assert openai.expected.requests == 2 * 10  # 128 draws and 72
    assert anthropic.expected.requests == 200 * 10
    assert pocket.expected.requests == 10
    assert anthropic.most.prompt_tokens == 100 * openai.most.prompt_tokens
    assert openai.one_by_one is not None
    for alone, theirs in zip(openai.one_by_one, (anthropic.expected, anthropic.most), strict=True):
        assert (alone.requests, alone.prompt_tokens) == (theirs.requests, theirs.prompt_tokens)
    assert anthropic.one_by_one is None
    assert pocket.one_by_one is None
    assert pocket.probe is None
    assert openai.probe is not None
    assert anthropic.probe is not None
    assert anthropic.probe.requests == PROBE_REQUESTS
    assert anthropic.probe.completion_tokens == PROBE_REQUESTS * PROBE_TOKENS
    assert openai.probe.completion_tokens == PROBE_REQUESTS * 128 * PROBE_TOKENS
    parts = [openai.most, anthropic.most, pocket.most, openai.probe, anthropic.probe]
    assert said.most.requests == sum(part.requests for part in parts)
    assert said.most.cost == sum(part.cost or 0 for part in parts)
    assert said.most.cost is not None
    assert said.expected.cost is not None
    assert 0 < said.expected.cost < said.most.cost


def test_a_server_of_ones_own_has_the_price_that_it_is_given() -> None:
    mine = agents("my-model", base_url="http://127.0.0.1:9/v1", max_tokens=10)
    said = estimate("pocket", agents=mine, steps=1, draws=3)
    assert said.agents[0].price is None
    assert said.most.cost is None
    assert said.as_json()["most"]["cost"] is None
    prices = {"my-model": {"input": "0.5", "output": 3}}
    said = estimate("pocket", agents=mine, steps=1, draws=3, prices=prices)
    assert said.agents[0].most.completion_tokens == 2 * 3 * 10
    figures = said.agents[0].most
    assert figures.cost == (figures.prompt_tokens * Decimal("0.5") + 60 * 3) / 10**6
    with pytest.raises(BadInput, match=r"prices: no agent's model is 'other' \(models: my-model\)"):
        estimate("pocket", agents=mine, prices={"other": prices["my-model"]})


def test_tokenizers_at_hand_are_used() -> None:
    posts, template, query = ["one post", "another, longer post"], "{posts}\n{query}", "Why?"
    own = {}
    for spec in (f"gguf:{tiny_gguf()}", f"hf:{tiny_llama()}", "pocket:north"):
        lengths = prompt_lengths(spec, {}, template, query, posts)
        assert lengths.counted == "the model's own tokenizer"
        own[spec] = lengths
    # The random folder's tokenizer is one of bytes.
    assert own[f"hf:{tiny_llama()}"].posts == (9, 21)
    template_tokens = own[f"hf:{tiny_llama()}"].empty - len("(none)\nWhy?")
    assert own[f"hf:{tiny_llama()}"].around == template_tokens + len("\nWhy?") - SEPARATOR
    for spec in ("openai:gpt-4o-mini", "hf:no/such", f"hf:{tiny_llama(template=False)}"):
        lengths = prompt_lengths(spec, {}, template, query, posts)
        assert "4 characters" in lengths.counted
        assert lengths.posts == (3, 6)
    with pytest.raises(BadInput, match="did you mean pocket:north"):
        estimate("pocket", agents=agents("pocket:nort"))


def _spent(steps: int, draws: int = 4, **keys: Any) -> int:
    figures = estimate("pocket", steps=steps, draws=draws, **keys).expected
    return figures.prompt_tokens + figures.completion_tokens


def test_a_limit_says_when_it_stops_the_run() -> None:
    at_five = _spent(5)
    for limit, t in ((at_five + 2, 6), (at_five - 2, 5), (1, 0)):
        said = estimate("pocket", steps=20, draws=4, limits={"tokens": limit})
        (stop,) = said.stops
        assert (stop.key, stop.limit, stop.t, stop.certain) == ("limits.tokens", limit, t, True)
    said = estimate("pocket", steps=20, draws=4, limits={"tokens": _spent(20) + 2})
    assert [stop.certain for stop in said.stops] == [False]
    most = said.most.prompt_tokens + said.most.completion_tokens
    assert estimate("pocket", steps=20, draws=4, limits={"tokens": most}).stops == ()


def test_a_limit_of_cost_counts_what_is_paid() -> None:
    keys: dict[str, Any] = {
        "agents": agents("openai:m", "pocket:north"),
        "prices": {"openai:m": {"input": 1, "output": 4}},
        "draws": 4,
    }
    cost = estimate("pocket", steps=5, **keys).expected.cost
    assert cost is not None
    for factor, t in ((Decimal("1.001"), 6), (Decimal("0.999"), 5)):
        (stop,) = estimate("pocket", steps=20, limits={"cost": str(cost * factor)}, **keys).stops
        assert (stop.key, stop.t) == ("limits.cost", t)


def test_a_long_run_is_estimated_at_once() -> None:
    said = estimate("pocket", steps=200_000, draws=1, reading={"beta": "0.1"})
    k = sum((20 + 3 * t) // 10 for t in range(200_001))
    mean = sum(_lengths().posts) / 20
    assert said.agents[0].expected.prompt_tokens == pytest.approx(
        k * mean + _lengths().around * 200_001, abs=2
    )


def _lengths() -> Lengths:
    texts = read_texts(config_of())
    posts = [post.text for post in texts.seeds]
    return prompt_lengths("pocket:north", {}, texts.template, texts.queries[0], posts)


def test_a_world_without_language_models_costs_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "figure4") == 0
    said = capsys.readouterr().out
    assert said == "figure4: the world gmm calls no models and costs nothing.\n"
    assert call(monkeypatch, "figure4", "--json") == 0
    assert json.loads(capsys.readouterr().out)["most"]["cost"] == 0


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["lwd", "estimate", *arguments])
    return cli._call()


MIXED = (
    'agents=[{name: gpt, model: "openai:gpt-4.1"}, {name: claude, model: '
    '"anthropic:claude-3-5-haiku-latest"}, {name: own, model: "openai:my-model-1.5"}]'
)


def _told(said: Estimate, width: int) -> list[str]:
    console = Console(width=width, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    tell(said, console)
    return console.export_text().splitlines()


@pytest.mark.parametrize("width", [80, 100, 120])
def test_the_table_fits_and_says_everything(width: int) -> None:
    said = estimate("pocket", settings=[MIXED], limits={"tokens": 10_000})
    lines = _told(said, width)
    table = lines[: next(i for i, line in enumerate(lines) if line.startswith("Expected:"))]
    assert max(map(len, table)) <= width
    flat = " ".join(" ".join(lines).split())
    for words in (
        f"{said.agents[0].expected.prompt_tokens:,}",
        f"{said.most.completion_tokens:,}",
        dollars(said.agents[1].most.cost),
        "one by one",
        "probes",
        "Probes: small requests before the run",
        "4 characters a token",
        "2 dollars per million tokens read, 8 written (genai-prices",
        "No price is known for openai:my-model-1.5",
        """--set 'prices={"openai:my-model-1.5": {input: 0.25, output: 2}}'""",
        "limits.tokens of 10,000: the run stops before about t = ",
        "unknown",
    ):
        assert words in flat


def test_the_price_is_given_as_the_words_say(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    price = 'prices={"openai:my-model-1.5": {input: 0.25, output: 2}}'
    assert call(monkeypatch, "--set", MIXED, "--set", price, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    own = said["agents"][2]
    assert own["price"] == {"input": 0.25, "output": 2.0, "source": "the experiment's prices"}
    read, written = own["most"]["prompt_tokens"], own["most"]["completion_tokens"]
    assert own["most"]["cost"] == pytest.approx((read * 0.25 + written * 2) / 1e6)
    assert said["expected"]["cost"] > 0
    plain = MIXED.replace("my-model-1.5", "mine")
    dotted = "prices.openai:mine={input: 0.25, output: 2}"
    assert call(monkeypatch, "--set", plain, "--set", dotted, "--json") == 0
    assert json.loads(capsys.readouterr().out)["agents"][2]["price"]["input"] == 0.25


def test_no_key_and_no_network_are_asked_for() -> None:
    code = (
        "import socket\n"
        "connect = socket.socket.connect\n"
        "def local(self, address):\n"
        "    assert address[0] in ('127.0.0.1', 'localhost'), address\n"
        "    return connect(self, address)\n"
        "socket.socket.connect = local\n"
        "from lwd_agents.costs import estimate\n"
        f"said = estimate('pocket', settings=[{MIXED!r}])\n"
        "print(said.agents[0].expected.requests)\n"
    )
    bare = {k: v for k, v in os.environ.items() if "KEY" not in k and "PROXY" not in k.upper()}
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=bare
    )
    assert (ran.stdout, ran.returncode) == ("61\n", 0), ran.stderr


def test_costs_in_words() -> None:
    said = [dollars(Decimal(cost)) for cost in ("0", "1234.567", "0.25", "0.00001")]
    assert said == ["0", "1,234.57", "0.2500", "< 0.0001"]
    assert dollars(None) == "unknown"


def reading_sizes(config: LlmConfig, humans: int) -> np.ndarray:
    """k_t of the first agent; the same for all where all read everything."""
    return np.array([config.reading.size(int(v)) for v in visible_posts(config, humans)[0]])
