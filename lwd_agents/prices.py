"""What a model's tokens cost: the experiment's own prices, or those of the library genai-prices.

The library's table is data inside its package: nothing here opens a connection or starts a thread.
It has no date of its own, so a price is named by the library's version.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lwd_agents.errors import BadInput

if TYPE_CHECKING:
    from lwd_agents.config.llm import PriceConfig

_OWN = "the experiment's prices"
_HERE = "runs on this machine"
_LOCAL = {"pocket", "gguf", "hf", "llama-cpp-python"}
# LangChain's names of providers, where genai-prices has another.
_THEIRS = {
    "anthropic_bedrock": "aws",
    "azure_ai": "azure",
    "azure_openai": "azure",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "bedrock_mantle_anthropic": "aws",
    "bedrock_mantle_openai": "aws",
    "google_anthropic_vertex": "google",
    "google_genai": "google",
    "google_vertexai": "google",
    "mistralai": "mistral",
    "xai": "x-ai",
}
# Where a provider's class finds the address of its server if the experiment gives none.
_ADDRESS_VARIABLES = {
    "anthropic": ("ANTHROPIC_API_URL", "ANTHROPIC_BASE_URL"),
    "ollama": ("OLLAMA_HOST",),
    "openai": ("OPENAI_API_BASE", "OPENAI_BASE_URL"),
}
# A model that bills by one of these, too, costs more than what it reads and writes.
_BESIDE_TOKENS = ("requests_kcount", "output_citation_mtok")


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens, and where that is known from."""

    input: Decimal
    output: Decimal
    source: str

    def cost(self, input_tokens: int, output_tokens: int) -> Decimal:
        """US dollars, exactly. No discount for cached input is taken: an upper bound."""
        return (self.input * input_tokens + self.output * output_tokens).scaleb(-6)


def price_of(
    spec: str,
    base_url: str | None,
    prices: Mapping[str, PriceConfig],
    *,
    longest_prompt: int | None = None,
) -> Price | None:
    """What a model's tokens cost, or None where that is not known; nothing is guessed.

    The experiment's own price comes first. What runs on this machine costs nothing: embedded
    models, GGUF files, transformers, and Ollama on a loopback address (but not its cloud models).
    Then comes genai-prices, if installed, for the provider that the spec names, or for the one that
    an address belongs to; any other address is a server of which nothing is known. (The model of
    ``azure_openai`` is a deployment's name: it has a price if it is named like its model.)

    Bounds from above: where a price goes by the time of day, its highest; where it grows with
    the prompt's length, that of ``longest_prompt`` tokens (None: of the longest); a dearer price
    of reasoning for the whole answer. Discounts for cached input and for batches are ignored. A
    model that bills requests besides tokens has no price here.

    Args:
        spec: the agent's ``model`` as written, such as ``openai:gpt-5-mini``.
        base_url: the agent's.
        prices: the experiment's, by spec.
        longest_prompt: tokens of the longest prompt that will be sent, where that is known.
    """
    own = prices.get(spec)
    if own is not None:
        return Price(own.input, own.output, _OWN)
    provider, model = _parts(spec, base_url)
    address = base_url or _address_variable(provider)
    if provider in _LOCAL or (provider == "ollama" and _is_local_ollama(model, address)):
        return Price(Decimal(0), Decimal(0), _HERE)
    return _listed(provider, model, address, longest_prompt)


def check_overrides(prices: Collection[str], models: Collection[str]) -> None:
    """Raises BadInput for a price that is no agent's model's, naming the models there are."""
    for spec in prices:
        if spec not in models:
            raise BadInput(
                f"prices: no agent's model is {spec!r} (models: {', '.join(sorted(set(models)))})"
            )


def _parts(spec: str, base_url: str | None) -> tuple[str, str]:
    """Provider and model; at an address a spec may be the bare name of a model."""
    scheme, _, place = spec.partition(":")
    if scheme in _LOCAL:
        return scheme, place
    from lwd_agents.agents.providers import split

    return split(spec, base_url) or (scheme, place)


def _address_variable(provider: str) -> str | None:
    names = _ADDRESS_VARIABLES.get(provider, ())
    return next((os.environ[name] for name in names if os.environ.get(name)), None)


def _is_local_ollama(model: str, address: str | None) -> bool:
    cloud = model.endswith(("-cloud", ":cloud"))
    return not cloud and (address is None or _is_loopback(address))


def _is_loopback(address: str) -> bool:
    try:
        host = urlsplit(address if "//" in address else f"//{address}").hostname or ""
        if host == "localhost":
            return True
        place = ipaddress.ip_address(host)
    except ValueError:
        return False
    return place.is_loopback or place.is_unspecified


def _listed(
    provider: str, model: str, address: str | None, longest_prompt: int | None
) -> Price | None:
    """The price in the table of genai-prices."""
    try:
        import genai_prices
    except ImportError:
        return None
    theirs = _THEIRS.get(provider, provider)
    where: dict[str, Any] = {"provider_api_url": address} if address else {"provider_id": theirs}
    usage = genai_prices.Usage(input_tokens=1, output_tokens=1)
    try:
        found = genai_prices.calc_price(usage, model, **where)
    except (LookupError, ValueError):
        return None
    if not address and found.provider.id != theirs:  # their match of names is a loose one
        return None
    pairs = [_pair(price, longest_prompt) for price in _in_force(found.model.prices)]
    known = [pair for pair in pairs if pair is not None]
    if not known or len(known) < len(pairs):
        return None
    name = f"{found.provider.id} {found.model.id}"
    return Price(
        max(read for read, _ in known),
        max(written for _, written in known),
        f"genai-prices {genai_prices.__version__}, {name}",
    )


def _in_force(prices: Any) -> Iterator[Any]:
    """The prices of a model that may apply today: the latest, and those of some hours of a day."""
    from genai_prices.types import TimeOfDateConstraint

    if not isinstance(prices, list):
        yield prices
        return
    today = datetime.now(UTC)
    for dated in reversed(prices):  # of those in force the last one holds
        if isinstance(dated.constraint, TimeOfDateConstraint):
            yield dated.prices
        elif dated.constraint is None or dated.constraint.active(today):
            yield dated.prices
            return
    if prices:
        yield prices[0].prices


def _pair(price: Any, longest_prompt: int | None) -> tuple[Decimal, Decimal] | None:
    """Dollars per million tokens read and written, or None where a model's price is not that."""
    listed = price.__dict__
    read, written = listed.get("input_mtok"), listed.get("output_mtok")
    if read is None or written is None or any(listed.get(key) for key in _BESIDE_TOKENS):
        return None
    kinds = [written, listed.get("output_reasoning_mtok")]
    dearest = max(_tier(kind, longest_prompt) for kind in kinds if kind is not None)
    return _tier(read, longest_prompt), dearest


def _tier(price: Any, longest_prompt: int | None) -> Decimal:
    """The highest price among the tiers that prompts up to the longest can reach."""
    if isinstance(price, Decimal):
        return price
    tiers = [t.price for t in price.tiers if longest_prompt is None or longest_prompt > t.start]
    highest: Decimal = max([price.base, *tiers])
    return highest
