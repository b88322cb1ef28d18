"""What enters the Internet beside the agents' answers, and what stands in for them in a placebo.

An inflow posts ready texts at each step: ``human`` (fresh human posts, which make the ratio of
synthetic to human posts a control), ``noise`` (posts that have nothing to do with the query), or
``adversary`` (fixed texts of someone who wants to be read). Its posts of step t are a function of
the seed, its name, its texts and t, so a fork or a resumed run sees the same ones without any
state, and another inflow changes none of them.

``Post.kind`` says what a post is:

- ``human``: of A(0), or from an inflow of that kind. Open to every reader; stays in the Internet;
- ``synthetic``: an agent's answer;
- ``placebo``: a held-out human post at the place of an agent's answer. Who may read it and how
  long it stays is as for the answer that it stands for, else the two runs would not match;
- ``noise`` and ``adversary``: the author is the inflow's name; leaves the Internet as answers do.

A share of synthetic posts counts ``synthetic`` alone, over all posts.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents import seeding
from lwd_agents.errors import BadInput
from lwd_agents.internet.post import HUMAN, Post

PLACEBO = "placebo"
KINDS = (HUMAN, "noise", "adversary")
ORDERS = ("random", "file")
WHEN_OUT = ("refuse", "stop", "repeat")
_KEYS = ("name", "kind", "posts", "texts", "per_step", "first", "last", "order", "when_out")


@dataclass(frozen=True)
class InflowPlan:
    """An inflow as an experiment declares it.

    Attributes:
        name: of the inflow; the author of its posts.
        kind: one of ``KINDS``.
        posts: a name in stores/ or a path; None where the texts stand in the experiment.
        texts: those, or none.
        per_step: posts at a step, exact; 0.5 is one at every other step.
        first, last: the steps at which it posts, both included; None: to the end.
        order: ``random`` (keyed) or ``file``. Adversaries post in the order of the file unless
            told otherwise, the others in random order.
        when_out: what happens when all texts were posted. ``refuse``: the run is refused before it
            starts; ``stop``: the inflow ends, the run goes on; ``repeat``: they come again, in a
            new order if that is random (what adversaries do unless told otherwise).
    """

    name: str
    kind: str
    posts: str | None
    texts: tuple[str, ...]
    per_step: Decimal
    first: int
    last: int | None
    order: str
    when_out: str

    @property
    def told(self) -> dict[str, Any]:
        """As an experiment file says it, with nothing left to defaults."""
        source = {"texts": list(self.texts)} if self.posts is None else {"posts": self.posts}
        named = {key: getattr(self, key) for key in _KEYS if key not in ("posts", "texts")}
        return {**named, "per_step": float(self.per_step), **source}

    def before(self, t: int) -> int:
        """How many posts it means to make before step t: floor(per_step * steps), exactly."""
        end = t if self.last is None else min(t, self.last + 1)
        numerator, denominator = self.per_step.as_integer_ratio()
        return numerator * max(0, end - self.first) // denominator

    def most(self) -> int:
        """How many posts it makes at a step at the most."""
        numerator, denominator = self.per_step.as_integer_ratio()
        return -(-numerator // denominator)


class Inflow:
    """An inflow with its texts.

    Args:
        plan: what was declared.
        texts: its posts, in the order of the file.
        seed: of the run.
        steps: T; the run makes steps 0..T.

    Raises:
        BadInput: the texts run out before the last step, and ``when_out`` is ``refuse``; or there
            are none.
    """

    def __init__(self, plan: InflowPlan, texts: Sequence[str], seed: int, steps: int) -> None:
        self.plan = plan
        self._texts = tuple(texts)
        self._seed = seed
        self._passes: dict[int, NDArray[np.int64]] = {}
        if not self._texts:
            raise BadInput(f"inflow {plan.name}: it has no posts")
        needed = plan.before(steps + 1)
        if plan.when_out == "refuse" and needed > len(self._texts):
            raise BadInput(
                f"inflow {plan.name}: {needed} posts are needed up to step {steps}, and "
                f"{len(self._texts)} are there (they run out at step {self.runs_out(steps)}); add "
                "posts, lower per_step, or set when_out to stop or repeat"
            )

    def posts(self, t: int) -> list[Post]:
        """The posts that enter A(t+1) from this inflow, written at step t."""
        start, stop = self.plan.before(t), self.plan.before(t + 1)
        if self.plan.when_out != "repeat":
            stop = min(stop, len(self._texts))
        name, kind = self.plan.name, self.plan.kind
        return [
            Post(self._text(place), name, t, slot, "", kind)
            for slot, place in enumerate(range(start, stop))
        ]

    def runs_out(self, steps: int) -> int | None:
        """The first step up to T = ``steps`` that finds too few texts left; None: there is none."""
        if self.plan.before(steps + 1) <= len(self._texts):
            return None
        low, high = 0, steps  # before() grows with t: halve the steps until one is left
        while low < high:
            middle = (low + high) // 2
            if self.plan.before(middle + 1) > len(self._texts):
                high = middle
            else:
                low = middle + 1
        return low

    def _text(self, place: int) -> str:
        turn, at = divmod(place, len(self._texts))
        if self.plan.order == "file":
            return self._texts[at]
        if turn not in self._passes:
            key = seeding.key(self._seed, f"inflow {turn}", agent=self.plan.name)
            self._passes[turn] = seeding.generator(key).permutation(len(self._texts))
        return self._texts[int(self._passes[turn][at])]


class Placebo:
    """Held-out human posts in place of the agents' answers, one for one.

    The text for (t, agent, slot) is at place (t * N + i) * S + slot of one random order of the
    held-out posts: a function of these, the seed and the posts. So no text comes twice, and who is
    silent, or how long the run is, moves nobody else's.

    Args:
        texts: the held-out posts.
        seed: of the run.
        agents: the N names, in the order of the config: all that ever take part.
        slots: S, how many answers an agent can post at a step at the most.
        steps: T; the run makes steps 0..T.
        seeds: texts that no held-out post may be: of A(0), and of human inflows.

    Raises:
        BadInput: too few held-out posts, or one of them is among ``seeds``.
    """

    def __init__(
        self,
        texts: Sequence[str],
        seed: int,
        agents: Sequence[str],
        slots: int,
        steps: int,
        seeds: Collection[str],
    ) -> None:
        needed = (steps + 1) * len(agents) * slots
        if needed > len(texts):
            raise BadInput(
                f"placebo: {needed} held-out posts are needed ({steps + 1} steps, {len(agents)} "
                f"agents, up to {slots} a step each), and {len(texts)} are there; give more posts, "
                "or make fewer steps"
            )
        known = set(seeds)
        for number, text in enumerate(texts, 1):
            if text in known:
                raise BadInput(
                    f"placebo: held-out post {number} ({text[:40]!r}) is in A(0) or flows in as a "
                    "human post too, so it was not held out; keep the stores apart"
                )
        self._texts = tuple(texts)
        self._place = {name: i for i, name in enumerate(agents)}
        self._slots = slots
        order = seeding.generator(seeding.key(seed, PLACEBO))
        self._order: NDArray[np.int64] = order.permutation(len(self._texts))

    def post(self, answer: Post) -> Post:
        """What enters instead of an agent's answer: its place, another text, kind ``placebo``."""
        first = (answer.step * len(self._place) + self._place[answer.author]) * self._slots
        text = self._texts[int(self._order[first + answer.slot])]
        return Post(text, answer.author, answer.step, answer.slot, answer.query, PLACEBO)


