"""What an estimate is made of: requests, tokens, US dollars, and the limits that stop a run."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from lwd_agents.prices import Price


@dataclass(frozen=True)
class Figures:
    """Requests, tokens, and US dollars (None where a price is not known)."""

    requests: int
    prompt_tokens: int
    completion_tokens: int
    cost: Decimal | None

    def __add__(self, other: Figures) -> Figures:
        """The sum; its cost is known if both are."""
        known = self.cost is not None and other.cost is not None
        return Figures(
            self.requests + other.requests,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            (self.cost or Decimal(0)) + (other.cost or Decimal(0)) if known else None,
        )


NOTHING = Figures(0, 0, 0, Decimal(0))


@dataclass(frozen=True)
class AgentEstimate:
    """One agent's share of a run, without its probe.

    Attributes:
        expected, most: see the module.
        one_by_one: the same two if each draw must read the prompt, for a provider that is asked
            for n draws of one prompt but may not give them; else None.
        probe: the requests before the run, of a model that is called; else None.
        longest_prompt: tokens, at most.
        counted: how tokens were counted.
        price: None where it is not known.
    """

    name: str
    model: str
    expected: Figures
    most: Figures
    one_by_one: tuple[Figures, Figures] | None
    probe: Figures | None
    longest_prompt: int
    counted: str
    price: Price | None


@dataclass(frozen=True)
class Stop:
    """A limit that a run will reach about step ``t``, or (``certain`` is False) may reach then.

    ``replicate`` is the one that it reaches it in, from 0.
    """

    key: str
    limit: Decimal
    t: int
    certain: bool
    replicate: int = 0


@dataclass(frozen=True)
class Estimate:
    """What a run will take in all; ``expected`` and ``most`` include the probes.

    All figures are of all replicates together. ``steps`` is T, ``readings`` are (k_0, k_T); a world
    that calls no models has no agents. ``may_end``: a rule may end the run before, for less.
    """

    experiment: str
    world: str
    steps: int
    draws: int
    readings: tuple[int, int]
    agents: tuple[AgentEstimate, ...]
    expected: Figures
    most: Figures
    stops: tuple[Stop, ...]
    replicates: int = 1
    may_end: bool = False

    def as_json(self) -> dict[str, Any]:
        """Plain dicts, lists, strings and numbers; null for what is not known."""
        return {name: _plain(value) for name, value in vars(self).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(item) for name, item in vars(value).items()}
    return value
