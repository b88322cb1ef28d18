"""When an LLM network stops itself: the rule ``converged`` (docs/inference/convergence.md).

The state is a function of the committed rounds: their lines say what was tested. After the step
that converges as many fresh steps are run as the rule asked for in a row, and then the run ends:
to stop on a low estimate and test that estimate again would find a fall where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lwd_agents.config import LlmConfig
from lwd_agents.engine import Round
from lwd_agents.errors import BadInput
from lwd_agents.inference.convergence import Row, check_step, default_margin
from lwd_agents.worlds.llm_round import array_name, number


@dataclass(frozen=True)
class Stopping:
    """The rule of an experiment, with what its config leaves open filled in.

    Attributes:
        config: the experiment, whose ``stop`` is not null.
        queries: how many are asked.
        margin: ||D||_F below which agents count as agreeing.
        radius: of a ball that holds all embeddings; None where it is not known.
    """

    config: LlmConfig
    queries: int
    margin: float
    radius: float | None

    @property
    def window(self) -> int:
        """Rejections in a row, and fresh steps after them."""
        return self.config.stop.window if self.config.stop else 1

    def judge(self, t: int, arrays: Mapping[str, Any], row: Row) -> dict[str, Any]:
        """What a step's line says under ``converged``: of the agents that take part in it.

        Args:
            t: the step.
            arrays: its arrays by file name.
            row: what stood in a row before it.
        """
        assert self.config.stop is not None
        there = [i for i, agent in enumerate(self.config.agents) if agent.takes_part(t)]
        stack = np.stack([arrays[array_name(t, q, 0)][there] for q in range(self.queries)])
        test = check_step(stack, t, self.margin, self.config.stop.alpha, self.radius)
        after = row.after(t, test.rejected, self.window)
        return {
            "estimate": number(test.estimate),
            "se": number(test.error),
            "p": number(test.p),
            "level": test.level,
            "rejected": test.rejected,
            "row": after.length,
            **({} if after.at is None else {"at": after.at, "ends": after.at + self.window}),
        }

    def absorbed(self, round: Round, row: Row) -> Row:
        """The row after a committed round; one that a fork has of its parent is judged anew."""
        told = round.line.get("converged") or self.judge(round.t, round.arrays, row)
        return row.after(round.t, told["rejected"], self.window)

    def told(self, row: Row) -> dict[str, Any] | None:
        """What the manifest says of a run that converged: ``fresh`` is the first and last step."""
        if row.at is None or self.config.stop is None:
            return None
        return {
            "rule": self.config.stop.rule,
            "at": row.at,
            "fresh": [row.at + 1, row.at + self.window],
            "margin": self.margin,
            "window": self.window,
            "alpha": self.config.stop.alpha,
        }


def make_stopping(config: LlmConfig, queries: int, own_embeddings: bool) -> Stopping | None:
    """The rule of an experiment, or None; ``own_embeddings``: phi is a Python object.

    Raises:
        BadInput: the margin is left open, and it is not known whether embeddings are normalised.
    """
    if config.stop is None:
        return None
    normalised = config.embedding.normalize and not own_embeddings
    if config.stop.margin is None and not normalised:
        raise BadInput(
            "stop.margin: whether embeddings of your own are normalised is not known; give the "
            "||D||_F below which agents count as agreeing"
        )
    margin = config.stop.margin or default_margin(len(config.agents))
    return Stopping(config, queries, margin, 1.0 if normalised else None)
