"""A large run on cheap models, to time what reads runs: agents that splice what they read.

Its texts are sentences, its phrases spread from agent to agent, its embeddings are the package's
own: what a page has to carry is as large as in a run on real models, and nothing is generated.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableLambda

import lwd_agents as lwd

_WORDS = {
    "north": "adoption steady patient holders",
    "east": "miners energy supply halving",
    "south": "traders volatile caution risk",
    "west": "banks regulation custody rules",
}


def splicer(name: str, words: str, most: int = 20) -> RunnableLambda[dict[str, str], str]:
    """An agent that joins the first words of one post it read to the last of another.

    A few words of its own stand between them, so that hardly two answers are the same.
    """
    chance = random.Random(name)
    own = words.split()

    def answer(given: dict[str, str]) -> str:
        posts = [post for post in given["posts"].split("\n") if post.split()]
        first, last = chance.choice(posts).split(), chance.choice(posts).split()
        middle = [*chance.sample(own, 2), str(chance.randrange(100))]
        spliced = [*first[: chance.randint(2, 7)], *middle, *last[-chance.randint(2, 7) :]]
        return " ".join(spliced[:most])

    return RunnableLambda(answer)


def large_run(path: Path, *, steps: int = 99, agents: int = 10, draws: int = 40) -> Path:
    """Make the run, or go on with it: t = 0 .. ``steps``."""
    models: dict[str, Any] = {}
    for i in range(agents):
        home = list(_WORDS)[i % len(_WORDS)]
        name = f"{home}-{i}"
        models[name] = splicer(name, _WORDS[home])
    lwd.run(
        "pocket",
        agents=models,
        steps=steps,
        draws=draws,
        out=path,
        quiet=False,
        settings=["internet.store=memory"],
    )
    return path


if __name__ == "__main__":
    import sys

    large_run(Path(sys.argv[1]))
