from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

import genai_prices
import pytest
from genai_prices import data_snapshot
from genai_prices.types import (
    ClauseEquals,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    Provider,
    StartDateConstraint,
    Tier,
    TieredPrices,
    TimeOfDateConstraint,
)
from hypothesis import given
from hypothesis import strategies as st

from lwd_agents.config.llm import PriceConfig
from lwd_agents.errors import BadInput
from lwd_agents.prices import Price, check_overrides, price_of

MINI = "openai:gpt-4o-mini"


@pytest.fixture(autouse=True)
def _no_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_BASE", "OPENAI_BASE_URL", "OLLAMA_HOST", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def own(spec: str = MINI, read: str = "0.25", written: str = "2") -> dict[str, PriceConfig]:
    return {spec: PriceConfig.model_validate({"input": read, "output": written})}


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_a_cost_is_exact(read: int, written: int) -> None:
    price = Price(Decimal("0.15"), Decimal("0.6"), "")
    assert price.cost(read, written) * 10**8 == 15 * read + 60 * written


def test_the_experiments_own_price_comes_first() -> None:
    for spec in (MINI, "pocket:north", "nobody:knows", "object:a.B"):
        for address in (None, "http://127.0.0.1:1/v1"):
            found = price_of(spec, address, own(spec))
            assert found == Price(Decimal("0.25"), Decimal(2), "the experiment's prices")
    assert price_of(MINI, None, own("openai:gpt-4o")) == price_of(MINI, None, {})


@pytest.mark.parametrize(
    ("spec", "address"),
    [
        ("pocket:north", None),
        ("gguf:/a/b.gguf", None),
        ("hf:a/b", None),
        ("llama-cpp-python:/a/b.gguf", None),
        ("ollama:llama3.2", None),
        ("ollama:llama3.2:3b", "http://127.0.0.1:11434"),
        ("ollama:llama3.2", "http://[::1]:11434"),
        ("ollama:llama3.2", "http://localhost:11434"),
    ],
)
def test_what_runs_on_this_machine_costs_nothing(spec: str, address: str | None) -> None:
    price = price_of(spec, address, {})
    assert price == Price(Decimal(0), Decimal(0), "runs on this machine")
    assert price.cost(10**9, 10**9) == 0


@pytest.mark.parametrize(
    ("spec", "address"),
    [
        ("ollama:llama3.2", "http://192.0.2.7:11434"),
        ("ollama:gpt-oss:120b-cloud", None),
        ("openai:my-model", None),
        ("openai:gpt-4o-mini", "http://127.0.0.1:8000/v1"),
        ("openai:gpt-4o-mini", "https://models.example.org/v1"),
        ("openai-like:gpt-4o-mini", None),  # genai-prices takes any name with "openai" in it
        ("nobody:gpt-4o-mini", None),
        ("openai:", None),
        ("object:some.Class", None),
        ("openai:text-embedding-3-small", None),  # it has no price of writing
        ("perplexity:sonar", None),  # it bills requests, too
    ],
)
def test_what_is_not_known_has_no_price(spec: str, address: str | None) -> None:
    assert price_of(spec, address, {}) is None


@pytest.mark.parametrize(
    ("spec", "provider", "model"),
    [
        ("openai:gpt-4o-mini", "openai", "gpt-4o-mini"),
        ("gpt-4o-mini", "openai", "gpt-4o-mini"),  # LangChain knows whose that is
        ("anthropic:claude-3-5-haiku-latest", "anthropic", "claude-3-5-haiku-latest"),
        ("mistralai:mistral-small-latest", "mistral", "mistral-small-latest"),
        ("xai:grok-4", "x-ai", "grok-4"),
        ("azure_openai:gpt-4o-mini", "azure", "gpt-4o-mini"),
        ("bedrock_converse:amazon.nova-lite-v1:0", "aws", "amazon.nova-lite-v1:0"),
        ("groq:llama-3.3-70b-versatile", "groq", "llama-3.3-70b-versatile"),
        ("google_genai:gemini-2.0-flash", "google", "gemini-2.0-flash"),
    ],
)
def test_listed_prices_are_the_librarys_under_langchains_names(
    spec: str, provider: str, model: str
) -> None:
    price = price_of(spec, None, {})
    assert price is not None
    assert price.source.startswith(f"genai-prices {genai_prices.__version__}, {provider} ")
    usage = genai_prices.Usage(input_tokens=3_000, output_tokens=500)
    theirs = genai_prices.calc_price(usage, model, provider_id=provider).total_price
    assert price.cost(3_000, 500) == theirs > 0


