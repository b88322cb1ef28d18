"""Experiment files: what is accepted, and the one line that answers what is not."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwd_agents import resources
from lwd_agents.config import CONFIGS, LlmConfig, ReadingConfig, read_experiment
from lwd_agents.errors import BadInput

AGENTS = [{"name": "a", "model": "pocket:north"}, {"name": "b", "model": "pocket:east"}]


def resolve(*settings: str, **values: Any) -> LlmConfig:
    return read_experiment({"agents": AGENTS, **values}, settings).resolve()


def test_beta_is_an_exact_decimal() -> None:
    assert ReadingConfig(beta=0.7).size(90) == 63  # in floats: 62
    assert resolve("reading.beta=0.7").reading.size(90) == 63


@given(st.integers(1, 1000), st.integers(0, 10**6))
def test_k_is_the_floor_of_beta_times_size(thousandths: int, size: int) -> None:
    beta = Decimal(thousandths) / 1000
    assert ReadingConfig(beta=beta).size(size) == thousandths * size // 1000
    assert ReadingConfig(beta=float(beta)).size(size) == thousandths * size // 1000


def test_k_takes_the_place_of_beta() -> None:
    assert resolve("reading.k=3").reading.size(1000) == 3
    assert resolve("reading.k=0").reading.size(1000) == 0


def test_defaults_are_the_papers() -> None:
    config = resolve()
    assert (config.steps, config.draws, config.reading.beta) == (60, 40, Decimal("0.5"))


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("steps=0", ["--set steps=0", "steps", "greater than or equal to 1"]),
        ("draws=0", ["draws", "greater than or equal to 1"]),
        ("draws=2.5", ["draws", "2.5", "integer"]),
        ("draws=true", ["draws", "True"]),
        ("reading.beta=0", ["reading.beta", "greater than 0"]),
        ("reading.beta=1.01", ["reading.beta", "1.01", "less than or equal to 1"]),
        ("reading.beta=nan", ["reading.beta"]),
        ("reading.beta=half", ["reading.beta", "'half'", "number"]),
        ("stpes=3", ["--set stpes=3", "unknown key", "'steps'", "choices"]),
        ("agents.a.modl=x", ["--set agents.a.modl=x", "unknown key", "'model'"]),
        ("agents.zz.model=x", ["zz", "choices: a, b"]),
        ("agents=[]", ["agents", "at least one"]),
        ("world=gmmm", ["world", "gmmm", "llm"]),
        ("readership=rung", ["readership", "ring", "complete"]),
        ("steps.x.y=1", ["steps.x"]),
        ("agents.b.name=a", ["agents", "'a'", "differ"]),
        ("max_missing=2", ["max_missing"]),
        ("nonsense", ["nonsense", "key=value"]),
    ],
)
def test_what_is_wrong_is_said_in_one_line(setting: str, words: list[str]) -> None:
    values = {"steps": 5} if setting.startswith("steps.") else {}
    with pytest.raises(BadInput) as caught:
        resolve(setting, **values)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_beta_and_k_together_are_refused() -> None:
    with pytest.raises(BadInput, match="beta or k, not both"):
        resolve(reading={"beta": 0.5, "k": 3})
    with pytest.raises(BadInput, match="beta or k, not both"):
        resolve("reading.k=3", "reading.beta=0.5")
    over = resolve("reading.k=3", reading={"beta": 0.5}).reading
    assert (over.k, over.beta) == (3, None)
    back = resolve("reading.beta=0.25", reading={"k": 3}).reading
    assert (back.k, back.beta) == (None, Decimal("0.25"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"steps: [1", "not YAML"),
        (b"- 1\n- 2", "mapping"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"agents: [{name: a, model: 'pocket:x'}]\nbogus: 1", "unknown key 'bogus'"),
    ],
)
def test_a_file_that_is_no_experiment(tmp_path: Any, content: bytes, words: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_bytes(content)
    with pytest.raises(BadInput, match=words) as caught:
        read_experiment(file).resolve()
    assert "mine.yaml" in str(caught.value)


def test_an_unknown_preset_answers_with_the_choices() -> None:
    with pytest.raises(BadInput, match="figure6, flip, golden-ratio, paper, pi-squared"):
        read_experiment("pockt")


@pytest.mark.parametrize("name", resources.names("experiments"))
def test_every_preset_is_valid_and_survives_a_round_trip(name: str) -> None:
    config = read_experiment(name).resolve()
    again = CONFIGS[config.world].model_validate(config.model_dump(mode="json"))
    assert again == config


def test_laying_values_over_a_mapping_leaves_it_alone() -> None:
    mine = {"agents": [{"name": "a", "model": "m"}], "steps": 3}
    read_experiment(mine, ["agents.a.model=other", "steps=9"])
    assert mine == {"agents": [{"name": "a", "model": "m"}], "steps": 3}
