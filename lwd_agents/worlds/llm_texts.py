"""What a run of an LLM network reads from files: queries, prompt, human posts; checked at once."""

from __future__ import annotations

import string
from dataclasses import dataclass
from pathlib import Path

from lwd_agents import resources
from lwd_agents.config import LlmConfig
from lwd_agents.errors import BadInput
from lwd_agents.internet import readership
from lwd_agents.internet.post import Post
from lwd_agents.internet.seeds import read_seed

HELD_OUT = "held_out"  # the store of a placebo that names none
_VARIABLES = {"posts", "query"}


@dataclass(frozen=True)
class Texts:
    """What a run reads from files: the queries, the prompt template, the posts of A(0).

    Attributes:
        held_out: the human posts of a placebo; None for a run that is none.
        inflow: the posts of each inflow, in the order of the config.
        sha256: of every file read, by kind and name.
    """

    queries: tuple[str, ...]
    template: str
    seeds: tuple[Post, ...]
    held_out: tuple[str, ...] | None
    inflow: tuple[tuple[str, ...], ...]
    sha256: dict[str, str]


def read_texts(config: LlmConfig) -> Texts:
    """Read the query, the prompt and A(0).

    Raises:
        BadInput: one of them is not there or not usable.
    """
    prompt = resources.find("prompts", config.prompt, "prompt")
    template = _read(prompt, "prompt")
    _check_template(template, prompt)
    sha256 = {f"prompts/{prompt.name}": resources.sha256(prompt)}
    queries = tuple(
        _query(query, "queries" if config.queries else "query", sha256)
        for query in config.queries or (config.query,)
    )
    if len(set(queries)) < len(queries):
        raise BadInput("queries: two of them are one text; each query is to be asked once")
    store = resources.find("stores", config.internet.seed, "internet.seed")
    seeds = tuple(read_seed(store))
    sha256[f"stores/{store.name}"] = resources.sha256(store)
    if config.reading.k is not None and config.reading.k > len(seeds):
        raise BadInput(
            f"reading.k: {config.reading.k} posts cannot be read at t = 0, "
            f"A(0) has {len(seeds)} ({store})"
        )
    for name, path in readership.files(config.readership).items():
        sha256[name] = resources.sha256(path)

    def ready(name: str, where: str) -> tuple[str, ...]:
        file = resources.find("stores", name, where)
        sha256[f"stores/{file.name}"] = resources.sha256(file)
        return tuple(post.text for post in read_seed(file, where))

    placebo = HELD_OUT if config.placebo is True else config.placebo
    held_out = ready(placebo, "placebo") if placebo else None
    inflow = tuple(
        ready(plan.posts, f"inflow.{plan.name}") if plan.posts else plan.texts
        for plan in config.inflow
    )
    return Texts(queries, template, seeds, held_out, inflow, sha256)


def _query(query: str, where: str, sha256: dict[str, str]) -> str:
    """A query's text: a name in prompts/, or the text itself."""
    if not query.strip():
        raise BadInput(f"{where}: it is empty; write what the agents are asked")
    if query not in resources.names("prompts"):
        return query
    file = resources.find("prompts", query, where)
    sha256[f"prompts/{file.name}"] = resources.sha256(file)
    return _read(file, where)


def _read(path: Path, where: str) -> str:
    """A prompt's text; the newline at a file's end is not part of it."""
    try:
        text = path.read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{where}: {path} cannot be read as text: {error}") from None
    if not text.strip():
        raise BadInput(f"{where}: {path} is empty")
    return text


def _check_template(template: str, path: Path) -> None:
    """A prompt has exactly the variables {posts} and {query}; braces of its own are doubled."""
    try:
        found = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
    except ValueError as error:
        raise BadInput(f"prompt: {path}: {error}; write {{{{ and }}}} for plain braces") from None
    for name in sorted(_VARIABLES - found):
        raise BadInput(f"prompt: {path}: the variable {{{name}}} is missing")
    for name in sorted(found - _VARIABLES):
        raise BadInput(
            f"prompt: {path}: unknown variable {{{name}}} (choices: {{posts}}, {{query}}; "
            "write {{ and }} for plain braces)"
        )
