"""How long prompts are, in the tokens of the model that reads them, without running a model.

A prompt's length is taken to be that of the text around the posts and the sum over its posts, each
on a line of its own. For tokenizers that don't join a line's end to the next line that is exact.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.agents.agent import NO_POSTS
from lwd_agents.errors import BadInput

CHARACTERS = 4  # to a token, where there is no tokenizer: usual for English
CHAT_TEMPLATE = 10  # tokens around a message, where the template is not at hand
SEPARATOR = 1  # tokens between two posts
_SMALL = 64 << 20  # bytes of a GGUF file that is loaded for its tokenizer alone

Count = Callable[[Sequence[str]], int]
Longs = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Lengths:
    """What a prompt is made of, in tokens of one model.

    Attributes:
        around: the text around the posts, in the model's chat template.
        empty: the whole prompt of a reading without posts.
        posts: each post of A(0) with the end of its line, (|A(0)|,).
        counted: how that was counted, for people.
    """

    around: int
    empty: int
    posts: tuple[int, ...]
    counted: str


def prompt_lengths(
    spec: str, options: Mapping[str, Any], template: str, query: str, posts: Sequence[str]
) -> Lengths:
    """The lengths of a prompt's parts for the model that a spec names.

    The model's own tokenizer is used where it is at hand: of an embedded model, of a small GGUF
    file, and of a transformers model in a folder or in the hub's cache. Elsewhere a token is taken
    to be 4 characters. No weights of a large model are read, and no network is asked.

    Raises BadInput where an embedded model is unknown or a small GGUF file is broken.
    """
    tokens, counted = _tokenizer(spec, options)
    if tokens is None:
        return _by_characters(template, query, posts)

    def count(some: Sequence[str]) -> int:
        assert tokens is not None
        return tokens(_rendered(template, query, some))

    first = count(posts[:1])
    lines = [count((posts[0], post)) - first for post in posts]
    return Lengths(first - lines[0], count(()), tuple(lines), counted)


def _rendered(template: str, query: str, posts: Sequence[str]) -> str:
    return template.format(posts="\n".join(posts) or NO_POSTS, query=query)


def _by_characters(template: str, query: str, posts: Sequence[str]) -> Lengths:
    def tokens(characters: int) -> int:
        return -(-characters // CHARACTERS)

    around = CHAT_TEMPLATE + tokens(len(template.format(posts="", query=query)))
    return Lengths(
        around,
        around + tokens(len(NO_POSTS)),
        tuple(tokens(len(post) + 1) for post in posts),
        f"{CHARACTERS} characters a token and {CHAT_TEMPLATE} for the chat template",
    )


def _tokenizer(spec: str, options: Mapping[str, Any]) -> tuple[Callable[[str], int] | None, str]:
    """A function from a message to its tokens in the chat template, if at hand, and its name."""
    scheme, _, place = spec.partition(":")
    if scheme == "pocket" or (scheme == "gguf" and _is_small(place)):
        return _of_llama_cpp(spec), "the model's own tokenizer"
    if scheme == "hf":
        with contextlib.suppress(Exception):  # the run itself will say what is wrong with it
            return _of_transformers(place, options.get("revision")), "the model's own tokenizer"
    return None, ""


def _is_small(place: str) -> bool:
    path = Path(place).expanduser()
    return path.is_file() and path.stat().st_size <= _SMALL


@functools.cache
def _of_llama_cpp(spec: str) -> Callable[[str], int]:
    from langchain_core.messages import HumanMessage

    from lwd_agents.agents.models import resolve_model
    from lwd_agents.agents.shared_prompt import SharedPromptChat

    model = resolve_model(spec, draws=1, temperature=1.0, max_tokens=1)
    assert isinstance(model, SharedPromptChat)
    return lambda text: model.count_tokens([HumanMessage(text)])


@functools.cache
def _of_transformers(place: str, revision: str | None) -> Callable[[str], int]:
    from transformers import AutoTokenizer

    folder = Path(place).expanduser()
    name = str(folder.resolve()) if folder.is_dir() else place
    tokenizer: Any = AutoTokenizer.from_pretrained(name, revision=revision, local_files_only=True)
    if not tokenizer.chat_template:
        raise BadInput(f"model hf:{place}: its tokenizer has no chat template")

    def tokens(text: str) -> int:
        message = [{"role": "user", "content": text}]
        encoded = tokenizer.apply_chat_template(
            message, add_generation_prompt=True, tokenize=True, return_dict=True
        )
        return len(encoded["input_ids"])

    return tokens


def expected_prompts(lengths: Lengths, most: Sequence[int], k: Longs) -> Floats:
    """The mean length of the prompt at t = 0 .. T, (T + 1,), of a uniform reading of k_t posts.

    ``most`` are the agents' ``max_tokens``: no post to come is longer, however long A(0)'s are.
    """
    t = np.arange(len(k))
    mean = sum(lengths.posts) / len(lengths.posts)
    later = sum(min(mean, tokens + SEPARATOR) for tokens in most)
    posts = (sum(lengths.posts) + t * later) / (len(lengths.posts) + t * len(most))
    return np.where(k > 0, lengths.around + k * posts, lengths.empty)


def bounded_prompts(lengths: Lengths, most: Sequence[int], k: Longs) -> Longs:
    """A simple bound of the longest prompt, (T + 1,), whatever enters the Internet and leaves it.

    As if every post that is read were as long as the longest there can be.
    """
    longest = max(*lengths.posts, *(tokens + SEPARATOR for tokens in most))
    return np.where(k > 0, lengths.around + k * longest, lengths.empty)


def longest_prompts(lengths: Lengths, most: Sequence[int], k: Longs) -> Longs:
    """The longest prompt there can be at t = 0 .. T, (T + 1,).

    It holds the k_t longest of A(0)'s posts, one each, and of t posts of each agent of
    ``max_tokens`` (``most``), which are taken to be as many tokens for their reader.
    """
    t = np.arange(len(k), dtype=np.int64)
    left, total = k.copy(), np.zeros(len(k), dtype=np.int64)
    seeds = np.sort(np.array(lengths.posts, dtype=np.int64))[::-1]
    written, copies = np.unique(np.array(most, dtype=np.int64) + SEPARATOR, return_counts=True)
    first = 0
    for length, agents in [*zip(written[::-1], copies[::-1], strict=True), (None, 0)]:
        longer = len(seeds) if length is None else int(np.sum(seeds >= length))
        sums = np.concatenate([[0], np.cumsum(seeds[first:longer])])
        taken = np.minimum(left, len(sums) - 1)
        total, left, first = total + sums[taken], left - taken, longer
        if length is not None:
            taken = np.minimum(left, agents * t)
            total, left = total + length * taken, left - taken
    assert not left.any()
    return np.where(k > 0, lengths.around + total, lengths.empty)
