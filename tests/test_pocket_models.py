"""The pocket models: the grammar, the shipped files, and small versions of what the cards say."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import gguf
import measure_pocket_models as measure
import numpy as np
import pocket_press as press
import pytest
import torch
import train_pocket_models as trainer
from gguf import GGUFReader
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from lwd_agents import resources
from lwd_agents.agents.agent import Agent, Reading
from lwd_agents.agents.models import POCKET
from lwd_agents.internet.seeds import read_seed

NAMES = sorted(press.PRESSES)


@pytest.fixture(scope="module")
def agents() -> dict[str, Agent]:
    return measure.pocket_agents()


@pytest.fixture(scope="module")
def pool(agents: dict[str, Agent]) -> list[str]:
    return measure.realistic_posts(agents, "bitcoin", 3)


def generated(n: int) -> Iterator[tuple[str, str]]:
    """(query, answer) pairs that the presses write."""
    rng = random.Random(4)
    for i in range(n):
        query = list(press.QUERIES)[i % 4]
        posts = press.write_posts(rng, rng.randint(0, 12))
        yield query, press.write_answer(rng, press.PRESSES[NAMES[i % 3]], query, posts)


def test_the_grammar_takes_what_the_presses_write() -> None:
    for query, text in generated(400):
        answer = press.parse(text, query)
        assert answer is not None
        assert len(set(answer.phrases)) == 3
        assert tuple(press.phrases_in(text)) == answer.phrases


def test_the_grammar_takes_nothing_else() -> None:
    rng = random.Random(5)
    for query, text in generated(200):
        words = text.split()
        i = rng.randrange(len(words) - 1)
        mangled = {
            text[:-1],
            text + " " + text,
            text.lower() if text[0].isupper() else text.upper(),
            " " + text,
            text + "\n",
            " ".join([*words[:i], words[i], *words[i:]]),
            " ".join(words[:-1]),
            text.replace(",", ""),
        }
        for bad in mangled - {text}:
            assert press.parse(bad, query) is None, bad
    asked = {query: next(t for q, t in generated(8) if q == query) for query in press.QUERIES}
    for query, text in asked.items():
        assert [press.parse(text, other) is not None for other in press.QUERIES] == [
            other == query for other in press.QUERIES
        ]


def test_answers_follow_the_shares_that_were_read() -> None:
    """The law that the models learn is proportional: no sharpening, no collapse built in."""
    rng = random.Random(6)
    seen = ["hash power"] * 30 + ["fund inflows"] * 10
    first = []
    for text in press.answers_after(rng, press.PRESSES["east"], "bitcoin", seen, [], 4000):
        answer = press.parse(text, "bitcoin")
        assert answer is not None
        first.append(answer.phrases[0])
    ratio = first.count("hash power") / first.count("fund inflows")
    assert ratio == pytest.approx(3.0, rel=0.25)  # the press's own priors add a little to both


def test_queries_are_the_shipped_prompts() -> None:
    for name, text in press.QUERIES.items():
        assert (resources.folder("prompts") / f"{name}.txt").read_text() == text + "\n"
    assert (resources.folder("prompts") / "answer.txt").read_text() == trainer.TEMPLATE + "\n"


@pytest.mark.parametrize("name", NAMES)
def test_the_files(name: str) -> None:
    file = POCKET / f"{name}.gguf"
    assert file.stat().st_size <= 5_000_000
    fields = GGUFReader(file).fields
    assert fields["llama.context_length"].contents() == trainer.TRAINED_LENGTH
    assert fields["general.license"].contents() == "Apache-2.0"
    parameters = sum(int(np.prod(t.shape)) for t in GGUFReader(file).tensors)
    assert 1_000_000 <= parameters <= 2_000_000
    card = (POCKET / f"{name}.md").read_text()
    assert f"{trainer.TRAINED_LENGTH} tokens" in card


def read_tokenizer(file: Path) -> Tokenizer:
    """The tokenizer that a GGUF file holds, made again for the tokenizers library."""
    fields = GGUFReader(file).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    merges = [tuple(m.split(" ")) for m in fields["tokenizer.ggml.merges"].contents()]
    tokenizer = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def test_llama_cpp_reads_a_prompt_as_the_trainer_does(agents: dict[str, Agent]) -> None:
    tokenizer = read_tokenizer(POCKET / "north.gguf")
    rng = random.Random(7)
    readings = [press.write_posts(rng, n) for n in (0, 1, 5, 30)]
    readings += [
        [press.write_noise(rng) for _ in range(20)],
        ["日本 🚀 naïve", "a  b\tc", "1,234.5 %"],
    ]
    for posts in readings:
        text = trainer.TEMPLATE.format(
            posts="\n".join(posts) or trainer.NO_POSTS, query=press.QUERIES["bitcoin"]
        )
        expected = 1 + len(tokenizer.encode(text).ids) + 1  # begin, text, the answer's mark
        reading = Reading(tuple(posts), press.QUERIES["bitcoin"])
        assert agents["north"].count_tokens(reading) == expected
        assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_a_hundred_posts_fit_two_thousand_tokens(agents: dict[str, Agent], pool: list[str]) -> None:
    seeds = [post.text for post in read_seed(resources.folder("stores") / "crypto")]
    tokenizer = read_tokenizer(POCKET / "east.gguf")
    assert max(len(tokenizer.encode(text).ids) for text in seeds) + 1 <= 20
    most = sorted(pool, key=lambda text: -len(tokenizer.encode(text).ids))[:100]
    for agent in agents.values():
        assert (agent.count_tokens(Reading(tuple(most), press.QUERIES["bitcoin"])) or 0) <= 2000


@pytest.mark.parametrize("size", measure.SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_answers_are_one_well_formed_sentence(
    agents: dict[str, Agent], pool: list[str], name: str, size: int
) -> None:
    found = measure.well_formed(agents[name], "bitcoin", pool, size, 120, 11)
    assert found.parsed >= 0.95 * found.draws


def test_the_models_differ_when_they_read_nothing(agents: dict[str, Agent]) -> None:
    from lwd_agents.config import EmbeddingConfig
    from lwd_agents.embedding import SentenceEmbeddings

    phi = SentenceEmbeddings(EmbeddingConfig())
    silent = {n: phi.encode(measure.draw(a, "bitcoin", [], 80, 21)) for n, a in agents.items()}
    for one, other in (("east", "north"), ("east", "south"), ("north", "south")):
        x, y = silent[one].astype(float), silent[other].astype(float)
        assert measure.energy_test(x, y, 1999, 0)[1] < 0.001
        assert measure.energy_test(x[:40], x[40:], 1999, 0)[1] > 0.001


@pytest.mark.parametrize("name", NAMES)
def test_what_is_read_moves_what_is_said(agents: dict[str, Agent], name: str) -> None:
    rng = random.Random(8)
    said = []
    for topic in ("mining", "lending", "funds"):
        mine, others = (
            list(press.PHRASES[topic]),
            [p for p, t in press.TOPIC_OF.items() if t != topic],
        )
        for posts in (others, mine):
            reading = [measure.two_of(rng, posts) for _ in range(20)]
            texts = measure.draw(agents[name], "bitcoin", reading, 40, 31)
            said.append(sum(topic in measure.topics_in(text) for text in texts) / 40)
    without, with_topic = np.mean(said[::2]), np.mean(said[1::2])
    assert with_topic > without + 0.4


def weights(folder: Path) -> dict[str, torch.Tensor]:
    loaded: dict[str, torch.Tensor] = torch.load(folder / "north.pt", weights_only=True)["model"]
    return loaded


@pytest.mark.slow
def test_a_killed_training_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "_MOST_POSTS", 4)
    monkeypatch.setattr(press, "PRESSES", {"north": press.PRESSES["north"]})
    steps = [f"--{name}-steps=2" for name in trainer.STEPS]

    def train(folder: str) -> Path:
        work = tmp_path / folder
        trainer.main(["--work", str(work), "--out", str(work), "--save-every=1", *steps])
        return work

    whole = weights(train("whole"))
    real = trainer.loss_of
    calls = iter(range(100))

    def dies(*given: object) -> object:
        if next(calls) == 5:
            raise KeyboardInterrupt
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(trainer, "loss_of", dies)
    with pytest.raises(KeyboardInterrupt):
        train("killed")
    monkeypatch.setattr(trainer, "loss_of", real)
    again = weights(train("killed"))
    assert all(torch.equal(whole[key], again[key]) for key in whole)
    assert gguf.GGUFReader(tmp_path / "killed" / "north.gguf").tensors
