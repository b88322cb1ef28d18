"""How large an Internet grows and what each agent may read of it, against real runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.language_models import FakeListChatModel

import lwd_agents as lwd
from lwd_agents.config import read_experiment
from lwd_agents.internet.sizes import largest_reading, reading_sizes, visible_posts

PRESS = "{name: press, posts: held_out, per_step: 1.5}"
FOE = "{name: foe, kind: adversary, texts: [Sell!], first: 2, last: 3}"


@pytest.mark.parametrize(
    "settings",
    [
        [],
        ["posting.keep={window: 2}"],
        ["posting.keep=replace", "readership=star"],
        ["posting.keep={subsample: 5}"],
        ["posting.choose=all"],
        ["posting.choose=none"],
        ["readership=ring"],
        ["readership={schedule: {0: complete, 2: isolated}}"],
        ["readership=isolated", "posting.keep={window: 2}"],
        ["agents.b.joins=2", "agents.c.leaves=3"],
        [f"inflow=[{PRESS}, {FOE}]", "readership=isolated"],
        ["posting.keep={window: 2, humans: age}", f"inflow=[{PRESS}]"],
        ["placebo=true", "readership=star"],
        ["queries=[one, two]"],
        ["queries=[one, two]", "internet.per_query=true", "reading.schedule={3: 0.5}"],
    ],
)
def test_what_each_agent_may_read_is_known_beforehand(settings: list[str], tmp_path: Path) -> None:
    agents = [{"name": name, "model": "pocket:north"} for name in "abc"]
    experiment = {"agents": agents, "steps": 5, "draws": 2, "reading": {"beta": 1}}
    config = read_experiment(experiment, settings).resolve()
    sizes = np.array([reading_sizes(config, row) for row in visible_posts(config, 20)])
    said = [f"answer {i}" for i in range(1_000)]
    objects = [{**agent, "model": FakeListChatModel(responses=said)} for agent in agents]
    given = {key: value for key, value in experiment.items() if key != "agents"}
    names = [setting for setting in settings if setting.startswith("agents.")]
    for setting in names:
        key, _, value = setting.removeprefix("agents.").partition("=")
        name, _, field = key.partition(".")
        next(agent for agent in objects if agent["name"] == name)[field] = int(value)
    run = lwd.run(
        given,
        agents=objects,
        settings=[setting for setting in settings if setting not in names],
        embeddings=DeterministicFakeEmbedding(size=8),
        out=tmp_path / "run",
    )
    read = np.array([[line["k"].get(name, -1) for line in run.rounds] for name in "abc"])
    assert np.array_equal(np.where(read < 0, -1, sizes), read)
    assert largest_reading(config, 20) == sizes.max()
