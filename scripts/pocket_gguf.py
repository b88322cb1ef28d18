"""A trained ``pocket_llama.Llama`` and its byte-level BPE tokenizer as a GGUF file."""

from __future__ import annotations

import json
import os
from pathlib import Path

import gguf
import numpy as np
from pocket_llama import Llama
from tokenizers import Tokenizer

# What a chat's messages say, one after the other, then the mark after which the answer begins.
_CHAT = (
    "{{% for message in messages %}}{{{{ message['content'] }}}}"
    "{{% if not loop.last %}}{{{{ '\\n' }}}}{{% endif %}}{{% endfor %}}{mark}"
)


def write(
    path: Path, name: str, model: Llama, tokenizer: Tokenizer, marks: tuple[str, str, str]
) -> None:
    """Write one model, matrices in F16; ``marks`` begin a text, end it, and open an answer."""
    temporary = path.with_suffix(".tmp")
    writer = gguf.GGUFWriter(temporary, "llama")
    _describe(writer, name, model)
    _add_tokenizer(writer, tokenizer, marks)
    for key, tensor in model.state_dict().items():
        array = np.ascontiguousarray(tensor.detach().float().cpu().numpy())
        writer.add_tensor(key, array if array.ndim == 1 else array.astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    os.replace(temporary, path)


def _describe(writer: gguf.GGUFWriter, name: str, model: Llama) -> None:
    shape = model.shape
    writer.add_name(f"pocket {name}")
    writer.add_description(f"A small model of posts about cryptocurrencies: the press {name!r}")
    writer.add_license("Apache-2.0")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_context_length(shape.length)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.inner)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_rope_freq_base(shape.theta)
    writer.add_rope_dimension_count(shape.width // shape.heads)
    writer.add_vocab_size(shape.vocabulary)


def _add_tokenizer(
    writer: gguf.GGUFWriter, tokenizer: Tokenizer, marks: tuple[str, str, str]
) -> None:
    described = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(described["vocab"], key=described["vocab"].__getitem__)
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    merges = [m if isinstance(m, str) else " ".join(m) for m in described["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([control if token in marks else normal for token in tokens])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(described["vocab"][marks[0]])
    writer.add_eos_token_id(described["vocab"][marks[1]])
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_chat_template(_CHAT.format(mark=marks[2]))
