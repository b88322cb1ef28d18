"""How far two stores of posts are alike: lengths, vocabulary, and the spread of their embeddings.

    python scripts/compare_stores.py crypto held_out [noise ...]

Prints a table in Markdown; the first store is the one that the others are compared with. The cards
of the shipped stores hold these figures, and ``tests/test_shipped_stores.py`` checks that they do.
Needs no network. Deterministic but for the last bits of the embedding.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

import numpy as np
import pocket_press as press
from measure_pocket_models import energy_test
from numpy.typing import NDArray

from lwd_agents import resources, seeding
from lwd_agents.config import EmbeddingConfig
from lwd_agents.embedding import SentenceEmbeddings
from lwd_agents.internet.seeds import read_seed

SAMPLES = 1_000  # subsets, each as large as the first store, over which the vocabulary is averaged


def texts_of(store: str) -> list[str]:
    """The posts of a store, by its name or path."""
    return [post.text for post in read_seed(resources.find("stores", store, "compare_stores"))]


def words(text: str) -> list[str]:
    """The words of a text in small letters, without marks."""
    return re.findall(r"\w+(?:'\w+)?", text.lower())


def vocabulary(texts: Sequence[str], size: int) -> float:
    """Different words among ``size`` posts drawn without replacement, averaged over draws."""
    if size == len(texts):
        return float(len({word for text in texts for word in words(text)}))
    rng = seeding.generator(seeding.key(0, "vocabulary"))
    subsets = [rng.choice(len(texts), size, replace=False) for _ in range(SAMPLES)]
    counts = [len({word for i in subset for word in words(texts[i])}) for subset in subsets]
    return float(np.mean(counts))


def spread(vectors: NDArray[np.float64]) -> tuple[float, float]:
    """(mean cosine of two different posts, variance) of (n, D) unit vectors.

    The variance is the trace of the covariance, divided by n - 1: for unit vectors, one minus the
    mean cosine of two different posts.
    """
    n = len(vectors)
    gram = vectors @ vectors.T
    centred = vectors - vectors.mean(axis=0)
    return float((gram.sum() - np.trace(gram)) / (n * (n - 1))), float((centred**2).sum() / (n - 1))


def compare(stores: Sequence[str], permutations: int = 9_999) -> dict[str, dict[str, str]]:
    """store -> name of a figure -> its value as printed, for each store."""
    phi = SentenceEmbeddings(EmbeddingConfig())
    texts = {store: texts_of(store) for store in stores}
    vectors = {store: phi.encode(texts[store]).astype(np.float64) for store in stores}
    first = stores[0]
    found = {}
    for store in stores:
        lengths = [len(words(text)) for text in texts[store]]
        named = [len(press.phrases_in(text)) for text in texts[store]]
        cosine, variance = spread(vectors[store])
        row = {
            "posts": str(len(texts[store])),
            "words a post, mean": f"{np.mean(lengths):.1f}",
            "standard deviation": f"{np.std(lengths, ddof=1):.1f}",
            "least to most": f"{min(lengths)} to {max(lengths)}",
            "phrases of the pocket grammar a post": f"{np.mean(named):.2f}",
            f"different words in {len(texts[first])} posts": (
                f"{vocabulary(texts[store], len(texts[first])):.0f}"
            ),
            "mean cosine of two posts": f"{cosine:.3f}",
            "variance": f"{variance:.3f}",
        }
        if store != first:
            distance, p = energy_test(vectors[first], vectors[store], permutations, seed=0)
            across = float((vectors[first] @ vectors[store].T).mean())
            row[f"mean cosine with a post of {first}"] = f"{across:.3f}"
            row[f"energy distance to {first}"] = f"{distance:.4f}"
            row["p"] = f"{p:.4f}"
        found[store] = row
    return found


def table(found: dict[str, dict[str, str]]) -> str:
    """The figures in Markdown, a column a store."""
    names = list(dict.fromkeys(name for row in found.values() for name in row))
    lines = ["| | " + " | ".join(found) + " |", "|---" * (len(found) + 1) + "|"]
    for name in names:
        lines.append(
            f"| {name} | " + " | ".join(row.get(name, "") for row in found.values()) + " |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(compare(sys.argv[1:] or ["crypto", "held_out", "noise"])))
