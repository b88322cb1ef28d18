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
from lwd_agents.internet.post import Post
from lwd_agents.ledger import Totals
from lwd_agents.marks import Rule, marks_of

_DIGITS = 9  # after the point, of US dollars


@dataclass(frozen=True)
class Answered:
    """One reading for one query, and its L draws.

    ``query`` and ``reading`` count from 0. ``asked`` is k_t; less is read where a budget says so.
    ``short`` says of which posts a law had too few, and how many it lacked.
    """

    query: int
    reading: int
    reads: tuple[str, ...]
    responses: tuple[Response, ...]
    asked: int
    short: Mapping[str, int]


@dataclass(frozen=True)
class Answers:
    """What one agent read and answered at one step, in how long, and for what.

    ``readings`` are its M readings of each query; the first of each is measured and posted.
    """

    agent: str
    readings: tuple[Answered, ...]
    seconds: Mapping[str, float]
    spent: Totals

    @property
    def reads(self) -> tuple[str, ...]:
        """The ids of the posts of the first reading."""
        return self.readings[0].reads

    @property
    def responses(self) -> tuple[Response, ...]:
        """The draws of the first reading."""
        return self.readings[0].responses


def rows_of(
    t: int,
    queries: Sequence[str],
    answers: Sequence[Answers],
    posts: Mapping[tuple[str, int, int], Post],
    rules: Mapping[str, Rule],
) -> list[dict[str, Any]]:
    """The lines of responses.jsonl; with ``rules``, each says by which of them it is marked."""
    return [
        {
            "t": t,
            "agent": answer.agent,
            "query": queries[reading.query],
            "reading": reading.reading,
            "draw": j,
            "text": response.text,
            "missing": response.missing,
            "post_id": _post_id(posts, answer.agent, reading, j),
            "seed": response.seed,
            "input_tokens": response.input_tokens,
            "output_tokens": response.output_tokens,
            "finish_reason": response.finish_reason,
            **({"marks": _marks(response, rules)} if rules else {}),
        }
        for answer in answers
        for reading in answer.readings
        for j, response in enumerate(reading.responses)
    ]


def told(answers: Sequence[Answers], rules: Mapping[str, Rule], budget: bool) -> dict[str, Any]:
    """What a line of rounds.jsonl says of the agents' readings and answers.

    ``k`` and ``reads`` are of the first reading of the first query; all others stand in
    ``more_reads``.
    """
    line: dict[str, Any] = {
        "k": {answer.agent: len(answer.reads) for answer in answers},
        "missing": {a.agent: sum(r.text is None for r in _draws(a)) for a in answers},
        **_spent([answer.spent for answer in answers]),
        "reads": {answer.agent: answer.reads for answer in answers},
    }
    if budget:
        line["k_asked"] = {answer.agent: answer.readings[0].asked for answer in answers}
    short = {a.agent: dict(a.readings[0].short) for a in answers if a.readings[0].short}
    if short:
        line["short"] = short
    if any(len(answer.readings) > 1 for answer in answers):
        line["more_reads"] = {
            a.agent: [
                {"query": r.query, "reading": r.reading, "reads": r.reads} for r in a.readings[1:]
            ]
            for a in answers
        }
    if rules:
        line["marked"] = {a.agent: _counts(_draws(a), rules) for a in answers}
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


def _post_id(
    posts: Mapping[tuple[str, int, int], Post], agent: str, reading: Answered, draw: int
) -> str | None:
    post = posts.get((agent, reading.query, draw)) if reading.reading == 0 else None
    return post.id if post else None


def _draws(answers: Answers) -> list[Response]:
    return [response for reading in answers.readings for response in reading.responses]


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


def array_name(t: int, query: int, reading: int) -> str:
    """The file of one reading's (N, L, D) embeddings: 00000.npy, 00000.q1.npy, 00000.q1.r2.npy."""
    return f"{t:05d}{f'.q{query}' if query else ''}{f'.r{reading}' if reading else ''}.npy"


def stacked(round: Round, query: int = 0, reading: int = 0) -> NDArray[np.float32]:
    """The (N, L, D) embeddings of one reading of a round."""
    return np.asarray(round.arrays[array_name(round.t, query, reading)])


def number(value: float) -> float | None:
    """null for what is not finite."""
    return value if math.isfinite(value) else None


def numbers(matrix: NDArray[np.float64]) -> list[list[float | None]]:
    """The rows of a matrix, null for what is not finite."""
    return [[number(value) for value in row] for row in matrix.tolist()]
