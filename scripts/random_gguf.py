"""Write a GGUF file of a Llama with random weights: for timings, and for tests of what runs one.

The tokenizer is of the GPT-2 kind and cuts a text into its bytes; further tokens fill the
vocabulary up. The chat template writes the messages, then the token <q>.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

TEMPLATE = "{% for m in messages %}{{ m['content'] }}{% endfor %}<q>"
SPECIAL = ("<s>", "</s>", "<q>")
CONTROL = 3  # a token's type in GGUF: never text


@dataclass(frozen=True)
class Shape:
    """The size of a Llama: widths in numbers, context in tokens."""

    width: int = 64
    layers: int = 2
    feed_forward: int = 128
    heads: int = 4
    kv_heads: int = 2
    vocabulary: int = 320
    context: int = 1024


SMOL_135M = Shape(576, 30, 1536, 9, 3, 49_152, 8192)


def byte_letters() -> list[str]:
    """GPT-2's printable letter for each byte 0..255."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte) if byte in plain else chr(next(others)) for byte in range(256)]


def vocabulary(size: int) -> list[str]:
    """Special tokens, the bytes, one merged pair, and words that fill it up to ``size``."""
    tokens = [*SPECIAL, *byte_letters(), "th"]
    return tokens + [f"Ġw{i}" for i in range(size - len(tokens))]


def write_random_gguf(
    path: Path,
    shape: Shape,
    *,
    seed: int = 0,
    template: str | None = TEMPLATE,
    architecture: str = "llama",
    scale: float = 0.02,
) -> Path:
    """Write the model in Q8_0, its weights normal with standard deviation ``scale``."""
    import gguf

    writer = gguf.GGUFWriter(str(path), architecture)
    _write_header(writer, shape, template)
    rng = np.random.default_rng(seed)
    kind = gguf.GGMLQuantizationType.Q8_0
    for name, size in _matrices(shape):
        weights = rng.standard_normal(size, dtype=np.float32) * np.float32(scale)
        writer.add_tensor(name, gguf.quants.quantize(weights, kind), raw_dtype=kind)
    for name in _norms(shape):
        writer.add_tensor(name, np.ones(shape.width, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _write_header(writer: Any, shape: Shape, template: str | None) -> None:
    import gguf

    writer.add_name("random")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    writer.add_rope_dimension_count(shape.width // shape.heads)
    writer.add_vocab_size(shape.vocabulary)
    tokens = vocabulary(shape.vocabulary)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([CONTROL if token in SPECIAL else 1 for token in tokens])
    writer.add_token_merges(["t h"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_add_bos_token(True)
    if template is not None:
        writer.add_chat_template(template)


def _matrices(shape: Shape) -> list[tuple[str, tuple[int, int]]]:
    wide, inner = shape.width, shape.feed_forward
    keys = wide // shape.heads * shape.kv_heads
    names: list[tuple[str, tuple[int, int]]] = [("token_embd.weight", (shape.vocabulary, wide))]
    for layer in range(shape.layers):
        block = f"blk.{layer}."
        names += [
            (block + "attn_q.weight", (wide, wide)),
            (block + "attn_k.weight", (keys, wide)),
            (block + "attn_v.weight", (keys, wide)),
            (block + "attn_output.weight", (wide, wide)),
            (block + "ffn_gate.weight", (inner, wide)),
            (block + "ffn_up.weight", (inner, wide)),
            (block + "ffn_down.weight", (wide, inner)),
        ]
    return names


def _norms(shape: Shape) -> list[str]:
    layers = range(shape.layers)
    kinds = ("attn_norm", "ffn_norm")
    return ["output_norm.weight", *(f"blk.{i}.{kind}.weight" for i in layers for kind in kinds)]
