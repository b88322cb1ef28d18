"""Time L draws of one prompt: our sampling against the loop that a LangChain user would write.

The model has the shape of a 135 M-parameter Llama (30 layers of 576, 9 heads, 3 key-value heads,
ffn 1,536, vocabulary 49,152), with random weights in Q8_0, written here. Both sides run on
llama.cpp with the same settings and end-of-text switched off, so that every draw has the same
number of tokens. The peer is the same chat model invoked L times, one slot, prefix cache on: its
first call reads the prompt, the others find it. The compute limit beside them is the time that
prompt and new tokens together would take at the engine's own prefill rate.

What was tried on two cores (AVX2), and what it did to a decoding step of 40 draws at 1,000 tokens:
about half of a step is attention, because in the unified cache a draw goes over all draws' cells,
masked, and because llama.cpp's tiled kernel for processors starts at 64 rows. Flash attention off:
a few per cent faster to a third, the default since (slower by a tenth at 300 tokens). Keys and
values in f32 instead of f16: about as fast, twice the memory. A cache of its own for each draw
(kv_unified off): no faster, ten times the memory. n_ubatch 1,024, sampling inside the graph
(backend_sampling) or top_k in the list of samplers: no difference. Unpacked weights (no extra
buffer types): slower by a tenth. The server needs temperature as its only sampler: no sort of
49,152 candidates. Emptying the cache before a request costs about 0.4 ms a slot.

    python scripts/bench_sampling.py [--repetitions 3] [--draws 40] [--prompt 1000] [--new 40]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from random_gguf import SMOL_135M, write_random_gguf

from lwd_agents.agents import llama_engine
from lwd_agents.agents.agent import Reading, make_agent
from lwd_agents.agents.llama_engine import usable_cores
from lwd_agents.agents.llamacpp import LlamaCppChat


@dataclass(frozen=True)
class Sizes:
    """How much is sampled: draws L, prompt and new tokens of each draw."""

    draws: int = 40
    prompt: int = 1000
    new: int = 40
    repetitions: int = 3


class PrefixCachedEngine(llama_engine.Engine):
    """The peer's engine: one slot that keeps its cache and finds the prompt in it."""

    def complete(
        self, prompt: Any, n: int, seed: int, options: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """As the engine does, without emptying the cache."""
        self._used = set()
        return super().complete(prompt, n, seed, {**options, "cache_prompt": True})


class PrefixCachedChat(LlamaCppChat):
    """The peer: LlamaCppChat with the prefix cache on."""

    def model_post_init(self, context: Any, /) -> None:
        """Give the model an engine of its own that keeps its cache."""
        super().model_post_init(context)
        self._engine = PrefixCachedEngine(self._engine.settings)


def text_of(model: LlamaCppChat, tokens: int, repetition: int) -> str:
    """A text whose prompt has exactly ``tokens`` tokens and differs in each repetition."""
    from langchain_core.messages import HumanMessage

    start = f"{repetition}: bitcoin "
    used = model.count_tokens([HumanMessage(start)])
    return start + "abcdefghij"[: (tokens - used) % 10] + "klmnopqrsw" * ((tokens - used) // 10)


def timed(work: Callable[[], object]) -> float:
    """Seconds that ``work`` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(
    path: Path, sizes: Sizes, log: Callable[[str], None], **settings: Any
) -> dict[str, Any]:
    """Time both sides by turns; returns seconds (medians), their ratio and the compute limit."""
    from langchain_core.prompts import ChatPromptTemplate

    common = {"model_path": path, "max_tokens": sizes.new, "ignore_eos": True, **settings}
    common.setdefault("context_length", sizes.prompt + sizes.new)
    ours = LlamaCppChat(draws=sizes.draws, **common)
    peer = PrefixCachedChat(draws=1, **common)
    once = LlamaCppChat(draws=1, **{**common, "max_tokens": 1})
    prompt = ChatPromptTemplate.from_messages([("human", "{query}")])
    agent, chain = make_agent("ours", ours, prompt=prompt), prompt | peer
    chain.invoke({"query": "warm up"}, max_tokens=1)
    seconds: dict[str, list[float]] = {"ours": [], "peer": [], "prefill": []}
    for repetition in range(sizes.repetitions):
        text = text_of(ours, sizes.prompt, repetition)
        reading = Reading((), text)
        seed = 1000 * repetition
        work: dict[str, Callable[[], object]] = {
            "ours": lambda r=reading, s=seed: _complete(agent.sample(r, sizes.draws, s), sizes),
            "peer": lambda q=text: [chain.invoke({"query": q}) for _ in range(sizes.draws)],
            "prefill": lambda q=text: once.invoke(q),
        }
        for name, do in work.items():
            seconds[name].append(timed(do))
        log("  ".join(f"{name} {values[-1]:.2f} s" for name, values in seconds.items()))
    return _summary(seconds, sizes, ours)


def _complete(responses: Any, sizes: Sizes) -> None:
    assert [response.output_tokens for response in responses] == [sizes.new] * sizes.draws


def _summary(seconds: dict[str, list[float]], sizes: Sizes, model: LlamaCppChat) -> dict[str, Any]:
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    rate = sizes.prompt / medians["prefill"]
    limit = (sizes.prompt + sizes.draws * sizes.new) / rate
    return {
        "sizes": asdict(sizes),
        "engine": model.engine.description,
        "ours_seconds": medians["ours"],
        "peer_seconds": medians["peer"],
        "ratio": medians["peer"] / medians["ours"],
        "prefill_tokens_per_second": rate,
        "compute_limit_seconds": limit,
        "compute_limit_ratio": medians["peer"] / limit,
    }


def bench(
    sizes: Sizes, log: Callable[[str], None], path: Path | None = None, **settings: Any
) -> dict[str, Any]:
    """As ``measure``, on a random model of 135 M parameters' shape where no ``path`` is given."""
    with tempfile.TemporaryDirectory(prefix="lwd-bench-") as folder:
        model = path or write_random_gguf(Path(folder) / "random-135m.gguf", SMOL_135M)
        return measure(model, sizes, log, **settings)


def lines(found: dict[str, Any]) -> str:
    """What ``bench`` found, for a person."""
    sizes = Sizes(**found["sizes"])
    return (
        f"{sizes.draws} draws of {sizes.new} tokens from one prompt of {sizes.prompt} tokens, "
        f"{usable_cores()} cores, medians of {sizes.repetitions}\n"
        f"  ours                     {found['ours_seconds']:7.2f} s\n"
        f"  invoke {sizes.draws:3} times         {found['peer_seconds']:7.2f} s"
        f"   ratio {found['ratio']:.2f}\n"
        f"  compute limit            {found['compute_limit_seconds']:7.2f} s"
        f"   ratio {found['compute_limit_ratio']:.2f}"
        f"   (prefill {found['prefill_tokens_per_second']:.0f} tokens/s)"
    )


def main() -> None:
    """Write the model, time both sides by turns, and print both and their ratio."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name, value in asdict(Sizes()).items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--model", type=Path, help="a GGUF file instead of the random one")
    parser.add_argument("--set", type=json.loads, default={}, help="engine options, as JSON")
    given = vars(parser.parse_args())
    path, options = given.pop("model"), given.pop("set")
    print(lines(bench(Sizes(**given), lambda text: print(text, file=sys.stderr), path, **options)))


if __name__ == "__main__":
    main()
