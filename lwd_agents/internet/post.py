"""A post: one sentence in the Internet, and who put it there."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

BEFORE_THE_RUN = -1
HUMAN = "human"
SYNTHETIC = "synthetic"


@dataclass(frozen=True)
class Post:
    """One post of A(t).

    Attributes:
        text: exactly as it was written or sampled.
        author: the agent's name, or the inflow's; ``human`` for A(0).
        step: the step that it was written in; -1 for A(0).
        slot: its place among the posts of its author and step.
        query: what it answers; empty for A(0).
        kind: ``human``, ``synthetic`` (an agent's), ``placebo`` (a held-out human post in its
            place), ``noise`` or ``adversary``.
        labels: what a store says of a post besides its text (a sentiment, a source).
    """

    text: str
    author: str
    step: int
    slot: int
    query: str
    kind: str
    labels: dict[str, str | int | float | bool] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """sha256 of (author, step, slot, query, text): equal texts stay different posts."""
        fields = [self.author, self.step, self.slot, self.query, self.text]
        return hashlib.sha256(json.dumps(fields, ensure_ascii=False).encode()).hexdigest()

    def metadata(self) -> dict[str, Any]:
        """What a store keeps beside the text; labels never replace the post's own fields."""
        own = {"author": self.author, "step": self.step, "slot": self.slot, "kind": self.kind}
        return {**self.labels, "query": self.query, **own}
