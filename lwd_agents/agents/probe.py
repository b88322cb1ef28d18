"""What a provider honours, found out before the first step.

Three small requests with the first reading tell whether it can be reached, knows the key and the
model, reads that much, gives n choices, and repeats itself for one seed. What it doesn't honour is
worked around and recorded.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from langchain_core.runnables import RunnableConfig

from lwd_agents.agents import retrying
from lwd_agents.agents.agent import Agent
from lwd_agents.agents.answers import without_cache
from lwd_agents.agents.calls import CallFailed
from lwd_agents.agents.drawing import ChoicesDrawer, SingleDrawer, own_config
from lwd_agents.agents.sampling import Response
from lwd_agents.errors import BadInput, Refused, RunStopped

PROBE_REQUESTS = 3
PROBE_TOKENS = 16  # that a draw of the probe may have
_SEED = 1_000_003  # of the probe's draws; the run's own are keyed
_LONG_TOKEN = 12  # characters a token on average that no tokenizer reaches


@dataclass(frozen=True)
class Honours:
    """What a provider honours.

    Attributes:
        choices: the most choices of one call; 1 where n is ignored, refused, or gives copies.
        seed: whether one seed gives one answer; None where that could not be told.
        usage_counts_one: its usage counts one choice of n.
        notes: what was found, a sentence each.
    """

    choices: int
    seed: bool | None
    usage_counts_one: bool
    notes: tuple[str, ...]


def probe(agent: Agent, given: Any, n: int, config: RunnableConfig | None = None) -> Honours:
    """Find out what the provider behind an agent honours.

    Args:
        agent: one whose model is called.
        given: what its model is given for the first reading.
        n: how many draws will be asked of one prompt.
        config: the trace that the requests belong to.

    Raises:
        BadInput: the provider refuses the key, the model or the reading.
        RunStopped: it cannot be reached, or fails in passing.
    """
    try:
        return _Asker(agent, given, config).find(n)
    except Refused as error:
        raise BadInput(f"{error}{_place(agent)}") from error


def heeding(agent: Agent, found: Honours) -> Agent:
    """The same agent, asked for draws in the fastest way that its provider honours."""
    backend = {**agent.backend, "honours": asdict(found)}
    return replace(agent, drawer=_drawer(agent.drawer, found), backend=backend)


def _drawer(drawer: Any, found: Honours) -> Any:
    if isinstance(drawer, SingleDrawer):
        return replace(drawer, takes_seed=drawer.takes_seed and found.seed is not False)
    single = _drawer(drawer.single, found)
    if found.choices < 2:
        return single
    return replace(drawer, single=single, most=found.choices, counts_one=found.usage_counts_one)


class _Asker:
    """Asks one agent's provider small questions; ``_first`` is its first answer."""

    def __init__(self, agent: Agent, given: Any, config: RunnableConfig | None) -> None:
        self._agent, self._given, self._config = agent, given, own_config(config)
        self._drawer: Any = _shortened(agent.drawer)
        self._single: SingleDrawer = getattr(self._drawer, "single", self._drawer)
        self._notes: list[str] = []
        self._first = self._reach()

    def find(self, n: int) -> Honours:
        """What the provider honours, for n draws of one prompt."""
        answers = self._most(n) if isinstance(self._drawer, ChoicesDrawer) and n > 1 else []
        if len(answers) < 2:
            seed = self._repeats([self._first], self._again)
            return self._found(1, seed)
        seed = self._repeats(answers, lambda: self._ask(len(answers)))
        if len({answer.text for answer in [*answers, self._first]}) == 2 and _all_one(answers):
            self._notes.append("n choices of one call are copies: draws are asked for one by one")
            return self._found(1, seed)
        characters = sum(len(answer.text or "") for answer in answers)
        told = answers[0].output_tokens or 0
        counts_one = 0 < told * _LONG_TOKEN < characters
        if counts_one:
            self._notes.append("its usage counts one choice of n: its tokens are estimated")
        return self._found(len(answers), seed, counts_one)

    def _found(self, choices: int, seed: bool | None, counts_one: bool = False) -> Honours:
        return Honours(choices, self._single.takes_seed and seed, counts_one, tuple(self._notes))

    def _reach(self) -> Response:
        """One draw: with a seed if the class takes one, else, or where that is refused, without."""
        try:
            return self._one()
        except CallFailed as error:
            if self._single.takes_seed and _may_be_the_seed(error.cause):
                self._single = replace(self._single, takes_seed=False)
                with contextlib.suppress(CallFailed):
                    answer = self._one()
                    self._notes.append("it refuses a seed: this run cannot be repeated")
                    return answer
            said = f"agent {self._agent.name}: {error}{_place(self._agent)}"
            if retrying.transient(error.cause):
                raise RunStopped(f"{said}; when it answers, run the same command again") from error
            raise BadInput(said) from error

    def _most(self, n: int) -> list[Response]:
        """The answers to the largest number of choices that one call gives, at most n."""
        best: list[Response] = []
        low, high, asked = 1, n + 1, n
        while high - low > 1:
            answers = self._ask(asked)
            if answers and len(answers) < asked:
                best = answers
                break
            if answers:
                low, best = asked, answers
            else:
                high = asked
            asked = (low + high) // 2
        if len(best) < 2:
            verb = "ignores" if best else "refuses"
            self._notes.append(f"it {verb} n: draws are asked for one by one")
        elif len(best) < n:
            self._notes.append(f"it gives {len(best)} choices of {n} at once")
        return best

    def _ask(self, n: int) -> list[Response]:
        """n choices of one call, or none where the provider refuses so many."""
        drawer = replace(self._drawer, single=self._single)
        model = without_cache(self._agent.name, drawer.model)
        try:
            return list(drawer.ask(model, self._given, n, _SEED, self._config))
        except CallFailed:  # a single draw succeeded: it is the n
            return []

    def _repeats(
        self, first: list[Response], ask_again: Callable[[], list[Response]]
    ) -> bool | None:
        """Whether one seed gave one answer twice; None where that cannot be told."""
        if not self._single.takes_seed:
            return None
        once, twice = ([answer.text for answer in some] for some in (first, ask_again()))
        equal = sum(a == b and a is not None for a, b in zip(once, twice, strict=False))
        if 2 * equal > len(once):  # last bits that other requests move change a draw now and then
            return True
        if not any(once) or len(once) != len(twice) or None in (*once, *twice):
            self._notes.append("whether it heeds the seed could not be told")
            return None
        self._notes.append("it ignores the seed: this run cannot be repeated draw by draw")
        return False

    def _again(self) -> list[Response]:
        try:
            return [self._one()]
        except CallFailed:
            return []

    def _one(self) -> Response:
        single = self._single
        model = without_cache(self._agent.name, single.model)
        return single.ask(model, self._given, _SEED + 7, self._config)


def _place(agent: Agent) -> str:
    address = agent.backend.get("base_url")
    return f" (at {address})" if address else ""


def _may_be_the_seed(error: Exception) -> bool:
    """Whether a provider may have refused a request for its seed."""
    return retrying.status(error) in (400, 422) or isinstance(error, TypeError)


def _shortened(drawer: Any) -> Any:
    """The same drawer, for answers of a few tokens, where the model's class has a bound."""
    if isinstance(drawer, ChoicesDrawer):
        return replace(drawer, model=_short(drawer.model), single=_shortened(drawer.single))
    return replace(drawer, model=_short(drawer.model), max_tokens=PROBE_TOKENS)


def _short(model: Any) -> Any:
    for name in ("max_tokens", "num_predict", "max_output_tokens"):
        if name in getattr(type(model), "model_fields", {}):
            return model.model_copy(update={name: PROBE_TOKENS})
    return model


def _all_one(answers: list[Response]) -> bool:
    return len({answer.text for answer in answers}) == 1