def make_inflow(value: Any) -> InflowPlan:
    """The inflow that a YAML mapping says; its keys are the attributes of ``InflowPlan``.

    Raises:
        ValueError: a key is unknown or missing, or its value cannot be, in one line.
    """
    if isinstance(value, InflowPlan):
        return value
    if not isinstance(value, Mapping):
        raise ValueError(f"{value!r} is no inflow; give a mapping with {', '.join(_KEYS)}")
    unknown = [str(key) for key in value if key not in _KEYS]
    if unknown:
        raise ValueError(f"no key {unknown[0]!r} in an inflow (choices: {', '.join(_KEYS)})")
    name = value.get("name")
    if not isinstance(name, str) or not name.strip() or "\n" in name:
        raise ValueError(f"name: {name!r} is no name of an inflow")
    if name == HUMAN:
        raise ValueError(f"name: {HUMAN!r} is the author of A(0); give the inflow another")
    kind = _one_of("kind", value.get("kind", HUMAN), KINDS)
    fixed = kind == "adversary"
    first, last = value.get("first", 0), value.get("last")
    for key, step, least in (("first", first, 0), ("last", last, first)):
        if key == "last" and step is None:
            continue
        if not isinstance(step, int) or isinstance(step, bool) or step < least:
            raise ValueError(f"{key}: {step!r} is no step from {least} on")
    posts, texts = _source(value)
    return InflowPlan(
        name=name,
        kind=kind,
        posts=posts,
        texts=texts,
        per_step=_rate(value.get("per_step", 1)),
        first=first,
        last=last,
        order=_one_of("order", value.get("order", "file" if fixed else "random"), ORDERS),
        when_out=_one_of(
            "when_out", value.get("when_out", "repeat" if fixed else "refuse"), WHEN_OUT
        ),
    )


def check_names(plans: Sequence[InflowPlan], agents: Sequence[str]) -> None:
    """Refuse two inflows of one name, or one with the name of an agent.

    Raises:
        ValueError: in one line with the name.
    """
    taken = set(agents)
    for plan in plans:
        if plan.name in taken:
            whose = "an agent" if plan.name in agents else "another inflow"
            raise ValueError(f"{plan.name!r} is the name of {whose} too; names must differ")
        taken.add(plan.name)


def _source(value: Mapping[str, Any]) -> tuple[str | None, tuple[str, ...]]:
    """(posts, texts): just one of them is given."""
    posts, texts = value.get("posts"), value.get("texts")
    if (posts is None) == (texts is None):
        raise ValueError("give posts (a store's name or a path) or texts, and not both")
    if posts is not None:
        if not isinstance(posts, str) or not posts:
            raise ValueError(f"posts: {posts!r} is no store's name or path")
        return posts, ()
    if not isinstance(texts, list | tuple) or not texts:
        raise ValueError(f"texts: {str(texts)[:60]!r} is no list of posts")
    for number, text in enumerate(texts, 1):
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"texts: post {number} is {json.dumps(text, default=str)}, not text")
    return None, tuple(texts)


def _one_of(key: str, value: Any, choices: Sequence[str]) -> str:
    if value not in choices:
        raise ValueError(f"{key}: there is no {value!r} (choices: {', '.join(choices)})")
    return str(value)


def _rate(value: Any) -> Decimal:
    try:
        rate = None if isinstance(value, bool) else Decimal(str(value))
    except InvalidOperation:
        rate = None
    if rate is None or not rate.is_finite() or rate <= 0:
        raise ValueError(f"per_step: {value!r} is no number above 0")
    return rate