def test_an_address_says_who_is_paid(monkeypatch: pytest.MonkeyPatch) -> None:
    at_openai = price_of(MINI, None, {})
    assert at_openai is not None
    assert price_of(MINI, "https://api.openai.com/v1", {}) == at_openai
    other = price_of("openai:openai/gpt-4o-mini", "https://openrouter.ai/api/v1", {})
    assert other is not None
    assert ", openrouter " in other.source
    for name in ("OPENAI_API_BASE", "OPENAI_BASE_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:8000/v1")
        assert price_of(MINI, None, {}) is None
        assert price_of(MINI, "https://api.openai.com/v1", {}) == at_openai
        monkeypatch.delenv(name)
    monkeypatch.setenv("OLLAMA_HOST", "192.0.2.7:11434")
    assert price_of("ollama:llama3.2", None, {}) is None
    monkeypatch.setenv("OLLAMA_HOST", "0.0.0.0:11434")
    assert price_of("ollama:llama3.2", None, {}) is not None


def _listed(monkeypatch: pytest.MonkeyPatch, prices: object) -> None:
    """Put one model with these prices into the library, as a user may."""
    model = ModelInfo(id="m", match=ClauseEquals("m"), prices=prices)
    provider = Provider(id="openai", name="", api_pattern="https://api", models=[model])
    snapshot = data_snapshot.DataSnapshot([provider], from_auto_update=False)
    monkeypatch.setattr(data_snapshot, "_custom_snapshot", snapshot)


def _bounds(longest_prompt: int | None = None) -> tuple[Decimal, Decimal]:
    price = price_of("openai:m", None, {}, longest_prompt=longest_prompt)
    assert price is not None
    return price.input, price.output


def test_a_tiered_price_is_that_of_the_longest_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    read = TieredPrices(Decimal(1), [Tier(1000, Decimal(2)), Tier(9000, Decimal(4))])
    written = TieredPrices(Decimal(10), [Tier(9000, Decimal(15))])
    _listed(monkeypatch, ModelPrice(input_mtok=read, output_mtok=written))
    assert _bounds() == (4, 15)
    assert _bounds(1000) == (1, 10)
    assert _bounds(1001) == (2, 10)
    assert _bounds(9001) == (4, 15)


def test_of_dated_prices_todays_and_of_timed_ones_the_highest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def price(read: int, constraint: object = None) -> ConditionalPrice:
        both = ModelPrice(input_mtok=Decimal(read), output_mtok=Decimal(2 * read))
        return ConditionalPrice(constraint, prices=both)

    today = datetime.now(UTC).date()
    past = StartDateConstraint(today - timedelta(days=3))
    to_come = StartDateConstraint(today + timedelta(days=3))
    night = TimeOfDateConstraint(time(0, 0), time(12, 0))
    day = TimeOfDateConstraint(time(12, 0), time(0, 0))
    for listed, read in [
        ([price(9), price(3, past)], 3),
        ([price(9), price(30, to_come)], 9),
        ([price(3), price(9, night)], 9),
        ([price(9), price(3, day)], 9),
        ([price(50), price(4, past), price(5, night), price(2, day)], 5),
        ([price(7, to_come)], 7),
    ]:
        _listed(monkeypatch, listed)
        assert _bounds() == (read, 2 * read)


def test_reasoning_is_priced_as_dear_as_it_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    prices = {"input_mtok": Decimal(1), "output_mtok": Decimal(2)}
    _listed(monkeypatch, ModelPrice(**prices, output_reasoning_mtok=Decimal(7)))
    assert _bounds() == (1, 7)


def test_a_price_that_is_no_agents_is_refused() -> None:
    check_overrides([MINI], [MINI, "pocket:north"])
    with pytest.raises(BadInput) as error:
        check_overrides(["openai:gpt-4o"], [MINI, "pocket:north", MINI])
    said = "prices: no agent's model is 'openai:gpt-4o' (models: openai:gpt-4o-mini, pocket:north)"
    assert str(error.value) == said


def test_looking_prices_up_opens_no_connection_and_starts_no_thread() -> None:
    code = (
        "import socket, threading\n"
        "def refuse(*a, **k): raise AssertionError('a connection')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "from lwd_agents.prices import price_of\n"
        "assert price_of('openai:gpt-4o-mini', None, {}) is not None\n"
        "assert price_of('openai:gpt-4o-mini', 'https://openrouter.ai/api/v1', {}) is None\n"
        "print(threading.active_count())\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (ran.stdout, ran.returncode) == ("1\n", 0), ran.stderr
    hidden = "import sys; sys.modules['genai_prices'] = None\n" + (
        "from lwd_agents.prices import price_of\n"
        "assert price_of('openai:gpt-4o-mini', None, {}) is None\n"
        "assert price_of('pocket:north', None, {}).input == 0\n"
    )
    ran = subprocess.run([sys.executable, "-c", hidden], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
