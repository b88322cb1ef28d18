"""Tiny models with random weights, in the formats that the backends read."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

from random_gguf import SPECIAL, TEMPLATE, Shape, write_random_gguf


@functools.cache
def _keep() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="lwd-random-models-")


@functools.cache
def tiny_gguf(scale: float = 0.05) -> Path:
    """A GGUF file of 0.1 M parameters, context 1,024; written once a session."""
    path = Path(_keep().name) / f"tiny-{scale}.gguf"
    return write_random_gguf(path, Shape(), scale=scale)


@functools.cache
def tiny_llama(template: bool = True) -> Path:
    """A folder in transformers' format: a Llama of 2 layers of 32, 300 tokens, context 256."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = {token: i for i, token in enumerate([*SPECIAL, *letters])}
    tokenizer = Tokenizer(models.BPE(vocab=words, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL))
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=SPECIAL[0], eos_token=SPECIAL[1]
    )
    fast.chat_template = TEMPLATE if template else None
    settings: dict[str, Any] = {
        "vocab_size": len(words),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "initializer_range": 0.4,
    }
    folder = Path(_keep().name) / f"tiny-llama-{template}"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        LlamaForCausalLM(LlamaConfig(**settings)).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder
