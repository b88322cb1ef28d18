"""One step of an LLM network as it is written down: posts, rows, and the line of rounds.jsonl."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.agents.sampling import Response
from lwd_agents.engine import Round
from lwd_agents.internet.post import SYNTHETIC, Post
from lwd_agents.ledger import Totals
from lwd_agents.marks import Rule, marks_of

_DIGITS = 9  # after the point, of US dollars


@dataclass(frozen=True)
class Answers:
    """What one agent read and answered at one step, in how long, and for what.

    ``asked`` is k_t; less is read where a budget says so.
    """

    agent: str
    reads: tuple[str, ...]
    responses: tuple[Response, ...]
    seconds: Mapping[str, float]
    spent: Totals
    asked: int


def posts_of(t: int, query: str, answers: Sequence[Answers]) -> dict[tuple[str, int], Post]:
    """The first present draw of each agent, by (agent, draw); one without any is silent."""
    posts = {}
    for answer in answers:
        for j, response in enumerate(answer.responses):
            if response.text is not None:
                post = Post(response.text, answer.agent, t, 0, query, SYNTHETIC)
                posts[answer.agent, j] = post
                break
    return posts


def rows_of(
    t: int,
    query: str,
    answers: Sequence[Answers],
    posts: Mapping[tuple[str, int], Post],
    rules: Mapping[str, Rule],
) -> list[dict[str, Any]]:
    """The lines of responses.jsonl; with ``rules``, each says by which of them it is marked."""
    rows = []
    for answer in answers:
        for j, response in enumerate(answer.responses):
            place = (answer.agent, j)
            row = {
                "t": t,
                "agent": answer.agent,
                "query": query,
                "reading": 0,
                "draw": j,
                "text": response.text,
                "missing": response.missing,
                "post_id": posts[place].id if place in posts else None,
                "seed": response.seed,
                "input_tokens": response.input_tokens,
                "output_tokens": response.output_tokens,
                "finish_reason": response.finish_reason,
            }
            rows.append({**row, **({"marks": _marks(response, rules)} if rules else {})})
    return rows


def told(answers: Sequence[Answers], rules: Mapping[str, Rule], budget: bool) -> dict[str, Any]:
    """What a line of rounds.jsonl says of the agents' readings and answers."""
    line: dict[str, Any] = {
        "k": {answer.agent: len(answer.reads) for answer in answers},
        "missing": {a.agent: sum(r.text is None for r in a.responses) for a in answers},
        **_spent([answer.spent for answer in answers]),
        "reads": {answer.agent: answer.reads for answer in answers},
    }
    if budget:
        line["k_asked"] = {answer.agent: answer.asked for answer in answers}
    if rules:
        line["marked"] = {a.agent: _counts(a.responses, rules) for a in answers}
    return line


def _spent(totals: Sequence[Totals]) -> dict[str, Any]:
    """Calls, tokens and US dollars of a step; null where a backend, or its price, does not tell."""
    known = not any(total.estimated for total in totals)
    priced = not any(total.unpriced for total in totals)
    return {
        "calls": sum(total.calls for total in totals),
        "tokens": {
            "input": sum(total.input_tokens for total in totals) if known else None,
            "output": sum(total.output_tokens for total in totals) if known else None,
        },
        "cost": round(sum(total.cost for total in totals), _DIGITS) if priced else None,
    }


def _marks(response: Response, rules: Mapping[str, Rule]) -> list[str]:
    return [] if response.text is None else marks_of(response.text, rules)


def _counts(responses: Sequence[Response], rules: Mapping[str, Rule]) -> dict[str, int]:
    found = [mark for response in responses for mark in _marks(response, rules)]
    return {name: found.count(name) for name in rules}


def event(round: Round) -> dict[str, Any]:
    """The data of the event ``lwd.round``: a copy, so that no handler can change the run."""
    return {
        "t": round.t,
        "replayed": round.replayed,
        "round": dict(round.line),
        "responses": [dict(row) for row in round.responses],
        "embeddings": stacked(round).copy(),
    }


def stacked(round: Round) -> NDArray[np.float32]:
    """The (N, L, D) embeddings of a round's one query and reading."""
    return np.asarray(round.arrays[f"{round.t:05d}.npy"])


def number(value: float) -> float | None:
    """null for what is not finite."""
    return value if math.isfinite(value) else None


def numbers(matrix: NDArray[np.float64]) -> list[list[float | None]]:
    """The rows of a matrix, null for what is not finite."""
    return [[number(value) for value in row] for row in matrix.tolist()]
