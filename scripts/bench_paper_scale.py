"""The paper's experiment at its size, on one GPU: minutes, tokens a second, memory.

    python scripts/bench_paper_scale.py [--steps 60] [--draws 40] [--scale 1] [--device auto]
                                        [--cache-gib GIB] [--chunk N] [--plan]

It runs the real loop (``lwd_agents.run``) with three models of the paper's shapes and random
weights (Llama-3.1-8B, deepseek-llm-7b-chat, Mistral-7B-v0.3; bfloat16) through the Hugging Face
path: n = 3, beta = 0.5, T = 60, L = 40, posts of exactly 40 tokens, embeddings by the shipped
MiniLM. Nothing is downloaded. Where there is no GPU the shapes are divided by 8 (layers, width,
heads, vocabulary; heads stay 128 wide and the context as it is), in float32, with T = 12 and
L = 10: the code path is the same, the figures say nothing about the paper's size.

The tokenizer is made here: a word is a token, a line break none, so that 40 tokens written are 40
tokens read in all three models. ``--plan`` allocates nothing: it prints what the weights and the
caches would take, and how many draws would go side by side. See docs/paper-scale.md.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers import models as tokenizer_models
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    MistralConfig,
    PretrainedConfig,
    PreTrainedTokenizerFast,
)

import lwd_agents as lwd
from lwd_agents.agents.huggingface import HuggingFaceChat
from lwd_agents.agents.huggingface_cache import bytes_per_draw, cache_bytes, side_by_side
from lwd_agents.agents.huggingface_weights import GPU_SHARE, gpu_budget
from lwd_agents.seeding import generator

PAPER_HOURS = 8  # on A100s, as arXiv 2506.15690 says
POST, SEEDS, BETA = 40, 20, 0.5  # tokens of a post, posts of A(0)
QUERY = "Please provide EXACTLY one concise sentence about the future prospects of Bitcoin."
FRAME = f"Posts from the Internet: {QUERY}"  # the prompt "answer" without its posts
SPECIAL = ("<s>", "</s>", "<q>", "<unk>")
TEMPLATE = "<s> {% for m in messages %}{{ m['content'] }}{% endfor %} <q>"
CARDS = {"H200": 141.0, "A100 80 GB": 80.0, "48 GB": 48.0}  # GB of 10^9 bytes
SHAPES: dict[str, tuple[type[PretrainedConfig], dict[str, int]]] = {
    "llama": (LlamaConfig, {"vocab_size": 128_256, "hidden_size": 4_096,
        "intermediate_size": 14_336, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 8, "max_position_embeddings": 131_072}),
    "deepseek": (LlamaConfig, {"vocab_size": 102_400, "hidden_size": 4_096,
        "intermediate_size": 11_008, "num_hidden_layers": 30, "num_attention_heads": 32,
        "num_key_value_heads": 32, "max_position_embeddings": 4_096}),
    "mistral": (MistralConfig, {"vocab_size": 32_768, "hidden_size": 4_096,
        "intermediate_size": 14_336, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 8, "max_position_embeddings": 32_768}),
}  # fmt: skip


class Stopwatch:
    """Seconds and tokens of prefills and decodes, and the sizes of the chunks."""

    def __init__(self, device: str) -> None:
        self._cuda = device.startswith("cuda")
        self.seconds = {"prefill": 0.0, "decode": 0.0}
        self.prompts: list[int] = []
        self.written = 0
        self.chunks: list[int] = []

    def watch(self, chat: HuggingFaceChat) -> None:
        """Time a chat model's two parts from now on."""
        weights: Any = chat._weights
        prefill, decode = weights.prefill, weights.decode

        def timed_prefill(prompt: list[int]) -> Any:
            self.prompts.append(len(prompt))
            return self._timed("prefill", lambda: prefill(prompt))

        def timed_decode(logits: Any, cache: Any, uniforms: Any, *rest: Any) -> Any:
            rows = self._timed("decode", lambda: decode(logits, cache, uniforms, *rest))
            self.chunks.append(len(rows))
            self.written += sum(map(len, rows))
            return rows

        weights.prefill, weights.decode = timed_prefill, timed_decode

    def _timed(self, part: str, work: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = work()
        if self._cuda:  # the GPU works behind: what it was given has to end inside its part
            torch.cuda.synchronize()
        self.seconds[part] += time.perf_counter() - start
        return result


def words(count: int) -> list[str]:
    """Words such as "bakod", all different; a shorter list is the start of a longer one."""
    consonants, vowels = "bcdfghjklmnpqrstvwxz", "aeiou"
    spelled = itertools.product(consonants, vowels, consonants, vowels, consonants)
    ordered = ["".join(letters) for letters in spelled]
    generator(0).shuffle(ordered)
    return ordered[:count]


def tokenizer(vocabulary: int) -> PreTrainedTokenizerFast:
    """A word is a token; one that the vocabulary lacks is <unk>, a token too."""
    known = sorted(set(FRAME.split()))
    entries = [*SPECIAL, *known, *words(vocabulary - len(SPECIAL) - len(known))]
    inner = Tokenizer(
        tokenizer_models.WordLevel({w: i for i, w in enumerate(entries)}, unk_token="<unk>")
    )
    inner.pre_tokenizer = WhitespaceSplit()
    inner.add_special_tokens(list(SPECIAL))
    made = PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    made.chat_template = TEMPLATE
    return made


def build(name: str, scale: int, device: str) -> tuple[Any, PreTrainedTokenizerFast]:
    """A model with random weights, made where it will run, and its tokenizer."""
    kind, full = SHAPES[name]
    shape = {key: -(-value // scale) for key, value in full.items()}
    shape["max_position_embeddings"] = full["max_position_embeddings"]
    more = {"sliding_window": None} if kind is MistralConfig else {}
    config = kind(bos_token_id=0, eos_token_id=1, head_dim=128, **shape, **more)
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    cuda = [device] if device.startswith("cuda") else []
    with torch.random.fork_rng(cuda), torch.device(device):
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    return model, tokenizer(shape["vocab_size"])


def posts_read(steps: int) -> int:
    """k at the last step: half of all posts."""
    return (SEEDS + len(SHAPES) * steps) // 2


def longest_prompt(steps: int) -> int:
    """Tokens of the last prompt: the posts, the words around them, and the template's two."""
    return posts_read(steps) * POST + len(FRAME.split()) + 2


def shortest_context() -> int:
    """Tokens of the context that is the first to be full: deepseek's."""
    return min(shape["max_position_embeddings"] for _, shape in SHAPES.values())


def plan(steps: int, draws: int, scale: int) -> None:
    """Print the memory of weights and caches, from models without storage."""
    prompt = longest_prompt(steps)
    weights, each = {}, {}
    for name in SHAPES:
        model, words_of = build(name, scale, "meta")
        chat = HuggingFaceChat.of(model, words_of, name=name, max_tokens=POST)
        with torch.inference_mode():
            cache = chat._weights.prefill([0] * prompt)[1]
        weights[name] = chat._weights.nbytes
        vocabulary = chat._weights.vocabulary
        each[name] = bytes_per_draw(cache_bytes(cache), prompt, POST, vocabulary)
    print(f"plan at t = {steps}: prompts of {prompt} tokens, {draws} draws of {POST}")
    for name in SHAPES:
        print(
            f"  {name:9} weights {weights[name] / 1e9:5.1f} GB, a draw {each[name] / 1e9:.3f} GB, "
            f"{draws} draws {draws * each[name] / 1e9:5.1f} GB"
        )
    for card, gigabytes in CARDS.items():
        budget = gpu_budget(int(gigabytes * 1e9), sum(weights.values()))
        chunks = {name: side_by_side(draws, each[name], budget) for name in SHAPES}
        print(
            f"  {card}: {budget / 1e9:.1f} GB for caches ({GPU_SHARE} of what the weights leave); "
            "side by side " + ", ".join(f"{name} {size}" for name, size in chunks.items())
        )


def experiment(folder: Path, steps: int, draws: int) -> dict[str, Any]:
    """The keys of the run; A(0) is 20 posts of 40 words that all three models know."""
    rng, known = generator(1), words(3_000)
    seeds = [" ".join(rng.choice(known, POST)) for _ in range(SEEDS)]
    (folder / "posts.txt").write_text("\n".join(seeds) + "\n")
    return {
        "world": "llm",
        "query": QUERY,
        "prompt": "answer",
        "internet": {"seed": str(folder / "posts.txt")},
        "steps": steps,
        "draws": draws,
        "reading": {"beta": BETA, "budget": shortest_context() - POST},
        "embedding": {"model": "minilm"},
    }


def bench(given: argparse.Namespace, device: str) -> None:
    """Run the experiment and print its figures."""
    started = time.perf_counter()
    watch = Stopwatch(device)
    options = {"chunk": given.chunk, "cache_gib": given.cache_gib}
    chats = {}
    for name in SHAPES:
        model, words_of = build(name, given.scale, device)
        settings = {"max_tokens": POST, "draws": given.draws, "ignore_eos": True, **options}
        chats[name] = HuggingFaceChat.of(model, words_of, name=name, **settings)
        watch.watch(chats[name])
    made = time.perf_counter() - started
    sizes = {name: f"{chat._weights.nbytes / 1e9:.2f} GB" for name, chat in chats.items()}
    print(f"weights {sizes}, made in {made:.0f} s (not in the minutes below)", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        keys = experiment(Path(folder), given.steps, given.draws)
        started = time.perf_counter()
        run = lwd.run(keys, agents=chats, out=Path(folder) / "run", quiet=given.quiet)
        wall = time.perf_counter() - started
        report(given, watch, run, wall, device)


def report(
    given: argparse.Namespace, watch: Stopwatch, run: lwd.Trajectory, wall: float, device: str
) -> None:
    """Print what was measured."""
    seconds = run.summary["seconds"]
    answers = len(SHAPES) * given.draws * (given.steps + 1)
    print(
        f"{wall / 60:.2f} minutes for {given.steps + 1} steps, {answers:,} answers of {POST} tokens"
    )
    if given.scale == 1 and (given.steps, given.draws) == (60, 40):
        print(
            f"  the paper: {PAPER_HOURS} hours on A100s, {PAPER_HOURS * 60 / wall * 60:.0f} times"
        )
    else:
        print(f"  not the paper's size: nothing to hold beside its {PAPER_HOURS} hours")
    for part, tokens in {"prefill": sum(watch.prompts), "decode": watch.written}.items():
        spent = watch.seconds[part]
        print(f"  {part}: {tokens:,} tokens in {spent:.1f} s, {tokens / spent:,.0f} tokens/s")
    rest = ", ".join(f"{k} {v:.1f} s" for k, v in seconds.items() if k != "generate")
    share = 1 - seconds["generate"] / wall
    print(f"  outside generation: {share:.1%} of the time (in the loop: {rest})")
    print(
        f"  side by side: {min(watch.chunks)} to {max(watch.chunks)} draws, "
        f"median {statistics.median(watch.chunks):.0f}, in {len(watch.chunks)} chunks "
        f"of {len(watch.prompts)} calls"
    )
    if device.startswith("cuda"):
        most, held = torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()
        print(f"  peak memory of the GPU: {most / 1e9:.1f} GB in use, {held / 1e9:.1f} GB held")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"  peak memory of the process: {memory:.2f} GB")
    print(
        f"  {watch.written / answers:.0f} tokens an answer; the longest prompt had "
        f"{max(watch.prompts)} (a special token that is drawn leaves no word)"
    )


def say_context(steps: int) -> None:
    """Print how much of the shortest context the last step takes, and what it would be else."""
    context, prompt, k = shortest_context(), longest_prompt(steps), posts_read(steps)
    print(
        f"last step: {k} posts x {POST} tokens + {prompt - k * POST} = {prompt} read, "
        f"{POST} written: {prompt + POST} of deepseek's {context}, "
        f"{context - prompt - POST} to spare; the run declares a budget of {context - POST}"
    )
    if k + prompt + POST > context:
        print(
            f"  (this tokenizer spends no token on a line break; at one each it would be "
            f"{k + prompt + POST}, and the budget would leave posts out)"
        )


def main() -> None:
    """Read the options, say what is run, run it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--steps", type=int, help="T (60; scaled down: 12)")
    parser.add_argument("--draws", type=int, help="L (40; scaled down: 10)")
    parser.add_argument("--scale", type=int, help="divide the shapes (1 on a GPU, 8 elsewhere)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda:0")
    parser.add_argument("--cache-gib", type=float, help="memory for caches, in GiB")
    parser.add_argument("--chunk", type=lambda text: text if text == "auto" else int(text))
    parser.add_argument("--plan", action="store_true", help="print the memory needed, and end")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    parser.set_defaults(chunk="auto")
    given = parser.parse_args()
    device = given.device
    if device == "auto":
        device = "cuda:0" if torch.cuda.is_available() else "cpu"
    given.scale = given.scale or (8 if device == "cpu" and not given.plan else 1)
    given.steps = given.steps or (60 if given.scale == 1 else 12)
    given.draws = given.draws or (40 if given.scale == 1 else 10)
    if given.plan:
        plan(given.steps, given.draws, given.scale)
        say_context(given.steps)
        return
    if given.scale > 1:
        print(
            f"SCALED DOWN, not the paper's experiment: layers, width, heads and vocabulary are "
            f"divided by {given.scale}, T = {given.steps}, L = {given.draws}"
        )
    print(f"on {device}, torch {torch.__version__}, python {sys.version.split()[0]}")
    say_context(given.steps)
    bench(given, device)


if __name__ == "__main__":
    main()
