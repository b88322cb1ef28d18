"""Measure the pocket models, and write their cards and figures.

    python scripts/measure_pocket_models.py --training build/pocket/training.json

Everything is drawn through the same chat model, prompt template and plain sampling as a run; no
text is edited after sampling. Measured: (a) how often an answer is one well-formed sentence,
(b) whether the models differ when they read nothing, (c) how what they read moves what they say.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pocket_press as press
from langchain_core.prompts import ChatPromptTemplate
from numpy.typing import NDArray

from lwd_agents import resources
from lwd_agents.agents.agent import Agent, Reading, make_agent
from lwd_agents.agents.models import pocket_names, resolve_model
from lwd_agents.config import EmbeddingConfig
from lwd_agents.embedding import SentenceEmbeddings
from lwd_agents.internet.seeds import read_seed

SIZES = (0, 10, 40, 100)
DRAWS = 40  # of one reading
SHARES = tuple(i / 10 for i in range(11))
READ = 40  # posts in a reading of (c)
ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class WellFormed:
    """Of n answers: those that parse, those that also name three different phrases."""

    draws: int
    parsed: int
    different: int
    tokens: tuple[int, ...]
    texts: tuple[str, ...]


def pocket_agents() -> dict[str, Agent]:
    """The shipped models behind the shipped answering prompt."""
    template = (resources.folder("prompts") / "answer.txt").read_text("utf-8").removesuffix("\n")
    prompt = ChatPromptTemplate.from_messages([("human", template)])
    return {
        name: make_agent(
            name,
            resolve_model(
                f"pocket:{name}", draws=DRAWS, temperature=1.0, max_tokens=48, options={}
            ),
            prompt=prompt,
        )
        for name in pocket_names()
    }


def draw(agent: Agent, query: str, posts: Sequence[str], n: int, seed: int) -> list[str]:
    """n answers to one reading, exactly as sampled; a missing draw is an empty text."""
    reading = Reading(tuple(posts), press.QUERIES[query])
    return [response.text or "" for response in agent.sample(reading, n, seed)]


def realistic_posts(agents: dict[str, Agent], query: str, seed: int) -> list[str]:
    """An Internet as a run makes it: the seed posts, and 60 answers of each model."""
    posts = [post.text for post in read_seed(resources.folder("stores") / "crypto")]
    rng = random.Random(f"{seed} {query}")
    made = []
    for agent, turn in itertools.product(agents.values(), range(6)):
        made += draw(agent, query, rng.sample(posts, 10), 10, seed + 1000 * turn)
    return posts + made


def well_formed(
    agent: Agent, query: str, pool: Sequence[str], size: int, draws: int, seed: int
) -> WellFormed:
    """(a): ``draws`` answers, to readings of ``size`` posts drawn from ``pool``."""
    rng = random.Random(f"{seed} {size}")
    texts: list[str] = []
    tokens: list[int] = []
    for first in range(0, draws, DRAWS):
        reading = Reading(tuple(rng.sample(list(pool), size)), press.QUERIES[query])
        for response in agent.sample(reading, min(DRAWS, draws - first), seed + first):
            texts.append(response.text or "")
            tokens.append(response.output_tokens or 0)
    answers = [press.parse(text, query) for text in texts]
    parsed = [answer for answer in answers if answer is not None]
    different = sum(len(set(answer.phrases)) == 3 for answer in parsed)
    return WellFormed(draws, len(parsed), different, tuple(tokens), tuple(texts))


def energy_test(
    x: NDArray[np.float64], y: NDArray[np.float64], permutations: int, seed: int
) -> tuple[float, float]:
    """(b): energy distance of two samples of embeddings, (n, D) and (m, D), and its p-value.

    The p-value is (1 + permuted statistics at least as large) / (1 + permutations).
    """
    both = np.concatenate([x, y])
    apart = np.linalg.norm(both[:, None] - both[None], axis=-1)
    first = np.arange(len(both)) < len(x)
    rng = np.random.default_rng(seed)
    labels = np.stack([first, *(rng.permutation(first) for _ in range(permutations))])
    a = labels / len(x)
    b = ~labels / len(y)
    difference = (a - b).astype(np.float64)
    statistics = -np.einsum("pi,pi->p", difference @ apart, difference)
    above = int((statistics[1:] >= statistics[0] - 1e-12).sum())
    return float(statistics[0]), (1 + above) / (1 + permutations)


def response_curve(agent: Agent, query: str, draws: int, seed: int) -> list[float]:
    """(c): the chance that a topic is in the answer, by its share of 40 posts (SHARES).

    Averaged over topics; every post names two phrases, of the topic or of others.
    """
    topics = press.TOPICS[::2]
    chances = []
    for share in SHARES:
        named = 0
        for i, topic in enumerate(topics):
            rng = random.Random(f"{seed} {topic} {share}")
            mine = list(press.PHRASES[topic])
            others = [p for p, t in press.TOPIC_OF.items() if t != topic]
            about = round(share * READ)
            posts = [two_of(rng, mine) for _ in range(about)]
            posts += [two_of(rng, others) for _ in range(READ - about)]
            rng.shuffle(posts)
            texts = draw(agent, query, posts, draws, seed + 100_000 * i)
            named += sum(topic in topics_in(text) for text in texts)
        chances.append(named / (draws * len(topics)))
    return chances


def two_of(rng: random.Random, phrases: Sequence[str]) -> str:
    """A post that names two different ones of ``phrases``."""
    x, y = rng.sample(list(phrases), 2)
    return rng.choice(press.POSTS).format(x=x, y=y, X=x[0].upper() + x[1:])


def topics_in(text: str) -> set[str]:
    """The topics that a text names."""
    return {press.TOPIC_OF[phrase] for phrase in press.phrases_in(text)}


def draw_curve(path: Path, name: str, chances: Sequence[float]) -> None:
    """The figure of (c)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.plot(SHARES, chances, marker="o", color="#0072B2")
    axes.set(xlim=(-0.02, 1.02), ylim=(0, 1.02))
    axes.set_xlabel(f"share of {READ} posts that are about the topic")
    axes.set_ylabel("chance that the answer names it")
    axes.set_title(f"pocket:{name}: what it reads moves what it says", loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="0.9", linewidth=0.6)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def measure(draws: int, seed: int) -> dict[str, dict[str, object]]:
    """All measures of all models."""
    agents = pocket_agents()
    phi = SentenceEmbeddings(EmbeddingConfig())
    pools = {query: realistic_posts(agents, query, seed) for query in press.QUERIES}
    found: dict[str, dict[str, object]] = {}
    silent: dict[str, NDArray[np.float64]] = {}
    for name, agent in agents.items():
        at = {n: well_formed(agent, "bitcoin", pools["bitcoin"], n, draws, seed) for n in SIZES}
        other = {
            query: well_formed(agent, query, pools[query], 40, draws // 5, seed)
            for query in press.QUERIES
            if query != "bitcoin"
        }
        silent[name] = phi.encode(at[0].texts[:400]).astype(np.float64)
        tokens = np.concatenate([each.tokens for each in at.values()])
        found[name] = {
            "context": agent.context_length,
            "sizes": {n: (each.parsed, each.different, each.draws) for n, each in at.items()},
            "queries": {q: (each.parsed, each.different, each.draws) for q, each in other.items()},
            "unique": {n: len(set(each.texts)) / each.draws for n, each in at.items()},
            "tokens": (tokens.mean(), np.percentile(tokens, 99), tokens.max()),
            "curve": response_curve(agent, "bitcoin", DRAWS, seed),
            "example": at[40].texts[:3],
            "against": {},
        }
    for one, other_name in itertools.combinations(agents, 2):
        statistic, p = energy_test(silent[one], silent[other_name], 9999, seed)
        for me, you in ((one, other_name), (other_name, one)):
            found[me]["against"][you] = (statistic, p)  # type: ignore[index]
    return found


def card(name: str, found: dict[str, object], training: dict[str, dict[str, float]]) -> str:
    """A model's card, in Markdown."""
    lines = [
        f"# pocket:{name}",
        "",
        "A language model of 1.1 million parameters that ships with the package and runs under",
        "llama.cpp on the CPU: a Llama of 3 layers, 128 wide, a byte-level BPE vocabulary of",
        f"2,048, F16, trained on prompts and answers of up to **{found['context']} tokens**;",
        "longer ones are refused. It knows nothing of the world: it writes one-sentence answers",
        "to four queries about cryptocurrencies in the manner of one press, and it reads.",
        "",
        "- Made by: `scripts/train_pocket_models.py`, from scratch, on text that",
        "  `scripts/pocket_press.py` writes; measured by `scripts/measure_pocket_models.py`.",
        "- Licence: Apache-2.0, model and text.",
        "- Training: the three models share their tokenizer and a base, then each learned its own",
        "  press alone. " + _trained(name, training),
        "- What it was taught: each of an answer's three phrases comes from the posts with",
        f"  chance {press.COPY}, in proportion to how often it stands there, else from the",
        "  press's own priors; the opener likewise with chance "
        f"{press.COPY_WORDING}. Nothing is sharpened,",
        "  and whether a network of such models collapses was not built in.",
        "",
        "## Well-formed answers",
        "",
        "Temperature 1, plain sampling, the Bitcoin query; posts drawn from the seed store and",
        "180 answers of the three models. An answer counts when the grammar parses it whole.",
        "",
        "| posts read | well-formed | of these with three different phrases | unique texts |",
        "|---|---|---|---|",
    ]
    unique: dict[int, float] = found["unique"]  # type: ignore[assignment]
    for size, (parsed, different, n) in found["sizes"].items():  # type: ignore[attr-defined]
        lines.append(
            f"| {size} | {parsed / n:.1%} of {n:,} | {different / max(parsed, 1):.1%} "
            f"| {unique[size]:.0%} |"
        )
    lines += ["", "Other queries, 40 posts read:", "", "| query | well-formed |", "|---|---|"]
    for query, (parsed, _, n) in found["queries"].items():  # type: ignore[attr-defined]
        lines.append(f"| {query} | {parsed / n:.1%} of {n:,} |")
    mean, high, most = found["tokens"]  # type: ignore[misc]
    lines += [
        "",
        f"An answer has {mean:.1f} tokens on average, 99 % have at most {high:.0f}; the longest "
        f"had {most:.0f}.",
        "",
        "## Different when they read nothing",
        "",
        "Energy distance of MiniLM embeddings, 400 answers each without posts, 9,999 permutations:",
        "",
    ]
    for you, (statistic, p) in found["against"].items():  # type: ignore[attr-defined]
        lines.append(f"- against {you}: {statistic:.4f}, p = {p:.4f}")
    curve: list[float] = found["curve"]  # type: ignore[assignment]
    lines += [
        "",
        "## What it reads moves what it says",
        "",
        f"Chance that a topic is in the answer, by its share of {READ} posts (six topics, "
        f"{DRAWS} draws each; figure: `docs/pocket/{name}-reading.png`):",
        "",
        "| share | " + " | ".join(f"{share:.1f}" for share in SHARES) + " |",
        "|---" * (len(SHARES) + 1) + "|",
        "| chance | " + " | ".join(f"{chance:.2f}" for chance in curve) + " |",
        "",
        "## Examples, after 40 posts",
        "",
        *(f"- {text}" for text in found["example"]),  # type: ignore[attr-defined]
    ]
    return "\n".join(lines) + "\n"


def _trained(name: str, training: dict[str, dict[str, float]]) -> str:
    parts = []
    for stage in ("short", "middle", "base", name):
        told = training[stage]
        parts.append(
            f"{'press' if stage == name else stage}: {told['steps']:,.0f} steps, "
            f"{told['tokens'] / 1e6:.1f} M tokens, {told['seconds']:,.0f} s"
        )
    return "; ".join(parts) + " (two CPU cores)."


def main() -> None:
    """Measure, then write cards and figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--training", type=Path, required=True, help="training.json of the trainer")
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    training = json.loads(given.training.read_text())
    for name, found in measure(given.draws, given.seed).items():
        (ROOT / "lwd_agents" / "pocket" / f"{name}.md").write_text(card(name, found, training))
        curve: list[float] = found["curve"]  # type: ignore[assignment]
        draw_curve(ROOT / "docs" / "pocket" / f"{name}-reading.png", name, curve)
        print(name, found["sizes"], found["against"], [round(x, 2) for x in curve], flush=True)


if __name__ == "__main__":
    main()
