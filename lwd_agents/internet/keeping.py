"""The life of posts: which of them leave the Internet between a step and the next.

Human posts (those of A(0) and fresh ones) stay, but for ``humans: age`` below. All others are
treated alike: what agents posted, what stands in for it in a placebo run, noise, and adversaries.

- ``accumulate``: none leave (arXiv 2506.15690, Algorithm 1; the default);
- ``replace``: those of earlier steps leave, so that A(t+1) holds step t alone; a window of 1;
- ``{window: w}``: those of step t - w and before leave, so that w steps remain.
  ``{window: w, humans: age}``: human posts too, A(0) counting as step -1;
- ``{subsample: n}``: at most n stay. Each post has a random key of its own, from the seed and its
  place (author, step, slot, query), and those with the n least keys stay. So what is there is at
  every step a uniform n-subset of all that were ever posted, none comes back, and two runs of one
  seed keep the same places whatever their texts (a run and its placebo);
- a dotted path, or a name registered in the group ``lwd_agents.keeping``: a function
  ``(posts, t, rng) -> mask`` of what leaves, (V,) bool, for V posts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lwd_agents import seeding
from lwd_agents.errors import BadInput, RunStopped
from lwd_agents.internet.policies import Function, Names, called
from lwd_agents.internet.post import HUMAN, Post

WHERE = "posting.keep"
KEEPING = Names("keeping", ("accumulate", "replace"), ("window", "subsample"))


@dataclass(frozen=True)
class Keeping:
    """Which posts stay.

    Attributes:
        how: one of the names above, or ``own``.
        size: the window's width in steps, or how many posts a subsample has.
        humans: whether human posts leave a window as others do.
        by: the function of one's own, as it was named.
    """

    how: str = "accumulate"
    size: int | None = None
    humans: Literal["stay", "age"] = "stay"
    by: str | None = None

    @property
    def told(self) -> Any:
        """As an experiment file says it."""
        if self.size is None:
            return self.by or self.how
        return {self.how: self.size, **({"humans": "age"} if self.humans == "age" else {})}


def make_keeping(value: Any) -> Keeping:
    """The policy that a YAML value says; see the top of this module.

    Raises:
        ValueError: it is none, in one line with the choices. No code of others is imported.
    """
    if isinstance(value, Keeping):
        return value
    humans: Any = "stay"
    if isinstance(value, Mapping) and {"window", "humans"} == set(value):
        humans, value = value["humans"], {"window": value["window"]}
        if humans not in ("stay", "age"):
            raise ValueError(f"humans: {humans!r} is neither 'stay' nor 'age'")
    how, given = KEEPING.read(value)
    if how == "own":
        return Keeping(how, by=given)
    if how in KEEPING.plain:
        return Keeping(how)
    least, what = (1, "steps") if how == "window" else (0, "posts")
    if not isinstance(given, int) or isinstance(given, bool) or given < least:
        raise ValueError(f"{how}: {given!r} is no number of {what}; give an integer from {least}")
    return Keeping(how, size=given, humans=humans)


def keeper(keeping: Keeping) -> Function | None:
    """The function that a policy of one's own names, imported now; None where it needs none.

    Raises:
        BadInput: there is no such function, in one line.
    """
    if keeping.by is None:
        return None
    return KEEPING.function(keeping.by, WHERE, "posts, t and rng to a mask")


def leaving(
    posts: Sequence[Post], keeping: Keeping, t: int, seed: int, own: Function | None = None
) -> NDArray[np.bool_]:
    """Which posts leave between step t and A(t+1).

    Args:
        posts: V posts, A(t) and what enters after step t: A(t+1) if nothing left.
        keeping: the policy.
        t: the step that was just made.
        seed: of the run; the keys of posts derive from it.
        own: what ``keeper(keeping)`` gave.

    Returns:
        (V,) bool, a function of the arguments alone: a resumed run lets the same posts go.

    Raises:
        RunStopped: a policy of one's own raises, or gives no such mask, in one line.
    """
    if keeping.how == "own":
        return _by_ones_own(posts, keeping, t, seed, own)
    gone = np.zeros(len(posts), dtype=np.bool_)
    if keeping.how == "accumulate":
        return gone
    stays = np.array([p.kind == HUMAN and keeping.humans == "stay" for p in posts], dtype=np.bool_)
    if keeping.how == "subsample":
        others = [int(i) for i in np.flatnonzero(~stays)]
        others.sort(key=lambda i: (_key(posts[i], seed), i))
        gone[others[keeping.size :]] = True
        return gone
    width = 1 if keeping.size is None else keeping.size
    step = np.array([post.step for post in posts], dtype=np.int64)
    return (step <= t - width) & ~stays


def most_kept(keeping: Keeping, humans: int, fresh: int, per_step: int) -> int | None:
    """How many posts the Internet can hold at the most once posts leave; None: there is no bound.

    Args:
        keeping: the policy.
        humans: posts of A(0).
        fresh: further human posts that enter at a step, at the most.
        per_step: other posts that enter at a step, at the most.
    """
    if keeping.humans == "age":
        return (keeping.size or 1) * (fresh + per_step)
    if keeping.how in ("accumulate", "own") or fresh > 0:  # human posts that stay heap up
        return None
    if keeping.how == "subsample":
        return humans + (keeping.size or 0)
    return humans + (keeping.size or 1) * per_step


def check_k(keeping: Keeping, k: int, humans: int, fresh: int, per_step: int) -> None:
    """Refuse a policy that does not leave k posts to draw; arguments as in ``most_kept``.

    Raises:
        BadInput: with the most that the Internet will hold, in one line.
    """
    most = most_kept(keeping, humans, fresh, per_step)
    if most is not None and most < k:
        raise BadInput(
            f"{WHERE}: {keeping.told!r} leaves at most {most} posts to read, fewer than "
            f"reading.k = {k}; keep more posts, or read {most} at the most"
        )


def _key(post: Post, seed: int) -> int:
    """The random key of a post's place; its text plays no part."""
    purpose = f"keeping {post.slot}"
    return seeding.key(seed, purpose, t=post.step, agent=post.author, query=post.query)


def _by_ones_own(
    posts: Sequence[Post], keeping: Keeping, t: int, seed: int, own: Function | None
) -> NDArray[np.bool_]:
    rng = seeding.generator(seeding.key(seed, "keeping", t=t))
    mask = np.asarray(called(WHERE, keeping.by, own, list(posts), t, rng))
    if mask.dtype != np.bool_ or mask.shape != (len(posts),):
        raise RunStopped(
            f"{WHERE}: {keeping.by!r} gave {mask.dtype} of shape {mask.shape} at step {t}, "
            f"not bool of shape ({len(posts)},)"
        )
    return mask
