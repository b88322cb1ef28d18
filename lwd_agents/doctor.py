"""What ``lwd doctor`` checks: each part that the default experiment needs, by using it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from lwd_agents import resources

_LEAST_FREE = 200_000_000  # bytes


def examine() -> Iterator[tuple[str, bool, str]]:
    """(what, whether it works, what was found) of each check, as it is made."""
    checks: dict[str, Callable[[], str]] = {
        "versions": _versions,
        "data": _data,
        "disk": _disk,
        "models": _models,
        "embedding": _embedding,
        "store": _store,
        "mixtures": _mixtures,
        "learners": _learners,
    }
    for name, check in checks.items():
        try:
            yield name, True, check()
        except Exception as error:
            yield name, False, f"{type(error).__name__}: {error}"


def _versions() -> str:
    from lwd_agents.manifest import versions

    return ", ".join(
        f"{name} {version}"
        for name, version in {**versions("llm"), **versions("gmm"), **versions("graph")}.items()
    )


def _data() -> str:
    found = {
        "presets": resources.names("experiments"),
        "prompts": resources.names("prompts"),
        "stores": resources.names("stores"),
    }
    return "; ".join(f"{kind}: {', '.join(names)}" for kind, names in found.items())


def _disk() -> str:
    free = shutil.disk_usage(Path.cwd()).free
    if free < _LEAST_FREE:
        raise OSError(f"{free / 1e6:.0f} MB free in {Path.cwd()}; a run needs some 100 MB")
    if not os.access(Path.cwd(), os.W_OK):
        raise OSError(f"{Path.cwd()} cannot be written; give lwd run an --out that can")
    return f"{free / 1e9:.1f} GB free"


def _models() -> str:
    from lwd_agents.agents.models import pocket_names, resolve_model

    said = []
    for name in pocket_names():
        model = resolve_model(f"pocket:{name}", draws=1, temperature=1.0, max_tokens=48, options={})
        answer = model.invoke("Posts from the Internet:\n(none)\n\nWhat is next?", seed=1)
        said.append(f"{name}: {answer.text!r}")
    return "; ".join(said)


def _embedding() -> str:
    from lwd_agents.config import EmbeddingConfig
    from lwd_agents.embedding import SentenceEmbeddings

    vector = SentenceEmbeddings(EmbeddingConfig()).embed_query("Bitcoin")
    return f"{len(vector)} dimensions"


def _store() -> str:
    import numpy as np
    from langchain_core.embeddings import FakeEmbeddings

    from lwd_agents.internet.post import BEFORE_THE_RUN, HUMAN, Post
    from lwd_agents.internet.store import Internet

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        internet = Internet(Path(folder) / "internet", FakeEmbeddings(size=4))
        post = Post("a post", HUMAN, BEFORE_THE_RUN, 0, "", HUMAN)
        internet.add([post], np.ones((1, 4), dtype=np.float32))
        return f"Chroma gave back {internet.get([post.id])[0].page_content!r}"


def _mixtures() -> str:
    from lwd_agents.laboratory import run

    with tempfile.TemporaryDirectory() as folder:
        norm = run("figure4", out=Path(folder) / "run", steps=20).norm
        return f"compiled; ||D||_F {norm[0]:.4f} at t = 0, {norm[-1]:.4f} at t = 20"


def _learners() -> str:
    from lwd_agents.laboratory import run

    with tempfile.TemporaryDirectory() as folder:
        done = run("ring", out=Path(folder) / "run", steps=20, replicates=20)
        first, last = (done.arrays["error"][:, t].mean() for t in (0, -1))
        return f"compiled; error {first:.4f} at t = 0, {last:.4f} at t = 20"
